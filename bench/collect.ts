// Evidence per second through the whole path (HTTP server, fetcher, connector, recording, score job, all of it through the
// workers and their queue) against the bare insert of the same rows, in batches of the size of a page, into the same
// table of another fresh database.
import { fork } from "node:child_process";
import { once } from "node:events";
import { readFile } from "node:fs/promises";
import { setTimeout as delay } from "node:timers/promises";
import { fileURLToPath } from "node:url";
import { sql } from "drizzle-orm";
import type { Database } from "../db/client.ts";
import { beginSync } from "../src/commands/sync.ts";
import { loadConfig } from "../src/config.ts";
import { importConnections } from "../src/connections.ts";
import { type Context, openContext } from "../src/context.ts";
import { openLog } from "../src/log.ts";
import { importPartners } from "../src/partners/import.ts";
import { publishProgramme } from "../src/programme/versions.ts";
import { parseSources } from "../src/sources.ts";
import { openWorkers } from "../workers/main.ts";
import { type BenchLine, median, round, tell, timed, toLine } from "./lines.ts";
import type { BenchServer } from "./postgres.ts";

/** Half of the bare insert: recording compares, marks and scores beside it. */
const LIMIT = { atLeast: 0.5 };
const PAGE = 1000;
/**
 * The two sides take turns, source by source, so that both tables grow alike and whatever else the machine does meets both.
 * Each account has as many mailings in either product, and each partner two accounts.
 */
const SIZES = {
  full: { sources: 10, accounts: 5, mailings: 2000 },
  small: { sources: 1, accounts: 4, mailings: 1000 },
};
const POLL_MS = 25;

export async function collect(server: BenchServer, size: keyof typeof SIZES): Promise<BenchLine> {
  const { sources, accounts, mailings } = SIZES[size];
  const since = new Date(Date.now() - 330 * 86_400_000).toISOString().slice(0, 7);
  const remote = await openRemote(accounts, mailings, Date.parse(`${since}-01T00:00:00Z`) + 86_400_000);
  const piped = await server.openFresh();
  const target = await server.openFresh();
  try {
    const keys = Array.from({ length: sources }, (_, index) => `copernica-${index + 1}`);
    const turns: Turn[] = [];
    const unchanged: number[] = [];
    let peakRssMb = 0;
    await withPipeline(piped.url, { port: remote.port, since, keys, accounts }, async (context) => {
      await copyAround(piped.db, target.db);
      for (const key of keys) turns.push(await takeTurn(context, target.db, key));
      for (const key of keys) unchanged.push((await timed(() => syncAndScore(context, key))).seconds);
      peakRssMb = Math.round(process.resourceUsage().maxRSS / 1024);
    });
    const rows = sum(turns.map((turn) => turn.rows));
    const rate = (seconds: number[]) => Math.round(rows / sum(seconds));
    const ratios = turns.map(({ pipeline, bare }) => bare / pipeline);
    return toLine("collect", median(ratios), LIMIT, {
      turns: ratios.map(round),
      rows,
      page: PAGE,
      pipelinePerSecond: rate(turns.map(({ pipeline }) => pipeline)),
      barePerSecond: rate(turns.map(({ bare }) => bare)),
      unchangedPerSecond: rate(unchanged),
      peakRssMb,
    });
  } finally {
    remote.close();
    await piped.close();
    await target.close();
  }
}

interface Turn {
  rows: number;
  /** Seconds: from the request to sync until everything is recorded and scored. */
  pipeline: number;
  /** Seconds of the bare insert. */
  bare: number;
}

/** Collects one source, then inserts what that has written into the other database. */
async function takeTurn(context: Context, target: Database, key: string): Promise<Turn> {
  const pipeline = await timed(() => syncAndScore(context, key));
  const batches = await readBatches(context.db, key);
  const bare = await timed(async () => {
    for (const batch of batches) await insertBare(target, batch);
  });
  const rows = sum(batches.map((batch) => batch.length));
  tell(`${key}: ${rows} rows; pipeline ${pipeline.seconds.toFixed(2)} s, bare ${bare.seconds.toFixed(2)} s`);
  return { rows, pipeline: pipeline.seconds, bare: bare.seconds };
}

interface Setup {
  port: number;
  since: string;
  keys: string[];
  accounts: number;
}

/** Opens all that a worker process is, prepares partners, connections and programme, and closes it after the work. */
async function withPipeline(
  url: string,
  setup: Setup,
  work: (context: Context) => Promise<void>,
): Promise<void> {
  const config = loadConfig({
    DATABASE_URL: url,
    STANDINGS_SECRET_KEY: Buffer.alloc(32).toString("base64"),
  });
  const context = await openContext(config, parseSources(toSources(setup), "sources.yaml"), openLog("error"));
  try {
    await prepare(context, setup);
    const workers = await openWorkers(context, { schedules: false });
    try {
      await work(context);
    } finally {
      await workers.close();
    }
  } finally {
    await context.close();
  }
}

/** A complete listing, as a reconciliation asks for it: an ordinary first sync does less. */
async function syncAndScore(context: Context, key: string): Promise<void> {
  const [runId] = await beginSync(context, { sources: [key], full: true, askedBy: "bench" });
  for (;;) {
    const [row] = await context.db.execute<{ state: string; reason: string | null; pending: boolean }>(sql`
      select state, reason, exists (select from pending_partners) as pending from runs where id = ${runId}`);
    if (row?.state === "complete" && !row.pending) return;
    if (row?.state !== "complete" && row?.state !== "running") {
      throw new Error(`The sync ended ${String(row?.state)}: ${String(row?.reason)}`);
    }
    await delay(POLL_MS);
  }
}

function toSources({ port, since, keys, accounts }: Setup): string {
  const source = (key: string) => `
  ${key}:
    connector: copernica
    every: 1 day
    concurrency: ${accounts}
    settings:
      url: http://127.0.0.1:${port}/v4
      authenticate-url: http://127.0.0.1:${port}/authenticate
      time-zone: UTC
      since: "${since}"
      page-limit: ${PAGE}`;
  return `allow-private: ["127.0.0.1:${port}"]\nsources:${keys.map(source).join("")}\n`;
}

async function prepare(context: Context, { keys, accounts }: Setup): Promise<void> {
  const { db, secrets } = context;
  const now = context.now();
  const numbers = Array.from({ length: accounts }, (_, index) => index + 1);
  const partnerOf = (key: string, account: number) => `${key}-${Math.ceil(account / 2)}`;
  const slugs = [...new Set(keys.flatMap((key) => numbers.map((account) => partnerOf(key, account))))];
  await importPartners(db, {
    text: `slug,name\n${slugs.map((slug) => `${slug},${slug}`).join("\n")}\n`,
    file: "partners.csv",
    now,
  });
  for (const source of keys) {
    const lines = numbers.map(
      (account) =>
        `${account},${partnerOf(source, account)},${account % 2 === 1 ? "own" : "client"},${account}`,
    );
    const text = `key,partner,use,secret\n${lines.join("\n")}\n`;
    await importConnections(db, secrets, { source, text, file: "connections.csv", now });
  }
  const programme = fileURLToPath(new URL("../examples/copernica/programme.yaml", import.meta.url));
  await publishProgramme(db, {
    text: await readFile(programme, "utf8"),
    file: "programme.yaml",
    publishedBy: "bench",
    now,
  });
}

type Row = Record<string, string | null>;

/** What the pipeline has written of a source, as text, in its order. */
async function readBatches(db: Database, source: string): Promise<Row[][]> {
  const batches: Row[][] = [];
  for (let last = "0"; ; ) {
    const rows = await db.execute<Row>(sql`
      select id::text as last_id, ${sql.raw(COLUMNS.map(([name]) => `${name}::text`).join(", "))} from evidence
      where source = ${source} and id > ${last}::bigint order by id limit ${PAGE}`);
    if (rows.length === 0) return batches;
    batches.push([...rows]);
    last = rows.at(-1)?.["last_id"] ?? last;
  }
}

const COLUMNS = [
  ["source", "text"],
  ["connection_id", "bigint"],
  ["run_id", "bigint"],
  ["external_id", "text"],
  ["partner_id", "bigint"],
  ["namespace", "text"],
  ["identity_key", "text"],
  ["kind", "text"],
  ["occurred_at", "timestamptz"],
  ["ended_at", "timestamptz"],
  ["quantity", "numeric"],
  ["attributes", "jsonb"],
  ["title", "text"],
  ["link", "text"],
  ["digest", "text"],
  ["recorded_at", "timestamptz"],
] as const;

async function insertBare(db: Database, rows: Row[]): Promise<void> {
  const columns = COLUMNS.map(
    ([name, type]) => sql`${sql.param(rows.map((row) => row[name] ?? null))}::${sql.raw(type)}[]`,
  );
  await db.execute(sql`
    insert into evidence (${sql.raw(COLUMNS.map(([name]) => name).join(", "))})
    select * from unnest(${sql.join(columns, sql`, `)})
    on conflict (source, external_id) where superseded_at is null do nothing`);
}

/** What the evidence refers to, under the same ids. */
async function copyAround(from: Database, to: Database): Promise<void> {
  for (const table of ["partners", "sources", "connections"]) {
    const name = sql.identifier(table);
    const [row] = await from.execute<{ all: string }>(
      sql`select json_agg(${name})::text as all from ${name}`,
    );
    await to.execute(sql`
      insert into ${name} overriding system value select * from json_populate_recordset(null::${name}, ${row?.all ?? "[]"}::json)`);
  }
}

async function openRemote(accounts: number, mailings: number, startAtMs: number) {
  const child = fork(
    fileURLToPath(new URL("copernica-server.ts", import.meta.url)),
    [accounts, mailings, PAGE, startAtMs].map(String),
    { execArgv: ["--import", "tsx"] },
  );
  const [message] = (await once(child, "message")) as [{ port: number }];
  return {
    port: message.port,
    close: () => {
      child.disconnect();
    },
  };
}

function sum(values: number[]): number {
  return values.reduce((all, one) => all + one, 0);
}
