import { Redis } from "ioredis";
import { describe } from "vitest";
import { findFreePort } from "../../db/embedded-server.ts";
import { postgresStandings } from "../../src/standings/postgres.ts";
import { openStandings, redisForReading } from "../../src/standings/reading.ts";
import { notBuilt, redisStandings, type StandingsCache } from "../../src/standings/redis.ts";
import { refreshStandings } from "../../src/standings/refresh.ts";
import type { Standings } from "../../src/standings/standings.ts";
import { redisUrl, testPrefix } from "../redis.ts";
import { describeStandings } from "./conformance.ts";

const nothing = () => Promise.resolve();

describeStandings("Postgres", (db) =>
  Promise.resolve({ standings: postgresStandings(db), settle: nothing, close: nothing }),
);

describeStandings("Postgres because Redis is down", async (db) => {
  const redis = new Redis(await findFreePort(), "127.0.0.1", redisForReading);
  const standings = openStandings({ db, redis, prefix: testPrefix() });
  const close = () => {
    redis.disconnect();
    return Promise.resolve();
  };
  return { standings, settle: nothing, close };
});

describe.runIf(redisUrl() !== undefined)("with Redis", () => {
  describeStandings("Redis alone", async (db) => {
    const redis = new Redis(redisUrl()!);
    const cache = redisStandings(redis, testPrefix());
    const settle = async () => {
      await refreshStandings(db, cache);
    };
    return Promise.resolve({
      standings: mustBeThere(cache),
      settle,
      close: async () => await redis.quit(),
    });
  });

  describeStandings("Redis, with Postgres behind it", async (db) => {
    const redis = new Redis(redisUrl()!, redisForReading);
    const prefix = testPrefix();
    const standings = openStandings({ db, redis, prefix });
    const cache = redisStandings(redis, prefix);
    const settle = async () => {
      await refreshStandings(db, cache);
    };
    const close = async () => {
      await redis.quit();
    };
    await new Promise((resolve) => redis.once("ready", resolve));
    return { standings, settle, close };
  });
});

/** What is not there is an error here: nothing may be answered by Postgres. */
function mustBeThere(cache: StandingsCache): Standings {
  return {
    async page(range) {
      const answer = await cache.page(range);
      if (answer === notBuilt) throw new Error("The cache is not built");
      return answer;
    },
    async of(partnerId) {
      const answer = await cache.of(partnerId);
      if (answer === notBuilt) throw new Error("The cache is not built");
      return answer;
    },
  };
}
