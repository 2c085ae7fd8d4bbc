import { describe, expect, test } from "vitest";
import { duration, formatDuration } from "../../src/platform/durations.ts";

describe("a span of time", () => {
  test.each([
    ["1 second", 1000],
    ["30 seconds", 30_000],
    ["5 minutes", 300_000],
    ["1 hour", 3_600_000],
    ["14 days", 1_209_600_000],
  ])("%s is %d ms", (text, ms) => {
    expect(duration.parse(text)).toBe(ms);
  });

  test.each(["", "5", "0 minutes", "-1 day", "1.5 hours", "5m", "5  minutes", "1 week", " 1 day", "1 day "])(
    "%j is refused with an example",
    (text) => {
      expect(() => duration.parse(text)).toThrow(/expected a span such as/);
    },
  );

  test("a number is refused with the same example", () => {
    expect(() => duration.parse(5)).toThrow(/expected a span such as/);
  });

  test.each([
    [-5, "0 s"],
    [0, "0 s"],
    [1499, "1 s"],
    [59_499, "59 s"],
    [59_500, "1 min"],
    [200_000, "3 min 20 s"],
    [3_599_600, "1 h"],
    [7_500_000, "2 h 5 min"],
    [172_799_000, "47 h 59 min"],
    [172_800_000, "2 d"],
    [180_000_000, "2 d 2 h"],
  ])("%d ms are shown as %s", (ms, text) => {
    expect(formatDuration(ms)).toBe(text);
  });
});
