// A sync run: one pull of every connection of one source. run_connections is its to-do list and its report, so a run
// outlives the queue: whatever is still open there is taken up again.
import { type SQL, sql } from "drizzle-orm";
import { type Database, transaction } from "../../../db/client.ts";
import { isFree, isHeld, releasing, taking } from "../../evidence/lease.ts";
import { FAILURES, type RespectedReasons, selectCallable, wakeSource } from "./circuit.ts";
import { type BeforeSettlement, type Settlement, settle } from "./settlement.ts";

export interface SyncRequest {
  source: string;
  /** Ask for complete listings. */
  full: boolean;
  askedBy: string;
  /** The reconcile run this sync belongs to. */
  parentId?: number;
  /** Default: all. */
  respect?: RespectedReasons;
  now: Date;
}

interface OpenConnection {
  runId: number;
  connectionId: number;
  source: string;
}

/** With the number of times it was begun: the epoch of its nudge. */
type WaitingConnection = { connection: OpenConnection; attempts: number };

/**
 * Begins a run, or joins the one that is open for the source and asks for as much. Two requests at once make one run:
 * an advisory lock on the source is held until commit. Connections that were asked to wait (Retry-After) or rest are not called
 * before their time: they are `deferred` from the start.
 */
export async function startSync(
  db: Database,
  request: SyncRequest,
): Promise<{ runId: number; joined: boolean }> {
  return transaction(db, (tx) => startSyncWithin(tx, request));
}

/** As `startSync`, within the caller's transaction. */
export async function startSyncWithin(
  tx: Database,
  request: SyncRequest,
): Promise<{ runId: number; joined: boolean }> {
  await tx.execute(sql`select pg_advisory_xact_lock(hashtextextended(${`sync ${request.source}`}, 0))`);
  const [open] = await tx.execute<{ id: number }>(sql`
      select id from runs where kind = 'sync' and state = 'running' and source = ${request.source}
        and ("full" or not ${request.full}::boolean) and parent_id is not distinct from ${request.parentId ?? null}::bigint
      order by id limit 1`);
  if (open !== undefined && (await joinRun(tx, open.id, request))) return { runId: open.id, joined: true };
  const [run] = await tx.execute<{ id: number }>(sql`
      insert into runs (kind, source, parent_id, "full", asked_by, started_at)
      values ('sync', ${request.source}, ${request.parentId ?? null}::bigint, ${request.full}, ${request.askedBy}, ${request.now})
      returning id`);
  if (run === undefined) throw new Error(`No run was made for source ${request.source}.`);
  await tx.execute(sql`
      insert into run_connections (run_id, connection_id, due_at, state, error_class, reason)
      select ${run.id}, id, ${request.now}, case when reason is null then 'queued' else 'deferred' end, error_class, reason
      from (${selectCallable(request.source, request.respect ?? "all", request.now)}) as called order by id`);
  await tx.execute(sql`update sources set last_attempt_at = ${request.now} where key = ${request.source}`);
  await finishWhenDone(tx, run.id, request.now);
  return { runId: run.id, joined: false };
}

/** Whether the run is still open. Its deferred connections are queued where the request does not respect the reason. */
async function joinRun(tx: Database, runId: number, request: SyncRequest): Promise<boolean> {
  const respect = request.respect ?? "all";
  if (respect === "all") return true;
  const running = await tx.execute(
    sql`select from runs where id = ${runId} and state = 'running' for update`,
  );
  if (running.length === 0) return false;
  await tx.execute(sql`
    update run_connections set state = 'queued', due_at = ${request.now}, error_class = null, reason = null
    from (${selectCallable(request.source, respect, request.now)}) as called
    where run_id = ${runId} and connection_id = called.id and state = 'deferred' and called.reason is null`);
  return true;
}

/** The connections of a run, or of all syncs below a reconciliation, that are still to be collected. */
export async function readOpenConnections(
  db: Database,
  run: number | { parentId: number },
): Promise<WaitingConnection[]> {
  if (typeof run === "number") return readOpen(db, sql`run_connections.run_id = ${run}`);
  return readOpen(db, sql`run_connections.run_id in (select id from runs where parent_id = ${run.parentId})`);
}

/**
 * What the queue may have lost: due connections of any run without a live lease. Enqueuing one
 * that is queued already is harmless.
 */
export async function readForgottenConnections(db: Database, now: Date): Promise<WaitingConnection[]> {
  return readOpen(db, sql`run_connections.due_at <= ${now} and ${isFree(now)}`);
}

async function readOpen(db: Database, condition: SQL): Promise<WaitingConnection[]> {
  const rows = await db.execute<Record<string, unknown> & OpenConnection & { attempts: number }>(sql`
    select run_connections.run_id as "runId", connections.id as "connectionId", connections.source, attempts
    from run_connections join connections on connections.id = run_connections.connection_id
    where run_connections.state in ('queued', 'running') and ${condition}
    order by run_connections.run_id, connections.id limit 10000`);
  return rows.map(({ attempts, ...connection }) => ({ connection, attempts }));
}

export interface Collection {
  runId: number;
  connectionId: number;
  source: string;
  full: boolean;
  lease: { token: string; durationMs: number };
  key: string;
  secret: string | null;
  attributes: Record<string, string>;
  /** It has failed so often that it is tried once and not again. */
  once: boolean;
  /** Where to go on; null: from the beginning. */
  cursor: unknown;
  /** The cursor was written by this very run: a listing may go on from it. */
  resumed: boolean;
  /** As the last complete listing has kept them. */
  validators: unknown;
}

/**
 * Takes the right to collect a connection for a run. undefined: there is nothing to do, or another worker holds an
 * unexpired lease; the second of two deliveries of a job ends here.
 */
export async function claimCollection(
  db: Database,
  job: { runId: number; connectionId: number },
  options: { leaseMs: number; now: Date },
): Promise<Collection | undefined> {
  const row = await transaction(db, async (tx) => {
    // Locked first, so that the next statement sees the result of a settlement under way.
    await tx.execute(sql`select from connections where id = ${job.connectionId} for no key update`);
    const [claimed] = await tx.execute<ClaimedRow>(sql`
    with open as (
      select run_connections.run_id, connection_id, runs.full from run_connections join runs on runs.id = run_id
      where run_id = ${job.runId} and connection_id = ${job.connectionId}
        and run_connections.state in ('queued', 'running') and runs.state = 'running'),
    leased as (
      update connections set ${taking(options.now, options.leaseMs)}
      from open
      where connections.id = open.connection_id and ${isFree(options.now)}
      returning connections.*, open.full, cursor_run is not distinct from open.run_id as resumed, failures >= ${FAILURES} as once),
    begun as (
      update run_connections set state = 'running', attempts = attempts + 1
      where run_id = ${job.runId} and connection_id in (select id from leased))
    select source, "full", lease_token::text as token, key, secret, attributes, cursor, resumed, validators, once from leased`);
    return claimed;
  });
  if (row === undefined) return undefined;
  const { token, ...rest } = row;
  return { ...job, ...rest, lease: { token, durationMs: options.leaseMs } };
}

type ClaimedRow = Omit<Collection, "runId" | "connectionId" | "lease"> & { token: string };

/**
 * Writes how a connection's part of a run ended, releases its lease and, when it was the last one, ends the run. A no-op unless
 * the caller holds the lease.
 */
export async function settleCollection(
  db: Database,
  collection: { runId: number; connectionId: number; token: string },
  settlement: Settlement,
  now: Date,
): Promise<void> {
  const recovered = await transaction(db, async (tx) => {
    // The connection's row is locked first, as a page locks it: this fixes the lease's holder and excludes deadlocks.
    const held = await tx.execute(sql`select from connections where ${isHeld(collection)} for no key update`);
    if (held.length === 0) return undefined;
    // A later statement than the lock: it sees what was committed while this one waited.
    const [before] = await tx.execute<Record<string, unknown> & BeforeSettlement & { source: string }>(sql`
      select connections.source, connections.state, failures, refused, secret is not null as "hasSecret", pages,
        connections.last_complete_at as "lastCompleteAt", runs.started_at as "startedAt",
        exists (select from held_losses where connection_id = connections.id) as "hasHeldLosses"
      from connections join run_connections on connection_id = connections.id join runs on runs.id = run_id
      where connections.id = ${collection.connectionId} and run_id = ${collection.runId}`);
    if (before === undefined) return undefined;
    const { part, connection } = settle(before, settlement, now);
    const { validators } = connection;
    await tx.execute(sql`
      update run_connections set state = ${part.state}, error_class = ${part.errorClass}, reason = ${part.reason},
        due_at = ${part.dueAt}
      where run_id = ${collection.runId} and connection_id = ${collection.connectionId}`);
    await tx.execute(sql`
      update connections set ${releasing}, state = ${connection.state}, reason = ${connection.reason},
        last_complete_at = ${connection.lastCompleteAt}, retry_at = ${connection.retryAt}, failures = ${connection.failures},
        rest_until = ${connection.restUntil}, refused = ${connection.refused},
        validators = ${validators === "keep" ? sql`validators` : sql`${validators === "clear" ? null : JSON.stringify(validators)}::jsonb`}
      where id = ${collection.connectionId}`);
    if (part.state !== "queued") await finishWhenDone(tx, collection.runId, now);
    return before.failures >= FAILURES && connection.failures === 0 ? before.source : undefined;
  });
  // A statement of its own, in id order: two connections that recover at once would otherwise deadlock.
  if (recovered !== undefined) await wakeSource(db, recovered);
}

/**
 * Ends a run when none of its connections is open. Its state is the worst that needs a person first: held, then failed
 * (all of them), then partial. Written once: only a running run is ended.
 */
async function finishWhenDone(tx: Database, runId: number, now: Date): Promise<void> {
  // One settlement at a time looks at the whole run, or two last ones would each see the other still open.
  await tx.execute(sql`select from runs where id = ${runId} for update`);
  await tx.execute(sql`
    with parts as (
      select count(*) filter (where state in ('queued', 'running')) as open,
        count(*) as parts, count(*) filter (where state = 'complete') as complete,
        count(*) filter (where state = 'held') as held, count(*) filter (where state = 'failed') as failed
      from run_connections where run_id = ${runId}),
    ended as (
      update runs set finished_at = ${now},
        state = case when parts.parts = 0 then 'failed' when held > 0 then 'held' when complete = parts.parts then 'complete'
          when failed = parts.parts then 'failed' else 'partial' end,
        reason = case when parts.parts = 0 then 'no connections; import them first' else (
          select string_agg(line, '; ') from (
            select error_class || ': ' || reason || case when count(*) > 1 then ' (' || count(*) || ' connections)' else '' end as line
            from run_connections where run_id = ${runId} and state <> 'complete'
            group by error_class, reason order by count(*) desc, reason limit 3) as reasons) end
      from parts where id = ${runId} and runs.state = 'running' and parts.open = 0
      returning runs.source, runs.state, runs.reason, runs.started_at)
    update sources set state = ended.state, reason = ended.reason,
      last_complete_at = case when ended.state = 'complete' then ended.started_at else last_complete_at end
    from ended where sources.key = ended.source`);
}
