// Evidence that a complete listing no longer contains is absent. Only a listing that is provably complete has this effect, and
// a loss above the limit is held: points stay until an administrator has decided (held_losses).
import { sql } from "drizzle-orm";
import { type Database, transaction } from "../../db/client.ts";
import { isHeld, type Lease, LeaseLostError } from "./lease.ts";
import { lockForReading } from "./match.ts";
import { markPending } from "./pending.ts";
import { releaseAbsent } from "./quarantine.ts";
import { beginListing, dropListing } from "./record.ts";
import {
  isWaiting,
  judge,
  type LossLimits,
  type MissingRow,
  type Rename,
  readRenames,
  type Sudden,
  wasKnown,
} from "./sudden-loss.ts";

export type ListingOutcome =
  | { outcome: "taken"; absent: number }
  /**
   * The loss is above the limit and not approved: `missing` of `known` pieces of evidence of this connection, or, together with
   * the losses of the others in this run, of the whole source; nothing was removed. `partner`: of single partners, whose evidence
   * was kept while the rest was removed. `waiting`: an earlier run holds it and nobody has decided, or its rejection has expired.
   */
  | {
      outcome: "held";
      missing: number;
      known: number;
      of: "connection" | "source" | "partner" | "waiting";
      absent: number;
      renames: Rename[];
    }
  /** Nothing was taken: rows without a readable id may be what is missing. */
  | { outcome: "unclear"; unidentified: number }
  /** Nothing was taken: the listing is not whole (its table lost rows in a crash of the database), or is none. */
  | { outcome: "incomplete"; listed: number; written: number | null };

interface ListingState {
  written: number | null;
  listed: number;
  /** Pieces of evidence before the run: what it has added is not among them. */
  known: number;
  beginning: number;
  unidentified: number;
}

/**
 * Ends a complete listing: evidence of the connection that it did not name is superseded, its partners are pending. Rows in
 * quarantine are named. The clock is read once all locks are held. One transaction under the lease; done twice it finds an empty
 * listing and a moved lease, and changes nothing.
 */
export async function finishListing(
  db: Database,
  lease: Lease,
  { now: clock, losses: limits }: { now: () => Date; losses: LossLimits },
): Promise<ListingOutcome> {
  return transaction(db, async (tx) => {
    const state = await readListing(tx, lease);
    // One connection of a run at a time looks at what the run has lost; it holds its own row and nothing others wait for.
    await tx.execute(sql`select pg_advisory_xact_lock(hashtextextended(${`loss ${lease.runId}`}, 0))`);
    // The order of locks of everybody who writes evidence: the connection, the identities, the evidence.
    await lockForReading(tx);
    if (state.listed !== state.written) {
      return { outcome: "incomplete", listed: state.listed, written: state.written };
    }
    if (state.unidentified > 0) return { outcome: "unclear", unidentified: state.unidentified };
    const missing = await lockMissing(tx, { ...lease, beginning: state.beginning });
    const now = clock();
    const undecided = missing.filter((row) => row.decision === null);
    const waiting = missing.filter((row) => isWaiting(row, now, limits));
    // What an earlier attempt of this very run has added is no loss: nothing counted on it before.
    const judged = undecided.filter((row) => row.known);
    const sudden = await judge(tx, lease, judged, { known: state.known, limits });
    const held = new Set([...(sudden?.rows ?? []), ...waiting]);
    const lost = missing.filter(
      (row) => row.decision === "approved" || (row.decision === null && !held.has(row)),
    );
    await take(tx, lease, lost, now);
    await holdLosses(tx, lease, { missing, held: [...held], now });
    await releaseAbsent(tx, { ...lease, beginning: state.beginning });
    await tx.execute(sql`
      update run_connections set absent = absent + ${lost.length},
        missing = ${judged.length} + case when ${sudden === undefined} then missing else 0 end,
        loss = coalesce(${toLoss(sudden, judged)}, loss)
      where run_id = ${lease.runId} and connection_id = ${lease.connectionId}`);
    if (held.size === 0) return { outcome: "taken", absent: lost.length };
    const renames = await readRenames(tx, lease, [...held]);
    const {
      of,
      missing: count,
      known,
    } = sudden ?? { of: "waiting", missing: waiting.length, known: state.known };
    return { outcome: "held", missing: count, known, of, absent: lost.length, renames };
  });
}

async function readListing(tx: Database, lease: Lease): Promise<ListingState> {
  const [state] = await tx.execute<Record<string, unknown> & ListingState>(sql`
    with owned as (
      select id from connections
      where ${isHeld(lease)} for no key update),
    part as (select listed, beginning, added from run_connections where run_id = ${lease.runId} and connection_id = ${lease.connectionId})
    select (select listed from part) as written, coalesce((select beginning from part), 0) as beginning,
      (select count(*)::int from listings where run_id = ${lease.runId} and connection_id = owned.id) as listed,
      (select count(*)::int from evidence where connection_id = owned.id and superseded_at is null)
        - coalesce((select added from part), 0) as known,
      (select count(*)::int from quarantined_rows, part where connection_id = owned.id and not identified
        and run_id = ${lease.runId} and run_beginning = part.beginning) as unidentified
    from owned`);
  if (state === undefined) throw new LeaseLostError(lease);
  return state;
}

/**
 * The current evidence a listing did not name, locked in id order. EXCEPT, and each row looked up by its key: freshly written
 * tables have no statistics, and without them an anti-join compares every piece of evidence with every listed one (2,000 of
 * each: 950 ms instead of 3).
 */
async function lockMissing(tx: Database, lease: Lease & { beginning: number }): Promise<MissingRow[]> {
  const ofThisListing = sql`run_id = ${lease.runId}::bigint and run_beginning = ${lease.beginning}::int`;
  return tx.execute<Record<string, unknown> & MissingRow>(sql`
    with missing as materialized (
      (select source, external_id from evidence
      where connection_id = ${lease.connectionId} and superseded_at is null
        and (run_id is null or not (${ofThisListing}))
      except
      select ${lease.source}, external_id from listings
      where run_id = ${lease.runId} and connection_id = ${lease.connectionId})
      except
      select source, external_id from quarantined_rows
      where connection_id = ${lease.connectionId} and ${ofThisListing})
    select evidence.id, evidence.external_id, evidence.partner_id, decided.decision, decided.decided_at,
      decided.held is true as held, ${wasKnown(lease.runId)} as known
    from missing cross join lateral (
      select id, partner_id from evidence
      where evidence.source = missing.source and evidence.external_id = missing.external_id and superseded_at is null
      limit 1) as found
    join evidence using (id)
    left join lateral (
      select decision, decided_at, true as held from held_losses
      where connection_id = ${lease.connectionId} and external_id = missing.external_id limit 1) as decided on true
    order by id for update of evidence`);
}

/** How the run counts it (run_connections.loss): a loss that is small for its source may be one of many. */
function toLoss(sudden: Sudden | undefined, judged: MissingRow[]): string | null {
  if (sudden !== undefined && sudden.of !== "partner") return sudden.of;
  return judged.length > 0 ? "believed" : null;
}

async function take(tx: Database, lease: Lease, lost: MissingRow[], now: Date): Promise<void> {
  if (lost.length === 0) return;
  await tx.execute(sql`
    update evidence set superseded_at = greatest(${now}, recorded_at)
    where id = any(${sql.param(lost.map((row) => row.id))}::bigint[])`);
  await markPending(
    tx,
    lost.flatMap((row) => (row.partner_id === null ? [] : [row.partner_id])),
    { cause: "evidence", runId: lease.runId, at: now },
  );
}

/**
 * Writes what waits for a decision now, and forgets decisions about what was taken or is named again: a decision is about one
 * disappearance. What was rejected and is still missing stays rejected.
 */
async function holdLosses(
  tx: Database,
  lease: Lease,
  { missing, held, now }: { missing: MissingRow[]; held: MissingRow[]; now: Date },
): Promise<void> {
  const kept = missing.filter((row) => row.decision === "rejected");
  const ids = (rows: MissingRow[]) => sql`${sql.param(rows.map((row) => row.external_id))}::text[]`;
  await tx.execute(sql`
    delete from held_losses
    where connection_id = ${lease.connectionId} and not (external_id = any(${ids([...kept, ...held])}))`);
  if (held.length === 0) return;
  await tx.execute(sql`
    insert into held_losses (connection_id, external_id, run_id, confirmed_at)
    select ${lease.connectionId}::bigint, external_id, ${lease.runId}::bigint,
      coalesce((select last_complete_at from connections where id = ${lease.connectionId}), ${now}::timestamptz)
    from unnest(${ids(held)}) as held (external_id)
    on conflict on constraint held_losses_pkey do update
      set run_id = excluded.run_id, decision = null, decided_by = null, decided_at = null`);
}

/**
 * Lets the run's next attempt list from the beginning. Only the holder of the lease may: to forget what somebody else has
 * listed meanwhile, and its count with it, would make all of that absent. Throws LeaseLostError.
 */
export async function restartListing(db: Database, lease: Lease): Promise<void> {
  await transaction(db, async (tx) => {
    const owned = await tx.execute(sql`
      update connections set cursor = null, cursor_run = null
      where ${isHeld(lease)} returning 1`);
    if (owned.length === 0) throw new LeaseLostError(lease);
    await beginListing(tx, lease);
    await dropListing(tx, lease);
  });
}
