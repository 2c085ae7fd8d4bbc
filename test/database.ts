// A database of its own for each test: cloned from the migrated template, about 11 ms.
import { randomBytes } from "node:crypto";
import { type SQL, sql } from "drizzle-orm";
import { inject } from "vitest";
import { type Database, type OpenDatabase, openDatabase } from "../db/client.ts";

export interface TestDatabase {
  db: Database;
  /** For what opens its own connections: the queue, a second process. */
  url: string;
  /** Disconnects and drops it. Whatever else is connected is thrown out. */
  close: () => Promise<void>;
}

/** Every table of db/schema.ts and of the queue's Postgres backend, empty. `max` connections at most (5). */
export async function openTestDatabase(options: { max?: number } = {}): Promise<TestDatabase> {
  const name = `test_${randomBytes(8).toString("hex")}`;
  const template = sql.identifier(inject("templateName"));
  // Copying the files takes half the time of writing them through the log.
  await administer(sql`create database ${sql.identifier(name)} template ${template} strategy file_copy`);
  const url = Object.assign(new URL(inject("databaseUrl")), { pathname: `/${name}` }).href;
  const { db, close } = await openDatabase(url, { max: options.max ?? 5, applicationName: "standings test" });
  return {
    db,
    url,
    close: async () => {
      await close();
      await administer(sql`drop database if exists ${sql.identifier(name)} with (force)`);
    },
  };
}

/**
 * Empties the tables of db/schema.ts for the next case of a property; ids go on. Its connections stay, and with them what
 * they have prepared. One statement, so that foreign keys are looked at when all is gone: 6 ms where TRUNCATE, which makes
 * the files of every index anew, takes 179.
 */
export async function emptyDatabase(db: Database): Promise<void> {
  const tables = await db.execute<{ name: string }>(
    sql`select tablename as name from pg_tables where schemaname = 'public' order by 1`,
  );
  const deletions = tables.map(
    ({ name }) => sql`${sql.identifier(`no_${name}`)} as (delete from ${sql.identifier(name)})`,
  );
  await db.execute(sql`with ${sql.join(deletions, sql`, `)} select`);
}

let administrator: Promise<OpenDatabase> | undefined;

/** A connection to another database than the one it is about: one for each test file, ended with its process. */
async function administer(statement: SQL): Promise<void> {
  administrator ??= openDatabase(inject("databaseUrl"), { max: 1, applicationName: "standings test" });
  await (await administrator).db.execute(statement);
}
