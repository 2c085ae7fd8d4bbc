import { sql } from "drizzle-orm";
import { afterEach, beforeEach, describe, expect, test } from "vitest";
import type { Database } from "../../db/client.ts";
import { loadSources, parseSources, registerSources } from "../../src/ingest/sources.ts";
import { UsageError } from "../../src/platform/errors.ts";
import { openTestDatabase, type TestDatabase } from "../database.ts";

const table = (more = "") => `
  fairs:
    connector: table
    every: 5 minutes${more}
    settings:
      file: exports/fairs.csv
      format: csv
      evidence: trade-fair
      id: stand_id
      occurred-at: held_on
      partner: { namespace: exhibitor, column: exhibitor }
`;
const copernica = `
  copernica:
    connector: copernica
    every: 1 minute
    settings: { since: "2025-09" }
`;
const parse = (text: string) => parseSources(text, "/etc/standings/sources.yaml");
const messageOf = (text: string): string => {
  try {
    parse(text);
  } catch (error) {
    expect(error).toBeInstanceOf(UsageError);
    return (error as Error).message;
  }
  throw new Error("The file was accepted.");
};

describe("sources.yaml", () => {
  test("gives sources with their defaults, and files beside it", () => {
    const { sources, allowPrivate, reconcile } = parse(`sources:${table()}`);
    expect(sources).toMatchObject([
      {
        key: "fairs",
        connectorName: "table",
        settings: { file: "/etc/standings/exports/fairs.csv", timeZone: "UTC" },
        everyMs: 300_000,
        freshWithinMs: 900_000,
        concurrency: 4,
        limit: undefined,
      },
    ]);
    expect(allowPrivate).toEqual([]);
    expect(reconcile).toEqual({ pattern: "0 30 3 * * *", timeZone: "UTC" });
  });

  test("says otherwise where it says anything", () => {
    const more = `
    fresh-within: 1 day
    concurrency: 2
    limit: { pulls: 3, per: 10 seconds }`;
    const file = parse(`allow-private: [10.0.0.0/8]
sources:${table(more)}
reconcile: { at: "22:05", time-zone: Europe/Amsterdam }`);
    expect(file.sources).toMatchObject([
      { freshWithinMs: 86_400_000, concurrency: 2, limit: { max: 3, perMs: 10_000 } },
    ]);
    expect(file.allowPrivate).toEqual(["10.0.0.0/8"]);
    expect(file.reconcile).toEqual({ pattern: "0 5 22 * * *", timeZone: "Europe/Amsterdam" });
  });

  test.each([
    [
      "an unknown connector",
      "sources:\n  x:\n    connector: ftp\n    every: 1 day",
      /:3: sources\.x\.connector: expected one of .*table/,
    ],
    [
      "a span that is none",
      "sources:\n  x:\n    connector: table\n    every: soon",
      /:4: sources\.x\.every: expected a span such as/,
    ],
    [
      "a span without a unit",
      "sources:\n  x:\n    connector: table\n    every: 5",
      /:4: sources\.x\.every: expected a span such as/,
    ],
    [
      "no span at all",
      "sources:\n  x:\n    connector: table",
      /:2: sources\.x\.every: expected a span such as/,
    ],
    [
      "an unknown key",
      "sources:\n  x:\n    connector: table\n    every: 1 day\n    evry: 1 day",
      /:5: sources\.x\.evry: unknown key; expected one of .*every/,
    ],
    [
      "a key in capitals",
      "sources:\n  Blog:\n    connector: wordpress\n    every: 1 day",
      /:2: sources\.Blog: expected a key of lower-case letters/,
    ],
    [
      "a setting that is missing",
      "sources:\n  x:\n    connector: table\n    every: 1 day\n    settings: { file: a, format: csv }",
      /:5: sources\.x\.settings\.evidence: /,
    ],
    [
      "a setting nobody knows",
      `sources:${copernica.replace("since", "until: 1, since")}`,
      /:5: sources\.copernica\.settings/,
    ],
    [
      "an impossible time",
      'sources: {}\nreconcile: { at: "24:00", time-zone: UTC }',
      /:2: reconcile\.at: expected a local time/,
    ],
    [
      "an unknown time zone",
      'sources: {}\nreconcile: { at: "03:00", time-zone: Mars }',
      /:2: reconcile\.time-zone: expected a time zone/,
    ],
    [
      "too many at once",
      "sources:\n  x:\n    connector: table\n    every: 1 day\n    concurrency: 500",
      /:5: sources\.x\.concurrency: /,
    ],
  ])("with %s is refused with file, line and what was expected", (_what, text, message) => {
    expect(messageOf(text)).toMatch(message);
    expect(messageOf(text)).toMatch(/^\/etc\/standings\/sources\.yaml:/);
  });

  test("that is not there says so", async () => {
    await expect(loadSources("/nowhere/sources.yaml")).rejects.toThrow(
      new UsageError("/nowhere/sources.yaml: cannot be read (ENOENT)"),
    );
  });
});

describe("registering sources", () => {
  let database: TestDatabase;
  let db: Database;
  beforeEach(async () => {
    database = await openTestDatabase({ max: 6 });
    db = database.db;
  });
  afterEach(async () => {
    await database.close();
  });
  const readConnections = async () =>
    await db.execute(sql`select source, key, cursor, cursor_run from connections order by source`);

  test("makes a connection for those that need no account, once, whoever does it at once", async () => {
    const { sources } = parse(`sources:${table()}${copernica}`);
    await Promise.all(Array.from({ length: 6 }, () => registerSources(db, sources)));
    expect(await readConnections()).toEqual([
      { source: "fairs", key: "main", cursor: null, cursor_run: null },
    ]);
    expect(await db.execute(sql`select key, connector, state from sources order by 1`)).toEqual([
      { key: "copernica", connector: "copernica", state: "new" },
      { key: "fairs", connector: "table", state: "new" },
    ]);
  });

  test("forgets where a pull stopped once the settings are others, and only then", async () => {
    await registerSources(db, parse(`sources:${table()}${copernica}`).sources);
    await db.execute(sql`insert into connections (source, key) values ('copernica', '1')`);
    await db.execute(sql`update connections set cursor = '{"page": 2}', cursor_run = 1`);
    const kept = { cursor: { page: 2 }, cursor_run: 1 };
    await registerSources(db, parse(`sources:${table("\n    concurrency: 9")}${copernica}`).sources);
    expect(await readConnections()).toMatchObject([kept, kept]);
    await registerSources(db, parse(`sources:${table()}${copernica.replace("2025-09", "2025-10")}`).sources);
    expect(await readConnections()).toMatchObject([{ key: "1", cursor: null, cursor_run: null }, kept]);
  });
});
