// The quick way from local times to instants, held against Temporal's.
import fc from "fast-check";
import { Temporal } from "temporal-polyfill";
import { describe, expect, test } from "vitest";
import { instantOfLocalTime } from "../../src/connectors/local-time.ts";

const zones = [
  "UTC",
  "Europe/Amsterdam",
  "America/Santiago",
  "Africa/Cairo",
  "Australia/Lord_Howe",
  "Asia/Kathmandu",
  "Pacific/Apia",
];
// Days on which a clock changes in one of the zones, some of them at midnight, and a day that Apia never had.
const days = [
  "2026-03-29",
  "2026-10-25",
  "2026-04-05",
  "2024-04-26",
  "2024-10-31",
  "2026-09-06",
  "2011-12-30",
];

const aDate = fc.oneof(
  fc
    .constantFrom(...days)
    .chain((day) =>
      fc
        .integer({ min: -1, max: 1 })
        .map((nudge) => Temporal.PlainDate.from(day).add({ days: nudge }).toString()),
    ),
  fc
    .integer({ min: 0, max: 90_000 })
    .map((n) => Temporal.PlainDate.from("1950-01-01").add({ days: n }).toString()),
);
const two = (most: number) => fc.integer({ min: 0, max: most }).map((n) => String(n).padStart(2, "0"));
const aTime = fc
  .tuple(two(23), two(59), fc.option(fc.tuple(two(59), fc.option(fc.stringMatching(/^\d{1,9}$/)))))
  .map(([hours, minutes, rest]) => {
    const seconds = rest === null ? "" : `:${rest[0]}${rest[1] === null ? "" : `.${rest[1]}`}`;
    return `${hours}:${minutes}${seconds}`;
  });

describe("the instant of a local time", () => {
  test("is Temporal's, on ordinary days and on those on which a clock changes", () => {
    const property = fc.property(
      fc.constantFrom(...zones),
      aDate,
      fc.constantFrom("T", " "),
      aTime,
      (zone, date, gap, time) => {
        const text = `${date}${gap}${time}`;
        const expected = Temporal.PlainDateTime.from(text).toZonedDateTime(zone).epochMilliseconds;
        expect(instantOfLocalTime(text, zone).getTime()).toBe(expected);
      },
    );
    fc.assert(property, { numRuns: 3000 });
  });

  test.each([
    "2026-02-30 10:00",
    "2026-13-01 10:00",
    "2026-01-01 24:00",
    "2026-01-01 10:60",
    "2026-01-01 10:00 x",
  ])("%s is none", (text) => {
    expect(() => instantOfLocalTime(text, "Europe/Amsterdam")).toThrow(RangeError);
  });
});
