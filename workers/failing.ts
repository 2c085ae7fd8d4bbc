// Lets whoever waits for a job's effect see that it fails. Twice is harmless: a failure too many is counted once more.
import { forgetFailure, recordFailure, type WaitedJob } from "../src/ingest/runs/failures.ts";
import type { Work } from "./handler.ts";

/** Runs the work of a job; its failed attempts are noted, and forgotten once it has gone well. */
export async function noting<T>(job: WaitedJob, work: Work, run: () => Promise<T>): Promise<T> {
  work.onFailure(async ({ reason, decision }) => {
    // Handed back because the process ends: that is no failure.
    if (decision.action !== "wait") await recordFailure(work.db, { job, reason, now: work.now() });
  });
  const outcome = await run();
  await forgetFailure(work.db, job);
  return outcome;
}
