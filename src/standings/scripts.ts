// What runs inside Redis, where nothing can come in between: Lua, one script for each effect or answer.
//
// KEYS: 1 order (sorted set: score = -points, rest of the order in the key's bytes), 2 partners (hash: id -> entry),
// 3 meta (hash: format, total), 4 writer (who may write), 5 and 6 order and partners of a rebuild.
//
// "There" means: written in this format, and all of it (counts agree). A Redis that was emptied, wholly or by eviction,
// is thereby known from one that holds empty standings.
import { createHash } from "node:crypto";
import type { Redis } from "ioredis";

export interface Script {
  text: string;
  sha1: string;
}

/** Raised when the keys or entries change their meaning: what an older version wrote is then not there. */
const format = "1";

const there = `
local total = redis.call('ZCARD', KEYS[1])
local meta = redis.call('HMGET', KEYS[3], 'format', 'total')
local there = meta[1] == '${format}' and tonumber(meta[2]) == total and redis.call('HLEN', KEYS[2]) == total
`;

function script(text: string): Script {
  return { text, sha1: createHash("sha1").update(text).digest("hex") };
}

/** ARGV: offset, limit (> 0). nil where not there; else total, rank of the first, entries. */
export const pageScript = script(`${there}
if not there then return false end
local found = redis.call('ZRANGE', KEYS[1], ARGV[1], ARGV[1] + ARGV[2] - 1, 'WITHSCORES')
if #found == 0 then return { total, 1, {} } end
local entries = {}
for i = 1, #found, 2 do
  local id = string.match(string.sub(found[i], -16), '^0*(%d+)$')
  entries[#entries + 1] = redis.call('HGET', KEYS[2], id)
end
return { total, redis.call('ZCOUNT', KEYS[1], '-inf', '(' .. found[2]) + 1, entries }
`);

/** ARGV: partner id. nil where not there; else its entry and rank, or nothing where it is not in the standings. */
export const ofScript = script(`${there}
if not there then return false end
local entry = redis.call('HGET', KEYS[2], ARGV[1])
if not entry then return {} end
local points = cjson.decode(entry).points
return { entry, redis.call('ZCOUNT', KEYS[1], '-inf', '(' .. -points) + 1 }
`);

/**
 * ARGV: token, token of the last writer. Makes the bearer of the first the only one who may write; 1 where the standings are
 * there and as the last writer left them.
 */
export const claimScript = script(`${there}
local last = redis.call('GET', KEYS[4])
redis.call('SET', KEYS[4], ARGV[1])
return there and last == ARGV[2] and 1 or 0
`);

/**
 * ARGV: token, then for each partner id, version, score, sort key, entry (both empty: take it out). The number applied,
 * or -1 where the token's bearer may not write any more or there is nothing to apply changes to.
 * An older version is passed over. The same version is applied: a partner that was renamed or delisted has the version
 * it had, and the only writer reads Postgres after it claimed.
 */
export const applyScript = script(`${there}
if not there or redis.call('GET', KEYS[4]) ~= ARGV[1] then return -1 end
local applied = 0
for i = 2, #ARGV, 5 do
  local id, version, score, key, entry = ARGV[i], tonumber(ARGV[i + 1]), ARGV[i + 2], ARGV[i + 3], ARGV[i + 4]
  local cached = redis.call('HGET', KEYS[2], id)
  local old = cached and cjson.decode(cached)
  if not old or version >= old.scoreVersion then
    if old and old.sortKey ~= key then redis.call('ZREM', KEYS[1], old.sortKey) end
    if entry == '' then
      redis.call('HDEL', KEYS[2], id)
    else
      redis.call('ZADD', KEYS[1], score, key)
      redis.call('HSET', KEYS[2], id, entry)
    end
    applied = applied + 1
  end
end
redis.call('HSET', KEYS[3], 'total', redis.call('ZCARD', KEYS[1]))
return applied
`);

/**
 * ARGV: token, how many partners the rebuild wrote. 1 where the rebuilt standings are now the standings; -1 where the
 * bearer may not write any more or part of the rebuild is gone (expired, emptied).
 */
export const swapScript = script(`
local count = tonumber(ARGV[2])
if redis.call('GET', KEYS[4]) ~= ARGV[1] then return -1 end
if redis.call('ZCARD', KEYS[5]) ~= count or redis.call('HLEN', KEYS[6]) ~= count then return -1 end
redis.call('UNLINK', KEYS[1], KEYS[2], KEYS[3])
if count > 0 then
  redis.call('RENAME', KEYS[5], KEYS[1])
  redis.call('RENAME', KEYS[6], KEYS[2])
  redis.call('PERSIST', KEYS[1])
  redis.call('PERSIST', KEYS[2])
end
redis.call('HSET', KEYS[3], 'format', '${format}', 'total', count)
return 1
`);

/** Runs a script by its digest; sends its text where Redis has not seen it (or was restarted). */
export async function run(
  redis: Redis,
  script: Script,
  keys: string[],
  args: (string | number)[],
): Promise<unknown> {
  try {
    return await redis.evalsha(script.sha1, keys.length, ...keys, ...args);
  } catch (error) {
    if (!(error instanceof Error) || !error.message.startsWith("NOSCRIPT")) throw error;
    return await redis.eval(script.text, keys.length, ...keys, ...args);
  }
}
