// Verifiable credentials as Open Badges 3.0 has them (https://www.imsglobal.org/spec/ob/v3p0/): a token (VC-JWT) or a document with
// a Data Integrity proof. Badges and the lists of their status are both of this kind.
import { DataIntegrityProof } from "@digitalbazaar/data-integrity";
import * as Ed25519Multikey from "@digitalbazaar/ed25519-multikey";
import { cryptosuite } from "@digitalbazaar/eddsa-rdfc-2022-cryptosuite";
import { verifyCredential } from "@digitalbazaar/vc";
import { z } from "zod";
import { isBundled, toLoader } from "./contexts.ts";
import { listOf, readPart } from "./documents.ts";
import { findIssuer, type Issuer, readKey, type Trust } from "./issuers.ts";
import { BadgeRefusal, refused } from "./refusal.ts";
import { type Token, verifyToken } from "./signatures.ts";

const words = z.union([z.string(), z.array(z.string())]);

const credentialSchema = z.looseObject({
  id: z.string().min(1),
  type: words,
  issuer: z.union([z.string(), z.looseObject({ id: z.string() })]),
  validFrom: z.string().optional(),
  issuanceDate: z.string().optional(),
  validUntil: z.string().optional(),
  expirationDate: z.string().optional(),
  credentialSubject: z.unknown(),
  credentialStatus: z.union([z.looseObject({}), z.array(z.looseObject({}))]).optional(),
});

const claimsSchema = z.looseObject({
  iss: z.string().optional(),
  jti: z.string().optional(),
  nbf: z.number().optional(),
  exp: z.number().optional(),
  vc: z.looseObject({}).optional(),
});

const proofSchema = z.looseObject({
  type: z.string(),
  cryptosuite: z.string().optional(),
  verificationMethod: z.string(),
  proofPurpose: z.string().optional(),
  expires: z.string().optional(),
});

/** A credential whose proof has been verified. Whether it is still valid is its reader's business. */
export interface Credential {
  id: string;
  types: string[];
  issuer: Issuer;
  validFrom: string;
  validUntil: string | undefined;
  subject: unknown;
  status: Record<string, unknown>[];
}

/** Throws a BadgeRefusal where its issuer is not trusted, or did not sign it so. */
export async function verifyCredentialToken(token: Token, trust: Trust): Promise<Credential> {
  const claims = readPart(token.payload, claimsSchema);
  // As of version 2.0 of the data model the payload is the credential itself; before, it is the claim "vc".
  const claimed: Record<string, unknown> = claims.vc ?? token.payload;
  const id = claimed["id"] ?? claims.jti;
  const issuer = claimed["issuer"] ?? claims.iss;
  const credential = readPart({ ...claimed, id, issuer }, credentialSchema);
  const trusted = findIssuer(issuerOf(credential), trust);
  const keyId = token.header.kid ?? (trusted.id.startsWith("did:") ? trusted.id : undefined);
  if (keyId === undefined) throw refused("it does not say by which key of its issuer it is signed");
  await verifyToken(token, await readKey(keyId, trusted, trust));
  const validFrom = credential.validFrom ?? credential.issuanceDate ?? toText(claims.nbf);
  const validUntil = credential.validUntil ?? credential.expirationDate ?? toText(claims.exp);
  const agrees =
    (claims.iss ?? trusted.id) === trusted.id &&
    (claims.jti ?? credential.id) === credential.id &&
    (claims.nbf === undefined || claims.nbf === toSeconds(validFrom)) &&
    (claims.exp === undefined || claims.exp === toSeconds(validUntil));
  if (!agrees) throw refused("its claims are not those of the badge in it");
  return toCredential(credential, trusted, validFrom, validUntil);
}

/** The same, of a document with a proof by eddsa-rdfc-2022. One such proof is enough. */
export async function verifyCredentialDocument(
  document: Record<string, unknown>,
  trust: Trust,
): Promise<Credential> {
  const credential = readPart(document, credentialSchema);
  const trusted = findIssuer(issuerOf(credential), trust);
  expectPlain(document);
  const proofs = listOf(document["proof"]).filter(
    (proof) => (proof as { cryptosuite?: unknown } | null)?.cryptosuite === "eddsa-rdfc-2022",
  );
  if (proofs.length === 0) throw refused("it bears no proof of a kind that can be verified");
  const proof = readPart(proofs[0], proofSchema);
  const method = proof.verificationMethod;
  const jwk = await readKey(method, trusted, trust);
  const validFrom = credential.validFrom ?? credential.issuanceDate;
  if (jwk.crv !== "Ed25519") throw refused("its key is no Ed25519 key");
  const key = await Ed25519Multikey.fromJwk({ jwk, id: method, controller: trusted.id });
  const loader = toLoader(
    new Map<string, object>([
      [method, await key.export({ publicKey: true, includeContext: true })],
      // Under this context the library takes it as it is, without reading it as JSON-LD.
      [trusted.id, { "@context": "https://www.w3.org/ns/did/v1", id: trusted.id, assertionMethod: [method] }],
    ]),
  );
  const outcome = await verifyCredential({
    credential: { ...document, proof },
    suite: new DataIntegrityProof({ cryptosuite }),
    documentLoader: loader,
    // Expired is not forged: what it was worth until then is for the evidence to say.
    now: new Date(validFrom ?? ""),
    checkStatus: () => Promise.resolve({ verified: true }),
  });
  if (!outcome.verified) throw refused("its proof is not its issuer's");
  return toCredential(credential, trusted, validFrom, credential.validUntil ?? credential.expirationDate);
}

/**
 * A context of one's own could give any term another meaning under the same signature, and so could the keywords of JSON-LD. What
 * a badge says in plain terms of the bundled contexts is what was signed.
 */
function expectPlain(document: Record<string, unknown>): void {
  const contexts = document["@context"];
  if (!Array.isArray(contexts) || !contexts.every(isBundled)) {
    throw refused("it is written in terms of a context that is not bundled");
  }
  const hasKeyword = (value: unknown): boolean =>
    typeof value === "object" &&
    value !== null &&
    Object.entries(value).some(([name, inner]) => name.startsWith("@") || hasKeyword(inner));
  const { "@context": _, ...rest } = document;
  if (hasKeyword(rest)) throw refused("it gives terms a meaning of its own");
}

function issuerOf({ issuer }: z.output<typeof credentialSchema>): string {
  return typeof issuer === "string" ? issuer : issuer.id;
}

function toCredential(
  credential: z.output<typeof credentialSchema>,
  issuer: Issuer,
  validFrom: string | undefined,
  validUntil: string | undefined,
): Credential {
  if (validFrom === undefined) throw new BadgeRefusal("unreadable", "it does not say from when it is valid");
  return {
    id: credential.id,
    types: listOf(credential.type),
    issuer,
    validFrom,
    validUntil,
    subject: credential.credentialSubject,
    status: listOf(credential.credentialStatus),
  };
}

function toText(seconds: number | undefined): string | undefined {
  const at = seconds === undefined ? undefined : new Date(seconds * 1000);
  return at === undefined || Number.isNaN(at.getTime()) ? undefined : at.toISOString();
}

function toSeconds(text: string | undefined): number {
  return Math.floor(Date.parse(text ?? "") / 1000);
}
