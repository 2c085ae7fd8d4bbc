// Does a source that answers in half a minute, or asks to be left alone for an hour, keep the others waiting? Eight sources, two
// workers; six of the sources are synced again and again, in phases in which all eight answer at once and in phases in which
// the seventh is slow and the eighth refuses. The time is from due (the run's beginning) to done (its end), as the runs say it.
import { fork } from "node:child_process";
import { once } from "node:events";
import { setTimeout as delay } from "node:timers/promises";
import { fileURLToPath } from "node:url";
import { sql } from "drizzle-orm";
import { type Context, openContext } from "../src/context.ts";
import { parseSources, registerSources } from "../src/ingest/sources.ts";
import { beginSync } from "../src/operations/sync.ts";
import { loadConfig } from "../src/platform/config.ts";
import { openLog } from "../src/platform/log.ts";
import type { Manner } from "./isolation-server.ts";
import { type BenchLine, median, round, tell, toLine, workerArguments } from "./lines.ts";
import type { BenchServer } from "./postgres.ts";
import { openBenchRedis } from "./redis.ts";

const LIMIT = { atMost: 1.2 };
const SYSTEMS = 8;
const [SLOW, REFUSING] = [6, 7];
const WORKERS = 2;
const ROWS = 500;
/** Syncs of each of the six in a phase: as many as fit into the half minute in which the seventh does not answer. */
const SIZES = {
  full: { rounds: 5, syncs: 30, slowMs: 30_000 },
  small: { rounds: 1, syncs: 1, slowMs: 1000 },
};
const POLL_MS = 5;

export async function isolation(server: BenchServer, size: keyof typeof SIZES): Promise<BenchLine> {
  const redis = await openBenchRedis();
  const lines: Record<string, Measured> = {};
  try {
    lines["postgres"] = await measure(server, SIZES[size], undefined);
    if (redis !== undefined) lines["redis"] = await measure(server, SIZES[size], redis.url);
  } finally {
    await redis?.close();
  }
  const ratio = Math.max(...Object.values(lines).map((one) => one.ratio));
  return toLine("isolation", ratio, LIMIT, {
    sources: SYSTEMS,
    workers: WORKERS,
    rows: ROWS,
    ...lines,
    ok: ratio <= LIMIT.atMost,
  });
}

interface Measured {
  /** Median of the rounds: the median time from due to done beside the two, by that without. */
  ratio: number;
  rounds: number[];
  quietMs: number;
  disturbedMs: number;
  quietP95Ms: number;
  disturbedP95Ms: number;
  syncs: number;
}

async function measure(
  server: BenchServer,
  { rounds, syncs, slowMs }: { rounds: number; syncs: number; slowMs: number },
  redisUrl: string | undefined,
): Promise<Measured> {
  const { db, url, close } = await server.openFresh();
  const systems = await openSystems(slowMs);
  const sources = toSources(systems.ports);
  const parsed = parseSources(sources, "sources.yaml");
  const config = loadConfig({
    DATABASE_URL: url,
    REDIS_URL: redisUrl ?? "",
    STANDINGS_SECRET_KEY: Buffer.alloc(32).toString("base64"),
  });
  await registerSources(db, parsed.sources);
  const context = await openContext(config, parsed, openLog("error"));
  const workers = await Promise.all(
    Array.from({ length: WORKERS }, () => openWorker(url, sources, redisUrl)),
  );
  const [quiet, disturbed, ratios]: [number[], number[], number[]] = [[], [], []];
  try {
    await phase(context, 3);
    for (let number = 1; number <= rounds; number += 1) {
      const without = await phase(context, syncs);
      await systems.behave(SLOW, "slow");
      await systems.behave(REFUSING, "refuses");
      const hindered = await begin(context, [SLOW, REFUSING]);
      await untilRefused(context, hindered[1]);
      const beside = await phase(context, syncs);
      const isSlowStill = (await stateOf(context, hindered[0])) === "running";
      if (!isSlowStill) tell(`round ${number}: the phase took longer than the slow source`);
      await untilEnded(context, hindered.slice(0, 1));
      await systems.behave(SLOW, "well");
      await systems.behave(REFUSING, "well");
      quiet.push(...without);
      disturbed.push(...beside);
      ratios.push(median(beside) / median(without));
      tell(
        `${redisUrl === undefined ? "postgres" : "redis"} ${number}/${rounds}: ${median(without).toFixed(0)} ms from due to done, ` +
          `beside a slow and a refusing source ${median(beside).toFixed(0)} ms`,
      );
    }
  } finally {
    for (const worker of workers) await worker.end();
    await context.close();
    systems.close();
    await close();
  }
  return {
    ratio: round(median(ratios)),
    rounds: ratios.map(round),
    quietMs: round(median(quiet)),
    disturbedMs: round(median(disturbed)),
    quietP95Ms: round(p95(quiet)),
    disturbedP95Ms: round(p95(disturbed)),
    syncs: quiet.length + disturbed.length,
  };
}

/** Syncs the six sources that behave, all at once and so many times. Returns the milliseconds from due to done of each sync. */
async function phase(context: Context, syncs: number): Promise<number[]> {
  const behaved = Array.from({ length: SLOW }, (_, index) => index);
  const all: number[] = [];
  for (let number = 0; number < syncs; number += 1) {
    const runs = await begin(context, behaved);
    await untilEnded(context, runs);
    const rows = await context.db.execute<{ ms: number; state: string }>(sql`
      select state, (extract(epoch from finished_at - started_at) * 1000)::float8 as ms from runs
      where id = any(${sql.param(runs)}::bigint[])`);
    const failed = rows.filter(({ state }) => state !== "complete");
    if (failed.length > 0) throw new Error(`${failed.length} syncs ended ${failed[0]?.state ?? ""}`);
    all.push(...rows.map(({ ms }) => ms));
  }
  return all;
}

function begin(context: Context, systems: number[]): Promise<number[]> {
  const sources = systems.map(nameOf);
  // What asked to be left alone in an earlier round is called again.
  return beginSync(context, { sources, full: false, askedBy: "bench", respect: "nothing" });
}

async function untilEnded(context: Context, runs: number[]): Promise<void> {
  for (;;) {
    const [row] = await context.db.execute<{ open: boolean }>(sql`
      select exists (select from runs where id = any(${sql.param(runs)}::bigint[]) and state = 'running') as open`);
    if (row?.open !== true) return;
    await delay(POLL_MS);
  }
}

/** Until the run of the source that refuses waits for its hour. */
async function untilRefused(context: Context, runId: number | undefined): Promise<void> {
  for (;;) {
    const waiting = await context.db.execute(sql`
      select from run_connections join connections on connections.id = connection_id
      where run_id = ${runId ?? 0} and retry_at > now() + interval '30 minutes'`);
    if (waiting.length > 0) return;
    await delay(POLL_MS);
  }
}

async function stateOf(context: Context, runId: number | undefined): Promise<string | undefined> {
  const [row] = await context.db.execute<{ state: string }>(
    sql`select state from runs where id = ${runId ?? 0}`,
  );
  return row?.state;
}

const nameOf = (system: number) => `source-${system + 1}`;

function toSources(ports: number[]): string {
  const source = (port: number, system: number) => `
  ${nameOf(system)}:
    connector: table
    every: 1 day
    settings:
      url: http://127.0.0.1:${port}/rows.csv
      format: csv
      evidence: article
      id: id
      occurred-at: happened
      title: title
      partner: { namespace: crm, column: id }
      time-zone: UTC`;
  const allowed = ports.map((port) => `"127.0.0.1:${port}"`).join(", ");
  return `allow-private: [${allowed}]\nsources:${ports.map(source).join("")}\n`;
}

interface Systems {
  ports: number[];
  behave(system: number, manner: Manner): Promise<void>;
  close(): void;
}

async function openSystems(slowMs: number): Promise<Systems> {
  const file = fileURLToPath(new URL("isolation-server.ts", import.meta.url));
  const child = fork(file, [SYSTEMS, ROWS, slowMs].map(String), { execArgv: ["--import", "tsx"] });
  const [{ ports }] = (await once(child, "message")) as [{ ports: number[] }];
  return {
    ports,
    async behave(system, manner) {
      const answered = once(child, "message");
      child.send({ system, manner });
      await answered;
    },
    close() {
      child.disconnect();
    },
  };
}

async function openWorker(url: string, sources: string, redisUrl: string | undefined) {
  const file = fileURLToPath(new URL("collect-worker.ts", import.meta.url));
  const child = fork(file, [url, sources, redisUrl ?? ""], { execArgv: workerArguments });
  await once(child, "message");
  return {
    async end() {
      const ended = once(child, "exit");
      child.send({ end: true });
      await ended;
    },
  };
}

function p95(values: number[]): number {
  const sorted = [...values].sort((a, b) => a - b);
  return sorted[Math.floor(sorted.length * 0.95)] ?? Number.NaN;
}
