// A rescore: every partner of its scope is evaluated again and, where the stored score differs, marked pending. The score
// job writes; a rescore that finds nothing writes nothing. Done in ranges of partners, so any number of workers share it
// and a killed one goes on where it stopped (run_ranges is the to-do list).
import { sql } from "drizzle-orm";
import { type Database, transaction } from "../../db/client.ts";
import { UsageError } from "../errors.ts";
import { type Cause, markPendingWhere } from "../evidence/pending.ts";
import type { Scope } from "../programme/compile.ts";
import type { ProgrammeVersions } from "../programme/versions.ts";
import { differences, withoutJit } from "../scoring/differences.ts";
import { scorePending } from "../scoring/score.ts";

/** Partners in one range, small enough to show progress. From 1,000 to 20,000 the time of a rescore is the same. */
const RANGE = 5000;
/** Partners scored in one transaction; the locks of a batch are held for as long as it takes. */
const BATCH = 500;

export interface RescoreRequest {
  /** A slug; absent: everybody. */
  partner?: string;
  /** An achievement's key; absent: all of them. */
  achievement?: string;
  askedBy: string;
  now: Date;
}

/** Begins a rescore: stores its scope and its ranges. Throws a UsageError when there is no such partner or achievement. */
export async function startRescore(
  db: Database,
  programmes: ProgrammeVersions,
  request: RescoreRequest,
): Promise<{ runId: number }> {
  const version = await programmes.inForce(db, request.now);
  if (version === undefined)
    throw new UsageError("no programme is published; publish one with: standings publish");
  const keys = version.programme.achievements.map((achievement) => achievement.key);
  if (request.achievement !== undefined && !keys.includes(request.achievement)) {
    throw new UsageError(
      `there is no achievement ${request.achievement}; expected one of ${keys.join(", ")}`,
    );
  }
  return transaction(db, async (tx) => {
    const scope = {
      ...(request.partner === undefined ? {} : { partner: request.partner }),
      ...(request.achievement === undefined ? {} : { achievement: request.achievement }),
    };
    const [run] = await tx.execute<{ id: number }>(sql`
      insert into runs (kind, scope, asked_by, started_at)
      values ('rescore', ${JSON.stringify(scope)}::jsonb, ${request.askedBy}, ${request.now}) returning id`);
    if (run === undefined) throw new Error("No run was made for the rescore.");
    const ranges = await tx.execute(sql`
      insert into run_ranges (run_id, first_partner, last_partner)
      select ${run.id}, min(id), max(id) from (
        select id, (row_number() over (order by id) - 1) / ${RANGE} as range from partners
        where ${request.partner ?? null}::text is null or slug = ${request.partner ?? null}) as numbered
      group by range returning 1`);
    if (ranges.length === 0 && request.partner !== undefined) {
      throw new UsageError(`there is no partner ${request.partner}`);
    }
    await finishRescoreWhenDone(tx, run.id, request.now);
    return { runId: run.id };
  });
}

/** The ranges of a run (or of every open rescore) that are not done. */
export async function readOpenRanges(
  db: Database,
  runId?: number,
): Promise<{ runId: number; first: number }[]> {
  return db.execute(sql`
    select run_ranges.run_id as "runId", first_partner as first from run_ranges join runs on runs.id = run_id
    where runs.state = 'running' and done_at is null and ${runId === undefined ? sql`true` : sql`run_id = ${runId}`}
    order by 1, 2`);
}

/**
 * Evaluates one range, marks the partners whose stored score differs and scores them. Twice is harmless: the second time
 * nothing differs, and a range is done once.
 */
export async function rescoreRange(
  db: Database,
  programmes: ProgrammeVersions,
  range: { runId: number; first: number },
  now: () => Date,
): Promise<{ changed: number }> {
  const [row] = await db.execute<{ last: number; scope: { achievement?: string } }>(sql`
    select last_partner as last, scope from run_ranges join runs on runs.id = run_id
    where run_id = ${range.runId} and first_partner = ${range.first} and done_at is null and runs.state = 'running'`);
  if (row === undefined) return { changed: 0 };
  const scope: Scope = { first: range.first, last: row.last };
  const changed = await rescoreScope(db, programmes, {
    scope,
    achievement: row.scope.achievement,
    mark: { cause: "rescore", runId: range.runId },
    now,
  });
  await transaction(db, async (tx) => {
    await tx.execute(sql`
      update run_ranges set done_at = ${now()}, changed = ${changed}
      where run_id = ${range.runId} and first_partner = ${range.first} and done_at is null`);
    await finishRescoreWhenDone(tx, range.runId, now());
  });
  return { changed };
}

/**
 * Finds the partners of a scope whose stored score differs from the evaluation, marks them and drains what is pending in
 * that scope. Returns how many differed.
 */
async function rescoreScope(
  db: Database,
  programmes: ProgrammeVersions,
  request: {
    scope: Scope;
    achievement?: string | undefined;
    mark: { cause: Cause; runId: number };
    now: () => Date;
  },
): Promise<number> {
  const at = request.now();
  const version = await programmes.inForce(db, at);
  if (version === undefined) return 0;
  const differing = sql`
    select distinct partner_id from (${differences(version.compiled, request.scope, at)}) as differing
    where ${request.achievement === undefined ? sql`true` : sql`achievement = ${request.achievement}`}`;
  const changed = await transaction(db, async (tx) => {
    await tx.execute(withoutJit);
    return markPendingWhere(tx, differing, { ...request.mark, at });
  });
  for (;;) {
    const batch = await scorePending(db, programmes, {
      now: request.now(),
      limit: BATCH,
      scope: request.scope,
    });
    if (batch.claimed === 0) return changed;
  }
}

async function finishRescoreWhenDone(tx: Database, runId: number, now: Date): Promise<void> {
  await tx.execute(sql`select from runs where id = ${runId} for update`);
  await tx.execute(sql`
    update runs set state = 'complete', finished_at = ${now}
    where id = ${runId} and state = 'running'
      and not exists (select from run_ranges where run_id = ${runId} and done_at is null)`);
}
