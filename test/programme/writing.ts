// The document of a programme: random programmes are published and simulated as what they would be written as.
import type { Achievement, Award, Measure, Programme, Window } from "../../src/programme/document.ts";
import { maximumPoints } from "../../src/programme/document.ts";

/** As JSON, which is YAML. Its perfect score is the right one; categories without achievements are left out. */
export function documentOf(programme: Programme, effectiveFrom?: string): string {
  const { achievements } = programme;
  const used = programme.categories.filter(({ key }) =>
    achievements.some(({ category }) => category === key),
  );
  const free = achievements.filter(({ category }) => category === undefined);
  const perfect =
    sumOf(free) +
    used.reduce((sum, { key, cap }) => {
      return sum + Math.min(cap, sumOf(achievements.filter(({ category }) => category === key)));
    }, 0);
  return JSON.stringify({
    programme: programme.name,
    "time-zone": programme.timeZone,
    perfect,
    ...(effectiveFrom !== undefined && { "effective-from": effectiveFrom }),
    nominees: programme.nominees,
    ...(used.length > 0 && { categories: byKey(used) }),
    seasons: byKey(programme.seasons),
    evidence: Object.fromEntries(programme.kinds.map(({ key, label }) => [key, label])),
    achievements: Object.fromEntries(achievements.map((one) => [one.key, writeAchievement(one)])),
  });
}

const sumOf = (achievements: Achievement[]) => achievements.reduce((sum, one) => sum + maximumPoints(one), 0);

function byKey<T extends { key: string }>(list: T[]): Record<string, Omit<T, "key">> {
  return Object.fromEntries(list.map(({ key, ...rest }) => [key, rest]));
}

function writeAchievement({ key: _, requires, matures, ...rest }: Achievement): object {
  return {
    ...rest,
    measure: writeMeasure(rest.measure),
    window: writeWindow(rest.window),
    award: writeAward(rest.award),
    ...(requires.length > 0 && { requires }),
    ...(matures !== undefined && { matures: `${matures.amount} ${matures.unit}s` }),
  };
}

function writeMeasure(measure: Measure): unknown {
  switch (measure.type) {
    case "distinct":
      return { distinct: measure.attribute };
    case "periods":
      return { periods: measure.period };
    case "streak":
      return { streak: measure.period };
    default:
      return measure.type;
  }
}

function writeWindow(window: Window): unknown {
  switch (window.type) {
    case "season":
      return { season: window.season };
    case "previous":
      return { previous: window.unit };
    case "last":
    case "rolling":
      return { [window.type]: `${window.amount} ${window.unit}s` };
    default:
      return window.type;
  }
}

function writeAward(award: Award): unknown {
  switch (award.type) {
    case "points":
      return { points: award.points, [award.threshold.comparison]: award.threshold.units };
    case "each":
      return { each: award.points, cap: award.cap };
    case "tiers":
      return { tiers: award.tiers.map(({ atLeast, points }) => ({ "at-least": atLeast, points })) };
    case "share":
      return { share: award.points, of: award.target };
  }
}
