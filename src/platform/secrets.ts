// Credentials at rest: AES-256-GCM under STANDINGS_SECRET_KEY. The connection's name is authenticated with the text, so a
// secret copied to another row does not open there.
import { createCipheriv, createDecipheriv, createHmac, hkdfSync, randomBytes } from "node:crypto";
import { chmod, link, mkdir, readFile, rm, writeFile } from "node:fs/promises";
import { join } from "node:path";

export interface SecretBox {
  /** `owner` is what the secret belongs to, for instance "copernica/4711". Returns `v1.<nonce>.<tag>.<text>`, base64url. */
  seal(secret: string, owner: string): string;
  /** Throws when the key is another one, the owner differs or the text was changed; the message holds none of them. */
  open(sealed: string, owner: string): string;
  /** A keyed hash: 128 bits, hex. The same text gives the same one under the same key; without the key, names cannot be guessed by trial. */
  pseudonym(text: string): string;
}

/** `key`: 32 bytes in base64. */
export function secretBox(key: string): SecretBox {
  const bytes = Buffer.from(key, "base64");
  // A key of its own: what is shown of it says nothing about the one that seals.
  const hashKey = Buffer.from(hkdfSync("sha256", bytes, "", "standings pseudonyms", 32));
  return {
    seal(secret, owner) {
      const nonce = randomBytes(12);
      const cipher = createCipheriv("aes-256-gcm", bytes, nonce).setAAD(Buffer.from(owner));
      const text = Buffer.concat([cipher.update(secret, "utf8"), cipher.final()]);
      return ["v1", ...[nonce, cipher.getAuthTag(), text].map((part) => part.toString("base64url"))].join(
        ".",
      );
    },
    open(sealed, owner) {
      const [version, ...parts] = sealed.split(".");
      const [nonce, tag, text] = parts.map((part) => Buffer.from(part, "base64url"));
      if (version !== "v1" || nonce === undefined || tag === undefined || text === undefined) {
        throw new Error(`The stored secret of ${owner} is not one of this product's; import it again.`);
      }
      try {
        const decipher = createDecipheriv("aes-256-gcm", bytes, nonce, { authTagLength: 16 })
          .setAAD(Buffer.from(owner))
          .setAuthTag(tag);
        return Buffer.concat([decipher.update(text), decipher.final()]).toString("utf8");
      } catch {
        throw new Error(
          `The stored secret of ${owner} does not open with this STANDINGS_SECRET_KEY; set the key it was stored with, or import it again.`,
        );
      }
    },
    pseudonym: (text) =>
      createHmac("sha256", hashKey).update(text.normalize("NFC")).digest("hex").slice(0, 32),
  };
}

/** The key of a deployment without configuration: made once, kept in `<home>/secret.key`, readable by its owner only. */
export async function readOrMakeSecretKey(home: string): Promise<string> {
  const file = join(home, "secret.key");
  await mkdir(home, { recursive: true });
  // Written aside and linked: exactly one of several processes makes the file, and none ever reads half of it.
  const draft = `${file}.${randomBytes(8).toString("hex")}`;
  await writeFile(draft, randomBytes(32).toString("base64"), { flag: "wx", mode: 0o600 });
  try {
    await link(draft, file);
  } catch (error) {
    if ((error as NodeJS.ErrnoException).code !== "EEXIST") throw error;
  } finally {
    await rm(draft);
  }
  await chmod(file, 0o600);
  const key = (await readFile(file, "utf8")).trim();
  if (Buffer.from(key, "base64").length === 32) return key;
  throw new Error(
    `${file} does not hold a key of 32 bytes in base64; restore it, or delete it and import the connections again.`,
  );
}
