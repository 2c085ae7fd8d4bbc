// The defects of postgres.js 3.4.9 and of drizzle on top of it, each shown to be contained.
import { once } from "node:events";
import { readdirSync, readFileSync } from "node:fs";
import { connect, createServer, type Socket } from "node:net";
import { join } from "node:path";
import { inspect } from "node:util";
import { eq, sql } from "drizzle-orm";
import { bigint, jsonb, pgTable, text, timestamp } from "drizzle-orm/pg-core";
import { afterAll, beforeAll, describe, expect, test } from "vitest";
import { type Database, openDatabase, transaction } from "../../db/client.ts";
import { openPool } from "../../db/pool.ts";
import { openTestDatabase, type TestDatabase } from "../database.ts";

const notes = pgTable("notes", {
  id: bigint("id", { mode: "number" }).notNull(),
  body: text("body"),
  data: jsonb("data"),
  at: timestamp("at", { withTimezone: true, precision: 3 }),
});

let base: TestDatabase;
beforeAll(async () => {
  base = await openTestDatabase();
  await base.db.execute(
    sql`create table notes (id bigint not null, body text, data jsonb, at timestamptz(3))`,
  );
});
afterAll(async () => {
  await base.close();
});

/** A database with exactly one connection, emptied of notes. */
async function withOne<T>(work: (db: Database) => Promise<T>): Promise<T> {
  const { db, close } = await openDatabase(base.url, { max: 1 });
  try {
    await db.execute(sql`truncate notes`);
    return await work(db);
  } finally {
    await close();
  }
}

const countNotes = async (db: Database) =>
  (await db.execute<{ n: number }>(sql`select count(*) as n from notes`))[0]?.n;
const failMidway = (db: Database) => db.execute(sql`select 10 / (5 - x) from generate_series(1, ${10}) x`);
const reasonOf = async (promise: Promise<unknown>): Promise<Error & { code?: string }> => {
  try {
    await promise;
  } catch (error) {
    return error as Error;
  }
  throw new Error("It did not reject");
};

describe("rows after an error in the middle of a result", () => {
  test("are complete and without holes, with and without parameters", () =>
    withOne(async (db) => {
      await expect(failMidway(db)).rejects.toThrow("division by zero");
      expect([...(await db.execute(sql`select x from generate_series(1, ${2}::int) x`))]).toEqual([
        { x: 1 },
        { x: 2 },
      ]);
      await expect(failMidway(db)).rejects.toThrow("division by zero");
      const rows = await db.execute(sql`select x from generate_series(1, 2) x`);
      expect(rows.length).toBe(2);
      expect(Object.keys(rows)).toEqual(["0", "1"]);
    }));

  test("are complete in drizzle's builders too", () =>
    withOne(async (db) => {
      await db.insert(notes).values([{ id: 1 }, { id: 2 }]);
      await expect(failMidway(db)).rejects.toThrow("division by zero");
      expect(await db.select({ id: notes.id }).from(notes).orderBy(notes.id)).toEqual([{ id: 1 }, { id: 2 }]);
      await expect(failMidway(db)).rejects.toThrow("division by zero");
      expect(await db.insert(notes).values({ id: 3 }).returning({ id: notes.id })).toEqual([{ id: 3 }]);
    }));

  test("are complete inside a transaction, and when nothing is found", () =>
    withOne((db) =>
      transaction(db, async (tx) => {
        await expect(transaction(tx, failMidway)).rejects.toThrow("division by zero");
        expect(await tx.execute(sql`select 1 as one`)).toHaveLength(1);
        await expect(transaction(tx, failMidway)).rejects.toThrow("division by zero");
        expect(await tx.execute(sql`select 1 where false`)).toHaveLength(0);
      }),
    ));

  test("are complete in each result of several statements", () =>
    withOne(async (db) => {
      await expect(failMidway(db)).rejects.toThrow("division by zero");
      const results = (await db.execute(sql`select 1 as a; select 2 as b`)) as unknown as unknown[][];
      expect(results.map((rows) => [...rows])).toEqual([[{ a: 1 }], [{ b: 2 }]]);
    }));
});

describe("a transaction", () => {
  test("begins and commits on a pool with hundreds of waiting queries and forty transactions", async () => {
    const { db, close } = await openDatabase(base.url, { max: 4 });
    await db.execute(sql`truncate notes`);
    const queries = Array.from({ length: 800 }, (_, i) => db.execute(sql`select ${i}::int as i`));
    const transactions = Array.from({ length: 40 }, (_, i) =>
      transaction(db, async (tx) => {
        await tx.insert(notes).values({ id: i, body: "first" });
        await tx.execute(sql`update notes set body = 'second' where id = ${i}`);
      }),
    );
    const more = Array.from({ length: 200 }, () => db.execute(sql`select 1 as i`));
    await Promise.all(transactions);
    expect((await Promise.all(queries)).map((rows) => rows[0])).toEqual(queries.map((_, i) => ({ i })));
    await Promise.all(more);
    expect(await db.$count(notes, eq(notes.body, "second"))).toBe(40);
    await close();
  });

  test("is rolled back when work throws, and the connection is free again", () =>
    withOne(async (db) => {
      const failing = transaction(db, async (tx) => {
        await tx.insert(notes).values({ id: 1 });
        throw new Error("changed my mind");
      });
      await expect(failing).rejects.toThrow("changed my mind");
      expect(await countNotes(db)).toBe(0);
    }));

  test("fails when a statement in it failed and work went on regardless", () =>
    withOne(async (db) => {
      const failing = transaction(db, async (tx) => {
        await tx.insert(notes).values({ id: 1 });
        await failMidway(tx).catch(() => undefined);
      });
      const error = await reasonOf(failing);
      expect(error.message).toContain("rolled back");
      expect((error.cause as Error).message).toBe("division by zero");
      expect(await countNotes(db)).toBe(0);
    }));

  test("inside another is a savepoint", () =>
    withOne(async (db) => {
      await transaction(db, async (tx) => {
        await tx.insert(notes).values({ id: 1 });
        await expect(
          transaction(tx, async (inner) => {
            await inner.insert(notes).values({ id: 2 });
            throw new Error("only this part");
          }),
        ).rejects.toThrow("only this part");
        await transaction(tx, (inner) => inner.insert(notes).values({ id: 3 }));
        await expect(
          Promise.all([
            transaction(tx, failMidway),
            transaction(tx, (inner) => inner.insert(notes).values({ id: 4 })),
          ]),
        ).rejects.toThrow();
      });
      expect((await db.select({ id: notes.id }).from(notes)).map((note) => note.id)).toEqual([1, 3]);
    }));

  test("whose connection is lost runs nothing of its rest outside of it", () =>
    withOne(async (db) => {
      const failing = transaction(db, async (tx) => {
        await tx.insert(notes).values({ id: 1 });
        const [self] = await tx.execute<{ pid: number }>(sql`select pg_backend_pid() as pid`);
        await base.db.execute(sql`select pg_terminate_backend(${self?.pid}, 5000)`);
        const lost = await reasonOf(tx.insert(notes).values({ id: 2 }));
        expect(lost).toMatchObject({
          code: expect.stringMatching(/57P01|CONNECTION_|EPIPE|ECONNRESET/) as string,
        });
        await tx.insert(notes).values({ id: 3 });
      });
      await expect(failing).rejects.toThrow();
      expect(await countNotes(db)).toBe(0);
    }));

  test("that is over refuses a query that was not awaited in it", () =>
    withOne(async (db) => {
      const late = await transaction(db, (tx) => Promise.resolve({ tx }));
      await expect(countNotes(late.tx)).rejects.toThrow("The transaction is over");
    }));

  test("is READ COMMITTED, and db.transaction is the same", () =>
    withOne(async (db) => {
      await db.execute(sql`set default_transaction_isolation to 'serializable'`);
      const read = (tx: Pick<Database, "execute">) => tx.execute(sql`show transaction_isolation`);
      const readCommitted = [{ transaction_isolation: "read committed" }];
      expect([...(await transaction(db, read))]).toEqual(readCommitted);
      expect([...(await db.transaction(read))]).toEqual(readCommitted);
    }));
});

describe("values", () => {
  const at = new Date("2026-03-29T01:30:00.123Z");

  test("an instant is a Date as parameter and as result, in statements and in builders", () =>
    withOne(async (db) => {
      await db.execute(sql`insert into notes (id, at) values (1, ${at})`);
      await db.insert(notes).values({ id: 2, at });
      expect([...(await db.execute(sql`select at from notes`))]).toEqual([{ at }, { at }]);
      expect(await db.select({ at: notes.at }).from(notes).where(eq(notes.at, at))).toEqual([{ at }, { at }]);
      expect(await db.select({ id: notes.id }).from(notes).where(sql`${notes.at} <= ${at}`)).toHaveLength(2);
    }));

  test("arrays travel as one parameter beside a cast, and come back as arrays", () =>
    withOne(async (db) => {
      const texts = ["a,b", 'c"d\\', "", null, "NULL", "{}", " ", "ü\n"];
      const [row] = await db.execute(sql`select
        ${sql.param([at, null])}::timestamptz[] as instants, ${sql.param([1, null, 2])}::bigint[] as integers,
        ${sql.param(texts)}::text[] as texts, ${sql.param([true, false])}::boolean[] as booleans,
        ${sql.param([])}::bigint[] as none, ${sql.param([[1], [2]])}::int[] as nested,
        ${sql.param([{ a: 'b,"' }, "5"])}::jsonb[] as documents, '[2:3]={1.5,2}'::float8[] as bounds`);
      expect(row).toEqual({
        instants: [at, null],
        integers: [1, null, 2],
        texts,
        booleans: [true, false],
        none: [],
        nested: [[1], [2]],
        documents: [{ a: 'b,"' }, 5],
        bounds: [1.5, 2],
      });
    }));

  test("an element that cannot be read does not spoil the next array", () =>
    withOne(async (db) => {
      await expect(db.execute(sql`select array['infinity'::timestamptz] as v`)).rejects.toThrow("infinity");
      expect([...(await db.execute(sql`select array['a', 'b'] as v`))]).toEqual([{ v: ["a", "b"] }]);
    }));

  test("int8 and counts are numbers, and one that a number cannot hold is an error instead of a wrong number", () =>
    withOne(async (db) => {
      const [row] = await db.execute(
        sql`select 9007199254740991::int8 as most, count(*) as n, sum(1) as s from notes`,
      );
      expect(row).toEqual({ most: Number.MAX_SAFE_INTEGER, n: 0, s: null });
      await expect(db.execute(sql`select 9007199254740992::int8`)).rejects.toThrow(
        "9007199254740992 is beyond",
      );
      await expect(
        db.execute(sql`select ${1}::int, 9007199254740992::int8 from generate_series(1, 3)`),
      ).rejects.toThrow();
      expect(await countNotes(db)).toBe(0);
    }));

  test("numeric, date and local timestamp are the text of Postgres", () =>
    withOne(async (db) => {
      const [row] = await db.execute(
        sql`select 1.10::numeric as n, date '2026-03-29' as d, timestamp '2026-03-29 02:30' as t, 1.5::float8 as f`,
      );
      expect(row).toEqual({ n: "1.10", d: "2026-03-29", t: "2026-03-29 02:30:00", f: 1.5 });
    }));

  test("JSON is stored once encoded and read once decoded, text that looks like JSON included", () =>
    withOne(async (db) => {
      const stored = [{ a: [1, "ü"] }, "5", "{}", "text", 5, true, ["x"]];
      for (const [id, data] of stored.entries()) await db.insert(notes).values({ id, data });
      await db.execute(
        sql`insert into notes (id, data) values (7, ${JSON.stringify({ b: 1 })}::jsonb), (8, ${{ c: 1 }})`,
      );
      const expected = [...stored, { b: 1 }, { c: 1 }];
      const [kinds] = await db.execute(
        sql`select array_agg(distinct jsonb_typeof(data)) as k from notes where id in (0, 7, 8)`,
      );
      expect(kinds).toEqual({ k: ["object"] });
      const rows = await db.execute<{ data: unknown }>(sql`select data from notes order by id`);
      expect(rows.map((row) => row.data)).toEqual(expected);
      expect((await db.select().from(notes).orderBy(notes.id)).map((note) => note.data)).toEqual(expected);
      const computed = await db
        .select({ v: sql`${notes.data} -> 'a'` })
        .from(notes)
        .where(eq(notes.id, 0));
      expect(computed).toEqual([{ v: [1, "ü"] }]);
    }));

  test("an undefined parameter fails its own query and no other", async () => {
    const { db, close } = await openDatabase(base.url, { max: 1 });
    const settled = await Promise.allSettled([
      db.execute(sql`select 1 as n, pg_sleep(0.05)`),
      db.execute(sql`select ${undefined as unknown as string} as n`),
      db.execute(sql`select ${3}::int as n`),
    ]);
    expect(settled.map(({ status }) => status)).toEqual(["fulfilled", "rejected", "fulfilled"]);
    expect([...(settled[2] as PromiseFulfilledResult<unknown[]>).value]).toEqual([{ n: 3 }]);
    await close();
  });

  test("what Postgres cannot store is refused with a clear error; half a character becomes a replacement in text", () =>
    withOne(async (db) => {
      expect(await reasonOf(db.insert(notes).values({ id: 1, body: "a\u0000b" }))).toMatchObject({
        code: "22021",
        message: expect.stringContaining("0x00") as string,
      });
      expect(await reasonOf(db.insert(notes).values({ id: 1, data: { a: "\u0000" } }))).toMatchObject({
        code: "22P05",
      });
      expect(await reasonOf(db.insert(notes).values({ id: 1, data: { a: "\ud800" } }))).toMatchObject({
        code: "22P02",
      });
      await db.insert(notes).values({ id: 1, body: "a\ud800b" });
      expect(await db.select({ body: notes.body }).from(notes)).toEqual([{ body: "a\ufffdb" }]);
    }));
});

describe("errors", () => {
  test("are those of Postgres, with code and constraint, and show neither statement nor parameters", () =>
    withOne(async (db) => {
      const secret = "hunter2-hunter2";
      const error = await reasonOf(db.insert(notes).values({ id: null as unknown as number, body: secret }));
      expect(error).toMatchObject({ code: "23502", column_name: "id" });
      expect(error.message).not.toContain(secret);
      expect(String(error.stack)).not.toContain(secret);
      const malformed = await reasonOf(db.execute(sql`selct ${secret}`));
      expect(malformed.message).toBe('syntax error at or near "selct"');
    }));

  test("about a URL never show it", async () => {
    const secret = "pa#ss/word";
    for (const url of [
      `postgres://u:${secret}@localhost:x/db`,
      `mysql://u:${secret}@localhost/db`,
      secret,
      "",
    ]) {
      const error = await reasonOf(openDatabase(url));
      expect(error.message).toContain("postgres://user:password@host:port/database");
      expect(inspect(error, { depth: 9, showHidden: true })).not.toContain("ss/word");
    }
    const wrong = Object.assign(new URL(base.url), { password: "not-the-password" }).href;
    const refused = await reasonOf(openDatabase(wrong));
    expect(refused.message).toMatch(
      /^Cannot use Postgres at 127\.0\.0\.1:\d+\/test_\w+: password authentication failed/,
    );
    expect(`${refused.message} ${String(refused.cause)}`).not.toContain("not-the-password");
  });
});

describe("the connections", () => {
  test("say who they are and keep their time in UTC", async () => {
    const { db, close } = await openDatabase(base.url, { applicationName: "standings api" });
    const [row] = await db.execute(
      sql`select current_setting('application_name') as name, current_setting('TimeZone') as zone`,
    );
    expect(row).toEqual({ name: "standings api", zone: "UTC" });
    await close();
  });

  test("recover after the server was away, for queries and for transactions", async () => {
    const proxy = await openProxy(Number(new URL(base.url).port));
    const url = Object.assign(new URL(base.url), { port: String(proxy.port) }).href;
    const { db, close } = await openDatabase(url, { max: 1 });
    await db.execute(sql`truncate notes`);
    await proxy.stop();
    await expect(countNotes(db)).rejects.toThrow();
    await expect(transaction(db, countNotes)).rejects.toThrow();
    await expect(transaction(db, countNotes)).rejects.toThrow();
    await proxy.start();
    expect(await transaction(db, countNotes)).toBe(0);
    expect(await countNotes(db)).toBe(0);
    await close();
    await proxy.stop();
  });

  test("that break while they are being opened fail their query and nothing else", async () => {
    const proxy = await openProxy(Number(new URL(base.url).port), (bytes) => bytes.includes("select"));
    const url = Object.assign(new URL(base.url), { port: String(proxy.port) }).href;
    // An unhandled rejection would fail this file.
    await expect(openDatabase(url)).rejects.toThrow("Cannot use Postgres");
    await proxy.stop();
  });

  test("closing lets what was accepted finish and refuses what comes later", async () => {
    const pool = openPool(base.url, { max: 1, applicationName: "standings test" });
    const accepted = [1, 2, 3].map((n) =>
      pool.use((wire) => wire.run(`select ${n} as n, pg_sleep(0.02)`, [])),
    );
    const closed = pool.close(60_000);
    await expect(pool.use((wire) => wire.run("select 1", []))).rejects.toThrow("being closed");
    expect((await Promise.all(accepted)).map((rows) => rows[0])).toEqual([
      { n: 1, pg_sleep: "" },
      { n: 2, pg_sleep: "" },
      { n: 3, pg_sleep: "" },
    ]);
    await closed;
  });

  test("closing waits no longer than it was told", async () => {
    const pool = openPool(base.url, { max: 1, applicationName: "standings test" });
    const failures = [1, 2].map((n) =>
      reasonOf(pool.use((wire) => wire.run(`select ${n}, pg_sleep(60)`, []))),
    );
    await pool.close(50);
    const [running, waiting] = await Promise.all(failures);
    expect(running).toMatchObject({ code: "CONNECTION_DESTROYED" });
    expect(waiting?.message).toContain("being closed");
  });
});

test("COPY, reserve and begin, which the driver gets wrong, are used nowhere", () => {
  const root = join(import.meta.dirname, "..", "..");
  const files = ["db", "src", "workers"].flatMap((folder) =>
    readdirSync(join(root, folder), { recursive: true, encoding: "utf8" })
      .filter((file) => file.endsWith(".ts"))
      .map((file) => join(root, folder, file)),
  );
  expect(files.length).toBeGreaterThan(3);
  const code = (file: string) => readFileSync(file, "utf8").replaceAll(/^\s*(\/\/|\/?\*).*$/gm, "");
  expect(
    files.filter((file) =>
      /\bcopy\s+\S+[^;]*\b(from\s+stdin|to\s+stdout)\b|\b(sql|client)\.begin\(|\.reserve\(/i.test(code(file)),
    ),
  ).toEqual([]);
});

/** Passes bytes on to a port of this machine, can be away, and hangs up on a client that sends what breakAt says. */
async function openProxy(target: number, breakAt: (bytes: Buffer) => boolean = () => false) {
  const sockets = new Set<Socket>();
  const server = createServer((near) => {
    const far = connect(target, "127.0.0.1");
    for (const socket of [near, far]) {
      sockets.add(socket);
      socket.on("error", () => undefined).on("close", () => sockets.delete(socket));
    }
    near.on("data", (bytes: Buffer) => {
      if (breakAt(bytes)) near.destroy();
    });
    near.pipe(far).pipe(near);
  });
  let port = 0;
  const start = async () => {
    await once(server.listen(port, "127.0.0.1"), "listening");
    port = (server.address() as { port: number }).port;
  };
  const stop = async () => {
    for (const socket of sockets) socket.destroy();
    await once(server.close(), "close");
  };
  await start();
  return { port, start, stop };
}
