// Senders, as the documents of their systems say that they sign: with the Web Crypto API, which the connector does not use.
import { createHash, type KeyObject, sign as signWith } from "node:crypto";
import type { SchemeName } from "../../../src/connectors/inbox/schemes.ts";

export interface Signed {
  headers: Record<string, string>;
  body: string;
  /** What follows the path. */
  search?: string;
}

export interface Sending {
  body: string;
  secret: string;
  at: Date;
  /** Standard Webhooks. */
  id?: string;
  /** The address as the sender knows it. */
  url?: string;
  /** Copernica: as its header says it. */
  account?: string;
  keyId?: string;
  privateKey?: KeyObject;
}

const utf8 = new TextEncoder();

export async function hmac(secret: string | Uint8Array, text: string): Promise<Buffer> {
  const bytes = typeof secret === "string" ? utf8.encode(secret) : new Uint8Array(secret);
  const key = await crypto.subtle.importKey("raw", bytes, { name: "HMAC", hash: "SHA-256" }, false, ["sign"]);
  return Buffer.from(await crypto.subtle.sign("HMAC", key, utf8.encode(text)));
}

const seconds = (at: Date) => Math.floor(at.getTime() / 1000);

async function stamped(header: string, { body, secret, at }: Sending): Promise<Record<string, string>> {
  const signature = (await hmac(secret, `${seconds(at)}.${body}`)).toString("hex");
  return { [header]: `t=${seconds(at)},v1=${signature},v0=${"0".repeat(64)}` };
}

const senders: Record<SchemeName, (sending: Sending) => Promise<Record<string, string>>> = {
  async "standard-webhooks"({ body, secret, at, id = "msg_1" }) {
    const key = Buffer.from(secret.replace("whsec_", ""), "base64");
    const signature = (await hmac(key, `${id}.${seconds(at)}.${body}`)).toString("base64");
    return {
      "webhook-id": id,
      "webhook-timestamp": String(seconds(at)),
      "webhook-signature": `v1,${signature}`,
    };
  },
  stripe: (sending) => stamped("stripe-signature", sending),
  mailchimp: (sending) => stamped("x-mailchimp-signature", sending),
  async ghost({ body, secret, at }) {
    const signature = (await hmac(secret, `${body}${at.getTime()}`)).toString("hex");
    return { "x-ghost-signature": `sha256=${signature}, t=${at.getTime()}` };
  },
  async hubspot({ body, secret, at, url = "" }) {
    const signature = (await hmac(secret, `POST${url}${body}${at.getTime()}`)).toString("base64");
    return { "x-hubspot-signature-v3": signature, "x-hubspot-request-timestamp": String(at.getTime()) };
  },
  copernica: (sending) => Promise.resolve(signedByKey(sending)),
  "url-secret": () => Promise.resolve({}),
};

/** draft-cavage-http-signatures, over what Copernica's documents list. */
function signedByKey({
  body,
  at,
  url = "",
  account = "",
  keyId = "",
  privateKey,
}: Sending): Record<string, string> {
  const { pathname, host } = new URL(url);
  const headers: Record<string, string> = {
    "x-copernica-id": account,
    "x-nonce": "5f2c1f7a",
    date: at.toUTCString(),
    digest: `SHA-256=${createHash("sha256").update(body).digest("base64")}`,
    "content-type": "application/json",
  };
  const covered = "(request-target) Host Date Content-type X-Copernica-ID Digest X-nonce";
  const text = covered
    .toLowerCase()
    .split(" ")
    .map((name) => {
      const value = name === "(request-target)" ? `post ${pathname}` : name === "host" ? host : headers[name];
      return `${name}: ${value ?? ""}`;
    })
    .join("\n");
  if (privateKey === undefined) throw new Error("Copernica signs with a private key");
  const signature = signWith("sha256", Buffer.from(text), privateKey).toString("base64");
  return {
    ...headers,
    signature: `keyId="${keyId}",algorithm="rsa-sha256",headers="${covered}",signature="${signature}"`,
  };
}

/** A message as the sender sends it. */
export async function send(scheme: SchemeName, sending: Sending): Promise<Signed> {
  const headers = { "content-type": "application/json", ...(await senders[scheme](sending)) };
  const search = scheme === "url-secret" ? `?secret=${encodeURIComponent(sending.secret)}` : "";
  return { headers, body: sending.body, search };
}
