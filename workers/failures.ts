// Records the failures of jobs for the commands that wait for their effects. At-least-once: a failure may be counted twice.
import { forgetFailure, recordFailure, type WaitedJob } from "../src/ingest/runs/failures.ts";
import { done, type HandlerResult, type Work } from "./handler.ts";

/** Runs a job's work: a failed attempt is recorded, a success deletes what was recorded. */
export async function trackFailures(
  job: WaitedJob,
  work: Work,
  run: () => Promise<Record<string, unknown> | undefined>,
): Promise<HandlerResult> {
  try {
    const log = await run();
    await forgetFailure(work.db, job);
    return done(log);
  } catch (error) {
    return {
      state: "failed",
      error,
      async write({ reason, decision }) {
        // "wait": the job was handed back because the process ends.
        if (decision.action !== "wait") await recordFailure(work.db, { job, reason, now: work.now() });
      },
    };
  }
}
