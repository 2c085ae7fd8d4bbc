// How a message proves who sent it. A scheme is a pure function of the request as it came in, byte by byte, and of what is known of
// the sender; what is configured, stored and answered is none of its business.
import { createHmac, type KeyObject, timingSafeEqual } from "node:crypto";

/** A request as it came in. Nothing of it is believed. */
export interface Delivery {
  /** The value of a header, several of one name joined with ", "; undefined: there is none. */
  header(name: string): string | undefined;
  /** The values of a parameter of the address. */
  query(name: string): string[];
  body: Buffer;
}

/** What is known of the sender, and what time it is. */
export interface Terms {
  /** The secret it shares with us; two while it is being changed. */
  secrets: string[];
  /** The address as it is entered at the sender, letter by letter. */
  url: string | undefined;
  account: string | undefined;
  /** So much older or younger than now a message may be. */
  windowMs: number;
  now: Date;
  publicKeys: PublicKeys;
}

/** Public keys that senders publish in the DNS. */
export interface PublicKeys {
  /** undefined: there is no key under this name. `renew`: the cached key did not verify. Throws when the DNS does not answer. */
  find(name: string, options: { now: Date; renew: boolean }): Promise<KeyObject | undefined>;
}

/** `id`: the sender's id of the message, the same when it is sent again. `reason`: for a person, without anything secret. */
export type Verdict = { genuine: true; id?: string | undefined } | { genuine: false; reason: string };

export interface Scheme {
  /** Whether what is in a message is as good as its signature. false: a message is a hint at most. */
  signsContent: boolean;
  /** Which settings it cannot do without. */
  needs: ("url" | "account")[];
  /** The form of its secret; undefined: there is none, the sender's key is public. */
  secret: { form: RegExp; expected: string } | undefined;
  verify(delivery: Delivery, terms: Terms): Verdict | Promise<Verdict>;
  /** The sender's id of a message that is genuine, where it is in its content. */
  idOf?(content: unknown): string | undefined;
}

/** A secret of any form: what the sender shows, or what was agreed with it. */
export const anySecret = { form: /^\S{16,}$/, expected: "16 characters or more, without spaces" };

export const refused = (reason: string): Verdict => ({ genuine: false, reason });

/** Whether `given` says the bytes that were expected. Takes as long for a near miss as for a far one. */
export function says(given: string, encoding: "hex" | "base64", expected: Buffer): boolean {
  const bytes = Buffer.from(given, encoding);
  return bytes.length === expected.length && timingSafeEqual(bytes, expected);
}

/** Whether one of the signatures is one of the secrets' HMAC-SHA256 of the parts. */
export function isSigned(
  signatures: string[],
  encoding: "hex" | "base64",
  keys: (string | Buffer)[],
  parts: (string | Buffer)[],
): boolean {
  return keys.some((key) => {
    const hmac = createHmac("sha256", key);
    for (const part of parts) hmac.update(part);
    const expected = hmac.digest();
    return signatures.some((signature) => says(signature, encoding, expected));
  });
}

/** "t=12,v1=ab,v1=cd" as pairs, in their order; what is none is left out. */
export function pairsOf(text: string): [name: string, value: string][] {
  return text.split(",").flatMap((part): [string, string][] => {
    const at = part.indexOf("=");
    return at < 1 ? [] : [[part.slice(0, at).trim(), part.slice(at + 1).trim()]];
  });
}

/** The instant a sender wrote as a number; undefined where it is none. */
export function readStamp(text: string | undefined, unitMs: 1 | 1000): Date | undefined {
  return text !== undefined && /^\d{1,13}$/.test(text) ? new Date(Number(text) * unitMs) : undefined;
}

/** Whether a message of that instant is of now. One that is older may be a repetition by somebody who has read it. */
export function isOfNow(at: Date, { now, windowMs }: Terms): boolean {
  return Math.abs(now.getTime() - at.getTime()) <= windowMs;
}

export const outsideWindow = (at: Date, { now, windowMs }: Terms): Verdict => {
  const seconds = Math.round((now.getTime() - at.getTime()) / 1000);
  const age = seconds < 0 ? `${-seconds} s ahead of our clock` : `${seconds} s old`;
  return refused(`it is ${age}, and ${windowMs / 1000} s are allowed`);
};
