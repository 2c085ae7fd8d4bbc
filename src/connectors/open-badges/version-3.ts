// Open Badges 3.0 (https://www.imsglobal.org/spec/ob/v3p0/): what a verified credential says as a badge.
import { z } from "zod";
import { type Badge, identitySchema, isAddress, type Recipient, toRecipient } from "./badge.ts";
import { type Credential, verifyCredentialDocument, verifyCredentialToken } from "./credentials.ts";
import { listOf, readPart } from "./documents.ts";
import { BadgeRefusal, refused, revoked } from "./refusal.ts";
import type { Token } from "./signatures.ts";
import { isRevoked, type StatusTrust } from "./status.ts";

const identifierSchema = z.looseObject({
  identityHash: z.string(),
  identityType: z.string().optional(),
  hashed: z.boolean().default(false),
  salt: z.string().nullish(),
});

const subjectSchema = z.looseObject({
  id: z.string().optional(),
  identifier: z.union([identifierSchema, z.array(identifierSchema)]).optional(),
  achievement: z.looseObject({ id: z.string().min(1), name: z.string() }),
});

export async function verifyToken3(token: Token, trust: StatusTrust): Promise<Badge> {
  return toBadge(await verifyCredentialToken(token, trust), trust);
}

export async function verifyDocument3(document: Record<string, unknown>, trust: StatusTrust): Promise<Badge> {
  return toBadge(await verifyCredentialDocument(document, trust), trust);
}

async function toBadge(credential: Credential, trust: StatusTrust): Promise<Badge> {
  const isBadge = credential.types.some((type) =>
    ["OpenBadgeCredential", "AchievementCredential"].includes(type),
  );
  // What else an issuer signs, such as an endorsement, must not pass for a badge.
  if (!isBadge) throw refused("it is a credential of another kind than a badge");
  const [subject] = listOf(credential.subject);
  const { id, identifier, achievement } = readPart(subject, subjectSchema);
  const recipient = toRecipientOf(id, listOf(identifier));
  if (await isRevoked(credential, trust)) throw revoked();
  return {
    id: credential.id,
    classId: achievement.id,
    className: achievement.name,
    issuedAt: credential.validFrom,
    expiresAt: credential.validUntil,
    recipient,
  };
}

/** An e-mail address in clear, else the subject's id, else a hash, which is another one in every badge. */
function toRecipientOf(id: string | undefined, identifiers: z.output<typeof identifierSchema>[]): Recipient {
  const mail = /^mailto:([^?]+)/i.exec(id ?? "")?.[1];
  if (mail !== undefined && isAddress(mail)) {
    const email = mail.trim().toLowerCase();
    return { name: email, email };
  }
  const named = identifiers.map(({ identityHash, identityType, hashed, salt }) =>
    toRecipient(identitySchema.parse({ type: identityType, identity: identityHash, hashed, salt })),
  );
  const recipient =
    named.find(({ email }) => email !== undefined) ??
    (id === undefined ? named[0] : { name: id, email: undefined });
  if (recipient === undefined) throw new BadgeRefusal("unreadable", "it does not say whose it is");
  return recipient;
}
