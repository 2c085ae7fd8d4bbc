// standings simulate <file> [--json]: what a draft of the programme would change, as a person wants to look at it.
import type { Context } from "../context.ts";
import { type SimulatedScore, type Simulation, simulate, warningsOf } from "../insight/simulate.ts";
import { formatDuration } from "../platform/durations.ts";
import type { Output } from "../platform/terminal/output.ts";
import { formatCount, toTable } from "../platform/terminal/table.ts";
import { toLocalText } from "../programme/calendar.ts";
import { parseProgramme } from "../programme/document.ts";

const BAR = 40;
/** Of the partners that enter or leave the nominations; --json names up to a hundred. */
const SHOWN = 20;

export async function printSimulation(
  context: Context,
  output: Output,
  { text, file, json }: { text: string; file: string; json: boolean },
): Promise<void> {
  const programme = parseProgramme(text, file);
  const simulation = await whileTelling(output, () =>
    simulate(context.db, context.programmes, { programme, file, now: context.now() }),
  );
  const warnings = warningsOf(simulation);
  if (json) {
    output.print(JSON.stringify({ ...simulation, warnings }, null, 2));
    return;
  }
  for (const part of toParts(simulation)) output.print(`${part}\n`);
  if (warnings.length > 0) output.print(warnings.map((warning) => `! ${warning}`).join("\n"));
  output.print(`Nothing is written. Publish it with: standings publish ${file}`);
}

/** It is one statement, which says nothing until it is done. */
async function whileTelling<T>(output: Output, work: () => Promise<T>): Promise<T> {
  const startedAt = performance.now();
  const telling = setInterval(() => {
    output.progress(
      `  evaluating everybody under the draft: ${formatDuration(performance.now() - startedAt)}`,
    );
  }, 1000);
  try {
    return await work();
  } finally {
    clearInterval(telling);
    output.endProgress();
  }
}

function toParts(simulation: Simulation): string[] {
  const { nominees } = simulation;
  return [
    toSummary(simulation),
    toHistogram(simulation),
    ...(simulation.gains.length > 0 ? [toChanges("gain most", simulation.gains)] : []),
    ...(simulation.losses.length > 0 ? [toChanges("lose most", simulation.losses)] : []),
    toTopTens(simulation),
    [
      `Nominated: ${formatCount(nominees.before)} before, ${formatCount(nominees.after)} after.`,
      ...toNames("enter", nominees.entering),
      ...toNames("leave", nominees.leaving),
    ].join("\n"),
    toAchievements(simulation),
  ];
}

function toSummary(simulation: Simulation): string {
  const { programmeVersion, at, timeZone, atOnce, partners, gaining, losing, pending, points } = simulation;
  const against =
    programmeVersion === null ? "no programme at all" : `version ${programmeVersion} of the programme`;
  const when = `${toLocalText(at, timeZone)} (${timeZone})`;
  return [
    atOnce
      ? `Beside ${against}, at ${when}.`
      : `Beside ${against}, at ${when}, when the draft comes into force, with what is known now.`,
    ...(pending > 0
      ? [`Waiting for their score: ${formatCount(pending)} partners; what that changes is in it.`]
      : []),
    "",
    `${formatCount(partners)} partners: ${formatCount(gaining)} up, ${formatCount(losing)} down, ${formatCount(partners - gaining - losing)} unchanged.`,
    `Points of all: ${formatCount(points.before)} + ${formatCount(points.gained)} gained - ${formatCount(points.lost)} lost = ${formatCount(points.after)}.`,
  ].join("\n");
}

function toHistogram({ histogram }: Simulation): string {
  const most = Math.max(1, ...histogram.map(({ partners }) => partners));
  return toTable(
    [
      {
        title: "change",
        align: "right",
        cell: ({ from, to }) => (from === to ? signed(from) : `${signed(from)} to ${signed(to)}`),
      },
      { title: "partners", align: "right", cell: ({ partners }) => formatCount(partners) },
      {
        title: "",
        // Never nothing for somebody: the lone loser is whom one looks for.
        cell: ({ partners }) => "█".repeat(Math.ceil((partners / most) * BAR)),
      },
    ],
    histogram,
  );
}

function toChanges(title: string, scores: SimulatedScore[]): string {
  return toTable(
    [
      { title, cell: ({ name }) => name },
      { title: "change", align: "right", cell: ({ before, after }) => signed(after - before) },
      { title: "points", align: "right", cell: ({ before, after }) => `${before} → ${after}` },
      {
        title: "rank",
        align: "right",
        cell: ({ rankBefore, rankAfter }) =>
          rankBefore === null || rankAfter === null ? "-" : `${rankBefore} → ${rankAfter}`,
      },
    ],
    scores,
  );
}

/** Two standings side by side. */
function toTopTens({ topBefore, topAfter }: Simulation): string {
  const rows = topBefore.map((before, index) => ({ before, after: topAfter[index] ?? before }));
  return toTable(
    [
      { title: "rank", align: "right", cell: ({ before }) => before.rankBefore ?? "" },
      { title: "top ten before", cell: ({ before }) => before.name },
      { title: "points", align: "right", cell: ({ before }) => before.before },
      { title: "rank", align: "right", cell: ({ after }) => after.rankAfter ?? "" },
      { title: "top ten after", cell: ({ after }) => after.name },
      { title: "points", align: "right", cell: ({ after }) => after.after },
      { title: "", cell: ({ after }) => climbed(after) },
    ],
    rows,
  );
}

function climbed({ rankBefore, rankAfter }: SimulatedScore): string {
  const places = (rankBefore ?? 0) - (rankAfter ?? 0);
  if (places === 0) return "";
  return places > 0 ? `▲ ${places}` : `▼ ${-places}`;
}

function toNames(verb: string, scores: SimulatedScore[]): string[] {
  if (scores.length === 0) return [];
  const names = scores.slice(0, SHOWN).map(({ name }) => name);
  const more = scores.length > SHOWN ? ` and more (--json shows them)` : "";
  return [`  ${verb}: ${names.join(", ")}${more}`];
}

/** Its last line is the sum of the others. */
function toAchievements({ achievements, adjustments, points, inStandings }: Simulation): string {
  const isAdjusted = adjustments.before !== 0 || adjustments.after !== 0;
  const rows = [
    ...achievements.map((one) => ({
      title: one.change === "kept" ? one.title : `${one.title} (${one.change})`,
      reached:
        one.reachedBefore === one.reachedAfter
          ? formatCount(one.reachedAfter)
          : `${formatCount(one.reachedBefore)} → ${formatCount(one.reachedAfter)}`,
      before: one.before,
      after: one.after,
    })),
    ...(isAdjusted ? [{ title: "Adjustments", reached: "", ...adjustments }] : []),
    { title: "Together", reached: "", before: points.before, after: points.after },
  ];
  return toTable(
    [
      { title: "achievement", cell: ({ title }) => title },
      { title: `reached, of ${formatCount(inStandings)}`, align: "right", cell: ({ reached }) => reached },
      { title: "points before", align: "right", cell: ({ before }) => formatCount(before) },
      { title: "after", align: "right", cell: ({ after }) => formatCount(after) },
    ],
    rows,
  );
}

function signed(points: number): string {
  return points > 0 ? `+${formatCount(points)}` : formatCount(points);
}
