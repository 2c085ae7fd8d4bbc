// What a verified badge says, whatever its form, and the evidence it is.
import { createHash } from "node:crypto";
import { z } from "zod";
import { SourceError } from "../../platform/errors.ts";
import type { EvidenceFact } from "../connector.ts";
import { readEnd, readInstant, toFact } from "../facts.ts";

/** Attributes hold 1 kB in all. */
const MOST_NAME_CHARACTERS = 200;

export interface Badge {
  id: string;
  /** The badge class (2.0) or achievement (3.0). */
  classId: string;
  className: string;
  issuedAt: string;
  expiresAt: string | undefined;
  recipient: Recipient;
}

export interface Recipient {
  /** What names the person: an e-mail address, an id, or a hash with its salt. */
  name: string;
  /** Undefined where the badge holds none in clear. */
  email: string | undefined;
}

export const identitySchema = z.looseObject({
  type: z.union([z.string(), z.array(z.string())]).optional(),
  identity: z.string(),
  hashed: z.boolean().default(false),
  salt: z.string().nullish(),
});

/** A hash stays one: whom it is of is not tried out. */
export function toRecipient({ type, identity, hashed, salt }: z.output<typeof identitySchema>): Recipient {
  if (hashed) return { name: `${identity} ${salt ?? ""}`, email: undefined };
  const isEmail = [type ?? []].flat().some((name) => /^email(Address)?$/i.test(name));
  const email = isEmail && isAddress(identity) ? identity.trim().toLowerCase() : undefined;
  return { name: email ?? identity, email };
}

export function isAddress(text: string): boolean {
  return /^[^@\s]+@[^@\s]+$/.test(text.trim());
}

interface Reading {
  settings: {
    evidence: string;
    attribution: { namespace: string; by: "email-domain" | "list" };
    /** By badge class. Empty: every badge counts. */
    badges: Record<string, Record<string, string>>;
  };
  pseudonym(text: string): string;
}

/** Ids are URLs as a rule, of any length. */
export function toExternalId(id: string): string {
  return `badge/${id.length <= 200 ? id : createHash("sha256").update(id).digest("hex")}`;
}

/**
 * One fact; none for a badge class the settings leave out. `named`: the partner the list names. Throws a SourceError (data)
 * where the badge names no partner, or a date that is none.
 */
export function toEvidence(badge: Badge, named: string | undefined, input: Reading): EvidenceFact[] {
  const { evidence, attribution, badges } = input.settings;
  const { namespace, by } = attribution;
  const meant = Object.hasOwn(badges, badge.classId) ? badges[badge.classId] : undefined;
  // By a mapping a badge class counts or does not; an issuer gives badges for more than what is scored.
  if (meant === undefined && Object.keys(badges).length > 0) return [];
  const externalId = toExternalId(badge.id);
  const key = by === "list" ? named : badge.recipient.email?.split("@")[1];
  if (key === undefined) {
    const why = by === "list" ? "the list names no partner for it" : "it holds no e-mail address in clear";
    throw new SourceError("data", `${externalId}: ${why}`);
  }
  const occurredAt = readInstant(badge.issuedAt, "UTC", externalId);
  if (occurredAt === undefined) throw new SourceError("data", `${externalId}: it was issued at no date`);
  return [
    toFact({
      externalId,
      kind: evidence,
      occurredAt,
      endedAt: readEnd(badge.expiresAt, "UTC", externalId),
      attributes: {
        name: badge.className.slice(0, MOST_NAME_CHARACTERS),
        holder: input.pseudonym(badge.recipient.name),
        ...meant,
      },
      title: badge.className,
      link: badge.id,
      identity: { namespace, key },
    }),
  ];
}
