import fc from "fast-check";
import { expect, test } from "vitest";
import { advanceMark, lastOfEach, lookBack } from "../../src/connectors/lookback.ts";

const HOUR = 3_600_000;
const hour = (n: number) => new Date(n * HOUR);

test("the mark is the newest change seen, never after the pull began, and never goes back", () => {
  expect(advanceMark(undefined, [], hour(9))).toBeUndefined();
  expect(advanceMark(undefined, [hour(3), hour(5), hour(4)], hour(9))).toEqual(hour(5));
  expect(advanceMark(hour(6), [hour(3)], hour(9))).toEqual(hour(6));
  expect(advanceMark(hour(6), [hour(99)], hour(9))).toEqual(hour(9));
});

test("the next pull begins before the mark, and not before the earliest", () => {
  expect(lookBack(undefined, { lookBackMs: HOUR })).toBeUndefined();
  expect(lookBack(undefined, { lookBackMs: HOUR, earliest: hour(1) })).toEqual(hour(1));
  expect(lookBack(hour(6), { lookBackMs: 2 * HOUR })).toEqual(hour(4));
  expect(lookBack(hour(2), { lookBackMs: 2 * HOUR, earliest: hour(1) })).toEqual(hour(1));
});

test("of rows that come twice the last stays", () => {
  const rows = ["a1", "b1", "a2"];
  expect(lastOfEach(rows, (row) => row.slice(0, 1))).toEqual(["a2", "b1"]);
});

/** A row is visible from `written` on and says it changed at `changed`: later than that, or (a clock ahead) before it. */
const row = fc.record({
  changed: fc.integer({ min: 0, max: 60 }),
  lateness: fc.integer({ min: -100, max: 5 }),
});

test("no row is missed that becomes visible within the look-back, whatever its time says", () => {
  fc.assert(
    fc.property(
      fc.array(row, { maxLength: 30 }),
      fc.uniqueArray(fc.integer({ min: 1, max: 70 }), { minLength: 1, maxLength: 10 }),
      (rows, times) => {
        const pulls = [...times.sort((a, b) => a - b), 200];
        const seen = new Set<number>();
        let mark: Date | undefined;
        for (const now of pulls) {
          const from = lookBack(mark, { lookBackMs: 5 * HOUR });
          const asked = rows
            .map(({ changed, lateness }, id) => ({ id, changed: hour(changed), written: changed + lateness }))
            .filter(({ changed, written }) => written <= now && (from === undefined || changed >= from));
          for (const { id } of asked) seen.add(id);
          mark = advanceMark(
            mark,
            asked.map(({ changed }) => changed),
            hour(now),
          );
        }
        expect(seen.size).toBe(rows.length);
      },
    ),
    { numRuns: Number(process.env["DEEP"] ?? 300) },
  );
});
