// Reading runs: how far they are, how they ended, what they changed.
import { sql } from "drizzle-orm";
import type { Database } from "../../../db/client.ts";

type RunState = "running" | "complete" | "partial" | "held" | "failed";

export interface RunReport {
  id: number;
  kind: "sync" | "rescore" | "reconcile";
  source: string | null;
  full: boolean;
  askedBy: string;
  state: RunState;
  reason: string | null;
  startedAt: Date;
  finishedAt: Date | null;
  /** Connections of a sync, ranges of a rescore, syncs of a reconciliation: in all, and ended. */
  parts: number;
  partsDone: number;
  pages: number;
  /** Pieces of evidence the pages held, and how many of them were new, changed, gone, or have no partner yet. */
  seen: number;
  added: number;
  changed: number;
  absent: number;
  unmatched: number;
  /** Rows that are there and cannot be read. */
  quarantined: number;
  /** Ledger lines. */
  awards: number;
  drift: number | null;
}

/** Runs, newest first: the latest of them, or those with these ids. */
export async function readRuns(
  db: Database,
  which: { limit: number } | { ids: number[] },
): Promise<RunReport[]> {
  const chosen =
    "ids" in which
      ? sql`select * from runs where id = any(${sql.param(which.ids)}::bigint[])`
      : sql`select * from runs order by id desc limit ${which.limit}`;
  return db.execute<Record<string, unknown> & RunReport>(sql`
    select runs.id, kind, source, "full", asked_by as "askedBy", runs.state, reason, started_at as "startedAt",
      finished_at as "finishedAt", awards, drift,
      coalesce(pulled.parts, 0) + ranges.parts + children.parts as parts,
      coalesce(pulled.done, 0) + ranges.done + children.done as "partsDone",
      coalesce(pages, 0) as pages, coalesce(seen, 0) as seen, coalesce(added, 0) as added,
      coalesce(changed, 0) as changed, coalesce(absent, 0) as absent, coalesce(unmatched, 0) as unmatched,
      coalesce(quarantined, 0) as quarantined
    from (${chosen}) as runs
    cross join lateral (
      select count(*)::int as parts, (count(*) filter (where state not in ('queued', 'running')))::int as done,
        sum(pages)::int as pages, sum(seen)::int as seen, sum(added)::int as added, sum(changed)::int as changed,
        sum(absent)::int as absent, sum(unmatched)::int as unmatched,
        sum(quarantined)::int as quarantined
      from run_connections where run_id = runs.id) as pulled
    cross join lateral (
      select count(*)::int as parts, count(done_at)::int as done from run_ranges where run_id = runs.id) as ranges
    cross join lateral (
      select count(*)::int as parts, (count(*) filter (where child.state <> 'running'))::int as done
      from runs as child where child.parent_id = runs.id) as children
    order by runs.id desc`);
}

export interface ConnectionReport {
  source: string;
  key: string;
  state: string;
  errorClass: string | null;
  reason: string | null;
  dueAt: Date;
  attempts: number;
  pages: number;
  seen: number;
}

/** The connections of a run that did not end `complete`: which, and why. */
export async function readTroubledConnections(db: Database, runId: number): Promise<ConnectionReport[]> {
  return db.execute<Record<string, unknown> & ConnectionReport>(sql`
    select connections.source, connections.key, run_connections.state, error_class as "errorClass",
      run_connections.reason, due_at as "dueAt", attempts, pages, seen
    from run_connections join connections on connections.id = connection_id
    where run_id = ${runId} and run_connections.state <> 'complete'
    order by 1, 2`);
}

export interface ScoreChange {
  slug: string;
  name: string;
  delta: number;
  points: number;
  lines: number;
}

/** What ledger lines changed, by partner, the largest change first: those of some runs, or all after a line. */
export async function readScoreChanges(
  db: Database,
  which: { runIds: number[] } | { afterLine: number },
): Promise<ScoreChange[]> {
  const lines =
    "runIds" in which
      ? sql`run_id = any(${sql.param(which.runIds)}::bigint[])`
      : sql`ledger.id > ${which.afterLine}`;
  return db.execute<Record<string, unknown> & ScoreChange>(sql`
    select slug, name, sum(delta)::int as delta, scores.points, count(*)::int as lines
    from ledger join partners on partners.id = ledger.partner_id join scores on scores.partner_id = partners.id
    where ${lines} group by partners.id, scores.partner_id
    order by abs(sum(delta)) desc, slug`);
}

/** Whether every partner that was marked until an instant has been scored since. */
export async function isScored(db: Database, until: Date): Promise<boolean> {
  const waiting = await db.execute(sql`select from pending_partners where since <= ${until} limit 1`);
  return waiting.length === 0;
}

/** Whether every score that was written until an instant is in the standings. */
export async function isRanked(db: Database, until: Date): Promise<boolean> {
  const waiting = await db.execute(sql`select from pending_standings where since <= ${until} limit 1`);
  return waiting.length === 0;
}
