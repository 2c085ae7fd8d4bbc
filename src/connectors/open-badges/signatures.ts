// The compact form of a signed badge (JWS): Open Badges 2.0 signed, and 3.0 as VC-JWT. Only asymmetric algorithms are known:
// "none" proves nothing, and with HS256 anybody could sign with the issuer's public key.
import { type CryptoKey, compactVerify, importJWK, type JWK, type KeyObject } from "jose";
import { z } from "zod";
import { readPart } from "./documents.ts";
import { BadgeRefusal, refused } from "./refusal.ts";

const ALGORITHMS = ["RS256", "RS384", "RS512", "PS256", "ES256", "ES384", "EdDSA"];

const headerSchema = z.looseObject({ alg: z.string(), kid: z.string().optional() });

export interface Token {
  text: string;
  header: z.output<typeof headerSchema>;
  /** Not verified. */
  payload: Record<string, unknown>;
}

/** The token a text is; undefined where it is none. Throws a BadgeRefusal (unreadable) where it is a broken one. */
export function readToken(text: string): Token | undefined {
  const token = text.trim();
  const match = /^([\w-]+)\.([\w-]+)\.([\w-]*)$/.exec(token);
  if (match === null) return undefined;
  const [header, payload] = [match[1], match[2]].map((part) => readJsonPart(part ?? ""));
  return {
    text: token,
    header: readPart(header, headerSchema),
    payload: readPart(payload, z.record(z.string(), z.unknown())),
  };
}

function readJsonPart(part: string): unknown {
  try {
    return JSON.parse(Buffer.from(part, "base64url").toString("utf8"));
  } catch {
    throw new BadgeRefusal("unreadable", "a signed badge that is cut off or garbled");
  }
}

/** Throws a BadgeRefusal where the key did not sign the token. */
export async function verifyToken(token: Token, key: JWK | KeyObject): Promise<void> {
  const { alg } = token.header;
  if (!ALGORITHMS.includes(alg)) throw refused("its signature is by an algorithm that proves nothing");
  try {
    const imported: CryptoKey | KeyObject | Uint8Array = isJwk(key) ? await importJWK(key, alg) : key;
    await compactVerify(token.text, imported, { algorithms: ALGORITHMS });
  } catch {
    throw refused("its signature is not its issuer's");
  }
}

function isJwk(key: JWK | KeyObject): key is JWK {
  return "kty" in key;
}
