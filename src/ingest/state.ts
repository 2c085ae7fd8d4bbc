// The stored state of sources and of the database, for health checks. Reads only.
import { sql } from "drizzle-orm";
import type { Database } from "../../db/client.ts";

export interface DatabaseFacts {
  version: string;
  partners: number;
  evidence: number;
}

/** The server's version, and how many partners and current pieces of evidence there are. */
export async function readDatabaseFacts(db: Database): Promise<DatabaseFacts> {
  const [row] = await db.execute<Record<string, unknown> & DatabaseFacts>(sql`
    select current_setting('server_version') as version, (select count(*)::int from partners) as partners,
      (select count(*)::int from evidence where superseded_at is null) as evidence`);
  if (row === undefined) throw new Error("Postgres returned no row for a select without from.");
  return row;
}

export interface ActiveConnection {
  key: string;
  /** Encrypted; null: it has none. */
  secret: string | null;
  attributes: Record<string, string>;
}

/** The active connections of a source, by key. */
export async function readActiveConnections(db: Database, source: string): Promise<ActiveConnection[]> {
  return db.execute<Record<string, unknown> & ActiveConnection>(sql`
    select key, secret, attributes from connections where source = ${source} and active order by key`);
}

/** The last run of a source that has ended; `reason` is the run's own, or those of its connections. */
export async function readLastRun(
  db: Database,
  source: string,
): Promise<{ id: number; state: string; reason: string | null } | undefined> {
  const [run] = await db.execute<{ id: number; state: string; reason: string | null }>(sql`
    select runs.id, runs.state, coalesce(runs.reason, (
      select string_agg(distinct run_connections.reason, '; ') from run_connections where run_id = runs.id)) as reason
    from runs where source = ${source} and state <> 'running' order by id desc limit 1`);
  return run;
}

/** When a complete run of the source ended last; null: never. */
export async function readLastComplete(db: Database, source: string): Promise<Date | null> {
  const [row] = await db.execute<{ last: Date | null }>(sql`
    select last_complete_at as last from sources where key = ${source}`);
  return row?.last ?? null;
}

export interface SourceFacts {
  key: string;
  /** How its last run ended; `new` before the first. */
  state: string;
  lastCompleteAt: Date | null;
  /** Pieces of evidence that its listings lack and that count on: their loss waits for a decision, or was rejected. */
  heldLosses: number;
  rejectedLosses: number;
}

export interface FreshnessFacts {
  sources: Map<string, SourceFacts>;
  /** Since when the partner that waits longest for its score has been pending; null: none is. */
  oldestPendingSince: Date | null;
}

/** Every source, and the oldest pending partner, from one statement. */
export async function readFreshness(db: Database): Promise<FreshnessFacts> {
  type Row = { oldest: Date | null; key: string | null; state: string; last_complete_at: Date | null } & {
    held: number;
    rejected: number;
  };
  const rows = await db.execute<Row>(sql`
    with kept as (
      select source, count(*) filter (where decision is null)::int as held,
        count(*) filter (where decision = 'rejected')::int as rejected
      from held_losses join connections on connections.id = connection_id where active group by source)
    select pending.oldest, sources.key, sources.state, sources.last_complete_at, coalesce(kept.held, 0) as held,
      coalesce(kept.rejected, 0) as rejected
    from (select min(since) as oldest from pending_partners) pending left join sources on true
    left join kept on kept.source = sources.key`);
  const sources = rows.flatMap(({ key, state, last_complete_at: lastCompleteAt, held, rejected }) =>
    key === null
      ? []
      : [[key, { key, state, lastCompleteAt, heldLosses: held, rejectedLosses: rejected }] as const],
  );
  return { sources: new Map(sources), oldestPendingSince: rows[0]?.oldest ?? null };
}
