// The standings as everybody else reads them: from Redis where it has them, from Postgres otherwise. Same answers.
import type { Redis, RedisOptions } from "ioredis";
import type { Logger } from "pino";
import type { Database } from "../../db/client.ts";
import { postgresStandings } from "./postgres.ts";
import { notBuilt, redisStandings } from "./redis.ts";
import type { Standings } from "./standings.ts";

/**
 * For `new Redis(url, redisForReading)`. A reader would rather ask Postgres than wait: nothing is queued while Redis is
 * away, nothing is retried, and an answer that takes longer than a quarter of a second counts as none. The client goes
 * on connecting in the background, at most two seconds after Redis is back.
 */
export const redisForReading = {
  commandTimeout: 250,
  connectTimeout: 1000,
  enableOfflineQueue: false,
  maxRetriesPerRequest: 0,
  retryStrategy: (attempts: number) => Math.min(attempts * 100, 2000),
} satisfies RedisOptions;

/** What the last answer came from, and if not from Redis, why. */
export type CacheState = "none" | "built" | typeof notBuilt | "unreachable";

export interface ReadableStandings extends Standings {
  /** Asks Redis now. `none`: this deployment has no Redis. Never throws. */
  cacheState(): Promise<CacheState>;
}

interface StandingsToOpen {
  db: Database;
  /** Made for reading ({@link redisForReading}); closed by the caller. */
  redis?: Redis | undefined;
  prefix: string;
  /** Gets a line when the answers begin to come from somewhere else. */
  logger?: Logger | undefined;
}

/** Fails only when Postgres fails too. */
export function openStandings({ db, redis, prefix, logger }: StandingsToOpen): ReadableStandings {
  const postgres = postgresStandings(db);
  if (redis === undefined) return { ...postgres, cacheState: () => Promise.resolve("none") };
  const cache = redisStandings(redis, prefix);
  let state: CacheState | undefined;
  // The client reports every failed attempt to connect; unheard, that would end the process.
  redis.on("error", (error) => {
    enter("unreachable", error);
  });

  function enter(next: CacheState, error?: unknown): void {
    if (next === state) return;
    state = next;
    if (next === "built") logger?.info("The standings are read from Redis.");
    else logger?.warn({ err: error }, `The cached standings are ${next}: reading from Postgres.`);
  }

  async function fromCache<T>(read: () => Promise<T | typeof notBuilt>): Promise<T | typeof notBuilt> {
    try {
      const answer = await read();
      enter(answer === notBuilt ? notBuilt : "built");
      return answer;
    } catch (error) {
      enter("unreachable", error);
      return notBuilt;
    }
  }

  return {
    async page(range) {
      const answer = await fromCache(() => cache.page(range));
      return answer === notBuilt ? await postgres.page(range) : answer;
    },
    async of(partnerId) {
      const answer = await fromCache(() => cache.of(partnerId));
      return answer === notBuilt ? await postgres.of(partnerId) : answer;
    },
    async cacheState() {
      await fromCache(() => cache.page({ offset: 0, limit: 1 }));
      return state ?? "unreachable";
    },
  };
}
