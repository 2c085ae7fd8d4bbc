// Giving an identity to a partner, and taking it away.
import { type Database, transaction } from "../../db/client.ts";
import type { Context } from "../context.ts";
import {
  addIdentitiesWithin,
  type Identity,
  lockAgainstMerging,
  removeIdentityWithin,
} from "../evidence/match.ts";
import { type FoundPartner, requirePartner } from "../partners/find.ts";
import { isTooLong, tooLong } from "../platform/csv.ts";
import { UsageError } from "../platform/errors.ts";
import { readPoints } from "../scoring/ledger.ts";

interface IdentityRequest {
  /** A slug. */
  partner: string;
  identity: Identity;
}

export interface IdentityChange {
  partner: FoundPartner;
  /** Pieces of evidence that the partner got or lost. */
  evidence: number;
  /** The partner's points before; the new ones come with the next scoring. */
  pointsBefore: number;
}

/**
 * Gives a partner an identity, with the unmatched evidence known under it, and enqueues the scoring. Throws a UsageError for
 * an unknown partner, an identity of another partner, and an empty or too long name.
 */
export async function addIdentity(context: Context, request: IdentityRequest): Promise<IdentityChange> {
  const { identity } = request;
  const refused = [identity.namespace, identity.key].find((part) => part === "" || isTooLong(part));
  if (refused !== undefined) throw new UsageError(refused === "" ? "expected a name" : tooLong(refused));
  return change(context, request, async (tx, partner) => {
    const { matched } = await addIdentitiesWithin(tx, partner.id, [identity], context.now());
    return matched;
  });
}

/** Takes an identity from a partner: the evidence under it is unmatched again. Throws a UsageError where it has no such one. */
export async function removeIdentity(context: Context, request: IdentityRequest): Promise<IdentityChange> {
  return change(context, request, async (tx, partner) => {
    const { unmatched } = await removeIdentityWithin(tx, partner, request.identity, context.now());
    return unmatched;
  });
}

async function change(
  context: Context,
  { partner: slug }: IdentityRequest,
  work: (tx: Database, partner: FoundPartner) => Promise<number>,
): Promise<IdentityChange> {
  const changed = await transaction(context.db, async (tx) => {
    // Taken before any other lock, so that a merge cannot move the partner while its identities change.
    await lockAgainstMerging(tx);
    const partner = await requirePartner(tx, slug);
    const pointsBefore = await readPoints(tx, partner.id);
    return { partner, pointsBefore, evidence: await work(tx, partner) };
  });
  await context.queues.nudge("score", {});
  return changed;
}
