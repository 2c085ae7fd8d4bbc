// The standings read straight from Postgres: the truth, and all there is in a deployment without Redis.
import { sql } from "drizzle-orm";
import type { Database } from "../../db/client.ts";
import {
  inOrder,
  isShown,
  partnersAhead,
  partnersShown,
  type ScoredPartner,
  scored,
  toRanked,
} from "./order.ts";
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

/** Every answer is one statement, so one snapshot. Always right, and never older than the last commit. */
export function postgresStandings(db: Database): Standings {
  return {
    async page({ offset, limit }) {
      type Row = { total: number; first_rank: number } & (ScoredRow | { id: null });
      const end = offset + limit;
      // Two lists with indexes of their own, so that the first pages of 100,000 partners need no sort of everybody. The
      // second, of partners without a score, is only looked at where the first does not fill the page with more than 0.
      const rows = await db.execute<Row>(sql`
        with with_score as materialized (
          select ${scored} from scores s join partners p on p.id = s.partner_id where ${isShown}
          order by s.points desc, s.reached_at, lower(p.name) collate "C", p.id limit ${end}
        ), without_score as (
          select ${scored} from partners p left join scores s on false
          where ${isShown} and not exists (select from scores where scores.partner_id = p.id)
            and ((select count(*) from with_score) < ${end} or (select min(points) from with_score) <= 0)
          order by p.created_at, lower(p.name) collate "C", p.id limit ${end}
        ), page as materialized (
          select * from (select * from with_score union all select * from without_score) as both_lists
          order by ${inOrder} offset ${offset} limit ${limit}
        )
        select page.*, counted.* from (
          select ${partnersShown} as total,
            1 + ${partnersAhead(sql`(select max(points) from page)`)} as first_rank
        ) counted
        left join page on true
        order by ${inOrder}`);
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
 * a mark is written in the transaction of the change it stands for, and whoever sees the mark sees the change.
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
