// Standard Webhooks 1.0.0 (https://github.com/standard-webhooks/standard-webhooks/blob/main/spec/standard-webhooks.md): the headers
// webhook-id, webhook-timestamp (seconds) and webhook-signature, a list of signatures over "id.timestamp.body": v1 is
// HMAC-SHA256 under a shared secret, v1a ed25519 under the sender's key. While a key is being changed there are two of them.
import { createPublicKey, verify } from "node:crypto";
import { isOfNow, isSigned, outsideWindow, readStamp, refused, type Scheme } from "./scheme.ts";

/** In front of the 32 bytes of an ed25519 key, to make it one that can be read (RFC 8410). */
const ED25519 = Buffer.from("302a300506032b6570032100", "hex");

export const standardWebhooks: Scheme = {
  signsContent: true,
  needs: [],
  secret: {
    form: /^(whsec_[A-Za-z0-9+/]{32,88}={0,2}|whpk_[A-Za-z0-9+/]{43}=?)$/,
    expected: "whsec_ and a key of 24 to 64 bytes in base64, or whpk_ and the sender's public key",
  },
  verify(delivery, terms) {
    const id = delivery.header("webhook-id");
    const stamp = delivery.header("webhook-timestamp");
    const at = readStamp(stamp, 1000);
    const signatures = delivery.header("webhook-signature")?.split(" ") ?? [];
    if (id === undefined || id === "" || stamp === undefined || at === undefined) {
      return refused("it has no webhook-id or no webhook-timestamp");
    }
    const parts = [`${id}.${stamp}.`, delivery.body];
    const of = (version: string) =>
      signatures.flatMap((one) => (one.startsWith(`${version},`) ? one.slice(version.length + 1) : []));
    const keys = (prefix: string) =>
      terms.secrets.flatMap((secret) =>
        secret.startsWith(prefix) ? Buffer.from(secret.slice(prefix.length), "base64") : [],
      );
    const isGenuine =
      isSigned(of("v1"), "base64", keys("whsec_"), parts) ||
      keys("whpk_").some((key) => isSignedBy(key, of("v1a"), parts));
    if (!isGenuine) return refused("no signature of webhook-signature fits");
    return isOfNow(at, terms) ? { genuine: true, id } : outsideWindow(at, terms);
  },
};

function isSignedBy(key: Buffer, signatures: string[], parts: (string | Buffer)[]): boolean {
  const publicKey = createPublicKey({ key: Buffer.concat([ED25519, key]), format: "der", type: "spki" });
  const signed = Buffer.concat(parts.map((part) => Buffer.from(part)));
  return signatures.some((signature) => verify(null, signed, publicKey, Buffer.from(signature, "base64")));
}
