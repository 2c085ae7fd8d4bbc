// The evidence of a quick win: what an achievement's next step asks for, by its measure.
import { type SQL, sql } from "drizzle-orm";
import type { Database } from "../../db/client.ts";
import { instantOfLocal } from "../programme/calendar.ts";
import type { Achievement, Programme } from "../programme/document.ts";
import { isCounted, nextPeriodAt, periodOf } from "../programme/moments.ts";
import { ceilDiv, grainOf, nextBound, ONE, toQuantity, toTenThousandths } from "../programme/steps.ts";
import type { ProgrammeVersion } from "../programme/versions.ts";

/** Evidence that has to be added, so many pieces alike. */
export interface PromisedEvidence {
  kind: string;
  /** When it happens: the instant that was asked about, or the beginning of a later period or season. */
  occurredAt: Date;
  pieces: number;
  /** Of each piece; decimal. */
  quantity: number;
  /** What matters: that there are so many pieces, that the quantity is added, or that it is the latest. */
  asks: "pieces" | "quantity" | "reading";
  /** Of `sum`, `latest` and `growth`: a quantity that is less by this brings nothing. */
  step?: number;
  /** What it has to say of itself; where a rule names several values, the first of them. */
  attributes: Record<string, string>;
  /** An attribute that is another in every piece, and none of those counted already: any new value is as good as these. */
  anew?: { attribute: string; values: string[] };
}

/** Why there is no such evidence. */
export type Lack = "full" | "values" | "before" | "far";

interface Known {
  tx: Database;
  version: ProgrammeVersion;
  partnerId: number;
}

const mostPieces = 1000;
const mostPeriods = 13;

/**
 * When the evidence of a step may happen, earliest first: now; in the periods to come, for what is counted in periods; and when
 * a season begins.
 */
export function slotsOf({ measure, window }: Achievement, programme: Programme, now: Date): Date[] {
  const slots = [now];
  if (measure.type === "periods" || measure.type === "streak") {
    while (slots.length < mostPeriods)
      slots.push(nextPeriodAt(slots.at(-1) ?? now, measure.period, programme.timeZone));
  }
  if (window.type === "season") {
    const begins = programme.seasons.map(({ from }) => instantOfLocal(from, programme.timeZone));
    slots.push(...begins.filter((begin) => begin > now));
  }
  return slots.sort((a, b) => a.getTime() - b.getTime());
}

/**
 * What has to happen at the last of these slots (or, where periods are counted, at some of them), so that at `at` the
 * achievement awards more than with these units. `far`: not with these slots.
 */
export async function piecesFor(
  known: Known,
  achievement: Achievement,
  step: { slots: Date[]; at: Date; units: bigint },
): Promise<PromisedEvidence[] | Lack> {
  const { measure, award } = achievement;
  const { units, slots } = step;
  const occurredAt = slots.at(-1) ?? step.at;
  const attributes = Object.fromEntries(
    Object.entries(achievement.where).map(([attribute, values]) => [attribute, values[0] ?? ""]),
  );
  const piece = {
    kind: achievement.evidence,
    occurredAt,
    pieces: 1,
    quantity: 1,
    asks: "pieces",
    attributes,
  } as const;
  switch (measure.type) {
    case "count":
    case "distinct": {
      const bound = nextBound(award, units, ONE);
      if (bound === undefined) return "full";
      const pieces = Number((bound - units) / ONE);
      if (pieces > mostPieces) return "far";
      if (measure.type === "count") return [{ ...piece, pieces }];
      const values = await newValues(known, achievement, { ...step, attribute: measure.attribute, pieces });
      return values === undefined
        ? "values"
        : [{ ...piece, pieces, anew: { attribute: measure.attribute, values } }];
    }
    case "sum": {
      const grain = grainOf(award, units);
      const bound = nextBound(award, units, grain);
      return bound === undefined ? "full" : ofQuantity(piece, "quantity", bound - units, grain);
    }
    case "latest": {
      const grain = grainOf(award, units);
      const bound = nextBound(award, units, grain);
      return bound === undefined ? "full" : ofQuantity(piece, "reading", bound, grain);
    }
    case "growth": {
      // In hundredths of a per cent, as it is measured.
      const bound = nextBound(award, units, 100n);
      if (bound === undefined) return "full";
      const { now, before } = await sumsOf(known, achievement, step.at);
      if (before <= 0n) return "before";
      const grain = grainOf({ type: "each", points: 1, cap: 1 }, now, before);
      const wanted = ceilDiv(before * (ONE + bound / 100n), ONE * grain) * grain;
      return ofQuantity(piece, "quantity", wanted - now, grain);
    }
    case "periods": {
      const bound = nextBound(award, units, ONE);
      if (bound === undefined) return "full";
      const missing = Number((bound - units) / ONE);
      const free = await freeSlots(known, achievement, { ...step, period: measure.period });
      // The latest of them: what is done early might have left the window by then.
      return free.length < missing
        ? "far"
        : free.slice(-missing).map((slot) => ({ ...piece, occurredAt: slot }));
    }
    case "streak": {
      if (nextBound(award, units, ONE) === undefined) return "full";
      const free = await freeSlots(known, achievement, { ...step, period: measure.period });
      return free.length === 0 ? "far" : free.map((slot) => ({ ...piece, occurredAt: slot }));
    }
  }
}

function ofQuantity(
  piece: PromisedEvidence,
  asks: "quantity" | "reading",
  quantity: bigint,
  grain: bigint,
): PromisedEvidence[] {
  return [{ ...piece, asks, quantity: toQuantity(quantity), step: toQuantity(grain) }];
}

/** Values of an attribute that are not counted yet; undefined: the rule does not let so many through. */
async function newValues(
  known: Known,
  achievement: Achievement,
  step: { at: Date; attribute: string; pieces: number },
): Promise<string[] | undefined> {
  const { attribute, pieces } = step;
  const rows = await known.tx.execute<{ value: string }>(sql`
    select distinct attributes ->> ${attribute} as value from ${behind(known, achievement, step.at)}`);
  const taken = new Set(rows.map(({ value }) => value));
  const allowed = achievement.where[attribute];
  if (allowed !== undefined) {
    const left = [...new Set(allowed)].filter((value) => !taken.has(value));
    return left.length < pieces ? undefined : left.slice(0, pieces);
  }
  // What a rule asks for by name is not any value.
  for (const one of known.version.programme.achievements)
    for (const value of one.where[attribute] ?? []) taken.add(value);
  const values: string[] = [];
  for (let number = 1; values.length < pieces; number++)
    if (!taken.has(`new-${number}`)) values.push(`new-${number}`);
  return values;
}

/** The sums a growth is measured from, in ten-thousandths. */
async function sumsOf(
  known: Known,
  achievement: Achievement,
  at: Date,
): Promise<{ now: bigint; before: bigint }> {
  const [row] = await known.tx.execute<{ now: string; before: string }>(sql`
    select coalesce(sum(quantity) filter (where not before), 0)::text as now,
      coalesce(sum(quantity) filter (where before), 0)::text as before
    from ${behind(known, achievement, at)}`);
  return { now: toTenThousandths(row?.now ?? "0"), before: toTenThousandths(row?.before ?? "0") };
}

/** The slots that count at `at`, one for each period that has no evidence yet. */
async function freeSlots(
  known: Known,
  achievement: Achievement,
  step: { slots: Date[]; at: Date; period: "week" | "month" | "quarter" },
): Promise<Date[]> {
  const { programme } = known.version;
  const toPeriod = (at: Date) => periodOf(at, step.period, programme.timeZone);
  const [first = step.at] = step.slots;
  const begin = instantOfLocal(toPeriod(first), programme.timeZone);
  const rows = await known.tx.execute<{ occurred_at: Date }>(sql`
    select distinct occurred_at from ${behind(known, achievement, step.at)} where occurred_at >= ${begin}`);
  const taken = new Set(rows.map((row) => toPeriod(row.occurred_at)));
  return step.slots.filter((slot) => {
    const period = toPeriod(slot);
    if (taken.has(period) || !isCounted(achievement, programme, slot, step.at)) return false;
    taken.add(period);
    return true;
  });
}

function behind({ version, partnerId }: Known, { key }: Achievement, at: Date): SQL {
  return sql`(${version.compiled.evidenceBehind(key, { partnerId, at })}) as behind`;
}
