// standings rescore: begins the run and enqueues its ranges.
import type { Context } from "../context.ts";
import { readOpenRanges, startRescore } from "../runs/rescore.ts";

/** Begins a rescore and enqueues its work. Returns the run. Throws a UsageError for unknown partners and achievements. */
export async function beginRescore(
  context: Context,
  request: { partner?: string; achievement?: string },
): Promise<number> {
  const { runId } = await startRescore(context.db, context.programmes, {
    ...(request.partner === undefined ? {} : { partner: request.partner }),
    ...(request.achievement === undefined ? {} : { achievement: request.achievement }),
    askedBy: "command line",
    now: context.now(),
  });
  for (const range of await readOpenRanges(context.db, runId)) await context.queues.nudge("rescore", range);
  return runId;
}
