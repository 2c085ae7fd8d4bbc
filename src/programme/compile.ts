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
import { keepWithinRules, pointsFor } from "./awards.ts";
import { startOfDay, wallClock } from "./calendar.ts";
import type { Achievement, Programme } from "./document.ts";
import { counts, countsBefore, edgesMoved, units } from "./measures.ts";

/** Which partners: some, a range of ids (both ends included), or everybody. */
export type Scope = { partners: number[] } | { first: number; last: number } | "all";

/** `at`: the instant that is evaluated. `knownAt`: with what was known then; absent: with what is known now. */
interface Instants {
  at: Date;
  knownAt?: Date | undefined;
}

/** Evidence that does not exist: what would it be worth? */
export interface SupposedEvidence {
  partnerId: number;
  kind: string;
  occurredAt: Date;
  /** Absent: no end known. */
  endedAt?: Date | undefined;
  quantity: number;
  attributes: Record<string, string>;
}

/** What is evaluated differently from what is stored. */
export interface Supposition {
  supposed?: SupposedEvidence[] | undefined;
  /** Ids of evidence. */
  without?: number[] | undefined;
}

export interface CompiledProgramme {
  /**
   * A SELECT of (partner_id int8, achievement text, units numeric, points int4): a row for every achievement of every partner
   * in scope that has evidence of a kind the programme asks for, counted or not. No row means 0 units and 0 points.
   * Points are 0 or more; units may be negative where quantities are. Status and listing of partners are not looked at.
   * `supposed` evidence is evaluated as if it were stored, whatever the scope; evidence `without` as if it were not. `instead`:
   * nothing that is stored is, but this SELECT of (partner_id, kind, occurred_at, ended_at, quantity, attributes).
   */
  evaluation(input: Instants & { scope: Scope; instead?: SQL | undefined } & Supposition): SQL;
  /**
   * A SELECT of the evidence that an achievement counts for one partner, latest first: (id, source, external_id, kind,
   * occurred_at, ended_at, quantity, attributes, title, link, connection_id, recorded_at, before). `before`: it is in the
   * window before, which a growth is measured against. Of a reading only the latest, unless `every` one is asked for. Throws when there is no such achievement.
   */
  evidenceBehind(
    achievement: string,
    input: Instants & { partnerId: number; every?: boolean | undefined },
  ): SQL;
  /**
   * A SELECT of the partners (partner_id, each once) whose current evidence begins, ends or leaves a sliding window in
   * (from, to]. What calendar windows and seasons let go is not in it: see `isEverybodyTouched`.
   */
  partnersTouchedByTime(span: { from: Date; to: Date }): SQL;
}

export function compileProgramme(programme: Programme): CompiledProgramme {
  const { achievements } = programme;
  return {
    evaluation({ scope, supposed = [], without = [], instead, ...instants }) {
      const measured = achievements.map((achievement, index) => {
        return sql`${units(achievement, programme, instants.at)} as ${column("units", index)}`;
      });
      const own = achievements.map((achievement, index) => {
        return sql`${pointsFor(achievement.award, column("units", index))} as ${column("own", index)}`;
      });
      const kept = keepWithinRules(
        programme,
        achievements.map((_, index) => column("own", index)),
      );
      const awarded = achievements.map((achievement, index) => {
        return sql`(${achievement.key}::text, ${column("units", index)}, ${kept[index]})`;
      });
      const stored =
        instead === undefined
          ? sql`evidence where ${isKnown(instants)} and ${isInScope(scope)} and ${isOfKind(achievements)}${isLeft(without)}`
          : sql`(${instead}) as evidence where ${isInScope(scope)} and ${isOfKind(achievements)}`;
      const rows = supposed.length === 0 ? stored : sql`(${withSupposed(stored, supposed)}) as evidence`;
      return sql`
        select partner_id, achievement, units, points
        from (select partner_id, ${sql.join(measured, sql`, `)} from ${rows} group by partner_id) as measured
        cross join lateral (select ${sql.join(own, sql`, `)}) as own
        cross join lateral (values ${sql.join(awarded, sql`, `)}) as awarded (achievement, units, points)`;
    },

    evidenceBehind(key, { partnerId, every = false, ...instants }) {
      const achievement = achievements.find((one) => one.key === key);
      if (achievement === undefined) throw new Error(`The programme has no achievement ${key}.`);
      const counted = counts(achievement, programme, instants.at);
      const isGrowth = achievement.measure.type === "growth";
      const isReading = achievement.measure.type === "latest";
      const before = isGrowth ? countsBefore(achievement, programme, instants.at) : sql`false`;
      return sql`
        select id, source, external_id, kind, occurred_at, ended_at, quantity, attributes, title, link, connection_id,
          recorded_at, ${before} as before
        from evidence
        where ${isKnown(instants)} and ${isInScope({ partners: [partnerId] })}
          and ${isGrowth ? sql`((${counted}) or (${before}))` : counted}
        order by occurred_at desc, ${isReading ? sql`quantity desc, ` : sql``}source, external_id desc
        ${isReading && !every ? sql`limit 1` : sql``}`;
    },

    partnersTouchedByTime(span) {
      const ending = achievements.filter((achievement) => achievement.window.type === "in-force");
      const leaving = achievements.flatMap((achievement) =>
        edgesMoved(achievement, programme, span).map(
          (moved) =>
            sql`${isOfKind([achievement])} and occurred_at >= ${moved.from} and occurred_at < ${moved.to}`,
        ),
      );
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

function withSupposed(stored: SQL, supposed: SupposedEvidence[]): SQL {
  const list = (type: string, value: (one: SupposedEvidence) => string | number | null) =>
    sql`${sql.param(supposed.map(value))}::${sql.raw(type)}[]`;
  return sql`
    select partner_id, kind, occurred_at, ended_at, quantity, attributes from ${stored}
    union all
    select partner_id, kind, occurred_at, ended_at, quantity, attributes from unnest(
      ${list("bigint", (one) => one.partnerId)}, ${list("text", (one) => one.kind)},
      ${list("timestamptz", (one) => one.occurredAt.toISOString())},
      ${list("timestamptz", (one) => one.endedAt?.toISOString() ?? null)}, ${list("numeric", (one) => String(one.quantity))},
      ${list("jsonb", (one) => JSON.stringify(one.attributes))}) as supposed (partner_id, kind, occurred_at, ended_at, quantity, attributes)`;
}

/** Whether a local midnight lies in (from, to]: calendar windows and seasons have moved, for every partner. */
export function isEverybodyTouched(
  programme: Pick<Programme, "timeZone">,
  span: { from: Date; to: Date },
): boolean {
  const midnight = startOfDay(wallClock(span.to, programme.timeZone).toPlainDate(), programme.timeZone);
  return span.from < midnight && midnight <= span.to;
}

function column(name: "units" | "own", index: number): SQL {
  return sql.raw(`${name}_${index}`);
}

/** Matched evidence that is, or was, known. Without an instant it is the condition of evidence_scoring_idx. */
function isKnown({ knownAt }: { knownAt?: Date | undefined }): SQL {
  if (knownAt === undefined) return sql`partner_id is not null and superseded_at is null`;
  return sql`partner_id is not null and recorded_at <= ${knownAt}
    and (superseded_at is null or superseded_at > ${knownAt})`;
}

function isLeft(without: number[]): SQL {
  return without.length === 0 ? sql`` : sql` and id <> all(${sql.param(without)}::bigint[])`;
}

/** A condition on the partner_id of the given table. */
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
