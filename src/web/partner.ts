// One partner's page: its place, its points, and the achievements they are made of.
import { sql } from "drizzle-orm";
import type { Database } from "../../db/client.ts";
import { isShown, partnersAhead, scored } from "../standings/order.ts";

/** What the page needs of the programme. */
export interface ShownProgramme {
  /** Points of a perfect score. */
  perfect: number;
  /** In the order they are shown. */
  achievements: {
    key: string;
    title: string;
    /** What to do to reach it. */
    hint: string;
    /** The most points it awards. */
    maximum: number;
  }[];
}

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

interface ShownAchievement {
  key: string;
  title: string;
  units: number;
  points: number;
  /** null: not in the programme as it is now, so the next score takes the points away. */
  maximum: number | null;
  /** Only where there are points left to earn. */
  hint?: string;
}

interface PartnerPage extends Omit<PartnerAtOnce, "held"> {
  perfect: number;
  /** Their points add up to the partner's. */
  achievements: ShownAchievement[];
}

/** Every achievement of the programme in its order, then those held from an earlier version of it. */
export function toPartnerPage(partner: PartnerAtOnce, programme: ShownProgramme): PartnerPage {
  const held = new Map(partner.held.map((achievement) => [achievement.key, achievement]));
  const achievements = programme.achievements.map(({ key, title, hint, maximum }): ShownAchievement => {
    const { units, points } = held.get(key) ?? { units: 0, points: 0 };
    held.delete(key);
    return { key, title, units, points, maximum, ...(points < maximum && { hint }) };
  });
  const retired = [...held.values()].map((rest) => ({ ...rest, title: rest.key, maximum: null }));
  const { slug, name, rank, points, scoreVersion, reachedAt } = partner;
  const { perfect } = programme;
  return {
    slug,
    name,
    rank,
    points,
    perfect,
    scoreVersion,
    reachedAt,
    achievements: [...achievements, ...retired],
  };
}
