// What explains an outcome agrees with the evaluation: points of their own, what comes next, what keeps points back.
import fc from "fast-check";
import { describe, expect, test } from "vitest";
import { type Programme, parseProgramme } from "../../src/programme/document.ts";
import { toOutcomes } from "../../src/programme/outcomes.ts";
import { toProgress } from "../../src/programme/progress.ts";
import { numRuns } from "../cases.ts";
import { programmes } from "./histories.ts";
import { type EvidenceRow, evaluate } from "./reference.ts";

const at = new Date("2026-06-15T12:00:00Z");

/** The points of so many hundredths of a unit, by the reference. */
function pointsOf(programme: Programme, index: number, hundredths: number): number {
  const [achievement] = programme.achievements.slice(index, index + 1);
  const sum = {
    ...achievement!,
    requires: [],
    where: {},
    measure: { type: "sum" },
    window: { type: "ever" },
  };
  const { category: _, matures: __, ...alone } = sum;
  const row: EvidenceRow = {
    ...{ id: 1, partnerId: 0, kind: alone.evidence, occurredAt: at, endedAt: null, hundredths },
    ...{ attributes: {}, recordedAt: at, supersededAt: null },
  };
  return evaluate({ ...programme, achievements: [alone as never] }, [row], 0, at)[0]!.points;
}

test("own points are those of the evaluation, and the next step is the first that gives more", () => {
  const hundredths = fc.oneof(
    fc.integer({ min: -300, max: 1200 }),
    fc.integer({ min: 0, max: 12 }).map((n) => 100 * n),
  );
  const property = fc.property(programmes, hundredths, (programme, units) => {
    for (const [index, { award }] of programme.achievements.entries()) {
      const { own, next, target, comparison } = toProgress(award, units / 100);
      expect(own).toBe(pointsOf(programme, index, units));
      const justAbove = comparison === "more-than" ? 1 : 0;
      const most = pointsOf(programme, index, Math.ceil(target * 100) + justAbove);
      if (next === undefined) {
        expect(own).toBe(most);
        continue;
      }
      const wanted = Math.round(next.units * 100);
      expect(pointsOf(programme, index, wanted + justAbove)).toBe(next.points);
      expect(next.points).toBeGreaterThan(own);
      // A share rises with every part of a unit; what is said is where it gives everything.
      if (award.type !== "share") expect(pointsOf(programme, index, wanted + justAbove - 1)).toBe(own);
    }
  });
  fc.assert(property, { numRuns });
});

test("own points of a share are exact, however small its target and however many its units", () => {
  const share = (points: number, target: number, units: number) =>
    toProgress({ type: "share", points, target }, units).own;
  expect([share(10, 0.0000001, 0), share(10, 0.0000001, 0.0001)]).toEqual([0, 10]);
  expect(share(1_000_000, 1e12, 999_999_999_999.9)).toBe(999_999);
  expect(share(3, 0.3, 0.1)).toBe(1);
});

describe("what keeps points back", () => {
  const rule = (key: string, more: object): [string, object] => [
    key,
    { title: key, hint: "Do it.", evidence: "a", measure: "count", window: "ever", ...more },
  ];
  const programme = parseProgramme(
    JSON.stringify({
      programme: "Programme",
      "time-zone": "Europe/Amsterdam",
      perfect: 25,
      evidence: { a: "A" },
      categories: { all: { title: "All", cap: 10 } },
      achievements: Object.fromEntries<object>([
        rule("first", { award: { each: 4, cap: 8 }, category: "all" }),
        rule("second", { award: { each: 3, cap: 9 }, category: "all" }),
        rule("gate", { award: { points: 5, "more-than": 1 }, requires: "second" }),
        rule("gated", { award: { points: 10, "at-least": 2 }, requires: "gate" }),
      ]),
    }),
    "programme.yaml",
  );
  const outcomesOf = (evaluated: Record<string, [units: number, points: number]>) =>
    toOutcomes(
      programme,
      new Map(Object.entries(evaluated).map(([key, [units, points]]) => [key, { units, points }])),
    );

  test("a gate, and the gate of a gate, is closed until it awards points of its own", () => {
    const [, , gate, gated] = outcomesOf({ gate: [1, 0], gated: [1, 0] });
    expect(gate?.closedGates.map(({ key }) => key)).toEqual(["second"]);
    expect(gated?.closedGates.map(({ key }) => key)).toEqual(["second", "gate"]);
    expect(gated?.step).toBeUndefined();
    const [, , , open] = outcomesOf({ second: [1, 3], gate: [2, 5], gated: [1, 0] });
    expect(open).toMatchObject({ closedGates: [], step: { units: 2, gain: 10 } });
  });

  test("a step brings no more than its category has left, and none once it is full", () => {
    const [first, second] = outcomesOf({ first: [1, 4], second: [1, 3] });
    expect(first?.step).toEqual({ units: 2, gain: 3 });
    expect(second).toMatchObject({ step: { units: 2, gain: 3 }, category: { left: 3, over: 0 } });
    const [, full] = outcomesOf({ first: [2, 8], second: [2, 2] });
    expect(full).toMatchObject({ points: 2, category: { cap: 10, left: 0, over: 4 } });
    expect(full?.step).toBeUndefined();
  });
});
