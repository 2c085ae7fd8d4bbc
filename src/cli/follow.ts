// Following runs to their end, as a person watches them: a progress line on a terminal, plain lines elsewhere.
import type { Context } from "../context.ts";
import { type RunReport, readTroubledConnections } from "../ingest/runs/runs.ts";
import { waitForRuns } from "../operations/follow.ts";
import { formatDuration } from "../platform/durations.ts";
import type { Output } from "../platform/terminal/output.ts";
import { formatCount, toTable } from "../platform/terminal/table.ts";

/**
 * Waits until the runs have ended and every effect of theirs is in the standings, and prints each run as it ends. Returns
 * their reports, oldest first; early, with the runs as they are, when the signal aborts. Throws as {@link waitForRuns}.
 */
export async function followRuns(
  context: Context,
  output: Output,
  runIds: number[],
  signal: AbortSignal,
): Promise<RunReport[]> {
  const startedAt = performance.now();
  const announced = new Set<number>();
  let partsBefore: number | undefined;
  try {
    return await waitForRuns(context, runIds, {
      signal,
      onLook(runs) {
        for (const run of runs) {
          if (run.state === "running" || announced.has(run.id)) continue;
          announced.add(run.id);
          output.note(toLine(run));
        }
        partsBefore ??= runs.reduce((total, run) => total + run.partsDone, 0);
        output.progress(toProgress(runs, { elapsedMs: performance.now() - startedAt, partsBefore }));
      },
    });
  } finally {
    output.endProgress();
  }
}

/**
 * Nudges the score job and waits until everything that is pending now is in the standings. Returns false when the signal
 * came before. Throws as `followRuns`.
 */
export async function followScores(context: Context, output: Output, signal: AbortSignal): Promise<boolean> {
  await context.queues.nudge("score", {});
  await context.queues.nudge("rank", {});
  await followRuns(context, output, [], signal);
  return !signal.aborted;
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

/** `partsBefore`: parts done before this process began to watch. They do not count in the estimate of the time left. */
function toProgress(
  runs: RunReport[],
  { elapsedMs, partsBefore }: { elapsedMs: number; partsBefore: number },
): string {
  const sum = (value: (run: RunReport) => number) => runs.reduce((total, run) => total + value(run), 0);
  const parts = sum((run) => run.parts);
  const done = sum((run) => run.partsDone);
  const left =
    done <= partsBefore || done === parts
      ? ""
      : `, about ${formatDuration((elapsedMs / (done - partsBefore)) * (parts - done))} left`;
  const collected = runs.some((run) => run.kind === "sync")
    ? ` ${formatCount(sum((run) => run.pages))} pages, ${formatCount(sum((run) => run.seen))} pieces of evidence,`
    : "";
  const awards = sum((run) => run.awards);
  const doing = done === parts ? "scoring:" : `${done} of ${parts}:`;
  return `  ${doing}${collected} ${formatCount(awards)} ${awards === 1 ? "award" : "awards"}${left}`;
}

/** Prints the connections of each run that did not end complete, with the reason. */
export async function printTrouble(context: Context, output: Output, runs: RunReport[]): Promise<void> {
  for (const run of runs.filter(({ state }) => state !== "complete" && state !== "running")) {
    const troubled = await readTroubledConnections(context.db, run.id);
    if (troubled.length === 0) continue;
    output.note(
      `\nRun ${run.id} (${run.source ?? run.kind}) ended ${run.state}; no points were taken because of it:`,
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
