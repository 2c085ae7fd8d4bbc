// standings sync, reconcile and rescore end with this: what the runs changed.
import type { Context } from "../context.ts";
import { type RunReport, readRuns, readScoreChanges, type ScoreChange } from "../ingest/runs/runs.ts";
import type { Output } from "../platform/terminal/output.ts";
import { formatCount, toTable } from "../platform/terminal/table.ts";
import { followRuns, printTrouble } from "./follow.ts";

/** Follows runs to their end and prints what they changed. Returns whether all of them are complete. */
export async function finishAndReport(
  context: Context,
  output: Output,
  request: { runIds: number[]; json: boolean; signal: AbortSignal },
): Promise<boolean> {
  const followed = await followRuns(context, output, request.runIds, request.signal);
  const runs = (await readRuns(context.db, { ids: followed.map((run) => run.id) })).reverse();
  const changes = await readScoreChanges(context.db, { runIds: request.runIds });
  if (request.json) {
    output.print(JSON.stringify({ runs, changes }, null, 2));
  } else {
    printChanges(output, runs, changes);
    await printTrouble(context, output, runs);
  }
  if (request.signal.aborted && runs.some((run) => run.state === "running")) {
    const rescore = runs.find((run) => run.kind === "rescore");
    const again =
      rescore === undefined ? "the same command again" : `standings rescore --resume ${rescore.id}`;
    output.note(`Interrupted: a worker, or ${again}, goes on where this one stopped.`);
  }
  return runs.every((run) => run.state === "complete");
}

/** What changed, in one sentence and a table. */
export function printChanges(output: Output, runs: RunReport[], changes: ScoreChange[]): void {
  const lines = changes.reduce((total, change) => total + change.lines, 0);
  // Lines of a partner may cancel each other out: as a simulation counts, its points have not changed.
  const moved = changes.filter(({ delta }) => delta !== 0);
  if (lines === 0) {
    output.print("Nothing changed: 0 new ledger lines.");
  } else if (moved.length === 0) {
    output.print(`${formatCount(lines)} new ledger lines that cancel each other out: no points changed.`);
  } else {
    output.print(
      `${formatCount(lines)} new ledger ${lines === 1 ? "line" : "lines"}; ${formatCount(moved.length)} ${moved.length === 1 ? "partner" : "partners"} changed:`,
    );
    output.print(
      toTable(
        [
          { title: "partner", cell: (row) => row.name },
          { title: "change", align: "right", cell: (row) => (row.delta > 0 ? `+${row.delta}` : row.delta) },
          { title: "points", align: "right", cell: (row) => row.points },
        ],
        moved.slice(0, 15),
      ),
    );
    if (moved.length > 15) output.print(`… and ${moved.length - 15} more`);
  }
  for (const run of runs) {
    if (run.drift !== null) output.print(`Drift of run ${run.id}: ${run.drift}`);
  }
}
