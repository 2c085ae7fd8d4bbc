// standings runs, and what it has held: runs held, approve, reject.
import type { Context } from "../context.ts";
import { decideLoss, readHeldLosses, readKeptLosses } from "../ingest/runs/losses.ts";
import { cancelRescore } from "../ingest/runs/rescore.ts";
import { readRuns } from "../ingest/runs/runs.ts";
import type { Output } from "../platform/terminal/output.ts";
import { toTable } from "../platform/terminal/table.ts";

export async function printRuns(
  context: Context,
  output: Output,
  options: { limit: number; json: boolean },
): Promise<void> {
  const runs = await readRuns(context.db, { limit: options.limit });
  if (options.json) {
    output.print(JSON.stringify(runs, null, 2));
    return;
  }
  output.print(
    toTable(
      [
        { title: "run", align: "right", cell: (run) => run.id },
        { title: "kind", cell: (run) => (run.full ? `${run.kind} (complete)` : run.kind) },
        { title: "source", cell: (run) => run.source ?? "" },
        { title: "asked by", cell: (run) => run.askedBy },
        { title: "started (UTC)", cell: (run) => run.startedAt.toISOString().slice(0, 19).replace("T", " ") },
        { title: "state", cell: (run) => run.state },
        { title: "parts", align: "right", cell: (run) => `${run.partsDone}/${run.parts}` },
        { title: "seen", align: "right", cell: (run) => run.seen },
        { title: "new", align: "right", cell: (run) => run.added },
        { title: "gone", align: "right", cell: (run) => run.absent },
        { title: "awards", align: "right", cell: (run) => run.awards },
        { title: "drift", align: "right", cell: (run) => run.drift ?? "" },
        { title: "reason", cell: (run) => run.reason ?? "" },
      ],
      runs,
    ),
  );
}

/** Decides about a loss and says what becomes of it. */
export async function decide(
  context: Context,
  output: Output,
  request: { runId: number; decision: "approved" | "rejected"; by: string },
): Promise<void> {
  const { source, connections, evidence } = await decideLoss(context.db, { ...request, now: context.now() });
  const loss = `The loss of ${evidence} ${evidence === 1 ? "piece" : "pieces"} of evidence of ${connections} ${connections === 1 ? "connection" : "connections"} of ${source}`;
  output.print(
    request.decision === "approved"
      ? `${loss} is approved; it is taken by: standings sync ${source} --full`
      : `${loss} is rejected: the evidence stays, unconfirmed; to approve it later: standings runs approve ${request.runId}`,
  );
}

/** How many losses are shown; --json shows them all. */
const SHOWN = 50;

/** Everything that waits for a decision or was rejected. */
async function printKeptLosses(context: Context, output: Output, json: boolean): Promise<void> {
  const losses = await readKeptLosses(context.db);
  if (json) {
    output.print(JSON.stringify(losses, null, 2));
    return;
  }
  if (losses.length === 0) {
    output.print("Nothing waits for a decision, and no rejected loss is kept.");
    return;
  }
  output.print(
    toTable(
      [
        { title: "run", align: "right", cell: (loss) => loss.run },
        { title: "connection", cell: (loss) => `${loss.source}/${loss.connection}` },
        { title: "evidence", align: "right", cell: (loss) => loss.evidence },
        { title: "decision", cell: (loss) => loss.decision ?? "waits" },
        { title: "by", cell: (loss) => loss.decidedBy ?? "" },
        { title: "on (UTC)", cell: (loss) => loss.decidedAt?.toISOString().slice(0, 10) ?? "" },
      ],
      losses,
    ),
  );
}

export async function printHeld(
  context: Context,
  output: Output,
  options: { runId: number | undefined; json: boolean },
): Promise<void> {
  if (options.runId === undefined) {
    await printKeptLosses(context, output, options.json);
    return;
  }
  const losses = await readHeldLosses(context.db, options.runId);
  if (options.json) {
    output.print(JSON.stringify(losses, null, 2));
    return;
  }
  if (losses.length === 0) {
    output.print(`Nothing of run ${options.runId} waits for a decision.`);
    return;
  }
  output.print(
    toTable(
      [
        { title: "connection", cell: (loss) => `${loss.source}/${loss.connection}` },
        { title: "evidence", cell: (loss) => loss.title ?? loss.externalId },
        { title: "kind", cell: (loss) => loss.kind },
        { title: "happened (UTC)", cell: (loss) => loss.occurredAt.toISOString().slice(0, 10) },
        { title: "partner", cell: (loss) => loss.partner ?? "" },
        { title: "decision", cell: (loss) => loss.decision ?? "waits" },
      ],
      losses.slice(0, SHOWN),
    ),
  );
  if (losses.length > SHOWN) output.print(`… and ${losses.length - SHOWN} more`);
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
