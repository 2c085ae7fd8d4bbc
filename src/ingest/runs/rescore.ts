// A rescore: every partner of its scope is evaluated again and, where the stored score differs, marked pending. The score
// job writes; a rescore that finds nothing writes nothing. Done in ranges of partners (range.ts), so any number of workers
// share it and a killed or cancelled one goes on where it stopped (run_ranges is the to-do list).
import { type SQL, sql } from "drizzle-orm";
import { type Database, transaction } from "../../../db/client.ts";
import { UsageError } from "../../platform/errors.ts";
import type { ProgrammeVersions } from "../../programme/versions.ts";
import { readAuthor } from "../../scoring/adjustments.ts";
import { finishRescoreWhenDone, hasEvidenceOf } from "./range.ts";

/** Partners in one range, small enough to show progress. From 1,000 to 20,000 the time of a rescore is the same. */
const RANGE = 5000;

export interface RescoreRequest {
  /** A slug; absent: everybody. */
  partner?: string | undefined;
  /** An achievement's key; absent: all of them. */
  achievement?: string | undefined;
  /** A source's key: only partners that have, or had, evidence from it. */
  source?: string | undefined;
  askedBy: string;
  now: Date;
}

/** Begins a rescore: stores its scope and its ranges. Throws a UsageError when there is no such partner, achievement or source. */
export async function startRescore(
  db: Database,
  programmes: ProgrammeVersions,
  request: RescoreRequest,
): Promise<{ runId: number }> {
  const { partner, achievement, source } = request;
  const version = await programmes.inForce(db, request.now);
  if (version === undefined)
    throw new UsageError("no programme is published; publish one with: standings publish");
  const keys = version.programme.achievements.map(({ key }) => key);
  if (achievement !== undefined && !keys.includes(achievement)) {
    throw new UsageError(`there is no achievement ${achievement}; expected one of ${keys.join(", ")}`);
  }
  if (source !== undefined) await refuseUnknownSource(db, source);
  if (partner !== undefined) await refuseUnknownPartner(db, partner);
  return transaction(db, async (tx) => {
    // JSON leaves out what is undefined.
    const scope = JSON.stringify({ partner, achievement, source });
    const [run] = await tx.execute<{ id: number }>(sql`
      insert into runs (kind, scope, asked_by, started_at)
      values ('rescore', ${scope}::jsonb, ${request.askedBy}, ${request.now}) returning id`);
    if (run === undefined) throw new Error("No run was made for the rescore.");
    const conditions: SQL[] = [
      ...(partner === undefined ? [] : [sql`slug = ${partner}`]),
      ...(source === undefined ? [] : [hasEvidenceOf(source, sql`partners.id`)]),
    ];
    await tx.execute(sql`
      insert into run_ranges (run_id, first_partner, last_partner)
      select ${run.id}, min(id), max(id) from (
        select id, (row_number() over (order by id) - 1) / ${RANGE} as range from partners
        ${conditions.length === 0 ? sql`` : sql`where ${sql.join(conditions, sql` and `)}`}) as numbered
      group by range`);
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
 * Ends a rescore before its time: ranges that are being evaluated are finished, the others are not begun. It can be resumed.
 * Throws a UsageError where there is no such rescore, or it has ended. Returns how many of its ranges were done by then.
 */
export async function cancelRescore(
  db: Database,
  request: { runId: number; by: string; now: Date },
): Promise<{ done: number; parts: number }> {
  const by = readAuthor(request.by);
  return transaction(db, async (tx) => {
    const { state } = await lockRescore(tx, request.runId);
    if (state !== "running")
      throw new UsageError(`run ${request.runId} has ended (${state}); see: standings runs`);
    const [ranges] = await tx.execute<{ done: number; parts: number }>(sql`
      select count(done_at)::int as done, count(*)::int as parts from run_ranges where run_id = ${request.runId}`);
    await tx.execute(sql`
      update runs set state = 'partial', finished_at = ${request.now}, reason = ${`cancelled by ${by}`}
      where id = ${request.runId}`);
    return ranges ?? { done: 0, parts: 0 };
  });
}

/**
 * Opens a cancelled rescore again, for the ranges that are not done. Where the ranges that were being evaluated were the last
 * ones it is complete at once. A no-op for one that is still open; the caller may enqueue its open ranges again. Throws a
 * UsageError where there is no such rescore, or it is complete.
 */
export async function resumeRescore(db: Database, runId: number, now: Date): Promise<void> {
  await transaction(db, async (tx) => {
    const { state } = await lockRescore(tx, runId);
    if (state === "complete") throw new UsageError(`run ${runId} is complete: nothing is left of it`);
    await tx.execute(sql`
      update runs set state = 'running', finished_at = null, reason = null where id = ${runId} and state <> 'running'`);
    await finishRescoreWhenDone(tx, runId, now);
  });
}

async function lockRescore(tx: Database, runId: number): Promise<{ state: string }> {
  const [run] = await tx.execute<{ kind: string; state: string }>(
    sql`select kind, state from runs where id = ${runId} for update`,
  );
  if (run === undefined) throw new UsageError(`there is no run ${runId}; see: standings runs`);
  if (run.kind !== "rescore") throw new UsageError(`run ${runId} is a ${run.kind}, not a rescore`);
  return run;
}

async function refuseUnknownPartner(db: Database, partner: string): Promise<void> {
  const known = await db.execute(sql`select from partners where slug = ${partner}`);
  if (known.length === 0) throw new UsageError(`there is no partner ${partner}`);
}

async function refuseUnknownSource(db: Database, source: string): Promise<void> {
  const known = await db.execute<{ key: string }>(sql`select key from sources order by key`);
  if (known.some(({ key }) => key === source)) return;
  throw new UsageError(
    `there is no source ${source}; expected one of ${known.map(({ key }) => key).join(", ")}`,
  );
}
