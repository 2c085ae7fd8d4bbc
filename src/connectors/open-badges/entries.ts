// One entry of the list: the address of a badge or the badge itself, in whichever of the four forms, and what comes of it.
import { z } from "zod";
import { readJson } from "../client/answers.ts";
import type { Badge } from "./badge.ts";
import { whereOf } from "./documents.ts";
import { BadgeRefusal, refused } from "./refusal.ts";
import { readToken, type Token } from "./signatures.ts";
import type { StatusTrust } from "./status.ts";
import { verifyHosted, verifySigned } from "./version-2.ts";
import { verifyDocument3, verifyToken3 } from "./version-3.ts";

const documentSchema = z.record(z.string(), z.unknown());

/** An entry that names the partner besides. */
const namedSchema = z.strictObject({
  credential: z.union([z.string(), documentSchema]),
  partner: z.string().optional(),
});

export interface Outcome {
  /** What the badge calls itself, or its address; undefined where it says nothing that can be read. Not verified. */
  id: string | undefined;
  /** The partner the list names. */
  partner: string | undefined;
  found: Badge | BadgeRefusal;
}

/** Throws a SourceError where the badge cannot be checked now. */
export async function verifyEntry(entry: unknown, trust: StatusTrust): Promise<Outcome> {
  const outcome: Outcome = { id: undefined, partner: undefined, found: new BadgeRefusal("unreadable", "") };
  const claim = (id: unknown) => {
    if (typeof id === "string" && id !== "") outcome.id = id;
  };
  try {
    const named = namedSchema.safeParse(entry);
    const { credential, partner } = named.success ? named.data : { credential: entry, partner: undefined };
    outcome.partner = partner;
    outcome.found = await verify(credential, trust, claim);
  } catch (error) {
    if (!(error instanceof BadgeRefusal)) throw error;
    outcome.found = error;
  }
  return outcome;
}

async function verify(given: unknown, trust: StatusTrust, claim: (id: unknown) => void): Promise<Badge> {
  if (typeof given !== "string") {
    const embedded = documentSchema.safeParse(given);
    if (!embedded.success) throw new BadgeRefusal("unreadable", "a badge or its address was expected");
    return verifyDocument(embedded.data, undefined, trust, claim);
  }
  const token = readToken(given);
  if (token !== undefined) return verifyToken(token, trust, claim);
  claim(given);
  const text = await trust.documents.readOfBadge(given);
  const published = readToken(text);
  if (published !== undefined) return verifyToken(published, trust, claim);
  const document: unknown = readJson({ status: 200, headers: {}, text }, z.unknown(), whereOf(given));
  const checked = documentSchema.safeParse(document);
  if (!checked.success) throw new BadgeRefusal("unreadable", "what its address holds is no badge");
  return verifyDocument(checked.data, given, trust, claim);
}

function verifyToken(token: Token, trust: StatusTrust, claim: (id: unknown) => void): Promise<Badge> {
  const { payload } = token;
  if ("vc" in payload || "credentialSubject" in payload) {
    claim((payload["vc"] as { id?: unknown } | null | undefined)?.id ?? payload["id"] ?? payload["jti"]);
    return verifyToken3(token, trust);
  }
  claim(payload["id"]);
  return verifySigned(token, trust);
}

/** `address`: where it was found, for a hosted badge is its proof; undefined: in the list. */
function verifyDocument(
  document: Record<string, unknown>,
  address: string | undefined,
  trust: StatusTrust,
  claim: (id: unknown) => void,
): Promise<Badge> {
  const { id } = document;
  if ("credentialSubject" in document) {
    claim(id);
    return verifyDocument3(document, trust);
  }
  if (address === undefined) claim(id);
  const hosted = address ?? id;
  if (typeof hosted !== "string") throw new BadgeRefusal("unreadable", "a badge without an id");
  // Its signature is not in it: a signed badge of version 2.0 is a token.
  if (/"(signed|SignedBadge)"/.test(JSON.stringify(document["verification"] ?? "")))
    throw refused("it says that it is signed, and came without its signature");
  return verifyHosted(hosted, trust);
}
