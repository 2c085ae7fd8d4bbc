// Evidence per second through the whole path (HTTP server, fetcher, connector, recording, score job, all of it through the
// workers and their queue) against the bare insert of the same rows, in batches of the size of a page, into the same
// table of another fresh database. The worker is a process of its own: its memory is measured, too.
import { type ChildProcess, fork } from "node:child_process";
import { once } from "node:events";
import { readFile } from "node:fs/promises";
import { fileURLToPath } from "node:url";
import { sql } from "drizzle-orm";
import type { Database } from "../db/client.ts";
import { importConnections } from "../src/ingest/connections.ts";
import { parseSources, registerSources } from "../src/ingest/sources.ts";
import { importPartners } from "../src/partners/import.ts";
import { secretBox } from "../src/platform/secrets.ts";
import { publishProgramme } from "../src/programme/versions.ts";
import type { Order, Report } from "./collect-worker.ts";
import { type BenchLine, median, round, tell, timed, toLine, workerArguments } from "./lines.ts";
import type { BenchServer } from "./postgres.ts";

/** Half of the bare insert: recording compares, marks and scores beside it. */
const LIMIT = { atLeast: 0.5 };
/** A second sync that finds nothing changed is so many times faster than the first. */
const SECOND_SPEEDUP = 3;
const MOST_RSS_MB = 200;
const PAGE = 1000;
/**
 * The two sides take turns, source by source, so that both tables grow alike and whatever else the machine does meets both.
 * Each account has as many mailings in either product, and each partner two accounts.
 */
const SIZES = {
  full: { sources: 10, accounts: 5, mailings: 10_000 },
  small: { sources: 1, accounts: 4, mailings: 1000 },
};

export async function collect(server: BenchServer, size: keyof typeof SIZES): Promise<BenchLine> {
  const { sources, accounts, mailings } = SIZES[size];
  const since = new Date(Date.now() - 330 * 86_400_000).toISOString().slice(0, 7);
  const remote = await openRemote(accounts, mailings, Date.parse(`${since}-01T00:00:00Z`) + 86_400_000);
  const piped = await server.openFresh();
  const target = await server.openFresh();
  try {
    const keys = Array.from({ length: sources }, (_, index) => `copernica-${index + 1}`);
    const setup = { port: remote.port, since, keys, accounts };
    await prepare(piped.db, setup);
    await copyAround(piped.db, target.db);
    const worker = await openWorker(piped.url, toSources(setup));
    const turns: Turn[] = [];
    const second: number[] = [];
    const again: number[] = [];
    for (const key of keys) turns.push(await takeTurn(worker, piped.db, target.db, key));
    for (const key of keys) second.push((await worker.sync(key, false)).seconds);
    // And once more complete, as a reconciliation asks: everything is fetched and compared again.
    for (const key of keys) again.push((await worker.sync(key, true)).seconds);
    const { peakRssMb } = await worker.sync(keys[0] ?? "", false);
    await worker.end();
    const rows = sum(turns.map((turn) => turn.rows));
    const rate = (seconds: number[]) => Math.round(rows / sum(seconds));
    const ratios = turns.map(({ pipeline, bare }) => bare / pipeline);
    const first = sum(turns.map(({ pipeline }) => pipeline));
    const speedup = first / sum(second);
    const ratio = median(ratios);
    return toLine("collect", ratio, LIMIT, {
      ok: ratio >= LIMIT.atLeast && speedup >= SECOND_SPEEDUP && peakRssMb <= MOST_RSS_MB,
      turns: ratios.map(round),
      rows,
      page: PAGE,
      pipelinePerSecond: rate(turns.map(({ pipeline }) => pipeline)),
      barePerSecond: rate(turns.map(({ bare }) => bare)),
      secondSpeedup: round(speedup),
      secondSpeedupLimit: { atLeast: SECOND_SPEEDUP },
      completeAgainSpeedup: round(first / sum(again)),
      completeAgainPerSecond: rate(again),
      peakRssMb,
      peakRssMbLimit: { atMost: MOST_RSS_MB },
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

/** Collects one source as a complete listing, as a reconciliation does, then inserts what that has written into the other database. */
async function takeTurn(worker: Worker, piped: Database, target: Database, key: string): Promise<Turn> {
  const { seconds: pipeline } = await worker.sync(key, true);
  let [rows, bare] = [0, 0];
  for await (const batch of readBatches(piped, key)) {
    rows += batch.length;
    bare += (await timed(() => insertBare(target, batch))).seconds;
  }
  tell(`${key}: ${rows} rows; pipeline ${pipeline.toFixed(2)} s, bare ${bare.toFixed(2)} s`);
  return { rows, pipeline, bare };
}

interface Worker {
  sync(key: string, full: boolean): Promise<{ seconds: number; peakRssMb: number }>;
  end(): Promise<void>;
}

async function openWorker(url: string, sources: string): Promise<Worker> {
  const child = fork(fileURLToPath(new URL("collect-worker.ts", import.meta.url)), [url, sources], {
    execArgv: workerArguments,
  });
  await reportOf(child);
  const order = (what: Order) => child.send(what);
  return {
    async sync(key, full) {
      order({ sync: key, full });
      const report = await reportOf(child);
      if (!("seconds" in report)) throw new Error(`${key}: ${JSON.stringify(report)}`);
      return report;
    },
    async end() {
      const ended = once(child, "exit");
      order({ end: true });
      await ended;
    },
  };
}

async function reportOf(child: ChildProcess): Promise<Report> {
  const ended = once(child, "exit").then(() => {
    throw new Error("the worker of the bench has ended");
  });
  ended.catch(() => undefined);
  const [report] = (await Promise.race([once(child, "message"), ended])) as [Report];
  return report;
}

interface Setup {
  port: number;
  since: string;
  keys: string[];
  accounts: number;
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

async function prepare(db: Database, setup: Setup): Promise<void> {
  const { keys, accounts } = setup;
  const now = new Date();
  const secrets = secretBox(Buffer.alloc(32).toString("base64"));
  await registerSources(db, parseSources(toSources(setup), "sources.yaml").sources);
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
async function* readBatches(db: Database, source: string): AsyncGenerator<Row[]> {
  for (let last = "0"; ; ) {
    const rows = await db.execute<Row>(sql`
      select id::text as last_id, ${sql.raw(COLUMNS.map(([name]) => `${name}::text`).join(", "))} from evidence
      where source = ${source} and id > ${last}::bigint order by id limit ${PAGE}`);
    if (rows.length === 0) return;
    yield [...rows];
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
