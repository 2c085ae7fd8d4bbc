// What the rank job does: bring the cached standings up to Postgres.
//
// Only one refresher writes at a time: an advisory lock of the transaction, so that it ends with its connection. It is
// there for the swap of a rebuild, which must not undo a change applied while it was being built:
//   a partner is read for the rebuild after the lock was taken; a change of that partner that commits later leaves a
//   row in pending_standings with a new mark (same transaction); rows are deleted only by a refresher, and only when
//   their mark is the one it read; so until this rebuild has swapped and let go of the lock the row stays, and the
//   drain that follows applies it over the swapped standings.
// A refresher that lost its connection has lost the lock without knowing: the cache refuses it (src/standings/redis.ts).
import { sql } from "drizzle-orm";
import { type Database, transaction } from "../../db/client.ts";
import { readPartnersToCache, readPending } from "./postgres.ts";
import { notBuilt, type StandingsCache, toFingerprint } from "./redis.ts";

/** Named as the other locks are; used for nothing else. */
const lock = sql`hashtextextended('standings refresh', 0)`;
const batchSize = 1000;
const partSize = 5000;

/**
 * Puts partners on the to-do list of the rank job. To be called in the transaction that changes their points, name,
 * slug, status or listing. In partner order, so that two transactions never wait for each other.
 */
export async function markStandingsPending(tx: Database, partnerIds: number[]): Promise<void> {
  if (partnerIds.length === 0) return;
  await tx.execute(sql`
    insert into pending_standings (partner_id)
    select distinct id from unnest(${sql.param(partnerIds)}::bigint[]) as id order by id
    on conflict (partner_id) do update set mark = excluded.mark`);
}

/**
 * Applies every pending change to the cache, which is rebuilt first when it is not there or when asked. Without a cache
 * the to-do list is only emptied. Returns how many changes were applied (an older one than the cache has does not
 * count) and whether there was a rebuild.
 *
 * Safe to run twice, at the same time and to be killed anywhere: a row goes only after the cache has what it stands for,
 * and applying that again changes nothing. Where another process is refreshing, this one leaves the work to it, but
 * waits for its turn when it was asked to rebuild.
 * Fails when Redis fails: give it a client that does (commandTimeout), because the lock is held meanwhile.
 */
export async function refreshStandings(
  db: Database,
  cache: StandingsCache | undefined,
  options: { rebuild?: boolean } = {},
): Promise<{ applied: number; rebuilt: boolean }> {
  const done = { applied: 0, rebuilt: false };
  const seen = new Set<string>();
  let rebuild = options.rebuild ?? false;
  let news: boolean;
  do {
    news = false;
    for (let after: number | undefined = 0; after !== undefined; ) {
      const batch: Batch | undefined = await refreshBatch(db, cache, { after, rebuild, seen });
      if (batch === undefined) break;
      rebuild = false;
      done.applied += batch.applied;
      done.rebuilt ||= batch.rebuilt;
      news ||= batch.news;
      after = batch.last;
    }
    // Repeated after the lock is released, because a caller that could not take it had committed its marks before. A pass
    // without new marks is the last: later marks belong to open transactions, which will ask for a refresh.
  } while (news && (await hasPendingStandings(db)));
  return done;
}

interface Batch {
  applied: number;
  rebuilt: boolean;
  /** Whether there were marks this refresh had not seen. */
  news: boolean;
  /** The last partner of the batch; undefined: there were no more. */
  last: number | undefined;
}

/** One batch under the lock; undefined where another refresher has it. */
async function refreshBatch(
  db: Database,
  cache: StandingsCache | undefined,
  { after, rebuild, seen }: { after: number; rebuild: boolean; seen: Set<string> },
): Promise<Batch | undefined> {
  return await transaction(db, async (tx) => {
    if (!(await takeLock(tx, rebuild))) return undefined;
    const writer = await cache?.claim(await readLastWriter(tx));
    const rebuilding = writer !== undefined && (rebuild || !writer.built);
    if (rebuilding) await writer.rebuild(readPartnersToCache(tx, partSize));
    const pending = await readPending(tx, after, batchSize);
    const news = pending.filter(({ mark }) => !seen.has(mark));
    const applied = (await writer?.apply(news.map(({ partner }) => partner))) ?? 0;
    for (const { mark } of news) seen.add(mark);
    await deletePending(tx, pending);
    if (writer !== undefined) await storeLastWriter(tx, writer.token);
    return { applied, rebuilt: rebuilding, news: news.length > 0, last: pending.at(-1)?.partner.partnerId };
  });
}

/** The last writer of the cache whose work is committed; undefined: it was never written. */
async function readLastWriter(db: Database): Promise<string | undefined> {
  const [row] = await db.execute<{ writer: string }>(sql`select writer from standings_cache`);
  return row?.writer;
}

async function storeLastWriter(tx: Database, token: string): Promise<void> {
  await tx.execute(sql`
    insert into standings_cache (writer) values (${token}::uuid) on conflict (id) do update set writer = excluded.writer`);
}

/**
 * Whether the cache is as its last writer left it. A Redis that came back with an older state (a snapshot, a replica that
 * lagged) is whole and wrong: only Postgres knows that somebody has written since. While a refresher is at work the answer
 * may be no.
 */
export async function isCacheCurrent(db: Database, cache: StandingsCache): Promise<boolean> {
  return (await cache.lastWriter()) === (await readLastWriter(db));
}

/** Held until the transaction ends. Without `wait` a caller gives up at once: the holder drains the same list. */
async function takeLock(tx: Database, wait: boolean): Promise<boolean> {
  if (wait) {
    // The holder may be building the cache of a million partners; if it is stopped, Postgres ends its idle transaction.
    await tx.execute(sql`select set_config('lock_timeout', '10min', true)`);
    await tx.execute(sql`select pg_advisory_xact_lock(${lock})`);
    return true;
  }
  const [row] = await tx.execute<{ taken: boolean }>(sql`select pg_try_advisory_xact_lock(${lock}) as taken`);
  return row?.taken === true;
}

/**
 * Deletes rows whose mark is still the one that was read. A row somebody has locked is about to get a new mark, so it is
 * passed over instead of waited for: waiting out of partner order could deadlock.
 */
async function deletePending(tx: Database, rows: Awaited<ReturnType<typeof readPending>>): Promise<void> {
  if (rows.length === 0) return;
  const ids = rows.map(({ partner }) => partner.partnerId);
  const marks = rows.map(({ mark }) => mark);
  await tx.execute(sql`
    with applied as (
      select pending.partner_id from pending_standings pending
      join unnest(${sql.param(ids)}::bigint[], ${sql.param(marks)}::uuid[]) as read (partner_id, mark)
        on read.partner_id = pending.partner_id and read.mark = pending.mark
      for update of pending skip locked
    )
    delete from pending_standings where partner_id in (select partner_id from applied)`);
}

/** Whether changes wait for the rank job. */
export async function hasPendingStandings(db: Database): Promise<boolean> {
  const [row] = await db.execute<{ pending: boolean }>(
    sql`select exists (select from pending_standings) as pending`,
  );
  return row?.pending === true;
}

/**
 * Holds the cached standings against Postgres: the partners whose cached place, name or points differ, in order of id.
 * A partner whose change is still pending is not a difference. `built: false`: the cache is not there, which the next
 * refresh puts right. Waits for a refresher at work and lets none write meanwhile, so what it finds is not a race.
 */
export async function compareStandings(
  db: Database,
  cache: StandingsCache,
): Promise<{ built: boolean; compared: number; differing: number[] }> {
  return await transaction(db, async (tx) => {
    await takeLock(tx, true);
    if ((await cache.page({ offset: 0, limit: 1 })) === notBuilt)
      return { built: false, compared: 0, differing: [] };
    const cached = new Map<number, string>();
    for await (const part of cache.entries(batchSize)) {
      for (const { partnerId, fingerprint } of part) cached.set(partnerId, fingerprint);
    }
    let compared = 0;
    const differing: number[] = [];
    for await (const part of readPartnersToCache(tx, partSize)) {
      for (const partner of part) {
        const expected = partner.shown ? toFingerprint(partner) : undefined;
        if (!partner.pending && cached.get(partner.partnerId) !== expected) differing.push(partner.partnerId);
        cached.delete(partner.partnerId);
        compared += 1;
      }
    }
    // What is left belongs to no partner at all: the cache of another database.
    return { built: true, compared, differing: [...differing, ...cached.keys()].sort((a, b) => a - b) };
  });
}
