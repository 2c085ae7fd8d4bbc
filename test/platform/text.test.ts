// Texts that Postgres can store.
import { expect, test } from "vitest";
import { storable } from "../../src/platform/text.ts";

test.each([
  ["a short text stays", "Grüße 🎉", 100, "Grüße 🎉"],
  ["a long text is cut", "abcdef", 3, "abc"],
  ["a cut surrogate pair is replaced", "ab🎉", 3, "ab\uFFFD"],
  ["a half surrogate is replaced", "a\uD83Cb", 10, "a\uFFFDb"],
  ["NUL is removed before the cut", "a\0b\0cd", 3, "abc"],
])("%s", (_, text, most, stored) => {
  expect(storable(text, most)).toBe(stored);
});
