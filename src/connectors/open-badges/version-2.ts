// Open Badges 2.0 (https://www.imsglobal.org/sites/default/files/Badges/OBv2p0Final/index.html): hosted, where the address is the
// proof, and signed, where the issuer's key is.
import { createPublicKey, type KeyObject } from "node:crypto";
import { z } from "zod";
import { SourceError } from "../../platform/errors.ts";
import { type Badge, identitySchema, toRecipient } from "./badge.ts";
import { listOf, readBadgeJson, readIssuerJson, readPart, whereOf } from "./documents.ts";
import { findIssuer, type Issuer, isOfIssuer, type Trust } from "./issuers.ts";
import { refused, revoked } from "./refusal.ts";
import { type Token, verifyToken } from "./signatures.ts";

const words = z.union([z.string(), z.array(z.string())]);

const assertionSchema = z.looseObject({
  id: z.string().min(1),
  uid: z.string().optional(),
  badge: z.union([z.string(), z.looseObject({})]),
  recipient: identitySchema,
  issuedOn: z.string(),
  expires: z.string().nullish(),
  revoked: z.boolean().optional(),
  verification: z.looseObject({ type: words, creator: z.string().optional() }),
});
type Assertion = z.output<typeof assertionSchema>;

const badgeClassSchema = z.looseObject({
  id: z.string().min(1),
  name: z.string(),
  issuer: z.union([z.string(), z.looseObject({ id: z.string() })]),
});

const keySchema = z.looseObject({
  id: z.string().optional(),
  owner: z.string().optional(),
  publicKeyPem: z.string(),
});

const profileSchema = z.looseObject({
  id: z.string(),
  publicKey: z.union([z.string(), keySchema, z.array(z.union([z.string(), keySchema]))]).optional(),
  revocationList: z.string().optional(),
  verification: z.looseObject({ startsWith: words.optional(), allowedOrigins: words.optional() }).optional(),
});
type Profile = z.output<typeof profileSchema>;

const revocationListSchema = z.looseObject({
  issuer: z.string().optional(),
  revokedAssertions: z.array(
    z.union([z.string(), z.looseObject({ id: z.string().optional(), uid: z.string().optional() })]),
  ),
});

/** What stands at the address of a hosted badge is the badge; a copy of it proves nothing and is not looked at. */
export async function verifyHosted(id: string, trust: Trust): Promise<Badge> {
  const assertion = readPart(await readBadgeJson(trust.documents, id), assertionSchema);
  if (assertion.id !== id) throw refused("the badge at its address is another one");
  if (!isOf(assertion, "hosted", "HostedBadge")) throw refused("it does not say that it is hosted");
  if (assertion.revoked === true) throw revoked();
  const { badgeClass, isEmbedded } = await readBadgeClass(assertion, trust);
  const { issuer, profile } = await readIssuer(badgeClass, trust);
  const { startsWith, allowedOrigins } = profile.verification ?? {};
  // Hosts, as the specification has it; here they speak under the scheme of the issuer only.
  const { protocol } = new URL(issuer.id);
  const origins = listOf(allowedOrigins).map((host) => `${protocol}//${host.replace(/^https?:\/\//, "")}`);
  const prefixes = listOf(startsWith).length > 0 ? listOf(startsWith) : origins;
  if (!isOfIssuer(id, issuer, prefixes)) throw refused("its address is not below that of its issuer");
  if (!isEmbedded && !isOfIssuer(badgeClass.id, issuer, prefixes)) {
    throw refused("the address of its badge class is not below that of its issuer");
  }
  return toBadge(assertion, badgeClass);
}

/** Nothing the token says is believed before the key of a trusted issuer has verified it. */
export async function verifySigned(token: Token, trust: Trust): Promise<Badge> {
  const assertion = readPart(token.payload, assertionSchema);
  if (!isOf(assertion, "signed", "SignedBadge")) throw refused("it does not say that it is signed");
  const { badgeClass, isEmbedded } = await readBadgeClass(assertion, trust);
  const { issuer, profile } = await readIssuer(badgeClass, trust);
  await verifyToken(token, await readSigningKey(assertion.verification.creator, profile, trust));
  if (!isEmbedded && !isOfIssuer(badgeClass.id, issuer, listOf(profile.verification?.startsWith))) {
    throw refused("the address of its badge class is not below that of its issuer");
  }
  if (await isRevoked(assertion, profile, trust)) throw revoked();
  return toBadge(assertion, badgeClass);
}

function isOf({ verification }: Assertion, ...names: string[]): boolean {
  return listOf(verification.type).some((type) => names.includes(type));
}

async function readBadgeClass(
  { badge }: Assertion,
  { documents }: Trust,
): Promise<{ badgeClass: z.output<typeof badgeClassSchema>; isEmbedded: boolean }> {
  if (typeof badge !== "string") return { badgeClass: readPart(badge, badgeClassSchema), isEmbedded: true };
  const badgeClass = readPart(await readBadgeJson(documents, badge), badgeClassSchema);
  if (badgeClass.id !== badge) throw refused("the badge class at its address is another one");
  return { badgeClass, isEmbedded: false };
}

/** The profile is that at the issuer's address: one that comes with a badge could name any key. */
async function readIssuer(
  badgeClass: z.output<typeof badgeClassSchema>,
  trust: Trust,
): Promise<{ issuer: Issuer; profile: Profile }> {
  const id = typeof badgeClass.issuer === "string" ? badgeClass.issuer : badgeClass.issuer.id;
  const issuer = findIssuer(id, trust);
  if (!/^https?:/.test(id)) throw refused("its issuer has no address, which a badge of version 2.0 needs");
  const profile = await readIssuerJson(trust.documents, id, profileSchema);
  if (profile.id !== id) throw new SourceError("data", `${whereOf(id)} is the profile of another issuer`);
  return { issuer, profile };
}

async function readSigningKey(
  creator: string | undefined,
  profile: Profile,
  { documents }: Trust,
): Promise<KeyObject> {
  const listed = listOf(profile.publicKey);
  const idOf = (key: (typeof listed)[number]) => (typeof key === "string" ? key : key.id);
  const named = creator === undefined ? listed[0] : listed.find((key) => idOf(key) === creator);
  if (named === undefined) throw refused("its issuer does not list the key");
  const key = typeof named === "string" ? await readIssuerJson(documents, named, keySchema) : named;
  if (key.owner !== undefined && key.owner !== profile.id) {
    throw refused("its key is somebody else's than its issuer's");
  }
  try {
    return createPublicKey(key.publicKeyPem);
  } catch {
    throw new SourceError("data", `${whereOf(profile.id)} gives a key in no known form`);
  }
}

async function isRevoked(assertion: Assertion, profile: Profile, { documents }: Trust): Promise<boolean> {
  const address = profile.revocationList;
  if (address === undefined) return false;
  const { issuer, revokedAssertions } = await readIssuerJson(documents, address, revocationListSchema);
  if (issuer !== undefined && issuer !== profile.id) {
    throw new SourceError("data", `${whereOf(address)} is the revocation list of another issuer`);
  }
  return revokedAssertions.some((entry) => {
    if (typeof entry === "string") return entry === assertion.id;
    return entry.id === assertion.id || (entry.uid !== undefined && entry.uid === assertion.uid);
  });
}

function toBadge(assertion: Assertion, { id, name }: z.output<typeof badgeClassSchema>): Badge {
  return {
    id: assertion.id,
    classId: id,
    className: name,
    issuedAt: assertion.issuedOn,
    expiresAt: assertion.expires ?? undefined,
    recipient: toRecipient(assertion.recipient),
  };
}
