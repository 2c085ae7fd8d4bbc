// One partner's page: its place, its points, and the achievements they are made of.
import { sql } from "drizzle-orm";
import type { Database } from "../../../db/client.ts";
import type { Messages } from "../../messages/messages.ts";
import { sayNotes, sayOutcome } from "../../messages/outcome.ts";
import type { Programme } from "../../programme/document.ts";
import { toOutcomes } from "../../programme/outcomes.ts";
import { adjustmentOf } from "../../scoring/evaluation.ts";
import { isShown, partnersAhead, scored } from "../../standings/order.ts";

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
  /** How far it is and what comes next; and what keeps points back. In the language asked for. */
  sentence: string;
  notes: string[];
  /** Only where there are points left to earn. */
  hint?: string;
}

interface PartnerPage extends Omit<PartnerAtOnce, "held"> {
  perfect: number;
  /** Their points add up to the partner's. */
  achievements: ShownAchievement[];
}

/**
 * Every achievement of the programme in its order, then those held from an earlier version of it, and adjustments. Without a
 * programme there is nothing but what is held.
 */
export function toPartnerPage(
  partner: PartnerAtOnce,
  programme: Programme | undefined,
  messages: Messages,
): PartnerPage {
  const held = new Map(partner.held.map((achievement) => [achievement.key, achievement]));
  const outcomes = programme === undefined ? [] : toOutcomes(programme, held);
  const achievements = outcomes.map((outcome): ShownAchievement => {
    const { achievement, units, points, maximum } = outcome;
    const { key, title, hint } = achievement;
    held.delete(key);
    return {
      ...{ key, title, units, points, maximum },
      sentence: sayOutcome(messages, outcome),
      notes: sayNotes(messages, outcome),
      ...(points < maximum && { hint }),
    };
  });
  const { slug, name, rank, points, scoreVersion, reachedAt } = partner;
  return {
    ...{ slug, name, rank, points, scoreVersion, reachedAt },
    perfect: programme?.perfect ?? 0,
    achievements: [...achievements, ...[...held.values()].map((rest) => toRest(rest, messages))],
  };
}

/** Why it was given is for those who may see it: not for everybody. */
function toRest(rest: PartnerAtOnce["held"][number], messages: Messages): ShownAchievement {
  const id = adjustmentOf(rest.key);
  const { key, points } = rest;
  const title = id === undefined ? key : messages.say("adjustment.title", { id: String(id) });
  const sentence =
    id === undefined
      ? messages.say("achievement.retired", { key, points })
      : messages.say("adjustment.line", { id: String(id), points });
  return { ...rest, title, maximum: null, sentence, notes: [] };
}
