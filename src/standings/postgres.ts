// The standings read straight from Postgres: the truth, and all there is in a deployment without Redis.
import { type SQL, sql } from "drizzle-orm";
import type { Database } from "../../db/client.ts";
import {
  inOrder,
  isShown,
  partnersAhead,
  type ScoredPartner,
  scored,
  scoresAhead,
  toRanked,
} from "./order.ts";
import { partnersShown } from "./size.ts";
import type { Standing, Standings } from "./standings.ts";

type ScoredRow = {
  id: number;
  slug: string;
  name: string;
  points: number;
  version: number;
  reached_at: Date;
};

function toStanding(row: ScoredRow): Omit<Standing, "rank"> {
  return {
    partnerId: row.id,
    slug: row.slug,
    name: row.name,
    points: row.points,
    scoreVersion: row.version,
    reachedAt: row.reached_at,
  };
}

type PageRow = { total: number; first_rank: number } & (ScoredRow | { id: null });

/** Every answer is one statement, so one snapshot. Always right, and never older than the last commit. */
export function postgresStandings(db: Database): Standings {
  return {
    async page({ offset, limit }) {
      const top = await db.execute<PageRow>(pageOfScores(offset, limit));
      const isWhole = top.length === limit && top.every((row) => row.id !== null && row.points > 0);
      const rows = isWhole ? top : await db.execute<PageRow>(pageOfAll(offset, limit));
      const [first] = rows;
      if (first === undefined) throw new Error("A count came back without its row.");
      const found = rows.flatMap((row) => (row.id === null ? [] : [toStanding(row)]));
      return { standings: toRanked(found, offset, first.first_rank), total: first.total };
    },

    async of(partnerId) {
      const [row] = await db.execute<ScoredRow & { rank: number }>(sql`
        select ${scored}, 1 + ${partnersAhead(sql`coalesce(s.points, 0)`)} as rank
        from partners p left join scores s on s.partner_id = p.id
        where p.id = ${partnerId} and ${isShown}`);
      return row && { ...toStanding(row), rank: row.rank };
    },
  };
}

/**
 * A page of those who have a score: the page, where it is full and all of it have more than 0, which partners without a score
 * have. A statement of its own, because Postgres begins a parallel worker for what {@link pageOfAll} might have to look at,
 * whether it will or not: 6 ms more.
 */
function pageOfScores(offset: number, limit: number): SQL {
  return withTotals(
    sql`page as materialized (
      select ${scored} from scores s join partners p on p.id = s.partner_id where ${isShown}
      order by s.points desc, s.reached_at, lower(p.name) collate "C", p.id offset ${offset} limit ${limit}
    )`,
    scoresAhead,
  );
}

/** Two lists with indexes of their own, so that even here nothing sorts everybody who has points. */
function pageOfAll(offset: number, limit: number): SQL {
  const end = offset + limit;
  return withTotals(
    sql`with_score as materialized (
      select ${scored} from scores s join partners p on p.id = s.partner_id where ${isShown}
      order by s.points desc, s.reached_at, lower(p.name) collate "C", p.id limit ${end}
    ), without_score as (
      select ${scored} from partners p left join scores s on false
      where ${isShown} and not exists (select from scores where scores.partner_id = p.id)
      order by p.created_at, lower(p.name) collate "C", p.id limit ${end}
    ), page as materialized (
      select * from (select * from with_score union all select * from without_score) as both_lists
      order by ${inOrder} offset ${offset} limit ${limit}
    )`,
    partnersAhead,
  );
}

/** The rows of a CTE `page`, each with the number of partners and the rank of the first; one row without a partner where it is empty. */
function withTotals(ctes: SQL, ahead: (points: SQL) => SQL): SQL {
  return sql`
    with ${ctes}
    select page.*, counted.* from (
      select ${partnersShown} as total, 1 + ${ahead(sql`(select max(points) from page)`)} as first_rank
    ) counted
    left join page on true
    order by ${inOrder}`;
}

type CachedRow = ScoredRow & { sort_name: string; shown: boolean; pending: boolean };

/** A partner as the cache is to know it, and whether its change is still on the to-do list of the rank job. */
export interface PartnerToCache extends ScoredPartner {
  pending: boolean;
}

/**
 * All partners, shown or not, in order of id and in parts of `size`. Each part is a snapshot of its own.
 */
export async function* readPartnersToCache(db: Database, size: number): AsyncGenerator<PartnerToCache[]> {
  for (let after = 0; ; ) {
    const rows = await db.execute<CachedRow>(sql`
      select ${scored}, lower(p.name) as sort_name, ${isShown} as shown,
        exists (select from pending_standings where partner_id = p.id) as pending
      from partners p left join scores s on s.partner_id = p.id
      where p.id > ${after} order by p.id limit ${size}`);
    const last = rows.at(-1);
    if (last === undefined) return;
    after = last.id;
    yield rows.map(toPartnerToCache);
  }
}

/**
 * The next partners of the to-do list after this id, with the mark each row had. One statement, so one snapshot:
 * a mark is written in the transaction of the change it stands for, so a reader that sees the mark sees the change.
 */
export async function readPending(
  db: Database,
  after: number,
  size: number,
): Promise<{ partner: ScoredPartner; mark: string }[]> {
  const rows = await db.execute<CachedRow & { mark: string }>(sql`
    select ${scored}, lower(p.name) as sort_name, ${isShown} as shown, true as pending, pending.mark
    from pending_standings pending
    join partners p on p.id = pending.partner_id left join scores s on s.partner_id = p.id
    where pending.partner_id > ${after} order by pending.partner_id limit ${size}`);
  return rows.map((row) => ({ partner: toPartnerToCache(row), mark: row.mark }));
}

function toPartnerToCache(row: CachedRow): PartnerToCache {
  return { ...toStanding(row), sortName: row.sort_name, shown: row.shown, pending: row.pending };
}
