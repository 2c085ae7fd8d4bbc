import { sql } from "drizzle-orm";
import { Redis } from "ioredis";
import { afterEach, beforeEach, describe, expect, test } from "vitest";
import { type Database, transaction } from "../../db/client.ts";
import {
  type CacheWriter,
  notBuilt,
  redisStandings,
  type StandingsCache,
} from "../../src/standings/redis.ts";
import {
  compareStandings,
  isCacheCurrent,
  markStandingsPending,
  refreshStandings,
} from "../../src/standings/refresh.ts";
import { openTestDatabase, type TestDatabase } from "../database.ts";
import { redisUrl, testPrefix } from "../redis.ts";
import { addPartners, changePartner, readNaively, setPoints } from "./partners.ts";

const reachedAt = new Date("2026-05-01T00:00:00Z");
const all = { offset: 0, limit: 10_000 };

describe.runIf(redisUrl() !== undefined)("refreshing the cached standings", () => {
  let database: TestDatabase;
  let db: Database;
  let redis: Redis;
  let prefix: string;
  let cache: StandingsCache;

  beforeEach(async () => {
    database = await openTestDatabase();
    db = database.db;
    redis = new Redis(redisUrl()!);
    prefix = testPrefix();
    cache = redisStandings(redis, prefix);
  });
  afterEach(async () => {
    await redis.quit();
    await database.close();
  });

  const addScored = async (...points: number[]) =>
    await addPartners(
      db,
      points.map((value) => ({ name: `Partner ${value}`, score: { points: value, reachedAt } })),
    );
  const countPending = async () => (await db.execute(sql`select from pending_standings`)).length;

  /** The cache as a refresher sees it, with something happening around its writes. */
  const during = (around: (writer: CacheWriter) => Partial<CacheWriter>): StandingsCache => ({
    ...cache,
    async claim(last) {
      const writer = await cache.claim(last);
      return { ...writer, ...around(writer) };
    },
  });

  test("a cache that is not there is built from everybody, and says so", async () => {
    await addScored(1, 2, 3);
    expect(await cache.page(all)).toBe(notBuilt);
    expect(await cache.of(1)).toBe(notBuilt);
    expect(await refreshStandings(db, cache)).toEqual({ applied: 0, rebuilt: true });
    expect(await cache.page(all)).toEqual({ standings: await readNaively(db), total: 3 });
    expect(await refreshStandings(db, cache)).toEqual({ applied: 0, rebuilt: false });
    expect(await refreshStandings(db, cache, { rebuild: true })).toEqual({ applied: 0, rebuilt: true });
  });

  test("thousands of pending changes are all applied, and the to-do list is empty after", async () => {
    await db.execute(
      sql`insert into partners (slug, name) select 'p-' || i, 'Name ' || i from generate_series(1, 2500) i`,
    );
    await refreshStandings(db, cache);
    await transaction(db, async (tx) => {
      const scored = await tx.execute<{ partner_id: number }>(sql`
        insert into scores select id, id % 100, ${reachedAt}, 1 from partners returning partner_id`);
      await markStandingsPending(
        tx,
        scored.map((row) => row.partner_id),
      );
    });
    expect(await refreshStandings(db, cache)).toEqual({ applied: 2500, rebuilt: false });
    expect(await countPending()).toBe(0);
    expect(await cache.page(all)).toEqual({ standings: await readNaively(db), total: 2500 });
  });

  test("an older score version never wins, not even to take a partner out", async () => {
    const [id] = await addScored(10);
    await refreshStandings(db, cache);
    const standing = { partnerId: id!, slug: "partner-1", name: "Partner 10", reachedAt };
    const writer = await cache.claim(undefined);
    const at = (scoreVersion: number, points: number, shown = true) =>
      writer.apply([{ ...standing, sortName: "partner 10", scoreVersion, points, shown }]);
    expect(await at(6, 60)).toBe(1);
    expect(await at(5, 50)).toBe(0);
    expect(await at(5, 50, false)).toBe(0);
    expect(await cache.page(all)).toMatchObject({
      standings: [{ points: 60, scoreVersion: 6, rank: 1 }],
      total: 1,
    });
    expect(await at(6, 60, false)).toBe(1);
    expect(await cache.page(all)).toEqual({ standings: [], total: 0 });
  });

  test("a refresher that was taken over is refused, whatever it still sends", async () => {
    await addScored(10);
    await refreshStandings(db, cache);
    const before = await cache.page(all);
    const lost = await cache.claim(undefined);
    await cache.claim(undefined);
    const stale = {
      partnerId: 1,
      slug: "partner-1",
      name: "x",
      sortName: "x",
      points: 99,
      reachedAt,
      shown: true,
    };
    await expect(lost.apply([{ ...stale, scoreVersion: 99 }])).rejects.toThrow("taken over");
    async function* parts() {
      yield await Promise.resolve([{ ...stale, scoreVersion: 99 }]);
    }
    await expect(lost.rebuild(parts())).rejects.toThrow("taken over");
    expect(await cache.page(all)).toEqual(before);
  });

  test("a cache that comes back with an older state is known by its writer, and built anew", async () => {
    const [id] = await addScored(10, 20);
    await refreshStandings(db, cache);
    const keys = await redis.keys(`${prefix}*`);
    const older = await Promise.all(keys.map(async (key) => [key, await redis.dumpBuffer(key)] as const));
    await setPoints(db, id!, 90, reachedAt);
    await refreshStandings(db, cache);
    expect(await isCacheCurrent(db, cache)).toBe(true);
    for (const [key, value] of older) await redis.restore(key, 0, value, "REPLACE");
    expect(await cache.page(all)).not.toEqual({ standings: await readNaively(db), total: 2 });
    expect(await isCacheCurrent(db, cache)).toBe(false);
    expect(await refreshStandings(db, cache)).toEqual({ applied: 0, rebuilt: true });
    expect(await cache.page(all)).toEqual({ standings: await readNaively(db), total: 2 });
    expect(await isCacheCurrent(db, cache)).toBe(true);
  });

  test("no change made during a rebuild is undone by its swap, and readers see whole standings throughout", async () => {
    const ids = await addScored(10, 20, 30);
    await refreshStandings(db, cache);
    const seen: unknown[] = [];
    const busy = during((writer) => ({
      async rebuild(parts) {
        async function* interrupted() {
          for await (const part of parts) {
            yield part;
            // Everything of this part is read and written aside: what changes now is not in it.
            await setPoints(db, ids[0]!, 99, reachedAt);
            await changePartner(db, ids[1]!, { listed: false });
            await changePartner(db, ids[2]!, { name: "Renamed" });
            seen.push(await refreshStandings(db, cache), await cache.page(all));
          }
        }
        return await writer.rebuild(interrupted());
      },
    }));
    const old = await cache.page(all);
    expect(await refreshStandings(db, busy, { rebuild: true })).toEqual({ applied: 3, rebuilt: true });
    // The other refresher was turned away, and the old standings were there until the new ones were.
    expect(seen).toEqual([{ applied: 0, rebuilt: false }, old]);
    expect(await cache.page(all)).toEqual({ standings: await readNaively(db), total: 2 });
    expect(await countPending()).toBe(0);
  });

  test("a change made while the one before is being applied stays on the list until it is applied too", async () => {
    const [id] = await addScored(10);
    await refreshStandings(db, cache);
    await setPoints(db, id!, 11, reachedAt);
    let changes = 0;
    const busy = during((writer) => ({
      async apply(partners) {
        const applied = await writer.apply(partners);
        if (changes++ === 0) await setPoints(db, id!, 12, reachedAt);
        return applied;
      },
    }));
    expect(await refreshStandings(db, busy)).toEqual({ applied: 2, rebuilt: false });
    expect(await cache.of(id!)).toMatchObject({ points: 12 });
    expect(await countPending()).toBe(0);
  });

  test("a partner that is being marked by an open transaction is not waited for, and not forgotten", async () => {
    const [id] = await addScored(10);
    await refreshStandings(db, cache);
    await setPoints(db, id!, 11, reachedAt);
    await transaction(db, async (tx) => {
      await tx.execute(sql`update scores set points = 12, version = version + 1 where partner_id = ${id!}`);
      await markStandingsPending(tx, [id!]);
      expect(await refreshStandings(db, cache)).toEqual({ applied: 1, rebuilt: false });
    });
    expect(await countPending()).toBe(1);
    await refreshStandings(db, cache);
    expect(await cache.of(id!)).toMatchObject({ points: 12 });
  });

  test("what fails halfway is still pending, and is applied by the next refresh", async () => {
    const [id] = await addScored(10);
    await refreshStandings(db, cache);
    await setPoints(db, id!, 11, reachedAt);
    const failing = during((writer) => ({
      async apply(partners) {
        await writer.apply(partners);
        throw new Error("killed here");
      },
    }));
    await expect(refreshStandings(db, failing)).rejects.toThrow("killed here");
    expect(await countPending()).toBe(1);
    await refreshStandings(db, cache);
    expect(await cache.of(id!)).toMatchObject({ points: 11 });
  });

  test("an abandoned rebuild leaves the standings as they were, and what it wrote expires", async () => {
    await addScored(10, 20);
    await refreshStandings(db, cache);
    const before = await cache.page(all);
    const failing = during((writer) => ({
      async rebuild(parts) {
        async function* interrupted() {
          for await (const part of parts) yield part;
          throw new Error("killed here");
        }
        return await writer.rebuild(interrupted());
      },
    }));
    await expect(refreshStandings(db, failing, { rebuild: true })).rejects.toThrow("killed here");
    expect(await cache.page(all)).toEqual(before);
    const keys = await redis.keys(`${prefix}:*`);
    const lifetimes = await Promise.all(
      keys.map(async (key) => [key.split(":").length, await redis.pttl(key)] as const),
    );
    const aside = lifetimes.filter(([parts]) => parts === 4);
    expect(aside).toHaveLength(2);
    expect(aside.every(([, ttl]) => ttl > 0)).toBe(true);
    expect(lifetimes.filter(([parts]) => parts === 3).every(([, ttl]) => ttl === -1)).toBe(true);
  });

  test("a rebuild that lost part of what it wrote does not become the standings", async () => {
    await addScored(10, 20);
    await refreshStandings(db, cache);
    const before = await cache.page(all);
    const emptied = during((writer) => ({
      async rebuild(parts) {
        async function* interrupted() {
          for await (const part of parts) yield part;
          for (const key of await redis.keys(`${prefix}:*:*:*`)) await redis.del(key);
        }
        return await writer.rebuild(interrupted());
      },
    }));
    await expect(refreshStandings(db, emptied, { rebuild: true })).rejects.toThrow("emptied");
    expect(await cache.page(all)).toEqual(before);
  });

  test.each(["order", "partners", "meta"])(
    "standings whose %s was evicted are not there, and are rebuilt",
    async (part) => {
      await addScored(10, 20);
      await refreshStandings(db, cache);
      await redis.del(`${prefix}:standings:${part}`);
      expect(await cache.page(all)).toBe(notBuilt);
      expect(await cache.of(1)).toBe(notBuilt);
      expect(await refreshStandings(db, cache)).toMatchObject({ rebuilt: true });
      expect(await cache.page(all)).toEqual({ standings: await readNaively(db), total: 2 });
    },
  );

  test("without Redis the to-do list is emptied", async () => {
    const [id] = await addScored(10);
    await setPoints(db, id!, 11, reachedAt);
    expect(await refreshStandings(db, undefined)).toEqual({ applied: 0, rebuilt: false });
    expect(await countPending()).toBe(0);
  });

  test("many refreshers and many changes at the same time end with the standings of Postgres", async () => {
    const ids = await addScored(10, 20, 30, 40, 50);
    await refreshStandings(db, cache);
    const change = async (round: number) => {
      await setPoints(db, ids[round % 5]!, (round * 7) % 60, reachedAt);
      return await refreshStandings(db, cache, { rebuild: round % 10 === 0 });
    };
    await Promise.all(
      [0, 1, 2].map(async (lane) => {
        for (let round = lane; round < 60; round += 3) await change(round);
      }),
    );
    await refreshStandings(db, cache);
    expect(await countPending()).toBe(0);
    expect(await cache.page(all)).toEqual({ standings: await readNaively(db), total: 5 });
    expect(await compareStandings(db, cache)).toEqual({ built: true, compared: 5, differing: [] });
  });

  test("marking gives partners marked at the same time in any order, twice over, one new mark each", async () => {
    const ids = await addScored(...Array.from({ length: 50 }, (_, at) => at));
    const mark = async (order: number[]) => {
      await transaction(db, async (tx) => {
        await markStandingsPending(tx, [...order, ...order]);
      });
    };
    await Promise.all(Array.from({ length: 20 }, (_, at) => mark(at % 2 === 0 ? ids : ids.toReversed())));
    const before = await db.execute<{ mark: string }>(sql`select mark from pending_standings`);
    await mark(ids);
    await mark([]);
    const after = await db.execute<{ mark: string }>(sql`select mark from pending_standings`);
    expect(new Set([...before, ...after].map((row) => row.mark)).size).toBe(100);
  });

  describe("holding the cache against Postgres", () => {
    test("finds nothing where a change is merely pending", async () => {
      const ids = await addScored(10, 20);
      await refreshStandings(db, cache);
      await setPoints(db, ids[0]!, 30, reachedAt);
      expect(await compareStandings(db, cache)).toEqual({ built: true, compared: 2, differing: [] });
    });

    test("names every partner whose points, name, place or presence differ", async () => {
      const ids = await addScored(10, 20, 30, 40, 50);
      await refreshStandings(db, cache);
      await db.execute(sql`update scores set points = 11 where partner_id = ${ids[0]!}`);
      await db.execute(sql`update partners set name = 'Other' where id = ${ids[1]!}`);
      await db.execute(sql`update partners set listed = false where id = ${ids[2]!}`);
      const order = `${prefix}:standings:order`;
      const [member] = await redis.zrange(order, 0, 0);
      await redis.zadd(order, -1, member!);
      expect(await compareStandings(db, cache)).toEqual({
        built: true,
        compared: 5,
        differing: [ids[0]!, ids[1]!, ids[2]!, ids[4]!],
      });
      await refreshStandings(db, cache, { rebuild: true });
      expect(await compareStandings(db, cache)).toEqual({ built: true, compared: 5, differing: [] });
    });

    test("names what another database left there", async () => {
      const other = await openTestDatabase();
      await addPartners(other.db, [{ name: "One" }, { name: "Two" }]);
      await refreshStandings(other.db, cache);
      await other.close();
      expect(await compareStandings(db, cache)).toEqual({ built: true, compared: 0, differing: [1, 2] });
    });

    test("tells a cache that is not there from one that differs", async () => {
      await addScored(10);
      expect(await compareStandings(db, cache)).toEqual({ built: false, compared: 0, differing: [] });
    });
  });
});
