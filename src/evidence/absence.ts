// What a complete listing no longer has is absent. Only a listing that is provably whole may say so.
import { sql } from "drizzle-orm";
import { type Database, transaction } from "../../db/client.ts";
import { lockForReading } from "./match.ts";
import { markPending } from "./pending.ts";
import { type Lease, LeaseLostError } from "./record.ts";

/** A loss of more than this share of a connection's evidence, and of at least this many, is held for an administrator. */
const HELD_SHARE = 0.2;
const HELD_LEAST = 5;

export type ListingOutcome =
  | { outcome: "taken"; absent: number }
  /** Nothing was taken: the loss is too sudden to believe. */
  | { outcome: "held"; missing: number; known: number }
  /** Nothing was taken: the listing is not whole (its table lost rows in a crash of the database), or is none. */
  | { outcome: "incomplete"; listed: number; written: number | null };

/**
 * Ends a complete listing: evidence of the connection that it did not name is superseded, its partners are pending.
 * One transaction under the lease; done twice it finds an empty listing and a moved lease, and changes nothing.
 */
export async function finishListing(db: Database, lease: Lease, now: Date): Promise<ListingOutcome> {
  return transaction(db, async (tx) => {
    const owner = await tx.execute<{
      loss_approved: boolean;
      written: number | null;
      listed: number;
      known: number;
    }>(sql`
      with owned as (
        select id, loss_approved from connections
        where id = ${lease.connectionId} and lease_token = ${lease.token}::uuid for no key update)
      select owned.loss_approved,
        (select listed from run_connections where run_id = ${lease.runId} and connection_id = owned.id) as written,
        (select count(*)::int from listings where run_id = ${lease.runId} and connection_id = owned.id) as listed,
        (select count(*)::int from evidence where connection_id = owned.id and superseded_at is null) as known
      from owned`);
    const state = owner[0];
    if (state === undefined)
      throw new LeaseLostError(`The lease of connection ${lease.connectionId} was taken over.`);
    // The order of locks of everybody who writes evidence: the connection, the identities, the evidence.
    await lockForReading(tx);
    if (state.listed !== state.written) {
      return { outcome: "incomplete", listed: state.listed, written: state.written };
    }
    // EXCEPT, and each row looked up by its key: freshly written tables have no statistics, and without them an anti-join
    // compares every piece of evidence with every listed one (2,000 of each: 950 ms instead of 3).
    const missing = await tx.execute<{ id: number; partner_id: number | null }>(sql`
      with missing as materialized (
        select source, external_id from evidence
        where connection_id = ${lease.connectionId} and superseded_at is null and run_id is distinct from ${lease.runId}::bigint
        except
        select ${lease.source}, external_id from listings
        where run_id = ${lease.runId} and connection_id = ${lease.connectionId})
      select evidence.id, evidence.partner_id
      from missing cross join lateral (
        select id, partner_id from evidence
        where evidence.source = missing.source and evidence.external_id = missing.external_id and superseded_at is null
        limit 1) as found
      join evidence using (id)
      order by id for update of evidence`);
    const sudden = missing.length >= HELD_LEAST && missing.length > HELD_SHARE * state.known;
    if (sudden && !state.loss_approved) {
      return { outcome: "held", missing: missing.length, known: state.known };
    }
    if (missing.length > 0) {
      await tx.execute(sql`
        update evidence set superseded_at = greatest(${now}, recorded_at)
        where id = any(${sql.param(missing.map((row) => row.id))}::bigint[])`);
      await markPending(
        tx,
        missing.flatMap((row) => (row.partner_id === null ? [] : [row.partner_id])),
        { cause: "evidence", runId: lease.runId, at: now },
      );
    }
    await tx.execute(sql`
      update run_connections set absent = absent + ${missing.length}
      where run_id = ${lease.runId} and connection_id = ${lease.connectionId}`);
    await tx.execute(
      sql`update connections set loss_approved = false where id = ${lease.connectionId} and loss_approved`,
    );
    return { outcome: "taken", absent: missing.length };
  });
}

/** Forgets what a listing has named; nothing of it is needed once it has ended. */
export async function dropListing(db: Database, lease: Lease): Promise<void> {
  await db.execute(
    sql`delete from listings where run_id = ${lease.runId} and connection_id = ${lease.connectionId}`,
  );
}

/**
 * Lets the run's next attempt list from the beginning. Only the holder of the lease may: to forget what somebody else has
 * listed meanwhile, and its count with it, would make all of that absent. Throws LeaseLostError.
 */
export async function restartListing(db: Database, lease: Lease): Promise<void> {
  await transaction(db, async (tx) => {
    const owned = await tx.execute(sql`
      update connections set cursor = null, cursor_run = null
      where id = ${lease.connectionId} and lease_token = ${lease.token}::uuid returning 1`);
    if (owned.length === 0)
      throw new LeaseLostError(`The lease of connection ${lease.connectionId} was taken over.`);
    await tx.execute(sql`
      update run_connections set seen = 0, listed = null where run_id = ${lease.runId} and connection_id = ${lease.connectionId}`);
    await dropListing(tx, lease);
  });
}
