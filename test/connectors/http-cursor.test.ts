// How the cursor of a document's pull moves, as a table: one line for each kind of page.
import { describe, expect, test } from "vitest";
import { advance, type Cursor, enter, type Middle } from "../../src/connectors/http/cursor.ts";

const T1 = "2026-10-01T00:00:00.000Z";
const T2 = "2026-10-02T00:00:00.000Z";
const january = { since: "2026-01-01T00:00:00.000Z", until: "2026-02-01T00:00:00.000Z" };
const february = { since: "2026-02-01T00:00:00.000Z", until: "2026-03-01T00:00:00.000Z" };
const progress = { place: 2, pages: 1, position: 100, seen: 100, empty: 0 };
const at: Middle = {
  stream: "posts",
  full: true,
  began: T2,
  newest: null,
  parent: "a",
  spans: [january],
  progress: null,
  counted: 5,
};
const cursor: Cursor & { at: Middle } = { newest: { users: T1 }, at };
const users = { ...at, stream: "users", newest: null, parent: null, spans: [] };

describe("a page moves the cursor", () => {
  const ahead = { parent: "b", stream: "users" };
  const last = { parent: undefined, stream: "users" };
  const end = { parent: undefined, stream: undefined };
  const over = { newest: T1, total: 10, progress: undefined };
  test.each<
    [
      string,
      Cursor & { at: Middle },
      Parameters<typeof advance>[1],
      typeof ahead | typeof last | typeof end,
      Cursor,
    ]
  >([
    [
      "to the next page of the same listing",
      cursor,
      { newest: T1, total: 200, progress },
      ahead,
      { ...cursor, at: { ...at, newest: T1, progress } },
    ],
    [
      "to the next span, and counts the rows of the one that is over",
      { ...cursor, at: { ...at, spans: [january, february], progress } },
      over,
      ahead,
      { ...cursor, at: { ...at, newest: T1, spans: [february], counted: 15 } },
    ],
    [
      "to the next parent, whose spans are not known yet",
      { ...cursor, at: { ...at, progress } },
      over,
      ahead,
      { ...cursor, at: { ...at, newest: T1, parent: "b", spans: [], counted: 15 } },
    ],
    [
      "to the next stream, and stores the watermark of this one",
      cursor,
      over,
      last,
      { newest: { users: T1, posts: T1 }, at: { ...users, counted: 15 } },
    ],
    [
      "to the next stream without a watermark if no row had a date",
      cursor,
      { newest: null, total: undefined, progress: undefined },
      last,
      { newest: { users: T1 }, at: users },
    ],
    ["to the end after the last stream", cursor, over, end, { newest: { users: T1, posts: T1 }, at: null }],
  ])("%s", (_, before, page, next, after) => {
    const copy = structuredClone(before);
    expect(advance(before, page, next)).toEqual(after);
    expect(before, "advance must not change its argument").toEqual(copy);
  });
});

test("a parent that is entered keeps the position only if the cursor stands in it", () => {
  const middle = { ...at, progress };
  expect(enter(middle, { key: "a", isReal: true })).toEqual(middle);
  expect(enter(middle, { key: "b", isReal: true })).toEqual({
    ...middle,
    parent: "b",
    spans: [],
    progress: null,
  });
  expect(enter({ ...middle, parent: null }, { key: "", isReal: false })).toEqual({ ...middle, parent: null });
});
