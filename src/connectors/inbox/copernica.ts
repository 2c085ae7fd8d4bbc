// Copernica (https://github.com/CopernicaMarketingSoftware/http-signatures-php, draft-cavage-http-signatures): Signature names a
// public key in the DNS (a DKIM record below copernica.com, renewed every month) and the headers it is over, Digest among them,
// which is of the body. The same key signs for every account: X-Copernica-ID says whose message it is, and is held against ours.
import { createHash, verify } from "node:crypto";
import { type Delivery, isOfNow, outsideWindow, refused, type Scheme, says, type Terms } from "./scheme.ts";

/** Without one of them a signature could be carried over to another message, place or time. */
const COVERED = ["(request-target)", "host", "date", "x-copernica-id", "x-nonce", "digest"];

const KEY_ID = /^(?:[a-z0-9_-]{1,63}\.){1,5}copernica\.com$/;

export const copernica: Scheme = {
  signsContent: true,
  needs: ["url", "account"],
  secret: undefined,
  async verify(delivery, terms) {
    const signature = readSignature(delivery.header("Signature") ?? "");
    if (signature === undefined)
      return refused("it has no Signature by rsa-sha256 under a key of copernica.com");
    const missing = COVERED.find((name) => !signature.covered.includes(name));
    if (missing !== undefined) return refused(`its Signature leaves out ${missing}`);
    const [, account] = /^account[-_](\d{1,20})$/i.exec(delivery.header("X-Copernica-ID") ?? "") ?? [];
    if (account !== terms.account) return refused("it is of another account");
    if (!isDigestOf(delivery.header("Digest") ?? "", delivery.body))
      return refused("its Digest is not of its body");
    const at = new Date(delivery.header("Date") ?? "");
    if (Number.isNaN(at.getTime())) return refused("it has no Date");
    if (!isOfNow(at, terms)) return outsideWindow(at, terms);
    const signed = toSigned(signature.covered, delivery, terms);
    if (signed === undefined) return refused("it lacks a header that its Signature is over");
    for (const renew of [false, true]) {
      const key = await terms.publicKeys.find(signature.keyId, { now: terms.now, renew });
      if (key !== undefined && verify("sha256", signed, key, signature.bytes)) return { genuine: true };
    }
    return refused("its Signature does not fit");
  },
};

interface Signature {
  keyId: string;
  /** Lower-case names, in the order of the signature. */
  covered: string[];
  bytes: Buffer;
}

function readSignature(text: string): Signature | undefined {
  const parts = new Map(
    [...text.matchAll(/(\w+)="([^"]*)"/g)].map(([, name = "", value = ""]) => [name.toLowerCase(), value]),
  );
  const keyId = parts.get("keyid")?.toLowerCase() ?? "";
  if (parts.get("algorithm")?.toLowerCase() !== "rsa-sha256" || !KEY_ID.test(keyId)) return undefined;
  const covered = (parts.get("headers") ?? "").toLowerCase().split(/\s+/);
  return { keyId, covered, bytes: Buffer.from(parts.get("signature") ?? "", "base64") };
}

/** Whether a Digest (RFC 3230) is the SHA-256 of the body; other algorithms prove nothing. */
function isDigestOf(header: string, body: Buffer): boolean {
  const [, digest] = /^sha-?256=([A-Za-z0-9+/]{43}=)$/i.exec(header) ?? [];
  return digest !== undefined && says(digest, "base64", createHash("sha256").update(body).digest());
}

/** Path and host are those entered at Copernica: a proxy in front of this process may have changed both. */
function toSigned(covered: string[], delivery: Delivery, terms: Terms): Buffer | undefined {
  const { host, pathname, search } = new URL(terms.url ?? "");
  const lines = covered.map((name) => {
    if (name === "(request-target)") return `${name}: post ${pathname}${search}`;
    const value = name === "host" ? host : delivery.header(name);
    return value === undefined ? undefined : `${name}: ${value}`;
  });
  return lines.includes(undefined) ? undefined : Buffer.from(lines.join("\n"));
}
