import { cpSync, mkdtempSync, readFileSync, rmSync, writeFileSync } from "node:fs";
import { tmpdir } from "node:os";
import { join } from "node:path";
import { sql } from "drizzle-orm";
import { afterEach, beforeEach, describe, expect, inject, test } from "vitest";
import { openDatabase } from "../../db/client.ts";
import { migrate } from "../../db/migrate.ts";
import { runScript } from "./script.ts";

const FOLDER = join(import.meta.dirname, "..", "..", "db", "migrations");
const journalOf = (folder: string) => join(folder, "meta", "_journal.json");
const readJournal = (folder: string) =>
  JSON.parse(readFileSync(journalOf(folder), "utf8")) as {
    entries: { tag: string; when: number; idx: number }[];
  };

let name: string;
let url: string;
let scratch: string;

const administer = async (statement: string) => {
  const { db, close } = await openDatabase(inject("databaseUrl"), { max: 1 });
  await db.execute(sql.raw(statement));
  await close();
};

beforeEach(async () => {
  scratch = mkdtempSync(join(tmpdir(), "standings-migrations-"));
  name = `fresh_${process.pid}_${performance.now().toFixed(0)}`;
  await administer(`create database ${name} template template0`);
  url = Object.assign(new URL(inject("databaseUrl")), { pathname: `/${name}` }).href;
});
afterEach(async () => {
  await administer(`drop database ${name} with (force)`);
  rmSync(scratch, { recursive: true });
});

describe("migrating", () => {
  test("applies everything once, and nothing the second time", async () => {
    expect(await migrate(url)).toBe(readJournal(FOLDER).entries.length);
    expect(await migrate(url)).toBe(0);
  });

  test("five processes that start at once on a fresh database all succeed, and one does the work", async () => {
    const script = `
      import { migrate } from "./db/migrate.ts";
      console.log(await migrate(process.argv[1]));`;
    const results = await Promise.all(Array.from({ length: 5 }, () => runScript(script, [url])));
    expect(results.map(({ stderr, code }) => ({ stderr, code }))).toEqual(
      Array.from({ length: 5 }, () => ({ stderr: "", code: 0 })),
    );
    const applied = results.map(({ stdout }) => Number(stdout)).sort((a, b) => b - a);
    expect(applied).toEqual([readJournal(FOLDER).entries.length, 0, 0, 0, 0]);
  });

  test("runs the other migrations after its own, one process at a time", async () => {
    let running = 0;
    let most = 0;
    const also = async (databaseUrl: string) => {
      most = Math.max(most, ++running);
      const { db, close } = await openDatabase(databaseUrl, { max: 1 });
      await db.execute(sql`select count(*) from partners`);
      await db.execute(sql`create table if not exists other (id int)`);
      await close();
      running--;
    };
    await Promise.all(Array.from({ length: 5 }, () => migrate(url, { also })));
    expect(most).toBe(1);
  });

  test("leaves the lock free when something fails, and says what failed", async () => {
    const also = () => Promise.reject(new Error("the other migrations failed"));
    await expect(migrate(url, { also })).rejects.toThrow("the other migrations failed");
    expect(await migrate(url)).toBe(0);
  });
});

describe("the journal", () => {
  const change = (edit: (entries: { tag: string; when: number; idx: number }[]) => void) => {
    const journal = readJournal(scratch);
    edit(journal.entries);
    writeFileSync(journalOf(scratch), JSON.stringify(journal));
  };
  beforeEach(() => {
    cpSync(FOLDER, scratch, { recursive: true });
  });

  test("must be in order of time, because an older migration would be skipped without a word", async () => {
    writeFileSync(join(scratch, "9999_late.sql"), "create table late (id int)");
    change((entries) => entries.push({ ...entries[0]!, idx: entries.length, tag: "9999_late" }));
    await expect(migrate(url, { folder: scratch })).rejects.toThrow(/"when" of 9999_late must be later/);
  });

  test("of this program is in order", () => {
    const times = readJournal(FOLDER).entries.map((entry) => entry.when);
    expect(times).toEqual([...new Set(times)].sort((a, b) => a - b));
  });

  test("that grows is applied from where the database is", async () => {
    await migrate(url);
    writeFileSync(join(scratch, "9999_late.sql"), "create table late (id int)");
    change((entries) =>
      entries.push({
        ...entries[0]!,
        idx: entries.length,
        tag: "9999_late",
        when: Number.MAX_SAFE_INTEGER - 1,
      }),
    );
    expect(await migrate(url, { folder: scratch })).toBe(1);
    await expect(migrate(url)).rejects.toThrow("a newer version was here");
  });

  test("that differs from what was applied is refused by name", async () => {
    await migrate(url);
    const [first] = readJournal(scratch).entries;
    writeFileSync(join(scratch, `${first!.tag}.sql`), "create table something_else (id int)");
    await expect(migrate(url, { folder: scratch })).rejects.toThrow(
      `The migration ${first!.tag} is not the one`,
    );
  });
});
