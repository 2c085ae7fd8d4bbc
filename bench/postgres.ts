// Where the benches measure: fresh databases on one server, dropped afterwards. The server is DATABASE_URL's, or an
// embedded one with the settings of a small production machine, in a temporary home that is removed.
import { randomBytes } from "node:crypto";
import { chmodSync, mkdtempSync } from "node:fs";
import { rm } from "node:fs/promises";
import { tmpdir } from "node:os";
import { join } from "node:path";
import { sql } from "drizzle-orm";
import { type Database, openDatabase } from "../db/client.ts";
import { openEmbedded } from "../db/embedded.ts";
import { migrate } from "../db/migrate.ts";
import { migrateQueue } from "../src/queue/migrate.ts";

interface BenchDatabase {
  db: Database;
  url: string;
  /** Disconnects and drops it. */
  close: () => Promise<void>;
}

export interface BenchServer {
  /** What the figures depend on, as the server says it. */
  settings: Record<string, string>;
  /** A migrated database without rows; `max` connections at most. */
  openFresh(options?: { max?: number }): Promise<BenchDatabase>;
  close(): Promise<void>;
}

/** Every commit reaches the disk, as in production. The rest is what a machine with 4 GB for Postgres would be given. */
const SETTINGS = {
  fsync: "on",
  synchronous_commit: "on",
  full_page_writes: "on",
  shared_buffers: "1GB",
  effective_cache_size: "3GB",
  max_wal_size: "4GB",
  checkpoint_timeout: "15min",
  maintenance_work_mem: "512MB",
  random_page_cost: "1.1",
};

const SHOWN = [
  ...Object.keys(SETTINGS),
  "server_version",
  "work_mem",
  "hash_mem_multiplier",
  "jit",
  "max_parallel_workers_per_gather",
];

/** `databaseUrl`: of a server on which databases may be created; undefined starts the embedded one. */
export async function openBenchServer(databaseUrl: string | undefined): Promise<BenchServer> {
  const server =
    databaseUrl === undefined ? await startEmbedded() : { url: databaseUrl, close: () => Promise.resolve() };
  const admin = await openDatabase(server.url, { max: 1, applicationName: "standings bench" });
  const shown = await admin.db.execute<{ name: string; value: string }>(sql`
    select name, current_setting(name) as value from pg_settings where name = any(${sql.param(SHOWN)}::text[]) order by name`);
  return {
    settings: Object.fromEntries(shown.map(({ name, value }) => [name, value])),
    async openFresh({ max = 4 } = {}) {
      const name = `standings_bench_${randomBytes(6).toString("hex")}`;
      await admin.db.execute(sql`create database ${sql.identifier(name)} template template0 encoding 'UTF8'`);
      const url = Object.assign(new URL(server.url), { pathname: `/${name}` }).href;
      await migrate(url, { also: migrateQueue });
      const { db, close } = await openDatabase(url, { max, applicationName: "standings bench" });
      return {
        db,
        url,
        async close() {
          await close();
          await admin.db.execute(sql`drop database if exists ${sql.identifier(name)} with (force)`);
        },
      };
    },
    async close() {
      await admin.close();
      await server.close();
    },
  };
}

async function startEmbedded(): Promise<{ url: string; close(): Promise<void> }> {
  const home = mkdtempSync(join(tmpdir(), "standings-bench-"));
  // As root Postgres runs as somebody else, who must be able to enter.
  chmodSync(home, 0o755);
  const { url, close } = await openEmbedded(home, { settings: SETTINGS });
  return {
    url,
    async close() {
      await close();
      await rm(home, { recursive: true, force: true });
    },
  };
}
