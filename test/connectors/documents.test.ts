// Every document that ships: whole, found by its name, and explained.
import { existsSync, readFileSync } from "node:fs";
import { describe, expect, test } from "vitest";
import { z } from "zod";
import { connectorNames, documentNames, findConnector } from "../../src/connectors/catalogue.ts";

const read = (path: string) => readFileSync(new URL(`../../${path}`, import.meta.url), "utf8");

describe.each(documentNames())("the document %s", (name) => {
  test("is a connector, by the name it gives itself", () => {
    expect(connectorNames()).toContain(name);
    expect(findConnector(name)?.revision).toMatch(/^[\da-f]{16}$/);
    expect(read(`src/connectors/documents/${name}.yaml`)).toMatch(new RegExp(`^id: ${name}$`, "m"));
  });

  test("has a page, with its settings and their defaults", () => {
    const page = read(`docs/connectors/${name}.md`);
    const rows = [...page.matchAll(/^\| `([^`]+)` *\| ([^|]+?) *\|/gm)];
    const documented = Object.fromEntries(
      rows.map(([, key = "", value = ""]) => [key, value.replaceAll("`", "")]),
    );
    const { properties = {}, required = [] } = z.toJSONSchema(findConnector(name)!.settings, {
      io: "input",
    }) as {
      properties?: Record<string, { default?: string | number | boolean }>;
      required?: string[];
    };
    const expected = Object.entries(properties).map(([key, { default: value }]) => {
      return [key, required.includes(key) ? "required" : value === undefined ? "none" : String(value)];
    });
    expect(documented).toEqual(Object.fromEntries(expected));
  });

  test("is in the table of connectors, and is held by the conformance suite", () => {
    expect(read("docs/connectors/README.md")).toContain(`[\`${name}\`](${name}.md)`);
    const tested = new URL(`./${name}.test.ts`, import.meta.url);
    expect(existsSync(tested) && readFileSync(tested, "utf8").includes("conforms(")).toBe(true);
  });
});

test("a name that leads elsewhere is no connector", () => {
  for (const name of ["../documents/ghost", "constructor", "http", ""])
    expect(findConnector(name)).toBeUndefined();
});
