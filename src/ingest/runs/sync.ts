// A sync run: one pull of every connection of one source. run_connections is its to-do list and its report, so a run
// outlives the queue: whatever is still open there is taken up again.
import { type SQL, sql } from "drizzle-orm";
import { type Database, transaction } from "../../../db/client.ts";
import type { SourceErrorClass } from "../../platform/errors.ts";
import type { KeptValidators } from "../requests/validators.ts";
import { FAILURES, type Heed, restMs, wakeSource, whetherCalled } from "./circuit.ts";

export interface SyncRequest {
  source: string;
  /** Ask for complete listings. */
  full: boolean;
  askedBy: string;
  /** The reconcile run this sync belongs to. */
  parentId?: number;
  /** What keeps a connection from being called; all of it when absent. */
  heed?: Heed;
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
      from (${whetherCalled(request.source, request.heed ?? "all", request.now)}) as called order by id`);
  await tx.execute(sql`update sources set last_attempt_at = ${request.now} where key = ${request.source}`);
  await finishWhenDone(tx, run.id, request.now);
  return { runId: run.id, joined: false };
}

/** Whether the run is still open. Connections it has put off are called after all where the request does not heed why. */
async function joinRun(tx: Database, runId: number, request: SyncRequest): Promise<boolean> {
  const heed = request.heed ?? "all";
  if (heed === "all") return true;
  const running = await tx.execute(
    sql`select from runs where id = ${runId} and state = 'running' for update`,
  );
  if (running.length === 0) return false;
  await tx.execute(sql`
    update run_connections set state = 'queued', due_at = ${request.now}, error_class = null, reason = null
    from (${whetherCalled(request.source, heed, request.now)}) as called
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
 * What the queue may have forgotten: connections of any run whose time has come and that nobody collects. Enqueuing one
 * that is queued already is harmless.
 */
export async function readForgottenConnections(db: Database, now: Date): Promise<WaitingConnection[]> {
  return readOpen(
    db,
    sql`run_connections.due_at <= ${now} and (connections.lease_until is null or connections.lease_until <= ${now})`,
  );
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
 * Takes the right to collect a connection for a run. undefined: there is nothing to do, or somebody else is at it (their
 * lease has not ended); the second of two deliveries of a job ends here.
 */
export async function claimCollection(
  db: Database,
  job: { runId: number; connectionId: number },
  options: { leaseMs: number; now: Date },
): Promise<Collection | undefined> {
  const row = await transaction(db, async (tx) => {
    // First, so that what is read next is as a settlement at this very moment has left it.
    await tx.execute(sql`select from connections where id = ${job.connectionId} for no key update`);
    const [claimed] = await tx.execute<ClaimedRow>(sql`
    with open as (
      select run_connections.run_id, connection_id, runs.full from run_connections join runs on runs.id = run_id
      where run_id = ${job.runId} and connection_id = ${job.connectionId}
        and run_connections.state in ('queued', 'running') and runs.state = 'running'),
    leased as (
      update connections set lease_token = gen_random_uuid(),
        lease_until = ${new Date(options.now.getTime() + options.leaseMs)}
      from open
      where connections.id = open.connection_id and (lease_until is null or lease_until <= ${options.now})
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

/** How one connection's part of a run ended, or is put off. */
export type Settlement =
  /** `validators`: for the next listing, of one that was whole; without them the connection's stay as they are. */
  | { state: "complete"; validators?: KeptValidators | undefined }
  | { state: "held" | "partial" | "failed"; errorClass: SourceErrorClass; reason: string; retryAt?: Date }
  /** Not over: the queue tries again at `dueAt`. */
  | { state: "queued"; errorClass: SourceErrorClass; reason: string; dueAt: Date }
  /** The source asked for a long wait: over for this run; the connection is not called before `retryAt`. */
  | { state: "deferred"; errorClass: SourceErrorClass; reason: string; retryAt: Date };

/**
 * Writes how a connection's part of a run ended, gives its lease back and, when it was the last one, ends the run. Only the
 * holder of the lease may; anybody else's word changes nothing. A part that recorded pages before it failed is `partial`.
 */
export async function settleCollection(
  db: Database,
  collection: { runId: number; connectionId: number; token: string },
  settlement: Settlement,
  now: Date,
): Promise<void> {
  const failure = settlement.state === "complete" ? undefined : settlement;
  const validators = settlement.state === "complete" ? settlement.validators : undefined;
  const retryAt = failure !== undefined && "retryAt" in failure ? failure.retryAt : undefined;
  const recovered = await transaction(db, async (tx) => {
    // The connection first, as a page does: nobody takes the lease over meanwhile, and nobody waits in a circle.
    const [owned] = await tx.execute<{ source: string; failures: number; has_secret: boolean }>(sql`
      select source, failures, secret is not null as has_secret from connections
      where id = ${collection.connectionId} and lease_token = ${collection.token}::uuid for no key update`);
    if (owned === undefined) return undefined;
    const health = toHealth(settlement, owned, now);
    const [ended] = await tx.execute<{ state: string }>(sql`
      with settled as (
        update run_connections set error_class = ${failure?.errorClass ?? null}, reason = ${failure?.reason ?? null},
          due_at = ${settlement.state === "queued" ? settlement.dueAt : now},
          state = case when ${settlement.state} = 'failed' and pages > 0 then 'partial' else ${settlement.state} end
        where run_id = ${collection.runId} and connection_id = ${collection.connectionId}
        returning state),
      released as (
        update connections set lease_token = null, lease_until = null, retry_at = ${retryAt ?? null},
          failures = ${health.failures}, rest_until = ${health.restUntil}, refused = refused and ${health.keepsRefused}::boolean or ${health.refused}::boolean,
          reason = ${failure?.reason ?? null},
          -- Where a loss was not believed the evidence is more than the document holds, and a later decision needs a listing.
          validators = case when settled.state <> 'complete' then validators
            when not exists (select from held_losses where connection_id = connections.id)
              then coalesce(${validators === undefined ? null : JSON.stringify(validators)}::jsonb, validators) end,
          state = case settled.state when 'queued' then connections.state when 'deferred' then 'partial' else settled.state end,
          last_complete_at = case when settled.state = 'complete' then runs.started_at else last_complete_at end
        from settled, runs
        where connections.id = ${collection.connectionId} and runs.id = ${collection.runId})
      select state from settled`);
    if (ended !== undefined && ended.state !== "queued") await finishWhenDone(tx, collection.runId, now);
    return owned.failures >= FAILURES && health.failures === 0 ? owned.source : undefined;
  });
  // Of its own, in id order: two that recover at once would otherwise each wait for the other's row.
  if (recovered !== undefined) await wakeSource(db, recovered);
}

interface Health {
  failures: number;
  restUntil: Date | null;
  refused: boolean;
  keepsRefused: boolean;
}

/** What a settlement says about the connection: an attempt that was put off says nothing, one that answered that all is well. */
function toHealth(
  settlement: Settlement,
  before: { failures: number; has_secret: boolean },
  now: Date,
): Health {
  const same = { failures: before.failures, restUntil: null, refused: false, keepsRefused: true };
  if (settlement.state === "queued" || settlement.state === "deferred") return same;
  if (settlement.state !== "failed") return { ...same, failures: 0, keepsRefused: false };
  // Where no credential is stored, none can be changed: that failure may pass like any other.
  if (settlement.errorClass === "auth" && before.has_secret) return { ...same, refused: true };
  const failures = before.failures + 1;
  const ms = restMs(failures);
  return { ...same, failures, restUntil: ms === 0 ? null : new Date(now.getTime() + ms) };
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
