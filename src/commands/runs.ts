// standings runs and standings runs approve.
import type { Context } from "../context.ts";
import { approveLoss, readRuns } from "../runs/runs.ts";
import type { Output } from "../terminal/output.ts";
import { toTable } from "../terminal/table.ts";

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

export async function approve(context: Context, output: Output, runId: number): Promise<void> {
  const { source, connections } = await approveLoss(context.db, runId);
  output.print(
    `The loss of ${connections} ${connections === 1 ? "connection" : "connections"} of ${source} is approved; it is taken by: standings sync ${source} --full`,
  );
}
