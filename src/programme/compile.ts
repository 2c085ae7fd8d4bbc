// Turns a programme into SQL: one statement that reads the evidence once and gives the points of every achievement.
//
// Figures: 100,000 partners, 5 million current rows of 9 kinds, the nine achievements of examples/copernica, Postgres 18.4
// without parallel plans, processor seconds of the backend (the machine was busy), best and worst of 4 rounds in one session.
// `select partner_id, kind, sum(quantity), count(*) ... group by 1, 2` over the same table took 8.6 to 10.2 s; what is here
// 2.8 to 3.3 s: an index-only scan of evidence_scoring_idx into a GroupAggregate, which needs no sort because the index is in
// the order of partner_id. Nothing is hashed, nothing spills. One partner takes under 1 ms in Postgres.
// Measured beside it:
//  - count(distinct date_trunc('month', occurred_at at time zone ...)) for periods: 3.0 to 3.7 s. A bit for each period of
//    the window, found by width_bucket among its starts, is cheaper, and the bounds come from one calendar, ours. Only windows
//    without a beginning, or of more than 63 periods, use the other.
//  - array_agg and `select count(distinct v) from unnest(...)` for distinct: 2.8 to 3.7 s. With count(distinct) the planner
//    sorts the few filtered rows of each group, never the 5 million, so there is nothing to win.
//  - attributes @> '{...}' instead of ->>: 3.0 to 3.1 s.
//  - the union of all windows in the WHERE, so that old rows are dropped early: 2.8 to 3.8 s.
//  - partial aggregates in parallel: count(distinct) has none, and a rescore is spread over workers by ranges anyway.
// Values are parameters, so a programme version is one text, prepared once, whatever the instant and the partners.
import { type SQL, sql } from "drizzle-orm";
import { startOfDay, wallClock } from "./calendar.ts";
import type { Achievement, Award, Programme } from "./document.ts";
import { type Bounds, boundsMovedPast, periodStarts, windowBounds } from "./windows.ts";

/** Which partners: some, a range of ids (both ends included), or everybody. */
export type Scope = { partners: number[] } | { first: number; last: number } | "all";

/** `at`: the instant that is evaluated. `knownAt`: with what was known then; absent: with what is known now. */
interface Instants {
  at: Date;
  knownAt?: Date | undefined;
}

export interface CompiledProgramme {
  /**
   * A SELECT of (partner_id int8, achievement text, units numeric, points int4): a row for every achievement of every partner
   * in scope that has evidence of a kind the programme asks for, counted or not. No row means 0 units and 0 points.
   * Points are 0 or more; units may be negative where quantities are. Status and listing of partners are not looked at.
   */
  evaluation(input: Instants & { scope: Scope }): SQL;
  /**
   * A SELECT of the evidence that an achievement counts for one partner, latest first: (id, source, external_id, kind,
   * occurred_at, ended_at, quantity, attributes, title, link, connection_id). Throws when there is no such achievement.
   */
  evidenceBehind(achievement: string, input: Instants & { partnerId: number }): SQL;
  /**
   * A SELECT of the partners (partner_id, each once) whose current evidence begins, ends or leaves a sliding window in
   * (from, to]. What calendar windows and seasons let go is not in it: see `isEverybodyTouched`.
   */
  partnersTouchedByTime(span: { from: Date; to: Date }): SQL;
}

export function compileProgramme(programme: Programme): CompiledProgramme {
  const { achievements } = programme;
  return {
    evaluation({ scope, ...instants }) {
      const measured = achievements.map((achievement, index) => {
        return sql`${measure(achievement, programme, instants.at)} as ${unitsOf(index)}`;
      });
      const awarded = achievements.map((achievement, index) => {
        const units = unitsOf(index);
        return sql`(${achievement.key}::text, ${units}, ${points(achievement.award, units)})`;
      });
      return sql`
        select partner_id, achievement, units, points
        from (
          select partner_id, ${sql.join(measured, sql`, `)}
          from evidence
          where ${isKnown(instants)} and ${isInScope(scope)} and ${isOfKind(achievements)}
          group by partner_id
        ) as measured
        cross join lateral (values ${sql.join(awarded, sql`, `)}) as awarded (achievement, units, points)`;
    },

    evidenceBehind(key, { partnerId, ...instants }) {
      const achievement = achievements.find((one) => one.key === key);
      if (achievement === undefined) throw new Error(`The programme has no achievement ${key}.`);
      return sql`
        select id, source, external_id, kind, occurred_at, ended_at, quantity, attributes, title, link, connection_id
        from evidence
        where ${isKnown(instants)} and ${isInScope({ partners: [partnerId] })}
          and ${counts(achievement, programme, instants.at)}
        order by occurred_at desc, source, external_id desc`;
    },

    partnersTouchedByTime(span) {
      const ending = achievements.filter((achievement) => achievement.window.type === "in-force");
      const leaving = achievements.flatMap((achievement) => {
        const moved = boundsMovedPast(achievement.window, span.from, span.to, programme);
        if (moved === undefined) return [];
        return [
          sql`${isOfKind([achievement])} and occurred_at >= ${moved.from} and occurred_at < ${moved.to}`,
        ];
      });
      // An arm for each reason, so that each is a short range of evidence_occurred_idx or evidence_ended_idx.
      const arms = [
        sql`${isOfKind(achievements)} and occurred_at > ${span.from} and occurred_at <= ${span.to}`,
        ...(ending.length > 0
          ? [sql`${isOfKind(ending)} and ended_at > ${span.from} and ended_at <= ${span.to}`]
          : []),
        ...leaving,
      ].map((arm) => sql`select partner_id from evidence where ${isKnown({})} and ${arm}`);
      return sql`select distinct partner_id from (${sql.join(arms, sql` union all `)}) as touched`;
    },
  };
}

/** Whether a local midnight lies in (from, to]: calendar windows and seasons have moved, for every partner. */
export function isEverybodyTouched(
  programme: Pick<Programme, "timeZone">,
  span: { from: Date; to: Date },
): boolean {
  const midnight = startOfDay(wallClock(span.to, programme.timeZone).toPlainDate(), programme.timeZone);
  return span.from < midnight && midnight <= span.to;
}

/** The condition under which a row of evidence counts for an achievement at an instant: the one place that says so. */
function counts(achievement: Achievement, programme: Programme, at: Date): SQL {
  const { evidence, where, window, measure } = achievement;
  const bounds = windowBounds(window, at, programme);
  if (bounds === undefined) return sql`false`;
  // Cheapest first: Postgres stops at the first that fails.
  const conditions = [sql`kind = ${evidence}`, sql`occurred_at <= ${at}`];
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
function measure(achievement: Achievement, programme: Programme, at: Date): SQL {
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
  }
}

/** Periods fit the bits of an int8, with the sign to spare. */
function startsAsBits(bounds: Bounds, at: Date, period: "week" | "month" | "quarter", timeZone: string) {
  const starts = periodStarts(bounds, at, period, timeZone, 63);
  return starts === undefined || starts.length === 0 ? undefined : starts;
}

/** The points, int4, that units award. */
function points(award: Award, units: SQL): SQL {
  switch (award.type) {
    case "points": {
      const comparison = award.threshold.comparison === "at-least" ? sql`>=` : sql`>`;
      return sql`case when ${units} ${comparison} ${numeric(award.threshold.units)} then ${award.points}::int else 0 end`;
    }
    case "each":
      // Bounded before it becomes an int4: units have no bound.
      return sql`least(greatest(floor(${units}), 0) * ${award.points}::int, ${award.cap}::int)::int`;
    case "tiers": {
      const highestFirst = [...award.tiers].sort((a, b) => b.atLeast - a.atLeast);
      const cases = highestFirst.map(
        (tier) => sql`when ${units} >= ${numeric(tier.atLeast)} then ${tier.points}::int`,
      );
      return sql`case ${sql.join(cases, sql` `)} else 0 end`;
    }
  }
}

/** As the decimal that was written: a float8 would not be it. */
function numeric(value: number): SQL {
  return sql`${String(value)}::numeric`;
}

function unitsOf(index: number): SQL {
  return sql.raw(`units_${index}`);
}

/** Matched evidence that is, or was, known. Without an instant it is the condition of evidence_scoring_idx. */
function isKnown({ knownAt }: { knownAt?: Date | undefined }): SQL {
  if (knownAt === undefined) return sql`partner_id is not null and superseded_at is null`;
  return sql`partner_id is not null and recorded_at <= ${knownAt}
    and (superseded_at is null or superseded_at > ${knownAt})`;
}

/** A condition on the partner_id of whatever table it is said of. */
export function isInScope(scope: Scope): SQL {
  if (scope === "all") return sql`true`;
  if ("partners" in scope) return sql`partner_id = any(${sql.param(scope.partners)}::bigint[])`;
  return sql`partner_id between ${scope.first} and ${scope.last}`;
}

/** Kinds that no achievement asks for are dropped by the scan, before they cost anything else. */
function isOfKind(achievements: Achievement[]): SQL {
  const kinds = [...new Set(achievements.map((achievement) => achievement.evidence))];
  return sql`kind = any(${sql.param(kinds)}::text[])`;
}
