// Brings a database to the schema of this program.
import { readFileSync } from "node:fs";
import { fileURLToPath } from "node:url";
import { sql } from "drizzle-orm";
import { readMigrationFiles } from "drizzle-orm/migrator";
import { migrate as applyMigrations } from "drizzle-orm/postgres-js/migrator";
import { type Database, withSession } from "./client.ts";

/** Beside this file, in the sources and in dist/ alike. */
const MIGRATIONS = fileURLToPath(new URL("./migrations", import.meta.url));
/** Advisory locks are per database and shared with whatever else lives in it: "stnd" and one. */
const LOCK = sql`1937010276, 1`;

interface MigrateOptions {
  /** Further migrations (those of the queue), run under the same lock, after ours. */
  also?: (databaseUrl: string, db: Database) => Promise<void>;
  /** Where the migrations are, when not beside this file. */
  folder?: string;
  /** Called when another process is migrating, before this one waits for it. */
  onWait?: () => void;
}

/**
 * Applies the migrations that are missing and returns how many that were. Any number of processes may call it at the same
 * time: one works, under a session advisory lock, and the others wait and find nothing to do.
 *
 * drizzle only looks at the newest applied migration and silently skips what is older, so the order of the journal is
 * checked before, and every journal entry against the applied ones after; throws where they differ.
 */
export async function migrate(databaseUrl: string, options: MigrateOptions = {}): Promise<number> {
  const folder = options.folder ?? MIGRATIONS;
  const expected = readJournal(folder);
  return withSession(databaseUrl, "standings migrate", async (db) => {
    const [lock] = await db.execute<{ taken: boolean }>(sql`select pg_try_advisory_lock(${LOCK}) as taken`);
    if (lock?.taken !== true) {
      options.onWait?.();
      await db.execute(sql`select pg_advisory_lock(${LOCK})`);
    }
    const before = await readApplied(db);
    assertPrefix(expected, before);
    await applyMigrations(db, { migrationsFolder: folder });
    const after = await readApplied(db);
    assertPrefix(expected, after);
    if (after.length !== expected.length) {
      throw new Error(`${expected.length} migrations are in the journal but ${after.length} were applied`);
    }
    await options.also?.(databaseUrl, db);
    // Released with the session, and asked for here so that a lock lost on the way does not go unnoticed.
    const [unlocked] = await db.execute<{ held: boolean }>(sql`select pg_advisory_unlock(${LOCK}) as held`);
    if (unlocked?.held !== true) throw new Error("The migration lock was lost while migrating; run it again");
    return after.length - before.length;
  });
}

interface Migration {
  name: string;
  hash: string;
  atMs: number;
}

function readJournal(folder: string): Migration[] {
  const journal = JSON.parse(readFileSync(`${folder}/meta/_journal.json`, "utf8")) as {
    entries: { tag: string }[];
  };
  const migrations = readMigrationFiles({ migrationsFolder: folder }).map((migration, index) => ({
    name: journal.entries[index]?.tag ?? `migration ${index}`,
    hash: migration.hash,
    atMs: migration.folderMillis,
  }));
  for (const [index, migration] of migrations.entries()) {
    const previous = migrations[index - 1];
    if (previous !== undefined && previous.atMs >= migration.atMs) {
      throw new Error(
        `In ${folder}/meta/_journal.json the "when" of ${migration.name} must be later than that of ${previous.name}: ` +
          "it would be skipped on databases that have the other",
      );
    }
  }
  return migrations;
}

async function readApplied(db: Database): Promise<Migration[]> {
  const [table] = await db.execute<{ there: boolean }>(
    sql`select to_regclass('drizzle.__drizzle_migrations') is not null as there`,
  );
  if (table?.there !== true) return [];
  const rows = await db.execute<{ hash: string; created_at: number }>(
    sql`select hash, created_at from drizzle.__drizzle_migrations order by created_at`,
  );
  return rows.map((row) => ({ name: "", hash: row.hash, atMs: row.created_at }));
}

/** What was applied must be the beginning of what is expected, to the letter. */
function assertPrefix(expected: Migration[], applied: Migration[]): void {
  for (const [index, there] of applied.entries()) {
    const wanted = expected[index];
    if (wanted === undefined) {
      throw new Error(
        `The database has ${applied.length} migrations and this version of Standings knows ${expected.length}: ` +
          "a newer version was here. Start that version, or restore the backup made before it",
      );
    }
    if (wanted.atMs !== there.atMs || wanted.hash !== there.hash) {
      throw new Error(
        `The migration ${wanted.name} is not the one this database was migrated with: ` +
          "a migration is never changed once it was applied. Restore its file, or begin with an empty database",
      );
    }
  }
}
