// Following runs to their end, as a person watches them: a line that moves on a terminal, plain lines elsewhere.
import { setTimeout as delay } from "node:timers/promises";
import type { Context } from "../context.ts";
import { type JobFailure, readFailures } from "../ingest/runs/failures.ts";
import {
  isRanked,
  isScored,
  type RunReport,
  readRuns,
  readTroubledConnections,
} from "../ingest/runs/runs.ts";
import { formatDuration } from "../platform/durations.ts";
import type { Output } from "../platform/terminal/output.ts";
import { formatCount, toTable } from "../platform/terminal/table.ts";

/** How often the runs are looked at: they are in Postgres, and a person sees no difference below this. */
const LOOK_MS = 250;

/** So many failures of one job while somebody waits for it, and it is not going to end. */
const MOST_FAILURES = 3;

/**
 * Waits until the runs have ended and everything they caused is in the standings. Returns their reports, oldest first.
 * Ends early, with the runs as they are, when the signal aborts. Throws when what it waits for fails again and again.
 */
export async function followRuns(
  context: Context,
  output: Output,
  runIds: number[],
  signal: AbortSignal,
): Promise<RunReport[]> {
  const startedAt = performance.now();
  const announced = new Set<number>();
  const failures = await openFailures(context);
  let partsBefore: number | undefined;
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
    await failures.refuse();
    partsBefore ??= runs.reduce((total, run) => total + run.partsDone, 0);
    output.progress(toProgress(runs, { elapsedMs: performance.now() - startedAt, partsBefore }));
    await delay(LOOK_MS, undefined, { signal }).catch(() => undefined);
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

/** Throws once a job that the runs need has failed too often since this was opened: it is tried again, but not waited for. */
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
        // It went well in between, and counts from the beginning.
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

/** `partsBefore`: what was done before this process looked first, so that a run that goes on does not seem to be quick. */
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
