// Whose badges count, where they may speak from, and which keys are theirs. A badge names its issuer and its key itself, so
// neither is believed: the issuer must be one the settings name, and the key must be found at the issuer, or be its id (did:key).
import * as Ed25519Multikey from "@digitalbazaar/ed25519-multikey";
import type { JWK } from "jose";
import { z } from "zod";
import { SourceError } from "../../platform/errors.ts";
import { parseUrl } from "../client/guard.ts";
import { type Documents, listOf, readIssuerJson, whereOf } from "./documents.ts";
import { refused } from "./refusal.ts";

export interface Issuer {
  id: string;
  /** Where its badges and keys are, in place of its origin. */
  startsWith: string[] | undefined;
}

/** Everything a badge is verified with. */
export interface Trust {
  issuers: Issuer[];
  documents: Documents;
}

/** The issuer of that id. Throws a BadgeRefusal where the settings name none. */
export function findIssuer(id: string, { issuers }: Trust): Issuer {
  const issuer = issuers.find((trusted) => trusted.id === id);
  if (issuer === undefined) throw refused("its issuer is none of those the settings trust");
  return issuer;
}

/** Whether the address belongs to the issuer. `declared`: the prefixes from its profile, used when the settings give none. */
export function isOfIssuer(address: string, issuer: Issuer, declared: string[] = []): boolean {
  const url = parseUrl(address);
  if (url === undefined) return false;
  const origin = parseUrl(issuer.id)?.origin;
  const prefixes =
    issuer.startsWith ?? (declared.length > 0 ? declared : origin === undefined ? [] : [origin]);
  // Through the parser, which ends a bare origin with a slash: https://a.example is no prefix of https://a.example.evil.
  return prefixes.some((prefix) => {
    const start = parseUrl(prefix)?.href;
    return start !== undefined && url.href.startsWith(start);
  });
}

const jwkSchema = z.looseObject({ kty: z.enum(["RSA", "EC", "OKP"]) });

const methodSchema = z.looseObject({
  id: z.string().optional(),
  controller: z.string().optional(),
  /** When the key was revoked: later signatures prove nothing. */
  revoked: z.string().optional(),
  publicKeyJwk: jwkSchema.optional(),
  publicKeyMultibase: z.string().optional(),
});
type Method = z.output<typeof methodSchema>;

const methods = z.union([z.string(), methodSchema, z.array(z.union([z.string(), methodSchema]))]).optional();
const keyDocumentSchema = z.looseObject({
  ...methodSchema.shape,
  kty: z.string().optional(),
  keys: z.array(z.looseObject({ kid: z.string().optional() })).optional(),
  verificationMethod: methods,
  assertionMethod: methods,
});

/**
 * The public key of an issuer under the id a badge names: the key of a did:key; a JWK, a JWK Set, or a document with
 * verification methods below the issuer's address. Throws a BadgeRefusal where the key is not the issuer's.
 */
export async function readKey(id: string, issuer: Issuer, { documents }: Trust): Promise<JWK> {
  if (issuer.id.startsWith("did:key:")) {
    const multibase = issuer.id.slice("did:key:".length);
    if (id !== issuer.id && id !== `${issuer.id}#${multibase}`) throw refused("its key is not its issuer's");
    return toJwk(multibase);
  }
  if (!isOfIssuer(id, issuer)) throw refused("its key is not below the address of its issuer");
  const [address = "", fragment] = id.split("#");
  const document = await readIssuerJson(documents, address, keyDocumentSchema);
  if (document.kty !== undefined) {
    const jwk = jwkSchema.safeParse(document);
    if (!jwk.success) throw refused("its key is of no kind that proves anything");
    return jwk.data;
  }
  const key = document.keys?.find(({ kid }) => kid !== undefined && (kid === id || kid === fragment));
  if (key !== undefined) {
    const jwk = jwkSchema.safeParse(key);
    if (!jwk.success) throw refused("its key is of no kind that proves anything");
    return jwk.data;
  }
  return toKey(findMethod(id, document), issuer, address);
}

/** A document that says which of its methods assert anything is taken at its word. */
function findMethod(id: string, document: z.output<typeof keyDocumentSchema>): Method {
  if (document.id === id && (document.publicKeyJwk ?? document.publicKeyMultibase) !== undefined)
    return document;
  const asserting = listOf(document.assertionMethod);
  const all = [...asserting, ...listOf(document.verificationMethod)];
  const named = all.find((method): method is Method => typeof method !== "string" && method.id === id);
  const mayAssert =
    document.assertionMethod === undefined ||
    asserting.some((method) => (typeof method === "string" ? method : method.id) === id);
  if (named === undefined || !mayAssert) throw refused("its issuer does not list the key");
  return named;
}

async function toKey(method: Method, issuer: Issuer, address: string): Promise<JWK> {
  if (method.controller !== undefined && method.controller !== issuer.id) {
    throw refused("its key is somebody else's than its issuer's");
  }
  if (method.revoked !== undefined) throw refused("its issuer revoked the key");
  if (method.publicKeyJwk !== undefined) return method.publicKeyJwk;
  if (method.publicKeyMultibase !== undefined) return toJwk(method.publicKeyMultibase);
  throw new SourceError("data", `${whereOf(address)} gives a key in no known form`);
}

/** Ed25519 is the one kind of did:key and Multikey that is read. */
async function toJwk(publicKeyMultibase: string): Promise<JWK> {
  try {
    const key = await Ed25519Multikey.from({ type: "Multikey", publicKeyMultibase });
    const { publicKey } = await key.export({ publicKey: true, raw: true });
    return { kty: "OKP", crv: "Ed25519", x: Buffer.from(publicKey).toString("base64url") };
  } catch {
    throw refused("its key is no Ed25519 key");
  }
}
