// Measures as SQL: which evidence counts, and how many units it is.
import { type SQL, sql } from "drizzle-orm";
import { longestStreak, type Period } from "./calendar.ts";
import type { Achievement, Programme, Window } from "./document.ts";
import {
  type Bounds,
  boundsBefore,
  boundsMovedPast,
  completePeriods,
  matureBefore,
  periodStarts,
  windowBounds,
} from "./windows.ts";

type Sliding = Extract<Window, { type: "last" }>;

/** The condition under which a row of evidence counts for an achievement at an instant: the one place that says so. */
export function counts(achievement: Achievement, programme: Programme, at: Date): SQL {
  return countsWithin(achievement, windowBounds(achievement.window, at, programme), programme, at);
}

/** The same for the window before, which a growth is measured against. */
export function countsBefore(achievement: Achievement, programme: Programme, at: Date): SQL {
  return countsWithin(achievement, boundsBefore(achievement.window, at, programme), programme, at);
}

function countsWithin(
  { evidence, where, window, measure, matures }: Achievement,
  bounds: Bounds | undefined,
  { timeZone }: Programme,
  at: Date,
): SQL {
  if (bounds === undefined) return sql`false`;
  // Cheapest first: Postgres stops at the first that fails.
  const conditions = [sql`kind = ${evidence}`];
  conditions.push(
    matures === undefined
      ? sql`occurred_at <= ${at}`
      : sql`occurred_at < ${matureBefore(matures, at, timeZone)}`,
  );
  if (bounds.from !== null) conditions.push(sql`occurred_at >= ${bounds.from}`);
  if (bounds.to !== null) conditions.push(sql`occurred_at < ${bounds.to}`);
  if (window.type === "in-force") conditions.push(sql`(ended_at is null or ended_at > ${at})`);
  for (const [attribute, values] of Object.entries(where)) {
    conditions.push(sql`attributes ->> ${attribute} = any(${sql.param(values)}::text[])`);
  }
  if (measure.type === "distinct") conditions.push(sql`attributes ->> ${measure.attribute} is not null`);
  return sql.join(conditions, sql` and `);
}

/** The units of an achievement: an aggregate over one partner's evidence, numeric, never null. */
export function units(achievement: Achievement, programme: Programme, at: Date): SQL {
  const counted = sql`filter (where ${counts(achievement, programme, at)})`;
  const { measure } = achievement;
  switch (measure.type) {
    case "count":
      return sql`(count(*) ${counted})::numeric`;
    case "sum":
      return sql`coalesce(sum(quantity) ${counted}, 0)`;
    case "distinct":
      return sql`(count(distinct attributes ->> ${measure.attribute}) ${counted})::numeric`;
    case "periods": {
      const bounds = windowBounds(achievement.window, at, programme);
      const starts = bounds && startsAsBits(bounds, at, measure.period, programme.timeZone);
      if (starts === undefined) {
        const local = sql`occurred_at at time zone ${programme.timeZone}`;
        return sql`(count(distinct date_trunc(${measure.period}, ${local})) ${counted})::numeric`;
      }
      const period = sql`width_bucket(occurred_at, ${sql.param(starts)}::timestamptz[]) - 1`;
      return sql`coalesce(bit_count((bit_or(1::int8 << (${period})) ${counted})::bit(64)), 0)::numeric`;
    }
    case "streak": {
      // A bit for each complete period, the last for the last of them: the streak is the row of set bits at the end.
      const starts = completePeriods(at, measure.period, programme.timeZone, longestStreak);
      const within = sql`occurred_at >= ${starts[0]} and occurred_at < ${starts[longestStreak]}`;
      const ago = sql`${longestStreak}::int - width_bucket(occurred_at, ${sql.param(starts)}::timestamptz[])`;
      const bits = sql`bit_or(1::int8 << (${ago})) filter (where ${within} and ${counts(achievement, programme, at)})`;
      return sql`length(substring(coalesce(${bits}, 0)::bit(60)::text from '1*$'))::numeric`;
    }
    case "latest":
      // The greatest pair of instant and quantity: where two happened at once, the greater quantity, whatever was recorded last.
      return sql`coalesce((max(array[extract(epoch from occurred_at), quantity]) ${counted})[2], 0)`;
    case "growth": {
      const now = sql`coalesce(sum(quantity) ${counted}, 0)`;
      const before = sql`coalesce(sum(quantity) filter (where ${countsBefore(achievement, programme, at)}), 0)`;
      return sql`case when ${before} > 0 then round(div(10000 * (${now} - ${before}), ${before}) / 100, 2) else 0 end`;
    }
  }
}

/** Periods fit the bits of an int8, with the sign to spare. */
function startsAsBits(bounds: Bounds, at: Date, period: Exclude<Period, "year">, timeZone: string) {
  const starts = periodStarts(bounds, at, period, timeZone, 63);
  return starts === undefined || starts.length === 0 ? undefined : starts;
}

/** An age at which evidence begins or ceases to count. `leaves`: there it leaves the window, and nothing else. */
interface Edge extends Sliding {
  leaves: boolean;
}

/** The ages at which evidence begins or ceases to count: it leaves the window, or the one before, or is mature. */
export function slidingEdges({ window, measure, matures }: Achievement): Edge[] {
  const edges: Edge[] = [];
  if (window.type === "last") edges.push({ ...window, leaves: true });
  if (matures !== undefined) edges.push({ type: "last", ...matures, leaves: false });
  if (measure.type === "growth" && window.type === "last")
    edges.push({ ...window, amount: 2 * window.amount, leaves: false });
  return edges;
}

/**
 * Whether units and points can only fall when evidence ceases to count, as long as no quantity is negative. Not so a reading,
 * where the one before comes to the fore, and a growth, which is measured against the window before.
 */
export function onlyFalls({ measure }: Achievement): boolean {
  return measure.type !== "latest" && measure.type !== "growth";
}

/** The `occurred_at` of what begins or ceases to count between two instants because a sliding edge moved past it. */
export function edgesMoved(
  achievement: Achievement,
  programme: Programme,
  span: { from: Date; to: Date },
): { from: Date; to: Date }[] {
  return slidingEdges(achievement).flatMap(
    (edge) => boundsMovedPast(edge, span.from, span.to, programme) ?? [],
  );
}
