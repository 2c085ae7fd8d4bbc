// How far units have come: what an award gives for them, what it gives at most, and where it gives more. For people to read; the
// points that count are those of awards.ts.
import type { Award } from "./document.ts";
import { ownPoints, toTenThousandths } from "./steps.ts";

export interface Progress {
  /** The points that the units award by themselves: gates and caps left aside. */
  own: number;
  /** The units at which every point is awarded. `more-than`: these units themselves are not enough. */
  target: number;
  comparison: "at-least" | "more-than";
  /** The units at which the award gives more, and its points there; undefined: it gives everything. */
  next: { units: number; points: number } | undefined;
}

/** Units as a measure gives them, with four decimals at most. */
export function toProgress(award: Award, units: number): Progress {
  switch (award.type) {
    case "points": {
      const { comparison, units: target } = award.threshold;
      const reached = comparison === "at-least" ? units >= target : units > target;
      const next = reached ? undefined : { units: target, points: award.points };
      return { own: reached ? award.points : 0, target, comparison, next };
    }
    case "each": {
      const whole = Math.max(0, Math.floor(units));
      const own = Math.min(whole * award.points, award.cap);
      const points = Math.min((whole + 1) * award.points, award.cap);
      const next = own === award.cap ? undefined : { units: whole + 1, points };
      return { own, target: Math.ceil(award.cap / award.points), comparison: "at-least", next };
    }
    case "tiers": {
      const rising = [...award.tiers].sort((a, b) => a.atLeast - b.atLeast);
      const own = rising.filter(({ atLeast }) => atLeast <= units).at(-1)?.points ?? 0;
      const tier = rising.find(({ atLeast }) => atLeast > units);
      const next = tier === undefined ? undefined : { units: tier.atLeast, points: tier.points };
      return { own, target: rising.at(-1)?.atLeast ?? 0, comparison: "at-least", next };
    }
    case "share": {
      const { points, target } = award;
      const own = ownPoints(award, toTenThousandths(String(units)));
      const next = own >= points ? undefined : { units: target, points };
      return { own, target, comparison: "at-least", next };
    }
  }
}
