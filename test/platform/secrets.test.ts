import { randomBytes } from "node:crypto";
import { mkdtemp, readdir, readFile, rm, stat, writeFile } from "node:fs/promises";
import { tmpdir } from "node:os";
import { join } from "node:path";
import { afterEach, beforeEach, describe, expect, test } from "vitest";
import { readOrMakeSecretKey, secretBox } from "../../src/platform/secrets.ts";

const box = secretBox(randomBytes(32).toString("base64"));

describe("sealing a secret", () => {
  test.each(["token", "", "ünï ☃ \u0000", "x".repeat(10_000)])("opens to what was sealed", (secret) => {
    expect(box.open(box.seal(secret, "copernica/1"), "copernica/1")).toBe(secret);
  });

  test("gives another text every time", () => {
    expect(box.seal("token", "a/1")).not.toBe(box.seal("token", "a/1"));
  });

  test("does not open for another owner, and the message says what to do and holds nothing secret", () => {
    const sealed = box.seal("hunter2", "copernica/1");
    const message =
      "The stored secret of copernica/2 does not open with this STANDINGS_SECRET_KEY; set the key it was stored with, or import it again.";
    expect(() => box.open(sealed, "copernica/2")).toThrow(new Error(message));
    const other = secretBox(randomBytes(32).toString("base64"));
    expect(() => other.open(sealed, "copernica/2")).toThrow(new Error(message));
  });

  test("does not open once anything in it was changed", () => {
    const sealed = box.seal("hunter2", "a/1");
    const [version, ...parts] = sealed.split(".");
    for (const [index, part] of parts.entries()) {
      const bytes = Buffer.from(part, "base64url");
      bytes[0]! ^= 1;
      const changed = parts.with(index, bytes.toString("base64url"));
      expect(() => box.open([version, ...changed].join("."), "a/1")).toThrow(/does not open/);
    }
    // A tag of four bytes is guessed in no time.
    const short = parts.with(1, Buffer.from(parts[1]!, "base64url").subarray(0, 4).toString("base64url"));
    expect(() => box.open(["v1", ...short].join("."), "a/1")).toThrow(/does not open/);
  });

  test.each(["", "hunter2", "v2.a.b.c", "v1.a.b"])("does not take %j for a sealed secret", (text) => {
    expect(() => box.open(text, "a/1")).toThrow(/is not one of this product's; import it again/);
  });
});

describe("the key of a deployment without configuration", () => {
  let home: string;
  beforeEach(async () => {
    home = await mkdtemp(join(tmpdir(), "standings-secrets-"));
  });
  afterEach(async () => {
    await rm(home, { recursive: true });
  });

  test("is made once, by one of many at once, for its owner's eyes only", async () => {
    const folder = join(home, "new");
    const keys = await Promise.all(Array.from({ length: 20 }, () => readOrMakeSecretKey(folder)));
    expect(new Set(keys).size).toBe(1);
    expect(Buffer.from(keys[0]!, "base64")).toHaveLength(32);
    expect((await stat(join(folder, "secret.key"))).mode & 0o777).toBe(0o600);
    expect(await readdir(folder)).toEqual(["secret.key"]);
    expect(await readOrMakeSecretKey(folder)).toBe(keys[0]);
  });

  test("that is damaged is neither used nor replaced", async () => {
    const file = join(home, "secret.key");
    await writeFile(file, "half");
    await expect(readOrMakeSecretKey(home)).rejects.toThrow(
      /does not hold a key of 32 bytes.*import the connections/,
    );
    expect(await readFile(file, "utf8")).toBe("half");
  });
});

describe("a pseudonym", () => {
  test("is the same for the same text under the same key, however its letters are composed", () => {
    const key = randomBytes(32).toString("base64");
    expect(secretBox(key).pseudonym("Zo\u00eb")).toBe(secretBox(key).pseudonym("Zoe\u0308"));
    expect(secretBox(key).pseudonym("Zoë")).toMatch(/^[\da-f]{32}$/);
  });

  test("is another for another text and under another key", () => {
    expect(box.pseudonym("ada@example.com")).not.toBe(box.pseudonym("bob@example.com"));
    expect(box.pseudonym("ada@example.com")).not.toBe(
      secretBox(randomBytes(32).toString("base64")).pseudonym("ada@example.com"),
    );
  });
});
