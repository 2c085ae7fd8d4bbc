import { describe, expect, test } from "vitest";
import { parseCsv } from "../../src/platform/csv.ts";
import { UsageError } from "../../src/platform/errors.ts";

const parse = (text: string) => parseCsv(text, "list.csv", ["slug", "name"], ["website"]);

describe("reading a CSV", () => {
  test("gives trimmed values by column, with the line a row begins on", () => {
    const text = 'slug , name\r\n a , Alpha \r\n\r\n"b","Be\nta ""X"""\r\nc,\r\n';
    expect(parse(text)).toEqual([
      { line: 2, values: { slug: "a", name: "Alpha" } },
      { line: 4, values: { slug: "b", name: 'Be\nta "X"' } },
      { line: 6, values: { slug: "c", name: "" } },
    ]);
  });

  test("takes columns in any order, a byte-order mark and no rows at all", () => {
    expect(parse("\ufeffwebsite,name,slug\nhttps://a.example,A,a")).toEqual([
      { line: 2, values: { website: "https://a.example", name: "A", slug: "a" } },
    ]);
    expect(parse("slug,name")).toEqual([]);
  });

  test.each([
    ["an empty file", "", "list.csv:1: column slug, name is missing; expected slug, name, website"],
    ["a missing column", "slug\na", "list.csv:1: column name is missing; expected slug, name, website"],
    [
      "a misspelt column",
      "slug,name,web site\na,b,c",
      "list.csv:1: column web site is unknown; expected slug, name, website",
    ],
    [
      "semicolons",
      "slug;name\na;b",
      "list.csv:1: column slug, name is missing and column slug;name is unknown; expected slug, name, website",
    ],
    [
      "a column twice",
      "slug,name,name\na,b,c",
      "list.csv:1: column name is there twice; expected slug, name, website",
    ],
    ["a short row", "slug,name\na,b\nc", "list.csv:3: Invalid Record Length: expect 2, got 1 on line 3"],
    ["a long row", "slug,name\na,b,c", "list.csv:2: Invalid Record Length: expect 2, got 3 on line 2"],
    ["NUL", "slug,name\na,b\nc,d\0", "list.csv:3: expected text without NUL"],
  ])("refuses %s with its line", (_what, text, message) => {
    expect(() => parse(text)).toThrow(new UsageError(message));
  });

  test("refuses quotes that do not close where they are", () => {
    expect(() => parse('slug,name\na,"b\nc,d')).toThrow(/^list\.csv:\d: Quote Not Closed/);
    expect(() => parse('slug,name\na,"b"x')).toThrow(/^list\.csv:2: Invalid Closing Quote/);
  });
});
