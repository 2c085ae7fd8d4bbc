// A full rescore of many partners, when nothing has changed and when everybody's points have, against the bare aggregate of
// the same table: what it costs Postgres merely to add the evidence up. And beside it what one would write first: a job for
// each partner (naive.ts).
import { sql } from "drizzle-orm";
import { type Database, transaction } from "../db/client.ts";
import { type BenchLine, median, round, tell, timed, toLine } from "./lines.ts";
import { measureNaive } from "./naive.ts";
import type { BenchServer } from "./postgres.ts";
import { openScored, type Scored } from "./scored.ts";

/** Of the bare aggregate's time: a rescore that changes nothing, and one that changes everybody. */
const LIMIT = { atMost: 2 };
const EVERYBODY_LIMIT = { atMost: 5 };
const NAIVE_LIMIT = { atLeast: 20 };
const RSS_LIMIT = { atMost: 200 };
const SIZES = {
  full: { partners: 100_000, rows: 5_000_000, rounds: 3, sample: 3000 },
  small: { partners: 1_000, rows: 50_000, rounds: 1, sample: 50 },
};

export async function rescore(server: BenchServer, size: keyof typeof SIZES): Promise<BenchLine> {
  const { partners, rows, rounds, sample } = SIZES[size];
  const scored = await openScored(server, { partners, rows });
  try {
    const plan = await readPlan(scored.db);
    await addUp(scored.db);
    const one = await measure(scored, { workers: 1, rounds: 1, everybody: false });
    const two = await measure(scored, { workers: 2, rounds, everybody: true });
    const serial = plan.includes("Gather") ? await timed(() => addUpSerially(scored.db)) : undefined;
    const naive = await measureNaive(scored, sample);
    const ratio = median(two.nothing);
    const everybodyRatio = median(two.everybody);
    const perPartner = median(two.everybodySeconds) / partners;
    const peakRssMb = Math.max(...one.peakRssMb, ...two.peakRssMb);
    return toLine("rescore", ratio, LIMIT, {
      ok:
        ratio <= LIMIT.atMost &&
        everybodyRatio <= EVERYBODY_LIMIT.atMost &&
        naive.secondsPerPartner / perPartner >= NAIVE_LIMIT.atLeast &&
        peakRssMb <= RSS_LIMIT.atMost,
      rounds: two.nothing.map(round),
      oneWorkerRatio: round(median(one.nothing)),
      everybodyRatio: round(everybodyRatio),
      everybodyRatioLimit: EVERYBODY_LIMIT,
      everybodyRounds: two.everybody.map(round),
      publishRatio: round(median(two.publishing)),
      firstScoringRatio: round(scored.firstSeconds / median(two.bareSeconds)),
      naiveTimes: round(naive.secondsPerPartner / perPartner),
      naiveTimesLimit: NAIVE_LIMIT,
      naive: {
        jobs: naive.jobs,
        jobsPerSecond: round(1 / naive.secondsPerPartner),
        queue: naive.queue,
        hoursForAll: round((naive.secondsPerPartner * partners) / 3600),
      },
      partners,
      rows: scored.rows,
      changed: two.changed,
      seconds: {
        bare: round(median(two.bareSeconds)),
        bareSerial: serial === undefined ? "the same: its plan is not parallel" : round(serial.seconds),
        nothingChanges: round(median(two.nothingSeconds)),
        everybodyChanges: round(median(two.everybodySeconds)),
      },
      barePlan: plan,
      peakRssMb,
      peakRssMbLimit: RSS_LIMIT,
    });
  } finally {
    await scored.close();
  }
}

/** Rounds in which the sides take turns; ratios are to the bare aggregates before and after. */
async function measure(scored: Scored, options: { workers: number; rounds: number; everybody: boolean }) {
  const { workers, rounds } = options;
  const figures = {
    nothing: [] as number[],
    everybody: [] as number[],
    publishing: [] as number[],
    bareSeconds: [] as number[],
    nothingSeconds: [] as number[],
    everybodySeconds: [] as number[],
    changed: 0,
    peakRssMb: [] as number[],
  };
  const end = await scored.openWorkers(workers);
  for (let number = 1; number <= rounds; number += 1) {
    const before = await timed(() => addUp(scored.db));
    const nothing = await timed(() => scored.rescore());
    if (nothing.result > 0) throw new Error("A rescore found changes where there are none.");
    const publishing = options.everybody ? await scored.swing() : undefined;
    const everybody = options.everybody ? await timed(() => scored.rescore()) : undefined;
    const after = await timed(() => addUp(scored.db));
    const bare = (before.seconds + after.seconds) / 2;
    figures.bareSeconds.push(bare);
    figures.nothing.push(nothing.seconds / bare);
    figures.nothingSeconds.push(nothing.seconds);
    if (everybody !== undefined && publishing !== undefined) {
      figures.everybody.push(everybody.seconds / bare);
      figures.everybodySeconds.push(everybody.seconds);
      figures.publishing.push(publishing / bare);
      figures.changed = everybody.result;
    }
    tell(
      `rescore ${number}/${rounds}, workers: ${workers}; bare ${before.seconds.toFixed(1)} and ${after.seconds.toFixed(1)} s, ` +
        `nothing changes ${nothing.seconds.toFixed(1)} s` +
        (everybody === undefined ? "" : `, everybody changes ${everybody.seconds.toFixed(1)} s`),
    );
  }
  figures.peakRssMb = await end();
  return figures;
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
