// One partner in the standings with everything that adds up to its score, from one snapshot.
import { sql } from "drizzle-orm";
import type { Database } from "../../db/client.ts";
import { isShown, partnersAhead, scored } from "./order.ts";

/** A partner as Postgres has it at one instant. */
export interface PartnerAtOnce {
  slug: string;
  name: string;
  rank: number;
  points: number;
  scoreVersion: number;
  reachedAt: Date;
  held: { key: string; units: number; points: number }[];
}

type Row = {
  slug: string;
  name: string;
  rank: number;
  points: number;
  version: number;
  reached_at: Date;
  held: PartnerAtOnce["held"];
};

/**
 * The partner with this slug, or the one it was merged into, however often. undefined: not in the standings. One
 * statement, because the total, the rank and what adds up to the total must be of one score version.
 */
export async function readPartner(db: Database, slug: string): Promise<PartnerAtOnce | undefined> {
  if (!/^[a-z0-9-]{1,200}$/.test(slug)) return undefined;
  // The bound ends a circle of merges, which nothing should have made.
  const [row] = await db.execute<Row>(sql`
    with recursive merges as (
      select id, merged_into, 0 as steps from partners where slug = ${slug}
      union all
      select next.id, next.merged_into, steps + 1
      from merges join partners next on next.id = merges.merged_into where steps < 100
    )
    select ${scored}, 1 + ${partnersAhead(sql`coalesce(s.points, 0)`)} as rank, (
      select coalesce(jsonb_agg(jsonb_build_object('key', achievement, 'units', units, 'points', points)
        order by achievement), '[]') from achievements_held where partner_id = p.id
    ) as held
    from merges join partners p on p.id = merges.id left join scores s on s.partner_id = p.id
    where merges.merged_into is null and ${isShown}`);
  if (row === undefined) return undefined;
  const { version: scoreVersion, reached_at: reachedAt, ...rest } = row;
  return { ...rest, scoreVersion, reachedAt };
}
