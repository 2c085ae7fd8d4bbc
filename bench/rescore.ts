// A full rescore of many partners, once when nothing has changed and once when everybody's points have, against the bare
// aggregate of the same table: what it costs Postgres merely to add the evidence up.
import { readFile } from "node:fs/promises";
import { fileURLToPath } from "node:url";
import { sql } from "drizzle-orm";
import { type Database, transaction } from "../db/client.ts";
import { openProgrammeVersions, publishProgramme } from "../src/programme/versions.ts";
import { rescoreRange } from "../src/runs/range.ts";
import { readOpenRanges, startRescore } from "../src/runs/rescore.ts";
import { scorePending } from "../src/scoring/score.ts";
import { writeHistory } from "./history.ts";
import { type BenchLine, median, round, tell, timed, toLine } from "./lines.ts";
import type { BenchServer } from "./postgres.ts";

/** Of a rescore that changes nothing. */
const LIMIT = { atMost: 2 };
const SIZES = {
  full: { partners: 100_000, rows: 5_000_000, rounds: 3 },
  small: { partners: 1_000, rows: 50_000, rounds: 1 },
};
/** As workers/score.ts. */
const BATCH = 500;

const example = fileURLToPath(new URL("../examples/copernica/programme.yaml", import.meta.url));

export async function rescore(server: BenchServer, size: keyof typeof SIZES): Promise<BenchLine> {
  const { partners, rounds, ...wanted } = SIZES[size];
  const { db, close } = await server.openFresh();
  try {
    const history = await timed(() => writeHistory(db, { partners, rows: wanted.rows }));
    tell(`rescore: ${history.result.rows} pieces of evidence in ${history.seconds.toFixed(0)} s`);
    const text = await readFile(example, "utf8");
    // One instant for everything, or windows that slide meanwhile would change scores.
    const at = new Date();
    await publish(db, text, at);
    const first = await timed(() => Promise.all([drain(db, at), drain(db, at)]));
    tell(`rescore: everybody scored for the first time in ${first.seconds.toFixed(1)} s`);
    await db.execute(sql`vacuum (analyze) achievements_held, scores, ledger`);

    const plan = await readPlan(db);
    await addUp(db);
    const measured: { bare: number; two: number; one: number }[] = [];
    for (let number = 1; number <= rounds; number += 1) {
      const bare = await timed(() => addUp(db));
      const two = await timed(() => rescoreAll(db, 2, at));
      const one = await timed(() => rescoreAll(db, 1, at));
      if (two.result + one.result > 0) throw new Error("A rescore found changes where there are none.");
      tell(
        `rescore ${number}/${rounds}: bare ${bare.seconds.toFixed(1)} s, nothing changes: ` +
          `two workers ${two.seconds.toFixed(1)} s, one ${one.seconds.toFixed(1)} s`,
      );
      measured.push({ bare: bare.seconds, two: two.seconds, one: one.seconds });
    }
    const serial = plan.includes("Gather") ? await timed(() => addUpSerially(db)) : undefined;

    const publishing = await timed(() => publish(db, doubled(text), at));
    const everybody = await timed(() => rescoreAll(db, 2, at));
    tell(`rescore: everybody changes: ${everybody.seconds.toFixed(1)} s`);
    const bareSeconds = median(measured.map(({ bare }) => bare));
    return toLine("rescore", median(measured.map(({ two, bare }) => two / bare)), LIMIT, {
      rounds: measured.map(({ two, bare }) => round(two / bare)),
      oneWorkerRatio: round(median(measured.map(({ one, bare }) => one / bare))),
      everybodyRatio: round(everybody.seconds / bareSeconds),
      publishRatio: round(publishing.seconds / bareSeconds),
      firstScoringRatio: round(first.seconds / bareSeconds),
      partners,
      rows: history.result.rows,
      changed: everybody.result,
      seconds: {
        bare: round(bareSeconds),
        bareSerial: serial === undefined ? "the same: its plan is not parallel" : round(serial.seconds),
        nothingChangesTwoWorkers: round(median(measured.map(({ two }) => two))),
        nothingChangesOneWorker: round(median(measured.map(({ one }) => one))),
        everybodyChangesTwoWorkers: round(everybody.seconds),
      },
      barePlan: plan,
      peakRssMb: Math.round(process.resourceUsage().maxRSS / 1024),
    });
  } finally {
    await close();
  }
}

const BARE = sql`select partner_id, kind, sum(quantity), count(*) from evidence group by 1, 2`;

/** The bare aggregate, added up again so that its rows need not travel and none of its columns is left out. */
async function addUp(db: Database): Promise<void> {
  await db.execute(sql`select count(*), sum(bare.sum), sum(bare.count) from (${BARE}) as bare`);
}

async function addUpSerially(db: Database): Promise<void> {
  await transaction(db, async (tx) => {
    await tx.execute(sql`set local max_parallel_workers_per_gather = 0`);
    await addUp(tx);
  });
}

async function readPlan(db: Database): Promise<string> {
  const lines = await db.execute<{ "QUERY PLAN": string }>(sql`explain (costs off) ${BARE}`);
  return lines.map((line) => line["QUERY PLAN"].trim()).join("; ");
}

async function publish(db: Database, text: string, at: Date): Promise<void> {
  await publishProgramme(db, { text, file: "programme.yaml", publishedBy: "bench", now: at });
}

/** The same programme with twice the points everywhere: whoever has any has others now. */
function doubled(programme: string): string {
  return programme.replace(
    /\b(perfect|points|each|cap): (\d+)/g,
    (_, key: string, points: string) => `${key}: ${2 * Number(points)}`,
  );
}

async function drain(db: Database, at: Date): Promise<void> {
  const programmes = openProgrammeVersions();
  while ((await scorePending(db, programmes, { now: at, limit: BATCH })).claimed > 0);
}

/** As that many workers do it side by side. Returns how many partners changed. */
async function rescoreAll(db: Database, workers: number, at: Date): Promise<number> {
  const { runId } = await startRescore(db, openProgrammeVersions(), { askedBy: "bench", now: at });
  const ranges = await readOpenRanges(db, runId);
  let changed = 0;
  const work = async () => {
    const programmes = openProgrammeVersions();
    for (let range = ranges.shift(); range !== undefined; range = ranges.shift()) {
      const outcome = await rescoreRange(db, programmes, range, () => at);
      changed += outcome.changed;
    }
  };
  await Promise.all(Array.from({ length: workers }, work));
  return changed;
}
