// A reconciliation: a complete listing of every source, then every stored score held against the evaluation and the cached
// standings against Postgres. What differs is repaired by ordinary ledger lines and counted: the run's drift, target 0.
import { sql } from "drizzle-orm";
import { type Database, transaction } from "../../../db/client.ts";
import { markPendingWhere } from "../../evidence/pending.ts";
import type { ProgrammeVersions } from "../../programme/versions.ts";
import { drainPending } from "../../scoring/drain.ts";
import { drifting, verify } from "../../scoring/verify.ts";
import { startSyncWithin } from "./sync.ts";

export interface ReconcileRequest {
  sources: string[];
  askedBy: string;
  now: Date;
}

/** One at a time. The holder may be verifying a million partners; if it is stopped, Postgres ends its idle transaction. */
async function lockReconciles(tx: Database): Promise<void> {
  await tx.execute(sql`select set_config('lock_timeout', '10min', true)`);
  await tx.execute(sql`select pg_advisory_xact_lock(hashtextextended('reconcile', 0))`);
}

/**
 * Begins a reconciliation with a complete sync of every source below it, in one transaction; or joins the one that is
 * open, so that a schedule never piles them up.
 */
export async function startReconcile(
  db: Database,
  request: ReconcileRequest,
): Promise<{ runId: number; joined: boolean }> {
  return transaction(db, async (tx) => {
    await lockReconciles(tx);
    const [open] = await tx.execute<{ id: number }>(sql`
      select id from runs where kind = 'reconcile' and state = 'running' order by id limit 1`);
    if (open !== undefined) return { runId: open.id, joined: true };
    const [run] = await tx.execute<{ id: number }>(sql`
      insert into runs (kind, "full", asked_by, started_at)
      values ('reconcile', true, ${request.askedBy}, ${request.now}) returning id`);
    if (run === undefined) throw new Error("No run was made for the reconciliation.");
    for (const source of [...request.sources].sort()) {
      await startSyncWithin(tx, {
        source,
        full: true,
        askedBy: request.askedBy,
        parentId: run.id,
        now: request.now,
      });
    }
    return { runId: run.id, joined: false };
  });
}

/** Open reconciliations whose syncs have all ended: they can be finished. */
export async function readFinishableReconciles(db: Database): Promise<number[]> {
  const rows = await db.execute<{ id: number }>(sql`
    select id from runs where kind = 'reconcile' and state = 'running'
      and not exists (select from runs as child where child.parent_id = runs.id and child.state = 'running')
    order by id`);
  return rows.map((row) => row.id);
}

/** The cached standings, as far as a reconciliation needs them. */
export interface CachedStandings {
  /** How many partners the cache shows otherwise than Postgres. */
  compare(): Promise<number>;
  rebuild(): Promise<void>;
}

/**
 * Finishes a reconciliation: counts the drift, repairs it, and ends the run in the worst state of its syncs. Returns undefined
 * without effect while a sync is still running, and when the run has been finished already.
 */
export async function finishReconcile(
  db: Database,
  programmes: ProgrammeVersions,
  cached: CachedStandings,
  options: { runId: number; now: () => Date },
): Promise<{ drift: number } | undefined> {
  if (!(await readFinishableReconciles(db)).includes(options.runId)) return undefined;
  await drainPending(db, programmes, { now: options.now });
  await markDrifting(db, programmes, options.runId, options.now());
  // A partner whose scoring fails must not stop the repair of the others: the run names it.
  const { failure } = await drainPending(db, programmes, { now: options.now });
  // Changes that wait for the rank job are not drift: the comparison leaves their partners out.
  const stale = await cached.compare();
  await cached.rebuild();
  const [run] = await db.execute<{ drift: number }>(sql`
    update runs set finished_at = ${options.now()}, drift = coalesce(drift, 0) + ${stale}::int,
      state = case when ${failure !== undefined} and children.state = 'complete' then 'partial' else children.state end,
      reason = nullif(concat_ws('; ', children.reason, ${failure?.message ?? null}::text), '')
    from (
      select case when count(*) filter (where state = 'held') > 0 then 'held'
          when count(*) = count(*) filter (where state = 'complete') then 'complete'
          when count(*) = count(*) filter (where state = 'failed') then 'failed' else 'partial' end as state,
        string_agg(source || ' ' || state || coalesce(' (' || reason || ')', ''), '; ' order by source)
          filter (where state <> 'complete') as reason
      from runs where parent_id = ${options.runId}) as children
    where id = ${options.runId} and runs.state = 'running' returning drift`);
  return run;
}

/**
 * Marks who drifts and counts them, in one transaction: once marked they are pending and not counted again, so neither a
 * second delivery nor one after a crash loses the number. One at a time; the run's row is the last it locks, as in scoring.
 */
async function markDrifting(
  db: Database,
  programmes: ProgrammeVersions,
  runId: number,
  at: Date,
): Promise<void> {
  await transaction(db, async (tx) => {
    await lockReconciles(tx);
    const { drift } = await verify(tx, programmes, at);
    if (drift === 0) return;
    await markPendingWhere(tx, await drifting(tx, programmes, at), { cause: "reconcile", runId, at });
    await tx.execute(
      sql`update runs set drift = coalesce(drift, 0) + ${drift}::int where id = ${runId} and state = 'running'`,
    );
  });
}
