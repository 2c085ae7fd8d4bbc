// The next step of an award: how many units award more than there are. Whole numbers of ten-thousandths, the decimals a
// quantity has, so that nothing is rounded on the way. What a step is worth is never decided here: the evaluation says it.
import type { Award } from "./document.ts";

/** One unit in ten-thousandths. */
export const ONE = 10_000n;

/** A number as it was written, in ten-thousandths of a unit: `numerator / denominator`, exactly. */
interface Written {
  numerator: bigint;
  denominator: bigint;
}

/** "12.3400" of Postgres, or a number of the document, which may have more decimals (0.00001) than a quantity. */
function toWritten(value: string | number): Written {
  const [mantissa = "", exponent = "0"] = String(value).split("e");
  const [whole = "", decimals = ""] = mantissa.split(".");
  const shift = 4 + Number(exponent) - decimals.length;
  const digits = BigInt(whole + decimals);
  return shift < 0
    ? { numerator: digits, denominator: 10n ** BigInt(-shift) }
    : { numerator: digits * 10n ** BigInt(shift), denominator: 1n };
}

/** Units as Postgres writes a numeric, in ten-thousandths. No measure has more than four decimals. */
export function toTenThousandths(units: string): bigint {
  const { numerator, denominator } = toWritten(units);
  return numerator / denominator;
}

/** "12.34". Throws nothing: a quantity beyond what a number holds exactly comes back as another, and is seen to. */
export function toQuantity(tenThousandths: bigint): number {
  const digits = String(tenThousandths < 0n ? -tenThousandths : tenThousandths).padStart(5, "0");
  return Number(`${tenThousandths < 0n ? "-" : ""}${digits.slice(0, -4)}.${digits.slice(-4)}`);
}

/** The points that units award by themselves. */
export function ownPoints(award: Award, units: bigint): number {
  switch (award.type) {
    case "points": {
      const { numerator, denominator } = toWritten(award.threshold.units);
      const difference = units * denominator - numerator;
      const reached = award.threshold.comparison === "at-least" ? difference >= 0n : difference > 0n;
      return reached ? award.points : 0;
    }
    case "each":
      return Number(least((positive(units) / ONE) * BigInt(award.points), BigInt(award.cap)));
    case "tiers":
      return award.tiers.reduce((points, tier) => {
        const { numerator, denominator } = toWritten(tier.atLeast);
        return units * denominator >= numerator ? Math.max(points, tier.points) : points;
      }, 0);
    case "share": {
      const { numerator, denominator } = toWritten(award.target);
      const points = BigInt(award.points);
      return Number(least((positive(units) * points * denominator) / numerator, points));
    }
  }
}

/** The least units on the grid of `grain` that award more than these do; undefined: they award all there is. */
export function nextBound(award: Award, units: bigint, grain: bigint): bigint | undefined {
  const own = ownPoints(award, units);
  const onGrid = ({ numerator, denominator }: Written) => ceilDiv(numerator, denominator * grain) * grain;
  switch (award.type) {
    case "points": {
      if (own > 0) return undefined;
      const bound = toWritten(award.threshold.units);
      if (award.threshold.comparison === "at-least") return onGrid(bound);
      return (bound.numerator / (bound.denominator * grain)) * grain + grain;
    }
    case "each":
      return own >= award.cap ? undefined : (positive(units) / ONE) * ONE + ONE;
    case "tiers": {
      const next = award.tiers.filter((tier) => tier.points > own).sort((a, b) => a.atLeast - b.atLeast)[0];
      return next && onGrid(toWritten(next.atLeast));
    }
    case "share": {
      if (own >= award.points) return undefined;
      const { numerator, denominator } = toWritten(award.target);
      return onGrid({
        numerator: BigInt(own + 1) * numerator,
        denominator: BigInt(award.points) * denominator,
      });
    }
  }
}

/**
 * How finely a step is counted: whole units where the units and the award are whole numbers, else as many decimals as they are
 * written with, four at most. So more than 1500 with 1200 there asks for 301, and with 1200.5 for 299.6.
 */
export function grainOf(award: Award, ...units: bigint[]): bigint {
  const written = [
    ...numbersOf(award).map(toWritten),
    ...units.map((one) => ({ numerator: one, denominator: 1n })),
  ];
  const fits = (grain: bigint) =>
    written.every(({ numerator, denominator }) => numerator % (denominator * grain) === 0n);
  return [ONE, 1000n, 100n, 10n].find(fits) ?? 1n;
}

function numbersOf(award: Award): number[] {
  switch (award.type) {
    case "points":
      return [award.threshold.units];
    case "each":
      return [];
    case "tiers":
      return award.tiers.map((tier) => tier.atLeast);
    case "share":
      return [award.target];
  }
}

/** Of a positive divisor. */
export function ceilDiv(dividend: bigint, divisor: bigint): bigint {
  const quotient = dividend / divisor;
  return dividend > 0n && dividend % divisor !== 0n ? quotient + 1n : quotient;
}

function positive(units: bigint): bigint {
  return units > 0n ? units : 0n;
}

function least(a: bigint, b: bigint): bigint {
  return a < b ? a : b;
}
