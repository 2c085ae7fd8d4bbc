import { describe, expect, test } from "vitest";
import { z } from "zod";
import { parseYaml } from "../../src/platform/documents/yaml.ts";
import { UsageError } from "../../src/platform/errors.ts";

const schema = z.strictObject({
  name: z.string("expected a name"),
  lists: z.array(z.strictObject({ size: z.int("expected a size") })).optional(),
  keys: z
    .record(
      z.string().regex(/^[a-z]+$/, "expected a key of letters"),
      z.strictObject({ a: z.int().optional() }),
    )
    .optional(),
});
const parse = (...lines: string[]) => parseYaml(lines.join("\n"), "doc.yaml", schema);
const messageOf = (...lines: string[]): string => {
  try {
    parse(...lines);
  } catch (error) {
    expect(error).toBeInstanceOf(UsageError);
    return (error as Error).message;
  }
  throw new Error("The document was accepted.");
};

describe("a document", () => {
  test("is given as its schema makes it, aliases resolved", () => {
    expect(parse("name: x", "keys: { a: &one { a: 1 }, b: *one }").value).toEqual({
      name: "x",
      keys: { a: { a: 1 }, b: { a: 1 } },
    });
  });

  test("names every problem with its line and key, in the order of the lines", () => {
    const message = messageOf(
      "# a comment",
      "keys:",
      "  a:",
      "    b: 1",
      "lists:",
      "  - size: 1",
      "  - size: big",
      "nme: x",
    );
    expect(message.split("\n")).toEqual([
      "doc.yaml:2: name: expected a name",
      "doc.yaml:4: keys.a.b: unknown key; expected one of a",
      "doc.yaml:7: lists.1.size: expected a size",
      "doc.yaml:8: nme: unknown key; expected one of name, lists, keys",
    ]);
  });

  test("whose key is not one says what was expected of it", () => {
    expect(messageOf("name: x", "keys:", "  Bad1: {}")).toBe(
      "doc.yaml:3: keys.Bad1: expected a key of letters",
    );
  });

  test.each([
    ["broken syntax", ["name: [x"], /^doc\.yaml:1: /],
    ["a key twice", ["name: x", "name: y"], /^doc\.yaml:2: Map keys must be unique/],
    ["two documents", ["name: x", "---", "name: y"], /^doc\.yaml:\d: /],
    ["nothing", [""], /^doc\.yaml:1: /],
    ["an unknown anchor", ["name: x", "keys: *nowhere"], /^doc\.yaml:\d: .*nowhere/],
    [
      "anchors within anchors without end",
      [
        "a: &a [x, x]",
        ...["b", "c", "d", "e"].map((key, n) => `${key}: &${key} [${`*${"abcd"[n]!},`.repeat(12)}]`),
      ],
      /^doc\.yaml:\d: /,
    ],
  ])("with %s is refused with file and line", (_what, lines, message) => {
    expect(messageOf(...lines)).toMatch(message);
  });

  test("can be refused later for what no schema sees, at the nearest line there is", () => {
    const { refuse } = parse("name: x", "keys:", "  a: {}");
    const problems = [
      { path: ["keys", "a", "missing"], message: "expected more" },
      { path: ["name"], message: "expected another" },
    ];
    expect(() => refuse(problems)).toThrow(
      new UsageError("doc.yaml:1: name: expected another\ndoc.yaml:3: keys.a.missing: expected more"),
    );
  });
});
