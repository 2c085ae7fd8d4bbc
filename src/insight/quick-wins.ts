// Quick wins: for each achievement the smallest step that brings points. What a step would bring is never worked out here. A
// step is derived from the award's next bound, supposed to be stored (compile.ts), and evaluated like everything else; what the
// evaluation does not confirm is no quick win. docs/quick-wins.md says what is promised.
import { sql } from "drizzle-orm";
import { type Database, transaction } from "../../db/client.ts";
import { requirements } from "../programme/awards.ts";
import type { SupposedEvidence } from "../programme/compile.ts";
import type { Achievement } from "../programme/document.ts";
import { countsFrom } from "../programme/moments.ts";
import { ownPoints, toTenThousandths } from "../programme/steps.ts";
import type { ProgrammeVersion, ProgrammeVersions } from "../programme/versions.ts";
import { withoutJit } from "../scoring/differences.ts";
import { type Outcomes, pointsChanged, readOutcomes, totalOf } from "./outcomes.ts";
import { type Lack, type PromisedEvidence, piecesFor, slotsOf } from "./pieces.ts";

export interface QuickWin {
  achievement: string;
  title: string;
  hint: string;
  effort: number;
  /** What has to be added. */
  evidence: PromisedEvidence[];
  /** From this instant on the points are there: at once, when the evidence is mature, when its calendar period is over. */
  countsAt: Date;
  /**
   * By how many the total is more at that instant than it would be without this evidence, gates and caps applied, whatever
   * else changes until then.
   */
  points: number;
  /** The total at that instant. */
  total: number;
  /** Other achievements whose points are part of it (less than 0: that lose some), in the programme's order. */
  others: { key: string; title: string; points: number }[];
  /** Achievements that have to be reached first and whose own steps are part of the evidence. */
  first: string[];
}

/** An achievement that has points left and no step that brings some. */
export interface Obstacle {
  achievement: string;
  title: string;
  /**
   * `gate`: other achievements have to be reached first; `category`: its category is full; `window`: nothing that happens
   * from now on will count; `values`: all values the rule names are there already; `before`: a growth, and nothing to grow
   * from; `far`: more than 1000 pieces, or more than thirteen periods; `programme`: other rules come into force before it
   * would count; `others`: what it brings is lost elsewhere.
   */
  because: Exclude<Lack, "full"> | "gate" | "category" | "window" | "programme" | "others";
  /** Of `gate`: the achievements that have to award points first. */
  first: string[];
}

export interface QuickWins {
  at: Date;
  versionId: number;
  /** Most points per effort first; of equals the earlier of the programme. */
  wins: QuickWin[];
  obstacles: Obstacle[];
}

/** What every step is looked for with. */
interface Look {
  tx: Database;
  programmes: ProgrammeVersions;
  version: ProgrammeVersion;
  partnerId: number;
  now: Date;
  /** What is there at an instant if nothing is added, read once. */
  without: (at: Date) => Promise<Outcomes>;
}

/** Of one partner as of now, in one snapshot. undefined: no programme is published. */
export async function readQuickWins(
  db: Database,
  programmes: ProgrammeVersions,
  { partnerId, now }: { partnerId: number; now: Date },
): Promise<QuickWins | undefined> {
  return transaction(db, async (tx) => {
    await tx.execute(sql`set transaction isolation level repeatable read, read only`);
    await tx.execute(withoutJit);
    const version = await programmes.inForce(tx, now);
    if (version === undefined) return undefined;
    const known = new Map<number, Promise<Outcomes>>();
    const without = (at: Date) => {
      const outcomes = known.get(at.getTime()) ?? readOutcomes(tx, version.compiled, { partnerId, at });
      known.set(at.getTime(), outcomes);
      return outcomes;
    };
    const look = { tx, programmes, version, partnerId, now, without };
    const found: QuickWins = { at: now, versionId: version.id, wins: [], obstacles: [] };
    for (const achievement of version.programme.achievements) {
      const one = await findStep(look, achievement);
      if (one !== undefined && "points" in one) found.wins.push(one);
      else if (one !== undefined) found.obstacles.push(one);
    }
    // The sort is stable: equals stay in the programme's order.
    found.wins.sort((a, b) => b.points * a.effort - a.points * b.effort);
    return found;
  });
}

/** The evidence of a win, a piece each, as the evaluation supposes it. */
export function toSupposed({ evidence }: Pick<QuickWin, "evidence">, partnerId: number): SupposedEvidence[] {
  return evidence.flatMap(({ pieces, anew, attributes, kind, occurredAt, quantity }) =>
    Array.from({ length: pieces }, (_, index) => ({
      partnerId,
      kind,
      occurredAt,
      quantity,
      attributes:
        anew === undefined ? attributes : { ...attributes, [anew.attribute]: anew.values[index] ?? "" },
    })),
  );
}

/** undefined: all its points are there and stay there. */
async function findStep(look: Look, achievement: Achievement): Promise<QuickWin | Obstacle | undefined> {
  const { version, programmes, tx, now } = look;
  const slots = slotsOf(achievement, version.programme, now);
  let obstacle = toObstacle(achievement, "window");
  for (const [index, slot] of slots.entries()) {
    const at = countsFrom(achievement, version.programme, slot);
    if (at === undefined) continue;
    if ((await programmes.inForce(tx, at))?.id !== version.id) return toObstacle(achievement, "programme");
    const before = await look.without(at);
    const evidence = await piecesFor(look, achievement, {
      slots: slots.slice(0, index + 1),
      at,
      ...unitsIn(before, achievement),
    });
    if (evidence === "full") return heldBack(look, achievement, before);
    if (evidence === "far") {
      obstacle = toObstacle(achievement, "far");
      continue;
    }
    if (typeof evidence === "string") return toObstacle(achievement, evidence);
    const after = await withEvidence(look, at, evidence);
    if (own(achievement, after) > own(achievement, before)) {
      return (
        toWin(look, achievement, { evidence, at, before, after, first: [] }) ??
        (await findCombined(look, achievement, { slot, at: slot, evidence })) ??
        toObstacle(
          achievement,
          reasonOf(look, achievement, before, after),
          closedGates(look, achievement, after),
        )
      );
    }
    obstacle = toObstacle(achievement, isOverPeriods(achievement) ? "far" : "others");
    if (!isOverPeriods(achievement)) break;
  }
  return obstacle;
}

/** All it awards by itself is there; what keeps it back is worth saying. */
function heldBack(look: Look, achievement: Achievement, outcomes: Outcomes): Obstacle | undefined {
  if ((outcomes.get(achievement.key)?.points ?? 0) >= own(achievement, outcomes)) return undefined;
  const gates = closedGates(look, achievement, outcomes);
  return toObstacle(achievement, gates.length > 0 ? "gate" : "category", gates);
}

function reasonOf(
  look: Look,
  achievement: Achievement,
  before: Outcomes,
  after: Outcomes,
): Obstacle["because"] {
  if (closedGates(look, achievement, after).length > 0) return "gate";
  const points = (outcomes: Outcomes) => outcomes.get(achievement.key)?.points ?? 0;
  return points(after) > points(before) ? "others" : "category";
}

/**
 * The step of an achievement with those of the gates before it, where it is exact: everything happens now, each
 * asks for a kind of its own (so no piece of evidence does two things), and the achievement awards nothing by itself yet.
 */
async function findCombined(
  look: Look,
  achievement: Achievement,
  step: { slot: Date; at: Date; evidence: PromisedEvidence[] },
): Promise<QuickWin | undefined> {
  const { now, version } = look;
  const { programme } = version;
  if (step.slot !== now) return undefined;
  const gates = closedGates(look, achievement, await look.without(now));
  const all = [
    ...gates.map((key) => programme.achievements.find((one) => one.key === key)),
    achievement,
  ].filter((one) => one !== undefined);
  if (gates.length === 0 || all.some(isOverPeriods)) return undefined;
  if (new Set(all.map(({ evidence }) => evidence)).size < all.length) return undefined;
  const instants = all.map((one) => countsFrom(one, programme, now));
  const at = new Date(Math.max(...instants.map((instant) => instant?.getTime() ?? Number.NaN)));
  if (Number.isNaN(at.getTime()) || (await look.programmes.inForce(look.tx, at))?.id !== version.id)
    return undefined;
  const before = await look.without(at);
  if (own(achievement, before) > 0) return undefined;
  const evidence: PromisedEvidence[] = [];
  for (const one of all) {
    if (own(one, before) > 0) continue;
    const pieces = await piecesFor(look, one, { slots: [now], at, ...unitsIn(before, one) });
    if (typeof pieces === "string") return undefined;
    evidence.push(...pieces);
  }
  const after = await withEvidence(look, at, evidence);
  const win = toWin(look, achievement, { evidence, at, before, after, first: gates });
  const isReached = (after.get(achievement.key)?.points ?? 0) > (before.get(achievement.key)?.points ?? 0);
  const effort = all.reduce((sum, one) => sum + one.effort, 0);
  return win !== undefined && isReached ? { ...win, effort } : undefined;
}

function toWin(
  { version }: Look,
  achievement: Achievement,
  step: { evidence: PromisedEvidence[]; at: Date; before: Outcomes; after: Outcomes; first: string[] },
): QuickWin | undefined {
  const { evidence, at, before, after, first } = step;
  const points = totalOf(after) - totalOf(before);
  if (points <= 0) return undefined;
  const { key, title, hint, effort } = achievement;
  const changed = new Map(pointsChanged(before, after).map((change) => [change.key, change.points]));
  const others = version.programme.achievements.flatMap((other) => {
    const more = other.key === key ? undefined : changed.get(other.key);
    return more === undefined ? [] : [{ key: other.key, title: other.title, points: more }];
  });
  return {
    achievement: key,
    title,
    hint,
    effort,
    evidence,
    countsAt: at,
    points,
    total: totalOf(after),
    others,
    first,
  };
}

async function withEvidence(look: Look, at: Date, evidence: PromisedEvidence[]): Promise<Outcomes> {
  const { tx, version, partnerId } = look;
  return readOutcomes(tx, version.compiled, { partnerId, at, supposed: toSupposed({ evidence }, partnerId) });
}

function closedGates({ version }: Look, { key }: Achievement, outcomes: Outcomes): string[] {
  const gates = requirements(version.programme, key);
  return version.programme.achievements
    .filter((one) => gates.includes(one.key) && own(one, outcomes) === 0)
    .map((one) => one.key);
}

/** What the units in an outcome award by themselves, before gates and caps. */
function own(achievement: Achievement, outcomes: Outcomes): number {
  return ownPoints(achievement.award, unitsIn(outcomes, achievement).units);
}

function unitsIn(outcomes: Outcomes, { key }: Achievement): { units: bigint } {
  return { units: toTenThousandths(outcomes.get(key)?.units ?? "0") };
}

function isOverPeriods({ measure }: Achievement): boolean {
  return measure.type === "periods" || measure.type === "streak";
}

function toObstacle(
  { key, title }: Achievement,
  because: Obstacle["because"],
  first: string[] = [],
): Obstacle {
  return { achievement: key, title, because, first };
}
