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
import { importPartners } from "../src/partners.ts";
import { publishProgramme } from "../src/programme/versions.ts";
import { parseSources } from "../src/sources.ts";
import { openWorkers } from "../workers/main.ts";
import { type BenchLine, median, round, tell, timed, toLine } from "./lines.ts";
import type { BenchServer } from "./postgres.ts";

/** Half of the bare insert: recording compares, marks and scores beside it. */
const LIMIT = { atLeast: 0.5 };
const PAGE = 1000;
/** Each account has as many mailings in either product, and each partner two accounts. */
const SIZES = {
  full: { accounts: 50, mailings: 2000, rounds: 3 },
  small: { accounts: 20, mailings: 1000, rounds: 1 },
};
const POLL_MS = 10;

export async function collect(server: BenchServer, size: keyof typeof SIZES): Promise<BenchLine> {
  const { accounts, mailings, rounds } = SIZES[size];
  const since = new Date(Date.now() - 330 * 86_400_000).toISOString().slice(0, 7);
  const remote = await openRemote(accounts, mailings, Date.parse(`${since}-01T00:00:00Z`) + 86_400_000);
  try {
    const measured: Round[] = [];
    for (let number = 1; number <= rounds; number += 1) {
      const one = await measure(server, { ...remote, accounts, since });
      tell(
        `collect ${number}/${rounds}: ${one.rows} rows; pipeline ${one.pipeline.toFixed(2)} s, ` +
          `bare ${one.bare.toFixed(2)} s, unchanged ${one.unchanged.toFixed(2)} s`,
      );
      measured.push(one);
    }
    const ratios = measured.map(({ pipeline, bare }) => bare / pipeline);
    const rate = (seconds: (one: Round) => number) =>
      Math.round(median(measured.map((one) => one.rows / seconds(one))));
    return toLine("collect", median(ratios), LIMIT, {
      rounds: ratios.map(round),
      rows: measured[0]?.rows,
      page: PAGE,
      pipelinePerSecond: rate(({ pipeline }) => pipeline),
      barePerSecond: rate(({ bare }) => bare),
      unchangedPerSecond: rate(({ unchanged }) => unchanged),
      peakRssMb: Math.round(process.resourceUsage().maxRSS / 1024),
    });
  } finally {
    remote.close();
  }
}

interface Round {
  rows: number;
  /** Seconds: from the request to sync until everything is recorded and scored. */
  pipeline: number;
  /** Seconds of the same sync again, which finds nothing new. */
  unchanged: number;
  /** Seconds of the bare insert. */
  bare: number;
}

interface Remote {
  port: number;
  accounts: number;
  since: string;
}

async function measure(server: BenchServer, remote: Remote): Promise<Round> {
  const piped = await server.openFresh();
  const target = await server.openFresh();
  try {
    const { pipeline, unchanged } = await runPipeline(piped.url, remote);
    const batches = await readBatches(piped.db);
    await copyAround(piped.db, target.db);
    const bare = await timed(async () => {
      for (const batch of batches) await insertBare(target.db, batch);
    });
    return {
      rows: batches.reduce((sum, batch) => sum + batch.length, 0),
      pipeline,
      unchanged,
      bare: bare.seconds,
    };
  } finally {
    await piped.close();
    await target.close();
  }
}

async function runPipeline(url: string, remote: Remote): Promise<{ pipeline: number; unchanged: number }> {
  const config = loadConfig({ DATABASE_URL: url, STANDINGS_SECRET_KEY: Buffer.alloc(32).toString("base64") });
  const context = await openContext(
    config,
    parseSources(toSources(remote), "sources.yaml"),
    openLog("error"),
  );
  try {
    await prepare(context, remote.accounts);
    const workers = await openWorkers(context, { schedules: false });
    try {
      const first = await timed(() => syncAndScore(context));
      const second = await timed(() => syncAndScore(context));
      return { pipeline: first.seconds, unchanged: second.seconds };
    } finally {
      await workers.close();
    }
  } finally {
    await context.close();
  }
}

/** A complete listing, as a reconciliation asks for it: an ordinary first sync does less. */
async function syncAndScore(context: Context): Promise<void> {
  const [runId] = await beginSync(context, { sources: [], full: true, askedBy: "bench" });
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

function toSources({ port, since }: Remote): string {
  return `
allow-private: ["127.0.0.1:${port}"]
sources:
  copernica:
    connector: copernica
    every: 1 day
    settings:
      url: http://127.0.0.1:${port}/v4
      authenticate-url: http://127.0.0.1:${port}/authenticate
      time-zone: UTC
      since: "${since}"
      page-limit: ${PAGE}
`;
}

async function prepare(context: Context, accounts: number): Promise<void> {
  const numbers = Array.from({ length: accounts }, (_, index) => index + 1);
  const partnerOf = (account: number) => `partner-${Math.ceil(account / 2)}`;
  const slugs = [...new Set(numbers.map(partnerOf))];
  const now = context.now();
  await importPartners(context.db, {
    text: `slug,name\n${slugs.map((slug) => `${slug},${slug}`).join("\n")}\n`,
    file: "partners.csv",
    now,
  });
  const lines = numbers.map(
    (account) => `${account},${partnerOf(account)},${account % 2 === 1 ? "own" : "client"},${account}`,
  );
  await importConnections(context.db, context.secrets, {
    source: "copernica",
    text: `key,partner,use,secret\n${lines.join("\n")}\n`,
    file: "connections.csv",
    now,
  });
  const programme = fileURLToPath(new URL("../examples/copernica/programme.yaml", import.meta.url));
  await publishProgramme(context.db, {
    text: await readFile(programme, "utf8"),
    file: "programme.yaml",
    publishedBy: "bench",
    now,
  });
}

type Row = Record<string, string | null>;

/** What the pipeline has written, as text, in its order. */
async function readBatches(db: Database): Promise<Row[][]> {
  const batches: Row[][] = [];
  for (let last = "0"; ; ) {
    const rows = await db.execute<Row>(sql`
      select id::text as last_id, ${sql.raw(COLUMNS.map(([name]) => `${name}::text`).join(", "))} from evidence
      where id > ${last}::bigint order by id limit ${PAGE}`);
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
