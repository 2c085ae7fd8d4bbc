// The standings in Redis: a cache, rebuilt from Postgres whenever it is missing.
//
// Writes carry a fencing token. A writer claims the cache first; a later claim takes it over, and the earlier writer's
// further writes are refused. So a refresher that lost its database connection, and with it the lock that made it the only
// one (src/standings/refresh.ts), cannot overwrite new standings with old ones.
import { randomUUID } from "node:crypto";
import type { Redis } from "ioredis";
import { idDigits, type ScoredPartner, toRanked, toSortKey } from "./order.ts";
import { applyScript, claimScript, ofScript, pageScript, run, swapScript } from "./scripts.ts";
import type { Standing, StandingsPage } from "./standings.ts";

/** The answer of a cache that was emptied or never built. Not the same as empty standings. */
export const notBuilt = "not built";

/** As {@link Standings}, but it may be not there. Fails as the Redis client fails. */
export interface StandingsCache {
  page(range: { offset: number; limit: number }): Promise<StandingsPage | typeof notBuilt>;
  of(partnerId: number): Promise<Standing | undefined | typeof notBuilt>;
  /**
   * Makes the caller the only one who may write, until somebody else claims. `last`: the token of the last writer whose work
   * Postgres knows of. A cache that names another one was restored from an older state, and is not taken for built.
   */
  claim(last: string | undefined): Promise<CacheWriter>;
  /** The token of the last writer, as the cache has it. */
  lastWriter(): Promise<string | undefined>;
  /** Everything cached, in order and in parts of `size`, as stored: for comparing while there is no writer. */
  entries(size: number): AsyncGenerator<CachedEntry[]>;
}

interface CachedEntry {
  partnerId: number;
  /** Equal for equal partners ({@link toFingerprint}). */
  fingerprint: string;
}

export interface CacheWriter {
  token: string;
  /** Whether the standings were there at the claim, as the last writer left them. */
  built: boolean;
  /** Puts changed partners in, or takes out those not shown. An older score version never wins. Returns how many won. */
  apply(partners: ScoredPartner[]): Promise<number>;
  /** Replaces the standings by these partners (the shown ones), aside and at once. Returns how many are shown. */
  rebuild(parts: AsyncIterable<ScoredPartner[]>): Promise<number>;
}

/** How long what an abandoned rebuild wrote stays: longer than any pause between two parts. */
const abandonedAfterMs = 600_000;

/** Changes in one script: Redis is blocked meanwhile, about 20 µs for each. This bounds the wait of a reader. */
const scriptSize = 25;

/** Keys begin with the prefix. On a Redis Cluster it must hold a hash tag: one script reads several keys. */
export function redisStandings(redis: Redis, prefix: string): StandingsCache {
  const order = `${prefix}:standings:order`;
  const partners = `${prefix}:standings:partners`;
  const meta = `${prefix}:standings:meta`;
  const keys = [order, partners, meta, `${prefix}:standings:writer`];

  async function page({ offset, limit }: { offset: number; limit: number }) {
    // An empty range is written in Redis as "everything": ask for one and give none.
    const reply = await run(redis, pageScript, keys, [offset, Math.max(limit, 1)]);
    if (reply === null) return notBuilt;
    const [total, firstRank, entries] = reply as [number, number, string[]];
    return { total, standings: toRanked(entries.slice(0, limit).map(toStanding), offset, firstRank) };
  }

  return {
    page,
    async of(partnerId) {
      const reply = (await run(redis, ofScript, keys, [partnerId])) as [string, number] | [] | null;
      if (reply === null) return notBuilt;
      const [entry, rank] = reply;
      return entry === undefined || rank === undefined ? undefined : { ...toStanding(entry), rank };
    },
    async lastWriter() {
      return (await redis.get(`${prefix}:standings:writer`)) ?? undefined;
    },
    async claim(last) {
      const token = randomUUID();
      const built = (await run(redis, claimScript, keys, [token, last ?? ""])) === 1;
      return {
        token,
        built,
        async apply(changed) {
          let applied = 0;
          for (let from = 0; from < changed.length; from += scriptSize) {
            const args = changed.slice(from, from + scriptSize).flatMap(toArguments);
            applied += accepted(await run(redis, applyScript, keys, [token, ...args]));
          }
          return applied;
        },
        rebuild: async (parts) => await rebuild(token, parts),
      };
    },
    async *entries(size) {
      for (let offset = 0; ; offset += size) {
        const rows = await redis.zrange(order, offset, offset + size - 1, "WITHSCORES");
        if (rows.length === 0) return;
        const keysAndScores = rows.flatMap((key, at) => (at % 2 === 0 ? [{ key, score: rows[at + 1] }] : []));
        const ids = keysAndScores.map(({ key }) => Number(key.slice(-idDigits)));
        const stored = await redis.hmget(partners, ...ids.map(String));
        yield keysAndScores.map(({ key, score }, at) => ({
          partnerId: ids[at] ?? 0,
          fingerprint: [score, key, stored[at]].join("\0"),
        }));
      }
    },
  };

  async function rebuild(token: string, parts: AsyncIterable<ScoredPartner[]>): Promise<number> {
    const aside = [`${order}:${token}`, `${partners}:${token}`] as const;
    let count = 0;
    for await (const part of parts) {
      const shown = part.filter((partner) => partner.shown);
      if (shown.length === 0) continue;
      const results = await redis
        .multi()
        .zadd(aside[0], ...shown.flatMap((partner) => [toScore(partner), toSortKey(partner)]))
        .hset(aside[1], ...shown.flatMap((partner) => [String(partner.partnerId), toEntry(partner)]))
        .pexpire(aside[0], abandonedAfterMs)
        .pexpire(aside[1], abandonedAfterMs)
        .exec();
      for (const [error] of results ?? []) if (error !== null) throw error;
      count += shown.length;
    }
    accepted(await run(redis, swapScript, [...keys, ...aside], [token, count]));
    return count;
  }
}

function accepted(reply: unknown): number {
  if (typeof reply === "number" && reply >= 0) return reply;
  throw new Error(
    "The cached standings were emptied or taken over by another process while they were being written. " +
      "Nothing is lost: the next refresh writes what is still pending.",
  );
}

/** What one partner looks like in the cache: differs when anything shown or compared differs. */
export function toFingerprint(partner: ScoredPartner): string {
  return [toScore(partner), toSortKey(partner), toEntry(partner)].join("\0");
}

function toArguments(partner: ScoredPartner): (string | number)[] {
  const { partnerId, scoreVersion } = partner;
  if (!partner.shown) return [partnerId, scoreVersion, 0, "", ""];
  return [partnerId, scoreVersion, toScore(partner), toSortKey(partner), toEntry(partner)];
}

/** A sorted set counts up, the standings count down. Never "-0". */
function toScore(partner: ScoredPartner): number {
  return partner.points === 0 ? 0 : -partner.points;
}

/** The scripts read points, scoreVersion and sortKey. */
function toEntry({ partnerId, slug, name, points, scoreVersion, reachedAt, ...rest }: ScoredPartner): string {
  const sortKey = toSortKey({ partnerId, slug, name, points, scoreVersion, reachedAt, ...rest });
  return JSON.stringify({
    partnerId,
    slug,
    name,
    points,
    scoreVersion,
    reachedAt: reachedAt.getTime(),
    sortKey,
  });
}

function toStanding(entry: string): Omit<Standing, "rank"> {
  const { partnerId, slug, name, points, scoreVersion, reachedAt } = JSON.parse(entry) as Omit<
    Standing,
    "rank" | "reachedAt"
  > & { reachedAt: number };
  return { partnerId, slug, name, points, scoreVersion, reachedAt: new Date(reachedAt) };
}
