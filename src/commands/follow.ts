// Following runs to their end, as a person watches them: a line that moves on a terminal, plain lines elsewhere.
import { setTimeout as delay } from "node:timers/promises";
import type { Context } from "../context.ts";
import { formatDuration } from "../durations.ts";
import { isRanked, isScored, type RunReport, readRuns, readTroubledConnections } from "../runs/runs.ts";
import type { Output } from "../terminal/output.ts";
import { formatCount, toTable } from "../terminal/table.ts";

/** How often the runs are looked at: they are in Postgres, and a person sees no difference below this. */
const LOOK_MS = 250;

/**
 * Waits until the runs have ended and everything they caused is in the standings. Returns their reports, oldest first.
 * Ends early, with the runs as they are, when the signal aborts.
 */
export async function followRuns(
  context: Context,
  output: Output,
  runIds: number[],
  signal: AbortSignal,
): Promise<RunReport[]> {
  const startedAt = performance.now();
  const announced = new Set<number>();
  // Others go on marking partners all the time: what these runs have caused is what was marked before each of these instants.
  let endedAt: Date | undefined;
  let scoredAt: Date | undefined;
  for (;;) {
    const runs = (await readRuns(context.db, { ids: runIds })).reverse();
    for (const run of runs) {
      if (run.state === "running" || announced.has(run.id)) continue;
      announced.add(run.id);
      output.note(toLine(run));
    }
    const ended = runs.every((run) => run.state !== "running");
    if (ended) endedAt ??= context.now();
    // Without a programme nobody is scored: there is nothing to wait for.
    const scoring = (await context.programmes.inForce(context.db, context.now())) !== undefined;
    if (endedAt !== undefined && (!scoring || (await isScored(context.db, endedAt))))
      scoredAt ??= context.now();
    if (signal.aborted || (scoredAt !== undefined && (await isRanked(context.db, scoredAt)))) {
      output.endProgress();
      return runs;
    }
    output.progress(toProgress(runs, performance.now() - startedAt));
    await delay(LOOK_MS, undefined, { signal }).catch(() => undefined);
  }
}

/** "blog        complete  1 page, 48 seen, 2 new, 1 gone". */
function toLine(run: RunReport): string {
  const counts = [
    `${formatCount(run.pages)} ${run.pages === 1 ? "page" : "pages"}`,
    `${formatCount(run.seen)} pieces of evidence`,
    ...(run.added > 0 ? [`${formatCount(run.added)} new`] : []),
    ...(run.changed > 0 ? [`${formatCount(run.changed)} changed`] : []),
    ...(run.absent > 0 ? [`${formatCount(run.absent)} gone`] : []),
    ...(run.unmatched > 0 ? [`${formatCount(run.unmatched)} unmatched`] : []),
  ];
  const name = (run.source ?? run.kind).padEnd(16);
  const what = run.kind === "sync" ? counts.join(", ") : `${run.partsDone} of ${run.parts} parts`;
  return `  ${name} ${run.state.padEnd(8)} ${what}${run.reason === null ? "" : `: ${run.reason}`}`;
}

function toProgress(runs: RunReport[], elapsedMs: number): string {
  const sum = (value: (run: RunReport) => number) => runs.reduce((total, run) => total + value(run), 0);
  const parts = sum((run) => run.parts);
  const done = sum((run) => run.partsDone);
  const left =
    done === 0 || done === parts ? "" : `, about ${formatDuration((elapsedMs / done) * (parts - done))} left`;
  const collected = runs.some((run) => run.kind === "sync")
    ? ` ${formatCount(sum((run) => run.pages))} pages, ${formatCount(sum((run) => run.seen))} pieces of evidence,`
    : "";
  const doing = done === parts ? "scoring:" : `${done} of ${parts}:`;
  return `  ${doing}${collected} ${formatCount(sum((run) => run.awards))} awards${left}`;
}

/** Which connections of a run are in trouble and why: what the person who must act reads. */
export async function printTrouble(context: Context, output: Output, runs: RunReport[]): Promise<void> {
  for (const run of runs.filter(({ state }) => state !== "complete" && state !== "running")) {
    const troubled = await readTroubledConnections(context.db, run.id);
    if (troubled.length === 0) continue;
    output.note(
      `\nRun ${run.id} (${run.source ?? run.kind}) ended ${run.state}; nobody lost a point because of it:`,
    );
    output.note(
      toTable(
        [
          { title: "connection", cell: (row) => row.key },
          { title: "state", cell: (row) => row.state },
          { title: "class", cell: (row) => row.errorClass ?? "" },
          { title: "reason", cell: (row) => row.reason ?? "" },
        ],
        troubled.slice(0, 20),
      ),
    );
    if (troubled.length > 20) output.note(`… and ${troubled.length - 20} more`);
  }
}
