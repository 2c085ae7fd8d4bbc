// Waiting for runs, and for the scores and standings that follow from them.
import { setTimeout as delay } from "node:timers/promises";
import type { Context } from "../context.ts";
import { type JobFailure, readFailures } from "../ingest/runs/failures.ts";
import { isRanked, isScored, type RunReport, readRuns } from "../ingest/runs/runs.ts";

/** How often the runs are read: they are in Postgres, and a person sees no difference below this. */
const LOOK_MS = 250;

/** After so many failures of one job, the wait ends with an error. */
const MOST_FAILURES = 3;

/**
 * Waits until the runs have ended and every effect of theirs is in the standings. Returns their reports, oldest first.
 * Returns early, with the runs as they are, when the signal aborts. `onLook` gets the reports after each look. Throws when a
 * job that the effects need fails again and again.
 */
export async function waitForRuns(
  context: Context,
  runIds: number[],
  { signal, onLook }: { signal: AbortSignal; onLook: (runs: RunReport[]) => void },
): Promise<RunReport[]> {
  const failures = await openFailures(context);
  // Other work marks partners all the time. The effects of these runs are what was marked before each of these instants.
  let endedAt: Date | undefined;
  let scoredAt: Date | undefined;
  for (;;) {
    const runs = (await readRuns(context.db, { ids: runIds })).reverse();
    if (runs.every((run) => run.state !== "running")) endedAt ??= context.now();
    // Without a programme no partner is scored: there is nothing to wait for.
    const scoring = (await context.programmes.inForce(context.db, context.now())) !== undefined;
    if (endedAt !== undefined && (!scoring || (await isScored(context.db, endedAt))))
      scoredAt ??= context.now();
    const isDone = scoredAt !== undefined && (await isRanked(context.db, scoredAt));
    if (!isDone && !signal.aborted) await failures.refuse();
    onLook(runs);
    if (signal.aborted || isDone) return runs;
    await delay(LOOK_MS, undefined, { signal }).catch(() => undefined);
  }
}

/** Throws once a job that the runs need has failed too often since this was opened: workers go on trying it, this wait ends. */
async function openFailures({ db }: Context): Promise<{ refuse(): Promise<void> }> {
  const before = new Map((await readFailures(db)).map(({ job, attempts }) => [job, attempts]));
  const doing: Record<JobFailure["job"], string> = {
    score: "the scores cannot be computed",
    rescore: "the scores cannot be evaluated again",
    rank: "the scores cannot be brought into the standings",
  };
  return {
    async refuse() {
      for (const { job, attempts, reason } of await readFailures(db)) {
        const known = before.get(job) ?? 0;
        // A success in between resets the count.
        if (attempts < known) before.delete(job);
        else if (attempts - known >= MOST_FAILURES) {
          throw new Error(
            `${doing[job]}, ${attempts} attempts in a row have failed; the workers go on trying: ${reason}`,
          );
        }
      }
    },
  };
}
