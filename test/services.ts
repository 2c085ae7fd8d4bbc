// The real servers of the suite, started once for all files: a Postgres with a migrated template, and a Redis.
import { spawn, spawnSync } from "node:child_process";
import { once } from "node:events";
import { accessSync, chmodSync, constants, mkdtempSync, readdirSync, statfsSync } from "node:fs";
import { rm } from "node:fs/promises";
import { tmpdir } from "node:os";
import { join } from "node:path";
import { sql } from "drizzle-orm";
import { Redis } from "ioredis";
import type { TestProject } from "vitest/node";
import { openDatabase } from "../db/client.ts";
import { openEmbedded } from "../db/embedded.ts";
import { findFreePort, readPostmaster } from "../db/embedded-server.ts";
import { migrate } from "../db/migrate.ts";
import { migrateQueue } from "../src/queue/migrate.ts";

declare module "vitest" {
  interface ProvidedContext {
    /** Of a server on which databases may be created and dropped; the path is replaced. */
    databaseUrl: string;
    /** A migrated database to clone. Nobody may be connected to it. */
    templateName: string;
    redisUrl: string | undefined;
  }
}

type Close = () => Promise<void>;

export default async function setup(project: TestProject): Promise<Close> {
  useMemoryForScratch();
  const closers: Close[] = [];
  const close = async () => {
    for (const closer of closers.splice(0).reverse()) await closer();
  };
  try {
    const databaseUrl = process.env["TEST_DATABASE_URL"] ?? (await startPostgres(closers));
    const templateName = `standings_template_${process.pid}`;
    await createTemplate(databaseUrl, templateName, closers);
    project.provide("databaseUrl", databaseUrl);
    project.provide("templateName", templateName);
    project.provide("redisUrl", await startRedis(closers));
    return close;
  } catch (error) {
    await close();
    throw error;
  }
}

const MEMORY = "/dev/shm";
const ROOM_NEEDED_BYTES = 4 * 2 ** 30;

/**
 * Puts temporary files of this run and of all its processes into memory, where there is such a file system with room:
 * cloning a database takes 14 ms there and 140 ms on a disk, and nearly every test clones one.
 */
function useMemoryForScratch(): void {
  if (process.env["TMPDIR"] !== undefined) return;
  try {
    accessSync(MEMORY, constants.W_OK);
    const { bavail, bsize } = statfsSync(MEMORY);
    if (bavail * bsize >= ROOM_NEEDED_BYTES) process.env["TMPDIR"] = MEMORY;
  } catch {
    // Not a Linux, or not ours to write: the usual folder does as well.
  }
}

async function startPostgres(closers: Close[]): Promise<string> {
  await sweep();
  const home = mkdtempSync(`${join(tmpdir(), PREFIX)}${process.pid}-`);
  // As root Postgres runs as somebody else, who must be able to enter.
  chmodSync(home, 0o755);
  closers.push(() => rm(home, { recursive: true, force: true }));
  const { url, close } = await openEmbedded(home, {
    log: console.log,
    settings: { fsync: "off", synchronous_commit: "off", full_page_writes: "off", max_connections: "300" },
  });
  closers.push(close);
  return url;
}

const PREFIX = "standings-test-";

/** Stops the servers of runs that were killed: a Postgres outlives the process that started it. */
async function sweep(): Promise<void> {
  for (const name of readdirSync(tmpdir()).filter((entry) => entry.startsWith(PREFIX))) {
    const pid = Number(name.slice(PREFIX.length).split("-")[0]);
    if (!(pid > 0) || isAlive(pid)) continue;
    const home = join(tmpdir(), name);
    if (readPostmaster(join(home, "postgres")) !== undefined) await (await openEmbedded(home)).close();
    await rm(home, { recursive: true, force: true });
  }
}

function isAlive(pid: number): boolean {
  try {
    return process.kill(pid, 0);
  } catch (error) {
    return (error as NodeJS.ErrnoException).code === "EPERM";
  }
}

async function createTemplate(databaseUrl: string, name: string, closers: Close[]): Promise<void> {
  const admin = await openDatabase(databaseUrl, { max: 1, applicationName: "standings test services" });
  try {
    await admin.db.execute(sql`create database ${sql.identifier(name)} template template0 encoding 'UTF8'`);
  } finally {
    await admin.close();
  }
  closers.push(async () => {
    const { db, close } = await openDatabase(databaseUrl, { max: 1 });
    await db.execute(sql`drop database if exists ${sql.identifier(name)} with (force)`);
    await close();
  });
  await migrate(Object.assign(new URL(databaseUrl), { pathname: `/${name}` }).href, { also: migrateQueue });
}

async function startRedis(closers: Close[]): Promise<string | undefined> {
  if (!findRedis()) return undefined;
  const port = await findFreePort();
  const inMemory = ["--save", "", "--appendonly", "no", "--maxmemory-policy", "noeviction"];
  const server = spawn("redis-server", ["--port", String(port), "--bind", "127.0.0.1", ...inMemory], {
    stdio: ["ignore", "ignore", "inherit"],
  });
  const exited = once(server, "exit");
  closers.push(async () => {
    server.kill("SIGTERM");
    await exited;
  });
  const client = new Redis(port, "127.0.0.1", { maxRetriesPerRequest: null });
  // Refused until the server listens; ioredis tries again by itself.
  client.on("error", () => undefined);
  try {
    await Promise.race([
      client.ping(),
      exited.then(() => {
        throw new Error("redis-server ended before it answered");
      }),
    ]);
  } finally {
    client.disconnect();
  }
  return `redis://127.0.0.1:${port}`;
}

/** Looks for redis-server. In CI it is installed where it is missing and may be; elsewhere its tests are left out. */
function findRedis(): boolean {
  const found = () => spawnSync("redis-server", ["--version"]).status === 0;
  if (found()) return true;
  const inCi = process.env["CI"] !== undefined;
  if (inCi && process.getuid?.() === 0 && spawnSync("apt-get", ["--version"]).status === 0) {
    console.log("There is no redis-server: installing it (apt-get install redis-server) …");
    const env = { ...process.env, DEBIAN_FRONTEND: "noninteractive" };
    spawnSync("apt-get", ["update", "-qq"], { stdio: "inherit", env });
    // Its start-up script would run a server of the system's; ours is our own.
    const args = ["install", "-y", "-qq", "--no-install-recommends", "redis-server"];
    spawnSync("apt-get", args, { stdio: ["ignore", "ignore", "inherit"], env });
    if (found()) return true;
  }
  const missing =
    "There is no redis-server on the PATH: every test against Redis is left out. To run them, install it" +
    " (Debian and Ubuntu: apt-get install redis-server; macOS: brew install redis).";
  if (inCi) throw new Error(missing);
  console.warn(missing);
  return false;
}
