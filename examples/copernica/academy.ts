// The vendor's academy, which gives its certificates as Open Badges 3.0: signed tokens (VC-JWT) in a list, the key they are signed
// with in its profile, and a list of those it has taken back. https://www.imsglobal.org/spec/ob/v3p0/
import { createHash, createPrivateKey, createPublicKey, type KeyObject, sign } from "node:crypto";
import { Temporal } from "temporal-polyfill";
import { type Answer, json, type Question, text } from "./answer.ts";
import type { Certificate } from "./history.ts";
import { timeZone } from "./mailings.ts";
import type { World } from "./world.ts";

const contexts = [
  "https://www.w3.org/ns/credentials/v2",
  "https://purl.imsglobal.org/spec/ob/v3p0/context-3.0.3.json",
];

const names = { fundamental: "Fundamental user", advanced: "Advanced user" } as const;

/** What stands before 32 bytes of a private Ed25519 key to make it PKCS #8 (RFC 8410). */
const pkcs8 = Buffer.from("302e020100300506032b657004220420", "hex");

/**
 * `badges.json`: every certificate. `issuer.json`: who signs, and by which key. `revocations.json`: what was revoked.
 * `certificates/<id>` and `classes/<level>`: one of them.
 */
export function answerAcademy(world: World, { method, path, base }: Question): Answer {
  const [first = "", name = ""] = path.split("/");
  const token = (certificate: Certificate) => tokenOf(certificate, base, keyOf(world.seed));
  if (method !== "GET") return json({ error: "only GET" }, 405);
  switch (first) {
    case "badges.json":
      return json(world.certificates.map(token));
    case "issuer.json":
      return json(profileOf(base, keyOf(world.seed)));
    case "revocations.json": {
      const revoked = world.certificates.filter(({ isRevoked }) => isRevoked);
      const rows = revoked.map(({ id }) => ({ id: idOf(id, base), revoked: true }));
      return json({ id: `${base}/revocations.json`, issuer: issuerOf(base), revokedCredential: rows });
    }
    case "certificates": {
      const certificate = world.certificates.find(({ id }) => id === name);
      if (certificate !== undefined) return text(token(certificate), 200, "application/vc+jwt");
      break;
    }
    case "classes":
      if (name === "fundamental" || name === "advanced") return json(classOf(name, base));
  }
  return json({ error: `the academy knows no ${path}` }, 404);
}

function issuerOf(base: string): string {
  return `${base}/issuer.json`;
}

function idOf(certificate: string, base: string): string {
  return `${base}/certificates/${certificate}`;
}

/** The same in every process, or tokens of one would be forgeries to the next. As the tokens of accounts are: plainly no secret. */
function keyOf(seed: string): KeyObject {
  const key = Buffer.concat([pkcs8, createHash("sha256").update(`sandbox academy ${seed}`).digest()]);
  return createPrivateKey({ key, format: "der", type: "pkcs8" });
}

function profileOf(base: string, key: KeyObject): Record<string, unknown> {
  const method = {
    id: `${issuerOf(base)}#key-1`,
    type: "JsonWebKey",
    controller: issuerOf(base),
    publicKeyJwk: createPublicKey(key).export({ format: "jwk" }),
  };
  return {
    "@context": contexts,
    id: issuerOf(base),
    type: "Profile",
    name: "Academy",
    verificationMethod: [method],
    assertionMethod: [method.id],
  };
}

function classOf(level: Certificate["level"], base: string): Record<string, unknown> {
  return {
    id: `${base}/classes/${level}`,
    type: ["Achievement"],
    name: names[level],
    description: `Knows what the ${level} test asks`,
    criteria: { narrative: `Has passed the ${level} test` },
  };
}

/** Ed25519 signs the same text the same way each time. */
function tokenOf(certificate: Certificate, base: string, key: KeyObject): string {
  const { id, holder, level, employer, passedOn, expiresAt } = certificate;
  const validFrom = Temporal.PlainDate.from(passedOn).toZonedDateTime(timeZone).toInstant().toString();
  const issuer = issuerOf(base);
  const seconds = (instant: string) => Math.floor(Date.parse(instant) / 1000);
  const identity = { type: "IdentityObject", identityType: "emailAddress", hashed: false };
  const credential = {
    "@context": contexts,
    id: idOf(id, base),
    type: ["VerifiableCredential", "OpenBadgeCredential"],
    issuer: { id: issuer, type: ["Profile"], name: "Academy" },
    validFrom,
    ...(expiresAt !== undefined && { validUntil: expiresAt }),
    credentialSubject: {
      type: ["AchievementSubject"],
      identifier: [{ ...identity, identityHash: `${holder}@${employer}` }],
      achievement: classOf(level, base),
    },
    credentialStatus: { id: `${base}/revocations.json`, type: "1EdTechRevocationList" },
  };
  const claims = {
    ...{ iss: issuer, jti: credential.id, nbf: seconds(validFrom) },
    ...(expiresAt !== undefined && { exp: seconds(expiresAt) }),
  };
  const header = { alg: "EdDSA", kid: `${issuer}#key-1`, typ: "JWT" };
  const unsigned = `${encode(header)}.${encode({ ...claims, ...credential })}`;
  return `${unsigned}.${sign(null, Buffer.from(unsigned), key).toString("base64url")}`;
}

function encode(value: unknown): string {
  return Buffer.from(JSON.stringify(value)).toString("base64url");
}
