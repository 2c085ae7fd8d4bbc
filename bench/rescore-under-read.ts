// How long does a page of the standings take while everybody is rescored? Quiet and busy phases take turns, and the two p99s
// of a pair are compared. Readers ask at a steady pace, whatever the answers before took, as visitors do. The limit is held against
// readers and rescore on cores of their own (cores.ts); what it is where they share all cores is measured beside it.
import { setTimeout as delay } from "node:timers/promises";
import { sql } from "drizzle-orm";
import { Redis } from "ioredis";
import { openDatabase } from "../db/client.ts";
import { openStandings, redisForReading } from "../src/standings/reading.ts";
import type { Standings } from "../src/standings/standings.ts";
import { canKeepApart, keepApart } from "./cores.ts";
import { type BenchLine, median, round, tell, toLine } from "./lines.ts";
import type { BenchServer } from "./postgres.ts";
import { type BenchRedis, openBenchRedis } from "./redis.ts";
import { openScored, type Scored } from "./scored.ts";

const LIMIT = { atMost: 1.5 };
const SIZES = {
  full: { partners: 100_000, rows: 1_000_000, rounds: 5 },
  small: { partners: 1_000, rows: 10_000, rounds: 1 },
};
/** Where readers and rescore share the cores. */
const SHARED_ROUNDS = 2;
/** Between two pages that are asked for. */
const PACE_MS = 10;
const PAGE = 50;
/** Between two looks at who waits for whom. */
const LOOK_MS = 5;

export async function rescoreUnderRead(server: BenchServer, size: keyof typeof SIZES): Promise<BenchLine> {
  const { partners } = SIZES[size];
  // The small size is tried out on servers that have other things to do.
  const apart = size === "full" && canKeepApart();
  const redis = await openBenchRedis();
  const lines: Record<string, { apart: Measured; shared: Measured }> = {};
  try {
    lines["postgres"] = await measure(server, { ...SIZES[size], apart }, undefined);
    if (redis !== undefined) lines["redis"] = await measure(server, { ...SIZES[size], apart }, redis);
  } finally {
    await redis?.close();
  }
  const all = Object.values(lines).map(({ apart }) => apart);
  const ratio = Math.max(...all.map((one) => one.ratio));
  const lockWaits = all.reduce((sum, one) => sum + one.lockWaits, 0);
  return toLine("rescore-under-read", ratio, LIMIT, {
    ok: ratio <= LIMIT.atMost && lockWaits === 0,
    partners,
    coresApart: apart,
    ...lines,
    lockWaits,
    lockWaitsLimit: { atMost: 0 },
  });
}

interface Measured {
  /** Median of the rounds: p99 with a rescore by p99 without. */
  ratio: number;
  rounds: number[];
  quietP50Ms: number;
  busyP50Ms: number;
  quietP99Ms: number;
  busyP99Ms: number;
  pages: number;
  rescoreSeconds: number;
  /** How often a reader was seen to wait for a lock; and how often was looked. */
  lockWaits: number;
  looks: number;
}

async function measure(
  server: BenchServer,
  { partners, rows, rounds, apart }: { partners: number; rows: number; rounds: number; apart: boolean },
  cache: BenchRedis | undefined,
): Promise<{ apart: Measured; shared: Measured }> {
  const scored = await openScored(server, { partners, rows }, cache?.url);
  const reading = await openDatabase(scored.url, { max: 4, applicationName: "reader" });
  const redis = cache === undefined ? undefined : new Redis(cache.url, redisForReading);
  const standings = openStandings({ db: reading.db, redis, prefix: "standings" });
  const end = await scored.openWorkers(1);
  const name = cache === undefined ? "postgres" : "redis";
  try {
    // Builds the cache, where there is one, and warms everything up.
    await scored.swing();
    await readWhile(standings, partners, () => scored.rescore());
    const turns = { scored, standings, partners };
    const shared = await takeTurns(turns, Math.min(rounds, SHARED_ROUNDS), `${name}, shared cores`);
    const mix = apart
      ? await keepApart(scored.db, {
          workers: scored.workerPids(),
          others: cache === undefined ? [] : [cache.pid],
          reader: "reader",
        })
      : () => undefined;
    try {
      return { apart: await takeTurns(turns, rounds, name), shared };
    } finally {
      mix();
    }
  } finally {
    await end();
    redis?.disconnect();
    await reading.close();
    await scored.close();
  }
}

/** So many pairs of a phase with a rescore and one without. */
async function takeTurns(
  { scored, standings, partners }: { scored: Scored; standings: Standings; partners: number },
  rounds: number,
  name: string,
): Promise<Measured> {
  const quiet: number[][] = [];
  const busy: number[][] = [];
  const seconds: number[] = [];
  const locks = watchLocks(scored);
  for (let number = 1; number <= rounds; number += 1) {
    await scored.swing();
    const startedAt = performance.now();
    const while_ = await readWhile(standings, partners, () => scored.rescore());
    const took = performance.now() - startedAt;
    busy.push(while_);
    seconds.push(took / 1000);
    const without = await readWhile(standings, partners, () => delay(took));
    quiet.push(without);
    tell(
      `${name} ${number}/${rounds}: p99 ${percentile(without, 99).toFixed(1)} ms, ` +
        `during a rescore of ${(took / 1000).toFixed(1)} s ${percentile(while_, 99).toFixed(1)} ms`,
    );
  }
  const { lockWaits, looks } = await locks.end();
  const ratios = busy.map((during, index) => percentile(during, 99) / percentile(quiet[index] ?? [], 99));
  const middle = (phases: number[][], nth: number) =>
    round(median(phases.map((phase) => percentile(phase, nth))));
  return {
    ratio: round(median(ratios)),
    rounds: ratios.map(round),
    quietP50Ms: middle(quiet, 50),
    busyP50Ms: middle(busy, 50),
    quietP99Ms: middle(quiet, 99),
    busyP99Ms: middle(busy, 99),
    pages: [...quiet, ...busy].reduce((sum, phase) => sum + phase.length, 0),
    rescoreSeconds: round(median(seconds)),
    lockWaits,
    looks,
  };
}

/** Milliseconds of each page that was asked for while some work was under way: the first pages, and others at random. */
async function readWhile(
  standings: Standings,
  partners: number,
  work: () => Promise<unknown>,
): Promise<number[]> {
  const took: number[] = [];
  let over = false;
  const isOver = () => over;
  const pending: Promise<void>[] = [];
  const ask = async (offset: number) => {
    const startedAt = performance.now();
    await standings.page({ offset, limit: PAGE });
    took.push(performance.now() - startedAt);
  };
  const asking = (async () => {
    for (let number = 0; !isOver(); number += 1) {
      // Most visitors look at the top.
      const offset = number % 4 === 3 ? PAGE * (number % Math.min(20, partners / PAGE)) : 0;
      pending.push(ask(offset));
      await delay(PACE_MS);
    }
  })();
  await work();
  over = true;
  await asking;
  await Promise.all(pending);
  return took;
}

/** Looks all the time whether a reader waits for a lock. */
function watchLocks({ db }: Scored): { end(): Promise<{ lockWaits: number; looks: number }> } {
  let over = false;
  const isOver = () => over;
  const seen = { lockWaits: 0, looks: 0 };
  const watching = (async () => {
    while (!isOver()) {
      const waiting = await db.execute(sql`
        select from pg_stat_activity
        where application_name = 'reader' and wait_event_type = 'Lock' and datname = current_database()`);
      seen.lockWaits += waiting.length;
      seen.looks += 1;
      await delay(LOOK_MS);
    }
  })();
  return {
    async end() {
      over = true;
      await watching;
      return seen;
    },
  };
}

function percentile(values: number[], nth: number): number {
  const sorted = [...values].sort((a, b) => a - b);
  return sorted[Math.min(sorted.length - 1, Math.floor((sorted.length * nth) / 100))] ?? Number.NaN;
}
