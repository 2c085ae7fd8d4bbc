// Failures of the jobs between evidence and standings. These jobs are retried without end, so a command that waits for their
// effect reads their failures here. A success deletes the row.
import { sql } from "drizzle-orm";
import type { Database } from "../../../db/client.ts";

/** The jobs whose effects commands wait for. */
export type WaitedJob = "score" | "rank" | "rescore";

export interface JobFailure {
  job: WaitedJob;
  /** How often it has failed since it last went well. */
  attempts: number;
  reason: string;
}

/** Notes that a job has failed once more. */
export async function recordFailure(
  db: Database,
  failure: { job: WaitedJob; reason: string; now: Date },
): Promise<void> {
  await db.execute(sql`
    insert into job_failures (job, attempts, reason, failed_at)
    values (${failure.job}, 1, ${failure.reason}, ${failure.now})
    on conflict (job) do update
      set attempts = job_failures.attempts + 1, reason = excluded.reason, failed_at = excluded.failed_at`);
}

/** Notes that a job has gone well. */
export async function forgetFailure(db: Database, job: WaitedJob): Promise<void> {
  await db.execute(sql`delete from job_failures where job = ${job}`);
}

/** The jobs that are failing now. */
export async function readFailures(db: Database): Promise<JobFailure[]> {
  return db.execute<Record<string, unknown> & JobFailure>(
    sql`select job, attempts, reason from job_failures order by attempts desc, job`,
  );
}
