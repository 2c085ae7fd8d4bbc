// A real Postgres that is a source. The conformance suite asks of it what it asks of a listing; what breaks is broken here.
import { connect, createServer, type Socket } from "node:net";
import { inspect } from "node:util";
import { sql as statement } from "drizzle-orm";
import { afterEach, beforeEach, describe, expect, test } from "vitest";
import { json, openServer } from "../../src/conformance/server.ts";
import { toGuard } from "../../src/connectors/client/guard.ts";
import type { Json, Page, PullInput } from "../../src/connectors/connector.ts";
import { sql } from "../../src/connectors/sql.ts";
import { toQuery } from "../../src/ingest/runs/query.ts";
import { openTestDatabase, type TestDatabase } from "../database.ts";
import { type Bench, conforms, factsOf, inputOf, pagesOf } from "./conformance.ts";
import { asConnector } from "./system.ts";

const settings = {
  query: "select * from stands where kind = 'fair';",
  evidence: "trade-fair",
  id: "id",
  "updated-at": "updated_at",
  "occurred-at": "held_on",
  quantity: "days",
  partner: { namespace: "exhibitor", column: "exhibitor" },
  attributes: { city: "city" },
  "time-zone": "Europe/Amsterdam",
  "page-rows": 3,
};

/** A database with nine stands; nothing of it is asked over HTTP. */
async function openBench(): Promise<Bench> {
  const source = await openTestDatabase();
  const server = await openServer(() => json({}));
  const { db, url } = source;
  await db.execute(statement`
    create table stands (id int, kind text, exhibitor text, held_on text, days numeric, city text, updated_at timestamptz)`);
  await db.execute(statement`
    insert into stands select n, 'fair', 'EX-' || n % 3, '2026-03-28', 1.5, 'Köln', timestamptz '2026-04-04 10:00:00.123456'
    from generate_series(1, 9) as n`);
  let count = 100;
  return {
    server: {
      ...server,
      async close() {
        await server.close();
        await source.close();
      },
    },
    settings,
    connection: { key: "main", secret: url, attributes: {} },
    now: new Date(),
    secrets: [url, new URL(url).password],
    query: toQuery(url, toGuard([new URL(url).host]), new AbortController().signal),
    async remove(externalId) {
      await db.execute(statement`delete from stands where id = ${externalId}::int`);
    },
    async add(changedAt) {
      await db.execute(statement`
        insert into stands values (${count++}, 'fair', 'EX-1', '2026-03-28', 1, 'Köln', ${changedAt})`);
    },
    async setLocal(externalId, local) {
      await db.execute(statement`update stands set held_on = ${local} where id = ${externalId}::int`);
    },
  };
}

describe("sql, a source that is a database", () => {
  conforms("sql", asConnector(sql), openBench);
});

describe("sql", () => {
  let source: TestDatabase;

  beforeEach(async () => {
    source = await openTestDatabase();
    await source.db.execute(statement`
      create table stands (id int, kind text, exhibitor text, held_on date, days numeric, city text, updated_at timestamptz)`);
    // Ten rows, all but two of one instant with microseconds.
    await source.db.execute(statement`
      insert into stands select n, 'fair', 'EX-' || n % 3, '2026-03-28', 1.5, 'Köln',
        case when n > 8 then timestamptz '2026-05-05 10:00:00.000001' else timestamptz '2026-04-04 10:00:00.123456' end
      from generate_series(1, 10) as n`);
  });

  afterEach(async () => {
    await source.close();
  });

  function inputFor(
    changes: Partial<PullInput<unknown>> & { settings?: object; secret?: string; allow?: string[] } = {},
  ) {
    const { settings: more, secret = source.url, allow = [new URL(source.url).host], ...rest } = changes;
    const bench = {
      settings: { ...settings, ...more },
      connection: { key: "main", secret, attributes: {} },
      now: new Date("2026-11-25T12:00:00Z"),
    } as unknown as Bench;
    const signal = changes.signal ?? new AbortController().signal;
    const fetch = () => Promise.reject(new Error("nothing is fetched"));
    return inputOf(sql, bench, fetch, { ...rest, query: toQuery(secret, toGuard(allow), signal) }) as never;
  }

  const pull = (changes: Parameters<typeof inputFor>[0] = {}): Promise<Page[]> =>
    pagesOf(sql.pull(inputFor(changes)));
  const ids = (pages: Page[]) =>
    pages.flatMap(({ evidence }) => evidence.map(({ externalId }) => Number(externalId)));
  const stored = (page: Page | undefined) => JSON.parse(JSON.stringify(page?.cursor)) as Json;

  test("a row is a fact, its columns read in the configured zone", async () => {
    expect(factsOf(await pull())[0]).toEqual({
      externalId: "1",
      kind: "trade-fair",
      occurredAt: new Date("2026-03-27T23:00:00Z"),
      quantity: 1.5,
      attributes: { city: "Köln" },
      identity: { namespace: "exhibitor", key: "EX-1" },
    });
  });

  test("a complete listing yields every row once, whatever shares its instant, and goes on from every page", async () => {
    const pages = await pull();
    expect(pages).toHaveLength(4);
    // As bytes: 10 comes before 9, and 1, 2 … 8 share an instant.
    expect(ids(pages)).toEqual([1, 2, 3, 4, 5, 6, 7, 8, 10, 9]);
    for (const [index, page] of pages.entries()) {
      expect(ids([...pages.slice(0, index + 1), ...(await pull({ cursor: stored(page) }))])).toEqual(
        ids(pages),
      );
    }
  });

  test("the next pull sees what has changed since, once it is older than the lag", async () => {
    const cursor = stored((await pull()).at(-1));
    expect(ids(await pull({ cursor, full: false }))).toEqual([]);
    await source.db.execute(
      statement`update stands set days = 2, updated_at = now() - interval '2 minutes' where id = 4`,
    );
    await source.db.execute(
      statement`update stands set days = 2, updated_at = now() - interval '10 seconds' where id = 5`,
    );
    expect(ids(await pull({ cursor, full: false }))).toEqual([4]);
    expect(ids(await pull({ cursor, full: false, settings: { lag: 0 } }))).toEqual([4, 5]);
  });

  test("a complete listing sees what is younger than the lag, and the next pull sees it again", async () => {
    await source.db.execute(statement`update stands set updated_at = now() where id in (4, 5)`);
    const pages = await pull();
    expect(ids(pages)).toEqual([1, 2, 3, 6, 7, 8, 10, 9, 4, 5]);
    expect(ids(await pull({ cursor: stored(pages.at(-1)), full: false, settings: { lag: 0 } }))).toEqual([
      4, 5,
    ]);
  });

  test("a transaction that began earlier and commits later is not passed by", async () => {
    const cursor = stored((await pull()).at(-1));
    await source.db.transaction(async (late) => {
      await late.execute(statement`update stands set updated_at = now() where id = 1`);
      await source.db.execute(statement`update stands set updated_at = clock_timestamp() where id = 2`);
      const seen = await pull({ cursor, full: false });
      expect(ids(seen)).toEqual([]);
      expect(stored(seen.at(-1))).toEqual({ ...(cursor as object) });
    });
    await source.db.execute(
      statement`update stands set updated_at = updated_at - interval '1 hour' where id in (1, 2)`,
    );
    expect(ids(await pull({ cursor, full: false })).sort()).toEqual([1, 2]);
  });

  test("what is deleted is missing from the next complete listing, and nothing else is", async () => {
    await source.db.execute(statement`delete from stands where id = 6`);
    expect(ids(await pull())).toEqual([1, 2, 3, 4, 5, 7, 8, 10, 9]);
    await source.db.execute(statement`delete from stands`);
    expect(await pull()).toMatchObject([{ evidence: [] }]);
  });

  test("rows without an exhibitor or of no days are no evidence, and a row that cannot be read is kept aside", async () => {
    await source.db.execute(statement`update stands set exhibitor = null where id = 1`);
    await source.db.execute(statement`update stands set days = 0 where id = 2`);
    await source.db.execute(statement`update stands set held_on = null where id = 3`);
    const pages = await pull();
    expect(ids(pages)).toEqual([4, 5, 6, 7, 8, 10, 9]);
    expect(pages.flatMap(({ quarantined = [] }) => quarantined)).toEqual([
      { externalId: "3", reason: expect.stringContaining("no date in the column held_on") as string },
    ]);
  });

  test("rows without a place in the order fail the listing, or nobody would know of them", async () => {
    await source.db.execute(statement`update stands set updated_at = null where id < 3`);
    await expect(pull()).rejects.toMatchObject({
      class: "data",
      message: "2 rows have no updated_at or no id",
    });
  });

  test("a query can only read", async () => {
    for (const query of [
      "delete from stands returning *",
      "with gone as (delete from stands returning *) select * from gone",
      "select * from stands) as listing; delete from stands; --",
      "select *, setval('partners_id_seq', 7) from stands",
    ]) {
      await expect(pull({ settings: { query } }), query).rejects.toMatchObject({
        name: "SourceError",
        class: "config",
      });
    }
    expect(ids(await pull())).toHaveLength(10);
  });

  test.each<[string, object, object]>([
    [
      "a column that is not there",
      { quantity: "hours" },
      { class: "config", message: expect.stringContaining("hours") as string },
    ],
    ["no select", { query: "nonsense" }, { class: "config" }],
    [
      "a query that takes too long",
      { query: "select *, pg_sleep(9) from stands", timeout: 1 },
      { class: "transient", message: expect.stringContaining("longer than 1 s") as string },
    ],
    [
      "a query that fails on a row",
      { query: "select *, 1 / (days - 1.5) as bad from stands", title: "bad" },
      { class: "data" },
    ],
  ])("%s is an error that says so", async (_, more, expected) => {
    await expect(pull({ settings: more })).rejects.toMatchObject({ name: "SourceError", ...expected });
  });

  test("a wrong password, a missing database, a refused host and a secret that is none each say what to do", async () => {
    const changed = (change: Partial<URL>) => Object.assign(new URL(source.url), change).href;
    const failure = async (secret: string, allow?: string[]) => {
      const error: unknown = await pull({ secret, ...(allow && { allow }) }).catch(
        (thrown: unknown) => thrown,
      );
      const text = inspect(error, { depth: Number.POSITIVE_INFINITY, showHidden: true });
      expect(text).not.toContain("wrong-password-1234");
      expect(text).not.toContain(new URL(source.url).password);
      return error;
    };
    expect(await failure(changed({ password: "wrong-password-1234" }))).toMatchObject({ class: "auth" });
    expect(await failure(changed({ pathname: "/missing" }))).toMatchObject({ class: "config" });
    expect(await failure(source.url, [])).toMatchObject({
      class: "config",
      message: expect.stringContaining("allow-private") as string,
    });
    expect(await failure(changed({ hostname: "localhost" }), [])).toMatchObject({ class: "config" });
    for (const secret of [
      "",
      "mysql://a:b@c/d",
      "postgres://a@c/d",
      changed({ password: "" }),
      `${source.url}?sslmode=maybe`,
    ]) {
      expect(await failure(secret), secret).toMatchObject({
        class: "config",
        message: expect.stringContaining("not of the form") as string,
      });
    }
    expect(await failure(`${source.url}?sslmode=require`)).toMatchObject({ class: "transient" });
  });

  /** A way to the source that can be cut. */
  async function openCut() {
    const sockets: Socket[] = [];
    let connections = 0;
    const { hostname, port } = new URL(source.url);
    const server = createServer((near) => {
      connections += 1;
      const far = connect(Number(port), hostname);
      sockets.push(near, far);
      for (const [from, to] of [
        [near, far],
        [far, near],
      ] as const)
        from.pipe(to).on("error", () => to.destroy());
      if (connections > 2) near.destroy();
    });
    await new Promise<void>((resolve) => server.listen(0, "127.0.0.1", resolve));
    const host = `127.0.0.1:${(server.address() as { port: number }).port}`;
    return {
      host,
      url: Object.assign(new URL(source.url), { host }).href,
      async close() {
        for (const socket of sockets) socket.destroy();
        await new Promise((resolve) => server.close(resolve));
      },
    };
  }

  test("a connection that breaks in mid-listing fails it, and what came before goes on", async () => {
    const cut = await openCut();
    const pages: Page[] = [];
    const listing = (async () => {
      for await (const page of sql.pull(inputFor({ secret: cut.url, allow: [cut.host] }))) pages.push(page);
    })();
    await expect(listing).rejects.toMatchObject({ name: "SourceError", class: "transient" });
    expect(ids(pages)).toEqual([1, 2, 3]);
    expect(ids(await pull({ cursor: stored(pages.at(-1)) }))).toEqual([4, 5, 6, 7, 8, 10, 9]);
    await cut.close();
  });

  test("an aborted signal stops a query that runs, with its reason", async () => {
    const controller = new AbortController();
    const reason = new Error("the process is stopping");
    const listing = pull({
      signal: controller.signal,
      settings: { query: "select *, pg_sleep(20) from stands" },
    });
    const running = async (): Promise<void> => {
      const [row] = await source.db.execute<{ n: number }>(statement`
        select count(*)::int as n from pg_stat_activity where datname = current_database() and query like '%pg_sleep(20)%' and pid <> pg_backend_pid()`);
      if (row?.n === 0) await running();
    };
    await running();
    controller.abort(reason);
    await expect(listing).rejects.toBe(reason);
  });

  test("the check says how many of the first rows are evidence", async () => {
    expect(await sql.check(inputFor())).toBe("the query answers: of its first 3 rows 3 are evidence");
  });
});
