// An issuer of Open Badges with real keys, made in the test, that publishes what issuers publish on a real server.
import { generateKeyPairSync } from "node:crypto";
import { gzipSync } from "node:zlib";
import { DataIntegrityProof } from "@digitalbazaar/data-integrity";
import * as Ed25519Multikey from "@digitalbazaar/ed25519-multikey";
import { cryptosuite } from "@digitalbazaar/eddsa-rdfc-2022-cryptosuite";
import { issue } from "@digitalbazaar/vc";
import {
  CompactSign,
  type CryptoKey,
  exportJWK,
  generateKeyPair,
  type JWTHeaderParameters,
  type KeyObject,
} from "jose";
import { type Answer, type Asked, json } from "../../src/conformance/server.ts";
import { toLoader } from "../../src/connectors/open-badges/contexts.ts";

type Document = Record<string, unknown>;

export const CONTEXTS = [
  "https://www.w3.org/ns/credentials/v2",
  "https://purl.imsglobal.org/spec/ob/v3p0/context-3.0.3.json",
  "https://purl.imsglobal.org/spec/ob/v3p0/extensions.json",
];

/** Keys cost more than anything else here. */
const rsa = generateKeyPairSync("rsa", { modulusLength: 2048 });
const ec = await generateKeyPair("ES256", { extractable: true });
const ed = await Ed25519Multikey.generate({});
/** Of somebody else. */
export const strangers = {
  rsa: generateKeyPairSync("rsa", { modulusLength: 2048 }).privateKey,
  ec: (await generateKeyPair("ES256")).privateKey,
  ed: await Ed25519Multikey.generate({}),
};

export const RSA_PUBLIC_PEM = rsa.publicKey.export({ type: "spki", format: "pem" });
export const DID_KEY = `did:key:${ed.publicKeyMultibase}`;

export interface BadgeIssuer {
  /** What is at which path. */
  pages: Map<string, Answer>;
  answer: (asked: Asked) => Answer;
  /** The issuer's id. */
  id: string;
  at(path: string): string;
  publish(path: string, document: unknown): void;
  /** Version 2.0, as it would be hosted or signed. */
  assertion(path: string, changes?: Document): Document;
  sign(
    document: Document,
    by?: { header?: JWTHeaderParameters; key?: CryptoKey | KeyObject | Uint8Array },
  ): Promise<string>;
  /** Version 3.0, not signed yet. */
  credential(path: string, changes?: Document): Document;
  signToken(
    credential: Document,
    by?: { header?: Document; claims?: Document; key?: CryptoKey | KeyObject | Uint8Array },
  ): Promise<string>;
  prove(
    credential: Document,
    by?: { key?: typeof ed; method?: string; more?: Map<string, object> },
  ): Promise<Document>;
  /** The signed list in which the badges at these places are revoked. */
  statusList(path: string, places: number[], changes?: Document): Promise<string>;
}

export async function openIssuer(urlOf: () => string): Promise<BadgeIssuer> {
  const pages = new Map<string, Answer>();
  const at = (path: string) => `${urlOf()}${path}`;
  const issuer: BadgeIssuer = {
    pages,
    at,
    get id() {
      return at("/issuer.json");
    },
    answer: ({ path }) => pages.get(path) ?? { status: 404, body: "{}" },
    publish: (path, document) => {
      pages.set(path, json(document));
    },
    assertion: (path, changes = {}) => ({
      "@context": "https://w3id.org/openbadges/v2",
      type: "Assertion",
      id: at(path),
      badge: at("/classes/advanced"),
      recipient: { type: "email", hashed: false, identity: "Anna@Acme.example" },
      issuedOn: "2026-03-03T10:00:00Z",
      expires: "2028-03-03T10:00:00Z",
      verification: { type: "hosted" },
      ...changes,
    }),
    sign: (document, { header = { alg: "RS256" }, key = rsa.privateKey } = {}) =>
      new CompactSign(Buffer.from(JSON.stringify(document))).setProtectedHeader(header).sign(key),
    credential: (path, changes = {}) => ({
      "@context": CONTEXTS,
      id: at(path),
      type: ["VerifiableCredential", "OpenBadgeCredential"],
      issuer: { id: issuer.id, type: ["Profile"], name: "Academy" },
      validFrom: "2026-03-03T10:00:00Z",
      validUntil: "2028-03-03T10:00:00Z",
      credentialSubject: {
        type: ["AchievementSubject"],
        identifier: [
          {
            type: "IdentityObject",
            hashed: false,
            identityHash: "Anna@Acme.example",
            identityType: "emailAddress",
          },
        ],
        achievement: {
          id: at("/classes/advanced"),
          type: ["Achievement"],
          name: "Advanced user",
          criteria: { narrative: "Passed the examination" },
          description: "Knows all of it",
        },
      },
      ...changes,
    }),
    signToken: (credential, { header = {}, claims = {}, key = ec.privateKey } = {}) => {
      const seconds = (text: unknown) => Math.floor(Date.parse(String(text)) / 1000);
      const payload = {
        iss: issuer.id,
        jti: credential["id"],
        nbf: seconds(credential["validFrom"]),
        ...(credential["validUntil"] !== undefined && { exp: seconds(credential["validUntil"]) }),
        ...credential,
        ...claims,
      };
      return new CompactSign(Buffer.from(JSON.stringify(payload)))
        .setProtectedHeader({ alg: "ES256", kid: at("/jwk.json"), typ: "JWT", ...header })
        .sign(key);
    },
    prove: (credential, { key = ed, method = `${issuer.id}#ed`, more = new Map<string, object>() } = {}) => {
      const signer = Object.assign(key.signer() as object, { id: method });
      return issue({
        credential: structuredClone(credential),
        suite: new DataIntegrityProof({ signer, cryptosuite, date: "2026-03-03T10:00:00Z" }),
        documentLoader: toLoader(more),
        now: new Date("2026-10-28T12:00:00Z"),
      });
    },
    statusList: (path, places, changes = {}) => {
      const bits = Buffer.alloc(2 ** 14);
      for (const place of places) bits[place >> 3] = (bits[place >> 3] ?? 0) | (0x80 >> (place & 7));
      return issuer.signToken({
        "@context": CONTEXTS.slice(0, 1),
        id: at(path),
        type: ["VerifiableCredential", "BitstringStatusListCredential"],
        issuer: issuer.id,
        validFrom: "2026-01-01T00:00:00Z",
        credentialSubject: {
          id: `${at(path)}#list`,
          type: "BitstringStatusList",
          statusPurpose: "revocation",
          encodedList: `u${gzipSync(bits).toString("base64url")}`,
        },
        ...changes,
      });
    },
  };
  issuer.publish("/issuer.json", {
    "@context": "https://w3id.org/openbadges/v2",
    type: "Issuer",
    id: issuer.id,
    name: "Academy",
    publicKey: at("/key.json"),
    revocationList: at("/revoked.json"),
    verificationMethod: [
      {
        id: `${issuer.id}#ed`,
        type: "Multikey",
        controller: issuer.id,
        publicKeyMultibase: ed.publicKeyMultibase,
      },
    ],
    assertionMethod: [`${issuer.id}#ed`],
  });
  issuer.publish("/key.json", { id: at("/key.json"), owner: issuer.id, publicKeyPem: RSA_PUBLIC_PEM });
  issuer.publish("/jwk.json", await exportJWK(ec.publicKey));
  issuer.publish("/revoked.json", { issuer: issuer.id, revokedAssertions: [] });
  issuer.publish("/revocations.json", { issuer: issuer.id, revokedCredential: [] });
  issuer.publish("/classes/advanced", {
    type: "BadgeClass",
    id: at("/classes/advanced"),
    name: "Advanced user",
    issuer: issuer.id,
  });
  pages.set("/status.jwt", { body: await issuer.statusList("/status.jwt", []) });
  return issuer;
}
