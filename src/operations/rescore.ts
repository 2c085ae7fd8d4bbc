// Beginning a rescore, by partner, achievement, source or all, or going on with one.
import type { Context } from "../context.ts";
import { readOpenRanges, resumeRescore, startRescore } from "../ingest/runs/rescore.ts";
import { requirePartner } from "../partners/find.ts";
import { UsageError } from "../platform/errors.ts";

export interface RescoreRequest {
  partner?: string | undefined;
  achievement?: string | undefined;
  source?: string | undefined;
  all?: boolean;
  /** A run that was cancelled or interrupted. */
  resume?: number | undefined;
}

/**
 * Begins a rescore, or opens one again, and enqueues its work. Returns the run. Throws a UsageError without a scope, and for unknown partners, achievements, sources and runs.
 */
export async function beginRescore(context: Context, options: RescoreRequest): Promise<number> {
  const { partner, achievement, source, all = false, resume } = options;
  const isChosen = partner !== undefined || achievement !== undefined || source !== undefined;
  if (resume === undefined && !all && !isChosen) {
    throw new UsageError(
      "the scope of the rescore is missing; expected --partner <slug>, --achievement <key>, --source <key>, --all or --resume <run>",
    );
  }
  if (resume !== undefined && (all || isChosen)) {
    throw new UsageError(
      "--resume <run> continues with the scope of that run; it cannot be combined with another scope",
    );
  }
  const runId = resume ?? (await startNew(context, { partner, achievement, source }));
  if (resume !== undefined) await resumeRescore(context.db, resume, context.now());
  // Jobs of a killed worker stay active in the queue for a while: another epoch keeps them apart from these.
  const epoch = resume === undefined ? undefined : context.now().getTime();
  for (const range of await readOpenRanges(context.db, runId)) {
    await context.queues.nudge("rescore", range, epoch === undefined ? {} : { epoch });
  }
  return runId;
}

async function startNew(
  context: Context,
  scope: Pick<RescoreRequest, "partner" | "achievement" | "source">,
): Promise<number> {
  // The slug of a merged partner leads to the partner it was merged into.
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
