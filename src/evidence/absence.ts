// Evidence that a complete listing no longer contains is absent. Only a listing that is provably complete has this effect, and
// a loss above the limit is held: points stay until an administrator has decided (held_losses).
import { sql } from "drizzle-orm";
import { type Database, transaction } from "../../db/client.ts";
import { isHeld, type Lease, LeaseLostError } from "./lease.ts";
import { lockForReading } from "./match.ts";
import { markPending } from "./pending.ts";
import { releaseAbsent } from "./quarantine.ts";
import { beginListing, dropListing } from "./record.ts";

/** A loss of more than this share of the evidence, and of at least this many, is held for an administrator. */
const HELD_SHARE = 0.2;
const HELD_LEAST = 5;

export type ListingOutcome =
  | { outcome: "taken"; absent: number }
  /**
   * The loss is above the limit and not approved, so nothing was removed: of this connection or, together with the losses of
   * the others in this run, of the whole source. `missing` of `known` pieces of evidence.
   */
  | { outcome: "held"; missing: number; known: number; of: "connection" | "source" }
  /** Nothing was taken: rows without a readable id may be what is missing. */
  | { outcome: "unclear"; unidentified: number }
  /** Nothing was taken: the listing is not whole (its table lost rows in a crash of the database), or is none. */
  | { outcome: "incomplete"; listed: number; written: number | null };

interface ListingState {
  written: number | null;
  listed: number;
  known: number;
  beginning: number;
  unidentified: number;
}

/**
 * Ends a complete listing: evidence of the connection that it did not name is superseded, its partners are pending. Rows in
 * quarantine are named. One transaction under the lease; done twice it finds an empty listing and a moved lease, and
 * changes nothing.
 */
export async function finishListing(db: Database, lease: Lease, now: Date): Promise<ListingOutcome> {
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
    const undecided = missing.filter((row) => row.decision === null);
    const held = await judge(tx, lease, undecided.length, state.known);
    const lost = missing.filter(
      (row) => row.decision === "approved" || (row.decision === null && held === undefined),
    );
    await take(tx, lease, lost, now);
    await holdLosses(tx, lease, missing, held === undefined ? [] : undecided);
    await releaseAbsent(tx, { ...lease, beginning: state.beginning });
    await tx.execute(sql`
      update run_connections set absent = absent + ${lost.length},
        missing = ${undecided.length} + case when ${held === undefined} then missing else 0 end,
        loss = coalesce(${held?.of ?? (undecided.length > 0 ? "believed" : null)}, loss)
      where run_id = ${lease.runId} and connection_id = ${lease.connectionId}`);
    return held === undefined
      ? { outcome: "taken", absent: lost.length }
      : { outcome: "held", missing: held.missing, known: held.known, of: held.of };
  });
}

async function readListing(tx: Database, lease: Lease): Promise<ListingState> {
  const [state] = await tx.execute<Record<string, unknown> & ListingState>(sql`
    with owned as (
      select id from connections
      where ${isHeld(lease)} for no key update),
    part as (select listed, beginning from run_connections where run_id = ${lease.runId} and connection_id = ${lease.connectionId})
    select (select listed from part) as written, coalesce((select beginning from part), 0) as beginning,
      (select count(*)::int from listings where run_id = ${lease.runId} and connection_id = owned.id) as listed,
      (select count(*)::int from evidence where connection_id = owned.id and superseded_at is null) as known,
      (select count(*)::int from quarantined_rows, part where connection_id = owned.id and not identified
        and run_id = ${lease.runId} and run_beginning = part.beginning) as unidentified
    from owned`);
  if (state === undefined) throw new LeaseLostError(lease);
  return state;
}

interface MissingRow {
  id: number;
  external_id: string;
  partner_id: number | null;
  decision: "approved" | "rejected" | null;
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
    select evidence.id, evidence.external_id, evidence.partner_id, (
      select decision from held_losses
      where held_losses.connection_id = ${lease.connectionId} and held_losses.external_id = evidence.external_id) as decision
    from missing cross join lateral (
      select id, partner_id from evidence
      where evidence.source = missing.source and evidence.external_id = missing.external_id and superseded_at is null
      limit 1) as found
    join evidence using (id)
    order by id for update of evidence`);
}

interface Suddenness {
  missing: number;
  known: number;
  of: "connection" | "source";
}

/**
 * Whether an undecided loss is above the limit: of the connection's own evidence, or of its source's together with what this
 * run has removed already (ninety accounts that lose four of four each are one large loss). Removals before the sum passed the
 * limit stay; from then on each further loss of the run is held.
 */
async function judge(
  tx: Database,
  lease: Lease,
  missing: number,
  known: number,
): Promise<Suddenness | undefined> {
  if (missing === 0) return undefined;
  if (isSudden(missing, known)) return { missing, known, of: "connection" };
  const [run] = await tx.execute<{ before: number; taken: number }>(sql`
    select coalesce(sum(missing) filter (where loss in ('believed', 'source')), 0)::int as before,
      coalesce(sum(absent), 0)::int as taken
    from run_connections where run_id = ${lease.runId}`);
  const inAll = missing + (run?.before ?? 0);
  if (inAll < HELD_LEAST) return undefined;
  const [source] = await tx.execute<{ known: number }>(sql`
    select count(*)::int as known from evidence where source = ${lease.source} and superseded_at is null`);
  const ofSource = (source?.known ?? 0) + (run?.taken ?? 0);
  return isSudden(inAll, ofSource) ? { missing: inAll, known: ofSource, of: "source" } : undefined;
}

function isSudden(missing: number, known: number): boolean {
  return missing >= HELD_LEAST && missing > HELD_SHARE * known;
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
  missing: MissingRow[],
  held: MissingRow[],
): Promise<void> {
  const kept = missing.filter((row) => row.decision === "rejected");
  const ids = (rows: MissingRow[]) => sql`${sql.param(rows.map((row) => row.external_id))}::text[]`;
  await tx.execute(sql`
    delete from held_losses
    where connection_id = ${lease.connectionId} and not (external_id = any(${ids([...kept, ...held])}))`);
  if (held.length === 0) return;
  await tx.execute(sql`
    insert into held_losses (connection_id, external_id, run_id)
    select ${lease.connectionId}::bigint, unnest(${ids(held)}), ${lease.runId}::bigint
    on conflict on constraint held_losses_pkey do update set run_id = excluded.run_id`);
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
