import { sql } from "drizzle-orm";
import { Redis } from "ioredis";
import { pino } from "pino";
import { afterEach, beforeEach, describe, expect, test } from "vitest";
import type { Database } from "../../db/client.ts";
import { findFreePort } from "../../db/embedded-server.ts";
import { openStandings, type ReadableStandings, redisForReading } from "../../src/standings/reading.ts";
import { redisStandings } from "../../src/standings/redis.ts";
import { refreshStandings } from "../../src/standings/refresh.ts";
import { openTestDatabase, type TestDatabase } from "../database.ts";
import { redisUrl } from "../redis.ts";
import { addPartners } from "./partners.ts";
import { type RedisServer, startRedisServer } from "./redis-server.ts";

const reachedAt = new Date("2026-05-01T00:00:00Z");

test("without Redis the standings come from Postgres", async () => {
  const { db, close } = await openTestDatabase();
  await addPartners(db, [{ name: "One" }]);
  const standings = openStandings({ db, prefix: "any" });
  expect(await standings.page({ offset: 0, limit: 1 })).toMatchObject({ total: 1 });
  expect(await standings.cacheState()).toBe("none");
  await close();
});

describe.runIf(redisUrl() !== undefined)("reading with a Redis that goes away", () => {
  let database: TestDatabase;
  let db: Database;
  let port: number;
  let server: RedisServer;
  let redis: Redis;
  let standings: ReadableStandings;
  let log: string[];
  let id: number;

  beforeEach(async () => {
    database = await openTestDatabase();
    db = database.db;
    [id = 0] = await addPartners(db, [{ name: "One", score: { points: 1, reachedAt } }]);
    port = await findFreePort();
    server = await startRedisServer(port);
    redis = new Redis(port, "127.0.0.1", redisForReading);
    log = [];
    const logger = pino(
      {},
      { write: (line: string) => void log.push((JSON.parse(line) as { msg: string }).msg) },
    );
    standings = openStandings({ db, redis, prefix: "own", logger });
    await new Promise((resolve) => redis.once("ready", resolve));
    await refresh();
    // From here on Redis says 1 and Postgres says 2, so an answer tells where it comes from.
    await db.execute(sql`update scores set points = 2`);
  });
  afterEach(async () => {
    redis.disconnect();
    server.signal("SIGCONT");
    server.signal("SIGKILL");
    await server.exited;
    await database.close();
  });

  async function refresh(): Promise<void> {
    const client = new Redis(port, "127.0.0.1");
    await refreshStandings(db, redisStandings(client, "own"));
    await client.quit();
  }

  const readPoints = async () => {
    const page = await standings.page({ offset: 0, limit: 1 });
    const own = await standings.of(id);
    return [page.standings[0]?.points, own?.points];
  };
  const fromRedis = "The standings are read from Redis.";
  const unreachable = "The cached standings are unreachable: reading from Postgres.";
  const empty = "The cached standings are not built: reading from Postgres.";

  test("answers from Postgres once it is killed, from Redis once it is back, and says so once each time", async () => {
    expect(await readPoints()).toEqual([1, 1]);
    expect(await standings.cacheState()).toBe("built");
    server.signal("SIGKILL");
    await server.exited;
    expect(await readPoints()).toEqual([2, 2]);
    expect(await readPoints()).toEqual([2, 2]);
    expect(await standings.cacheState()).toBe("unreachable");
    // Connection errors come first: events.once would reject with them.
    const ready = new Promise((resolve) => redis.once("ready", resolve));
    server = await startRedisServer(port);
    await ready;
    expect(await readPoints()).toEqual([2, 2]);
    await refresh();
    await db.execute(sql`update scores set points = 3`);
    expect(await readPoints()).toEqual([2, 2]);
    expect(await standings.cacheState()).toBe("built");
    expect(log).toEqual([fromRedis, unreachable, empty, fromRedis]);
  });

  test("answers from Postgres soon when Redis hangs", async () => {
    server.signal("SIGSTOP");
    const before = performance.now();
    expect(await readPoints()).toEqual([2, 2]);
    expect(performance.now() - before).toBeLessThan(5000);
    server.signal("SIGCONT");
    expect(log).toEqual([unreachable]);
  });

  test("answers from Postgres when Redis was emptied, and from Redis after the next refresh", async () => {
    await redis.flushall();
    expect(await readPoints()).toEqual([2, 2]);
    await refresh();
    await db.execute(sql`update scores set points = 3`);
    expect(await readPoints()).toEqual([2, 2]);
    expect(log).toEqual([empty, fromRedis]);
  });
});
