// Rows of sources that are there and cannot be read: kept aside with the reason, for a person to have them mended. What such a
// row once was stays evidence, unconfirmed: the listing names it, so it is not absent.
import { sql } from "drizzle-orm";
import type { Database } from "../../db/client.ts";
import type { EvidenceFact, QuarantinedRow } from "../connectors/connector.ts";
import { storable } from "../platform/text.ts";

/** A run in which so many rows, and more than this share of all, cannot be read is stopped: the source has changed. */
const STOP_LEAST = 5;
const STOP_SHARE = 0.05;
/** Before so many rows have come, only the end of the pull tells what share they are. */
const STOP_AFTER = 100;

/** Whether a pull is to be stopped. `total`: the total that the source declared, if any; `isOver`: there are no more pages. */
export function exceedsErrorRate(
  rows: { read: number; quarantined: number; total: number | undefined },
  isOver: boolean,
): boolean {
  const come = rows.read + rows.quarantined;
  const all = isOver ? come : Math.max(come, rows.total ?? 0);
  return (
    (isOver || come >= STOP_AFTER) && rows.quarantined >= STOP_LEAST && rows.quarantined > STOP_SHARE * all
  );
}

/** What a run has had of a connection so far. */
export async function readRows(
  db: Database,
  of: { runId: number; connectionId: number },
): Promise<{ read: number; quarantined: number; total: number | undefined }> {
  const [row] = await db.execute<{ seen: number; quarantined: number; total: number | null }>(sql`
    select seen, quarantined, total from run_connections where run_id = ${of.runId} and connection_id = ${of.connectionId}`);
  return { read: row?.seen ?? 0, quarantined: row?.quarantined ?? 0, total: row?.total ?? undefined };
}

interface Place {
  source: string;
  connectionId: number;
  runId: number;
  /** Of the run's listing. */
  beginning: number;
}

/** Keeps rows aside: one for each id (quarantined_rows_pkey), so twice is once. Returns how many there were. */
export async function quarantine(
  tx: Database,
  place: Place,
  broken: QuarantinedRow[],
  now: Date,
): Promise<number> {
  const rows = [...new Map(broken.map((row) => [storable(row.externalId, 512), row])).entries()];
  if (rows.length === 0) return 0;
  const column = (values: string[]) => sql`${sql.param(values)}::text[]`;
  await tx.execute(sql`
    insert into quarantined_rows (connection_id, external_id, identified, source, reason, run_id, run_beginning,
      first_seen_at, last_seen_at)
    select ${place.connectionId}::bigint, external_id, identified = 'yes', ${place.source}, reason, ${place.runId}::bigint,
      ${place.beginning}::int, ${now}::timestamptz, ${now}::timestamptz
    from unnest(${column(rows.map(([id]) => id))}, ${column(rows.map(([, row]) => storable(row.reason, 500)))},
      ${column(rows.map(([, row]) => (row.unidentified === true ? "no" : "yes")))}) as broken (external_id, reason, identified)
    order by external_id
    on conflict on constraint quarantined_rows_pkey do update set identified = excluded.identified, reason = excluded.reason,
      run_id = excluded.run_id, run_beginning = excluded.run_beginning,
      last_seen_at = greatest(quarantined_rows.last_seen_at, excluded.last_seen_at)`);
  return rows.length;
}

/** Releases rows that can be read again. */
export async function releaseReadable(
  tx: Database,
  connectionId: number,
  facts: EvidenceFact[],
): Promise<void> {
  await tx.execute(sql`
    delete from quarantined_rows
    where connection_id = ${connectionId} and external_id = any(${sql.param(facts.map((fact) => fact.externalId))}::text[])`);
}

/** Releases what a complete listing has not met any more. */
export async function releaseAbsent(
  tx: Database,
  place: Pick<Place, "connectionId" | "runId" | "beginning">,
): Promise<void> {
  await tx.execute(sql`
    delete from quarantined_rows
    where connection_id = ${place.connectionId}
      and (run_id, run_beginning) is distinct from (${place.runId}::bigint, ${place.beginning}::int)`);
}

export interface Quarantined {
  source: string;
  connection: string;
  externalId: string;
  reason: string;
  /** The run that met it last. */
  run: number;
  firstSeenAt: Date;
  lastSeenAt: Date;
  /** There is evidence of this id from before: it counts on, unconfirmed. */
  known: boolean;
}

/** The rows that cannot be read, by source, connection and id. */
export async function readQuarantined(db: Database): Promise<Quarantined[]> {
  return db.execute<Record<string, unknown> & Quarantined>(sql`
    select quarantined_rows.source, connections.key as connection, quarantined_rows.external_id as "externalId",
      quarantined_rows.reason, quarantined_rows.run_id as run, first_seen_at as "firstSeenAt",
      last_seen_at as "lastSeenAt", evidence.id is not null as known
    from quarantined_rows join connections on connections.id = connection_id
    left join evidence on evidence.source = quarantined_rows.source
      and evidence.external_id = quarantined_rows.external_id and superseded_at is null
    order by 1, 2, 3`);
}
