// Whose evidence is it: identities, and what happens to unmatched evidence when one is added.
import { type SQL, sql } from "drizzle-orm";
import { type Database, transaction } from "../../db/client.ts";
import { UsageError } from "../platform/errors.ts";
import { markPending } from "./pending.ts";

export interface Identity {
  namespace: string;
  key: string;
}

// "standings identities" in ASCII, shortened: any number does that nothing else locks.
const MATCHING = 0x7374_6964;

/**
 * Recording reads identities under this lock, adding one takes it alone: either the page sees the new identity, or the
 * identity sees the page's unmatched rows. Held until commit.
 */
export async function lockForReading(tx: Database): Promise<void> {
  await tx.execute(sql`select pg_advisory_xact_lock_shared(${MATCHING})`);
}

/** The lock of `addIdentitiesWithin`. A transaction that also changes partners takes it before any row. */
export async function lockForMatching(tx: Database): Promise<void> {
  await tx.execute(sql`select pg_advisory_xact_lock(${MATCHING})`);
}

// "standings merging", as above.
const MERGING = 0x7374_6d65;

/**
 * Held until commit: excludes merges and unmerges. For writers that do not read identities (an adjustment, the partner of
 * a connection). Taken before every other lock.
 */
export async function lockAgainstMerging(tx: Database): Promise<void> {
  await tx.execute(sql`select pg_advisory_xact_lock_shared(${MERGING})`);
}

/** What a merge takes, before every other lock. */
export async function lockForMerging(tx: Database): Promise<void> {
  await tx.execute(sql`select pg_advisory_xact_lock(${MERGING})`);
}

/**
 * Gives a partner identities; evidence that waited for them gets its partner at once (the unmatched row is superseded
 * by one with the partner, so what was known when stays true). An identity the partner has already is left alone; one
 * of another partner throws a UsageError and nothing is changed. Returns how much evidence was matched.
 */
export async function addIdentities(
  db: Database,
  partnerId: number,
  identities: Identity[],
  now: Date,
): Promise<{ matched: number }> {
  return transaction(db, (tx) => addIdentitiesWithin(tx, partnerId, identities, now));
}

/** As `addIdentities`, within the caller's transaction. */
export async function addIdentitiesWithin(
  tx: Database,
  partnerId: number,
  identities: Identity[],
  now: Date,
): Promise<{ matched: number }> {
  if (identities.length === 0) return { matched: 0 };
  await lockForMatching(tx);
  const named = sql`unnest(${sql.param(identities.map((identity) => identity.namespace))}::text[],
    ${sql.param(identities.map((identity) => identity.key))}::text[]) as named (namespace, key)`;
  const taken = await tx.execute<{ namespace: string; key: string; slug: string }>(sql`
    with put as (
      insert into identities (namespace, key, partner_id)
      select distinct namespace, key, ${partnerId}::bigint from ${named}
      on conflict (namespace, key) do nothing)
    select identities.namespace, identities.key, partners.slug
    from ${named} join identities using (namespace, key) join partners on partners.id = identities.partner_id
    where identities.partner_id <> ${partnerId}::bigint`);
  const other = taken[0];
  if (other !== undefined) {
    throw new UsageError(`identity ${other.namespace}:${other.key} belongs to partner ${other.slug} already`);
  }
  const waiting = sql`
    select evidence.id from ${named} join evidence on evidence.namespace = named.namespace and evidence.identity_key = named.key
    where evidence.partner_id is null and evidence.superseded_at is null`;
  const matched = await giveEvidence(tx, waiting, partnerId, now);
  if (matched > 0) await markPending(tx, [partnerId], { cause: "identity", at: now });
  return { matched };
}

/**
 * Takes an identity from a partner: evidence known under it waits for a partner again, as superseding rows. Within the
 * caller's transaction. Throws a UsageError where the partner has no such identity. Returns how much evidence it was.
 */
export async function removeIdentityWithin(
  tx: Database,
  partner: { id: number; slug: string },
  identity: Identity,
  now: Date,
): Promise<{ unmatched: number }> {
  await lockForMatching(tx);
  const removed = await tx.execute(sql`
    delete from identities
    where namespace = ${identity.namespace} and key = ${identity.key} and partner_id = ${partner.id} returning 1`);
  if (removed.length === 0) {
    throw new UsageError(`partner ${partner.slug} has no identity ${identity.namespace}:${identity.key}`);
  }
  const known = sql`
    select id from evidence where partner_id = ${partner.id} and superseded_at is null
      and namespace = ${identity.namespace} and identity_key = ${identity.key}`;
  const unmatched = await giveEvidence(tx, known, null, now);
  if (unmatched > 0) await markPending(tx, [partner.id], { cause: "identity", at: now });
  return { unmatched };
}

/** The identities of a partner, with the current evidence known under each. */
export async function readIdentities(
  db: Database,
  partnerId: number,
): Promise<(Identity & { evidence: number })[]> {
  return db.execute<Record<string, unknown> & Identity & { evidence: number }>(sql`
    select namespace, key, (
      select count(*)::int from evidence
      where evidence.partner_id = identities.partner_id and evidence.namespace = identities.namespace
        and identity_key = key and superseded_at is null) as evidence
    from identities where partner_id = ${partnerId} order by 1, 2`);
}

/**
 * Gives current evidence (a SELECT of its ids) to a partner, or (null) makes it unmatched. History is kept: each row is superseded by one that
 * begins where it ends. One statement: the insert reads what the update returns, so evidence_current_key never sees two
 * current rows. In id order, as every writer of evidence locks. Returns how many; marks no partner pending.
 */
export async function giveEvidence(
  tx: Database,
  ids: SQL,
  partnerId: number | null,
  now: Date,
): Promise<number> {
  const [given] = await tx.execute<{ count: number }>(sql`
    with locked as (
      select id from evidence where id in (${ids}) and superseded_at is null order by id for update),
    ended as (
      update evidence set superseded_at = greatest(${now}, recorded_at) from locked where evidence.id = locked.id
      returning evidence.*),
    given as (
      insert into evidence (source, connection_id, external_id, partner_id, namespace, identity_key, kind, occurred_at,
        ended_at, quantity, attributes, title, link, digest, run_id, run_beginning, recorded_at)
      select source, connection_id, external_id, ${partnerId}::bigint, namespace, identity_key, kind, occurred_at,
        ended_at, quantity, attributes, title, link, digest, run_id, run_beginning, superseded_at
      from ended returning 1)
    select count(*)::int as count from given`);
  return given?.count ?? 0;
}
