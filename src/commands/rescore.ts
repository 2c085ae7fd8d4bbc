// standings rescore and standings runs cancel.
import type { Context } from "../context.ts";
import { cancelRescore, readOpenRanges, resumeRescore, startRescore } from "../ingest/runs/rescore.ts";
import { requirePartner } from "../partners/find.ts";
import { UsageError } from "../platform/errors.ts";
import type { Output } from "../platform/terminal/output.ts";

interface RescoreOptions {
  partner?: string | undefined;
  achievement?: string | undefined;
  source?: string | undefined;
  all?: boolean;
  /** A run that was cancelled or interrupted. */
  resume?: number | undefined;
}

/**
 * Begins a rescore, or opens one again, and enqueues its work. Returns the run. Throws a UsageError where nothing says whom
 * to rescore, and for unknown partners, achievements, sources and runs.
 */
export async function beginRescore(context: Context, options: RescoreOptions): Promise<number> {
  const { partner, achievement, source, all = false, resume } = options;
  const isChosen = partner !== undefined || achievement !== undefined || source !== undefined;
  if (resume === undefined && !all && !isChosen) {
    throw new UsageError(
      "rescore whom? expected --partner <slug>, --achievement <key>, --source <key>, --all or --resume <run>",
    );
  }
  if (resume !== undefined && (all || isChosen)) {
    throw new UsageError(
      "--resume <run> goes on with what that run was asked for, and takes nothing beside it",
    );
  }
  const runId = resume ?? (await startNew(context, { partner, achievement, source }));
  if (resume !== undefined) await resumeRescore(context.db, resume, context.now());
  // What a worker that was killed had begun is still active in the queue for a while: an epoch of its own.
  const epoch = resume === undefined ? undefined : context.now().getTime();
  for (const range of await readOpenRanges(context.db, runId)) {
    await context.queues.nudge("rescore", range, epoch === undefined ? {} : { epoch });
  }
  return runId;
}

async function startNew(
  context: Context,
  scope: Pick<RescoreOptions, "partner" | "achievement" | "source">,
): Promise<number> {
  // A slug that leads to another partner since a merge is as good as that one's.
  const slug =
    scope.partner === undefined ? undefined : (await requirePartner(context.db, scope.partner)).slug;
  const { runId } = await startRescore(context.db, context.programmes, {
    ...scope,
    partner: slug,
    askedBy: "command line",
    now: context.now(),
  });
  return runId;
}

/** Cancels a rescore and says how to go on with it. */
export async function cancel(
  context: Context,
  output: Output,
  request: { runId: number; by: string },
): Promise<void> {
  const { done, parts } = await cancelRescore(context.db, { ...request, now: context.now() });
  output.print(
    `Run ${request.runId} is cancelled: ${done} of ${parts} ranges are done, and those that are being evaluated end by themselves. Go on with: standings rescore --resume ${request.runId}`,
  );
}
