import { describe, expect, test } from "vitest";
import { isEverybodyTouched } from "../../src/programme/compile.ts";
import type { Window } from "../../src/programme/document.ts";
import { boundsMovedPast, type Calendar, periodStarts, windowBounds } from "../../src/programme/windows.ts";

const amsterdam: Calendar = {
  timeZone: "Europe/Amsterdam",
  seasons: [
    { key: "2026", from: "2026-01-01", to: "2027-01-01" },
    { key: "summer-2028", from: "2028-06-01", to: "2028-09-01" },
  ],
};

/** The bounds as text, so that a difference is readable. */
function bounds(window: Window, at: string, calendar = amsterdam) {
  const found = windowBounds(window, new Date(at), calendar);
  return found && [found.from?.toISOString() ?? null, found.to?.toISOString() ?? null];
}

/** Evidence counts from when it happened until, and not at, an instant; and once it has left it stays out. */
function expectToLeave(window: Window, happened: string, leaves: string): void {
  const occurredAt = new Date(happened);
  const counts = (at: number) =>
    (windowBounds(window, new Date(at), amsterdam)?.from ?? new Date(0)) <= occurredAt;
  const left = new Date(leaves).getTime();
  expect(counts(left - 1)).toBe(true);
  expect(counts(left)).toBe(false);
  for (let at = left - 1; at >= occurredAt.getTime(); at -= 7 * HOUR_MS) expect(counts(at)).toBe(true);
  for (let at = left; at < left + 72 * HOUR_MS; at += HOUR_MS / 2) expect(counts(at)).toBe(false);
}

const HOUR_MS = 3_600_000;
const lastDay: Window = { type: "last", amount: 1, unit: "day" };
const lastMonth: Window = { type: "last", amount: 1, unit: "month" };

describe("a window without an edge", () => {
  test("has no bounds", () => {
    expect(bounds({ type: "ever" }, "2026-05-01T00:00Z")).toEqual([null, null]);
    expect(bounds({ type: "in-force" }, "2026-05-01T00:00Z")).toEqual([null, null]);
  });
});

describe("last", () => {
  test("lets evidence go at the same local time, to the millisecond", () => {
    expect(bounds({ type: "last", amount: 90, unit: "day" }, "2026-08-01T12:00:00.000Z")).toEqual([
      "2026-05-03T12:00:00.001Z",
      null,
    ]);
  });

  test("keeps the local time across both clock changes", () => {
    expectToLeave(lastDay, "2026-03-28T11:00:00.000Z", "2026-03-29T10:00:00.000Z");
    expectToLeave(lastDay, "2026-10-24T10:00:00.000Z", "2026-10-25T11:00:00.000Z");
  });

  test("lets evidence go at the end of the hour that does not exist", () => {
    expectToLeave(lastDay, "2026-03-28T01:30:00.000Z", "2026-03-29T01:00:00.000Z");
  });

  test("lets evidence go in the first of two equal hours, and does not give it back in the second", () => {
    expectToLeave(lastDay, "2026-10-24T00:30:00.000Z", "2026-10-25T00:30:00.000Z");
  });

  test("takes the second of two equal hours for the last millisecond of the first", () => {
    expectToLeave(lastDay, "2026-10-25T00:30:00.000Z", "2026-10-26T01:30:00.000Z");
    expectToLeave(lastDay, "2026-10-25T01:30:00.000Z", "2026-10-26T01:59:59.999Z");
  });

  test("lets the 29th to 31st of January go when February is over, and the 28th a month later to the minute", () => {
    expectToLeave(lastMonth, "2026-01-28T11:00:00.000Z", "2026-02-28T11:00:00.000Z");
    expectToLeave(lastMonth, "2026-01-29T11:00:00.000Z", "2026-02-28T23:00:00.000Z");
    expectToLeave(lastMonth, "2026-01-31T11:00:00.000Z", "2026-02-28T23:00:00.000Z");
    expectToLeave(lastMonth, "2026-02-28T11:00:00.000Z", "2026-03-28T11:00:00.000Z");
  });

  test("counts the 29th of February for a year, until the 1st of March", () => {
    expect(bounds({ type: "last", amount: 1, unit: "year" }, "2025-02-28T22:59:59.999Z")?.[0]).toBe(
      "2024-02-28T23:00:00.000Z",
    );
    expect(bounds({ type: "last", amount: 1, unit: "year" }, "2025-02-28T23:00:00.000Z")?.[0]).toBe(
      "2024-02-29T23:00:00.001Z",
    );
  });

  test("says what the moving edge has passed between two instants", () => {
    const before = new Date("2026-08-01T12:00:00Z");
    const after = new Date("2026-08-01T12:01:00Z");
    expect(boundsMovedPast(lastDay, before, after, amsterdam)).toEqual({
      from: new Date("2026-07-31T12:00:00.001Z"),
      to: new Date("2026-07-31T12:01:00.001Z"),
    });
    expect(boundsMovedPast(lastDay, before, before, amsterdam)).toBeUndefined();
    expect(boundsMovedPast({ type: "previous", unit: "month" }, before, after, amsterdam)).toBeUndefined();
  });
});

describe("previous", () => {
  test("is the last month that is over in the programme's zone", () => {
    const month: Window = { type: "previous", unit: "month" };
    expect(bounds(month, "2026-03-31T21:59:59.999Z")).toEqual([
      "2026-01-31T23:00:00.000Z",
      "2026-02-28T23:00:00.000Z",
    ]);
    expect(bounds(month, "2026-03-31T22:00:00.000Z")).toEqual([
      "2026-02-28T23:00:00.000Z",
      "2026-03-31T22:00:00.000Z",
    ]);
  });

  test("is the week from Monday to Monday before this one, also when the clocks change in it", () => {
    const week: Window = { type: "previous", unit: "week" };
    expect(bounds(week, "2026-03-29T21:59:59.999Z")).toEqual([
      "2026-03-15T23:00:00.000Z",
      "2026-03-22T23:00:00.000Z",
    ]);
    expect(bounds(week, "2026-03-29T22:00:00.000Z")).toEqual([
      "2026-03-22T23:00:00.000Z",
      "2026-03-29T22:00:00.000Z",
    ]);
  });

  test("is a quarter or a year at their ends", () => {
    expect(bounds({ type: "previous", unit: "quarter" }, "2026-12-31T23:00:00.000Z")).toEqual([
      "2026-09-30T22:00:00.000Z",
      "2026-12-31T23:00:00.000Z",
    ]);
    expect(bounds({ type: "previous", unit: "year" }, "2026-12-31T22:59:59.999Z")).toEqual([
      "2024-12-31T23:00:00.000Z",
      "2025-12-31T23:00:00.000Z",
    ]);
  });
});

describe("rolling", () => {
  test("begins with the first of so many calendar periods, this one included", () => {
    expect(bounds({ type: "rolling", amount: 12, unit: "month" }, "2026-11-15T12:00:00Z")).toEqual([
      "2025-11-30T23:00:00.000Z",
      null,
    ]);
    expect(bounds({ type: "rolling", amount: 1, unit: "week" }, "2026-10-25T12:00:00Z")?.[0]).toBe(
      "2026-10-18T22:00:00.000Z",
    );
    expect(bounds({ type: "rolling", amount: 2, unit: "quarter" }, "2026-02-10T12:00:00Z")?.[0]).toBe(
      "2025-09-30T22:00:00.000Z",
    );
  });
});

describe("season", () => {
  test("runs from its first local midnight to the one it ends at", () => {
    const season: Window = { type: "season", season: "2026" };
    expect(bounds(season, "2030-01-01T00:00Z")).toEqual([
      "2025-12-31T23:00:00.000Z",
      "2026-12-31T23:00:00.000Z",
    ]);
  });

  test("that is current changes at local midnight, and between two seasons there is none", () => {
    const current: Window = { type: "season", season: "current" };
    expect(bounds(current, "2025-12-31T22:59:59.999Z")).toBeUndefined();
    expect(bounds(current, "2025-12-31T23:00:00.000Z")).toEqual([
      "2025-12-31T23:00:00.000Z",
      "2026-12-31T23:00:00.000Z",
    ]);
    expect(bounds(current, "2026-12-31T23:00:00.000Z")).toBeUndefined();
    expect(bounds(current, "2028-08-31T21:59:59.999Z")).toEqual([
      "2028-05-31T22:00:00.000Z",
      "2028-08-31T22:00:00.000Z",
    ]);
  });

  test("begins with the first instant of a day whose midnight does not exist", () => {
    const calendar = {
      timeZone: "America/Santiago",
      seasons: [{ key: "s", from: "2026-09-06", to: "2026-10-01" }],
    };
    expect(bounds({ type: "season", season: "s" }, "2026-09-07T00:00Z", calendar)?.[0]).toBe(
      "2026-09-06T04:00:00.000Z",
    );
  });
});

describe("the periods of a window", () => {
  test("are those it touches up to now", () => {
    const at = new Date("2026-03-10T12:00:00Z");
    const from = new Date("2026-01-20T12:00:00Z");
    const starts = periodStarts({ from, to: null }, at, "month", "Europe/Amsterdam", 63);
    expect(starts?.map((start) => start.toISOString())).toEqual([
      "2025-12-31T23:00:00.000Z",
      "2026-01-31T23:00:00.000Z",
      "2026-02-28T23:00:00.000Z",
    ]);
  });

  test("end before the window does", () => {
    const at = new Date("2026-03-10T12:00:00Z");
    const year = windowBounds({ type: "previous", unit: "year" }, at, amsterdam);
    expect(
      periodStarts(year ?? { from: null, to: null }, at, "quarter", "Europe/Amsterdam", 63),
    ).toHaveLength(4);
  });

  test("are not listed without a beginning or beyond the limit", () => {
    const at = new Date("2026-03-10T12:00:00Z");
    const from = new Date("2026-01-01T00:00:00Z");
    expect(periodStarts({ from: null, to: null }, at, "month", "Europe/Amsterdam", 63)).toBeUndefined();
    expect(periodStarts({ from, to: null }, at, "month", "Europe/Amsterdam", 2)).toBeUndefined();
  });
});

describe("local midnight", () => {
  const touched = (from: string, to: string, timeZone = "Europe/Amsterdam") =>
    isEverybodyTouched({ timeZone }, { from: new Date(from), to: new Date(to) });

  test("touches everybody in the span that ends with it, and not in the one that begins with it", () => {
    expect(touched("2026-06-01T21:59:00Z", "2026-06-01T22:00:00Z")).toBe(true);
    expect(touched("2026-06-01T22:00:00Z", "2026-06-01T22:01:00Z")).toBe(false);
    expect(touched("2026-06-01T22:00:00Z", "2026-06-02T21:59:59.999Z")).toBe(false);
    expect(touched("2026-06-01T22:00:00Z", "2026-06-09T12:00:00Z")).toBe(true);
  });

  test("comes once on the days of 23 and of 25 hours", () => {
    expect(touched("2026-03-28T23:00:00Z", "2026-03-29T21:59:59.999Z")).toBe(false);
    expect(touched("2026-03-29T21:59:59.999Z", "2026-03-29T22:00:00Z")).toBe(true);
    expect(touched("2026-10-24T22:00:00Z", "2026-10-25T22:59:59.999Z")).toBe(false);
    expect(touched("2026-10-25T22:59:59.999Z", "2026-10-25T23:00:00Z")).toBe(true);
  });

  test("is the first instant of the day where a clock change skips it", () => {
    expect(touched("2026-09-06T03:59:00Z", "2026-09-06T04:00:00Z", "America/Santiago")).toBe(true);
    expect(touched("2026-09-06T04:00:00Z", "2026-09-06T05:00:00Z", "America/Santiago")).toBe(false);
  });

  test("comes once where a clock change goes back over it", () => {
    // 1 November 2009, 00:01 in St. John's: back to 23:01 on 31 October.
    expect(touched("2009-11-01T02:29:00Z", "2009-11-01T02:30:00Z", "America/St_Johns")).toBe(true);
    expect(touched("2009-11-01T02:30:00Z", "2009-11-01T06:00:00Z", "America/St_Johns")).toBe(false);
  });
});
