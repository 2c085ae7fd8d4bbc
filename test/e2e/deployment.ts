// A whole deployment for a test: a database, one of the two queue backends, the sandbox on a free port, and the example's
// lists imported through the public functions. Workers run in this process or as processes of their own.
import { type ChildProcess, spawn } from "node:child_process";
import { randomBytes } from "node:crypto";
import { mkdtemp, readFile, rm, writeFile } from "node:fs/promises";
import { tmpdir } from "node:os";
import { join } from "node:path";
import { setTimeout as delay } from "node:timers/promises";
import { fileURLToPath } from "node:url";
import { parse, stringify } from "yaml";
import { openSandbox, type Sandbox } from "../../examples/copernica/sandbox.ts";
import { followRuns } from "../../src/cli/follow.ts";
import { type Context, openContext } from "../../src/context.ts";
import { importConnections } from "../../src/ingest/connections.ts";
import {
  type ConnectionReport,
  type RunReport,
  readTroubledConnections,
} from "../../src/ingest/runs/runs.ts";
import { parseSources } from "../../src/ingest/sources.ts";
import { beginSync } from "../../src/operations/sync.ts";
import { importPartners } from "../../src/partners/import.ts";
import { loadConfig } from "../../src/platform/config.ts";
import { openLog } from "../../src/platform/log.ts";
import type { Output } from "../../src/platform/terminal/output.ts";
import { publishProgramme } from "../../src/programme/versions.ts";
import { openWorkers } from "../../workers/main.ts";
import { openTestDatabase, type TestDatabase } from "../database.ts";
import { redisUrl, testPrefix } from "../redis.ts";

export type Backend = "postgres" | "redis";

/** Both, or Postgres alone where no redis-server could be had (test/services.ts says so). */
export const backends: Backend[] = redisUrl() === undefined ? ["postgres"] : ["postgres", "redis"];

const root = fileURLToPath(new URL("../../", import.meta.url));
const example = (name: string) => readFile(join(root, "examples/copernica", name), "utf8");

export interface Deployment {
  context: Context;
  sandbox: Sandbox;
  database: TestDatabase;
  env: Record<string, string>;
  /** Another context of the same deployment, as another process would have it; closed with the deployment. */
  openContext(): Promise<Context>;
  /** A standings command as a process of its own. */
  spawn(...args: string[]): Spawned;
  close(): Promise<void>;
}

interface Spawned {
  process: ChildProcess;
  /** Once it has ended: exit code (null when killed) and both outputs. */
  ended: Promise<{ code: number | null; stdout: string; stderr: string }>;
}

interface DeploymentOptions {
  /** A Redis database of one's own, for a test that empties it. */
  redisDatabase?: number;
  /** For a test that kills a process: how soon another takes over what it held. */
  leaseMs?: number;
  /** Only these sources of the example; all of them when absent. */
  sources?: string[];
}

export async function openDeployment(backend: Backend, options: DeploymentOptions = {}): Promise<Deployment> {
  const home = await mkdtemp(join(tmpdir(), "standings-e2e-"));
  const database = await openTestDatabase({ max: 4 });
  const sandbox = await openSandbox({ home, port: 0 });
  const document = parse(
    (await example("sources.yaml")).replaceAll("127.0.0.1:4640", new URL(sandbox.url).host),
  ) as { sources: Record<string, { every: string }> };
  const chosen = Object.entries(document.sources)
    .filter(([key]) => options.sources?.includes(key) !== false)
    .map(([key, source]) => [key, { ...source, every: "1 day" }] as const);
  const text = stringify({ ...document, sources: Object.fromEntries(chosen) });
  const file = join(home, "sources.yaml");
  await writeFile(file, text);
  const redis = backend === "redis" ? `${redisUrl() ?? ""}/${options.redisDatabase ?? 0}` : "";
  const env = {
    DATABASE_URL: database.url,
    REDIS_URL: redis,
    STANDINGS_SECRET_KEY: randomBytes(32).toString("base64"),
    STANDINGS_HOME: home,
    STANDINGS_SOURCES: file,
    STANDINGS_PREFIX: testPrefix(),
    STANDINGS_PORT: "0",
    STANDINGS_POOL: "6",
    ...(options.leaseMs === undefined ? {} : { STANDINGS_LEASE_MS: String(options.leaseMs) }),
  };
  const contexts: Context[] = [];
  const another = async () => {
    const opened = await openContext(loadConfig(env), parseSources(text, file), openLog("silent"));
    contexts.push(opened);
    return opened;
  };
  const context = await another();
  const now = context.now();
  await importPartners(context.db, { text: await example("partners.csv"), file: "partners.csv", now });
  if (options.sources?.includes("copernica") !== false) {
    await importConnections(context.db, context.secrets, {
      source: "copernica",
      text: await example("connections.csv"),
      file: "connections.csv",
      now,
    });
  }
  await publishProgramme(context.db, {
    text: await example("programme.yaml"),
    file: "programme.yaml",
    publishedBy: "test",
    now,
  });
  const children = new Set<ChildProcess>();
  return {
    context,
    sandbox,
    database,
    env,
    openContext: another,
    spawn(...args) {
      const child = spawn(process.execPath, [join(root, "standings.mjs"), ...args], {
        env: { PATH: process.env["PATH"] ?? "", ...env },
        stdio: ["ignore", "pipe", "pipe"],
      });
      children.add(child);
      return { process: child, ended: collectOutput(child) };
    },
    async close() {
      for (const child of children) child.kill("SIGKILL");
      await Promise.all(contexts.map((opened) => opened.close()));
      await sandbox.close();
      await database.close();
      await rm(home, { recursive: true, force: true });
    },
  };
}

async function collectOutput(child: ChildProcess) {
  let stdout = "";
  let stderr = "";
  child.stdout?.setEncoding("utf8").on("data", (text: string) => {
    stdout += text;
  });
  child.stderr?.setEncoding("utf8").on("data", (text: string) => {
    stderr += text;
  });
  const code = await new Promise<number | null>((resolve) => {
    child.once("close", resolve);
  });
  return { code, stdout, stderr };
}

/** Pulls some sources (all when none is named) with workers in this process, and returns how the runs ended. */
export async function sync(
  context: Context,
  sources: string[] = [],
): Promise<{ runs: RunReport[]; trouble: ConnectionReport[] }> {
  const workers = await openWorkers(context, { schedules: false, backoff: { firstMs: 1000, mostMs: 1000 } });
  try {
    const runIds = await beginSync(context, { sources, full: false, askedBy: "test" });
    const runs = await followRuns(context, quiet(), runIds, new AbortController().signal);
    const trouble = await Promise.all(runIds.map((runId) => readTroubledConnections(context.db, runId)));
    return { runs, trouble: trouble.flat() };
  } finally {
    await workers.close();
  }
}

/** An output for what a test does not look at. */
export function quiet(): Output {
  const nowhere = () => undefined;
  return { print: nowhere, note: nowhere, progress: nowhere, endProgress: nowhere };
}

/** Looks until a condition holds; the test's own time limit ends the looking. */
export async function until(condition: () => Promise<boolean>): Promise<void> {
  while (!(await condition())) await delay(50);
}
