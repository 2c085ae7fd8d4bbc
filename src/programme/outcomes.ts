// What an evaluation has given for every achievement, with what explains it: how far it is, what keeps points back, what comes
// next. Pure, of the programme and the units and points that were evaluated.
import { requirements } from "./awards.ts";
import { type Achievement, maximumPoints, type Programme } from "./document.ts";
import { type Progress, toProgress } from "./progress.ts";

/** Units and points by the key of an achievement; none: 0 of both. */
export type Evaluated = ReadonlyMap<string, { units: number; points: number }>;

export interface Outcome {
  achievement: Achievement;
  /** What the programme calls its evidence. */
  label: string;
  units: number;
  points: number;
  /** The most it can award. */
  maximum: number;
  progress: Progress;
  /** Those it requires, by way of others too, that award no points of their own: it awards none until they do. */
  closedGates: Achievement[];
  /** Its category: how many points are left in it, and how many of this achievement's are over the cap. */
  category: { title: string; cap: number; left: number; over: number } | undefined;
  /** The units at which it gives more than now, and how many points more that is; undefined: nothing brings more. */
  step: { units: number; gain: number } | undefined;
}

/** In document order. */
export function toOutcomes(programme: Programme, evaluated: Evaluated): Outcome[] {
  const progresses = new Map(
    programme.achievements.map(({ key, award }) => [key, toProgress(award, evaluated.get(key)?.units ?? 0)]),
  );
  const pointsOf = (key: string) => evaluated.get(key)?.points ?? 0;
  const labels = new Map(programme.kinds.map(({ key, label }) => [key, label]));
  return programme.achievements.map((achievement) => {
    const { key, award, evidence } = achievement;
    const progress = progresses.get(key) ?? toProgress(award, 0);
    const gates = requirements(programme, key);
    const closedGates = programme.achievements.filter(
      (one) => gates.includes(one.key) && progresses.get(one.key)?.own === 0,
    );
    const points = pointsOf(key);
    const category = categoryOf(programme, achievement, pointsOf, closedGates.length > 0 ? 0 : progress.own);
    const gain = Math.min((progress.next?.points ?? 0) - progress.own, category?.left ?? Infinity);
    return {
      achievement,
      label: labels.get(evidence) ?? evidence,
      units: evaluated.get(key)?.units ?? 0,
      points,
      maximum: maximumPoints(achievement),
      progress,
      closedGates,
      category,
      step:
        progress.next === undefined || gain <= 0 || closedGates.length > 0
          ? undefined
          : { units: progress.next.units, gain },
    };
  });
}

function categoryOf(
  { achievements, categories }: Programme,
  { key, category }: Achievement,
  pointsOf: (key: string) => number,
  own: number,
): Outcome["category"] {
  const found = categories.find((one) => one.key === category);
  if (found === undefined) return undefined;
  const held = achievements
    .filter((one) => one.category === category)
    .reduce((sum, one) => sum + pointsOf(one.key), 0);
  const { title, cap } = found;
  return { title, cap, left: Math.max(0, cap - held), over: Math.max(0, own - pointsOf(key)) };
}
