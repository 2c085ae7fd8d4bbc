// docs/configuration.md names every variable and every key there is, with its default, and none that is not.
import { readFileSync } from "node:fs";
import ts from "typescript";
import { describe, expect, test } from "vitest";
import { z } from "zod";
import { connectors } from "../../src/connectors/catalogue.ts";
import { parseSources } from "../../src/ingest/sources.ts";
import { loadConfig } from "../../src/platform/config.ts";
import { nodesOf } from "./tree.ts";

const read = (path: string) => readFileSync(new URL(`../../${path}`, import.meta.url), "utf8");
const page = read("docs/configuration.md");

/** Rows of the table below a heading: what is in the first column and in the second, without the backticks. */
function rowsBelow(heading: string): Record<string, string> {
  const [, section = ""] = page.split(`\n${heading}\n`);
  const rows = section.split(/\n#+ /)[0]?.matchAll(/^\| `([^`]+)` *\| ([^|]+?) *\|/gm) ?? [];
  return Object.fromEntries(
    [...rows].map(([, key = "", value = ""]) => [key, value.replace(/^`(.*)`$/, "$1")]),
  );
}

/** The object literal a constant's zod schema is made of: key to the schema's text. */
function schemaOf(path: string, constant: string): Record<string, string> {
  const source = ts.createSourceFile(path, read(path), ts.ScriptTarget.Latest, true);
  const declaration = nodesOf(source).find(
    (node) => ts.isVariableDeclaration(node) && node.name.getText() === constant,
  );
  const literal = declaration && nodesOf(declaration).find(ts.isObjectLiteralExpression);
  if (literal === undefined) throw new Error(`${path} has no schema ${constant} any more`);
  return keysIn(literal, "");
}

function keysIn(literal: ts.ObjectLiteralExpression, prefix: string): Record<string, string> {
  const keys: Record<string, string> = {};
  for (const property of literal.properties) {
    if (!ts.isPropertyAssignment(property)) throw new Error(`${property.getText()} is no plain key`);
    const key = prefix + property.name.getText().replaceAll('"', "");
    const text = property.initializer.getText();
    const inner = /^z\s*\.strictObject\(/.test(text)
      ? nodesOf(property.initializer).find(ts.isObjectLiteralExpression)
      : undefined;
    if (inner === undefined) keys[key] = text;
    else Object.assign(keys, keysIn(inner, `${key}.`));
  }
  return keys;
}

test("the page names every variable of the environment with its default", () => {
  const documented = rowsBelow("## The environment");
  const schema = schemaOf("src/platform/config.ts", "environment");
  expect(Object.keys(documented).sort()).toEqual(Object.keys(schema).sort());
  const { home, prefix, host, port, poolSize, leaseMs, ...absent } = loadConfig({});
  expect(documented).toEqual({
    ...Object.fromEntries(Object.keys(schema).map((name) => [name, "none"])),
    STANDINGS_HOME: home.split(/[/\\]/).at(-1),
    STANDINGS_PREFIX: prefix,
    STANDINGS_HOST: host,
    STANDINGS_PORT: String(port),
    STANDINGS_POOL: String(poolSize),
    STANDINGS_LEASE_MS: String(leaseMs),
  });
  expect(Object.values(absent)).toEqual(Object.values(absent).map(() => undefined));
});

test("the page names every key of sources.yaml", () => {
  expect(Object.keys(rowsBelow("## sources.yaml")).sort()).toEqual(
    Object.keys(schemaOf("src/ingest/sources.ts", "fileSchema")).sort(),
  );
  expect(Object.keys(rowsBelow("### A source")).sort()).toEqual(
    Object.keys(schemaOf("src/ingest/sources.ts", "sourceSchema")).sort(),
  );
});

test("the page's defaults of sources.yaml are those of a file that leaves them out", () => {
  const file = rowsBelow("## sources.yaml");
  const source = rowsBelow("### A source");
  const parsed = parseSources(
    "sources: { posts: { connector: wordpress, every: 10 minutes, settings: { url: 'https://a.example', attribution: { by: tag, namespace: a } } } }",
    "sources.yaml",
  );
  const [hour, minute] = (file["reconcile.at"] ?? "").split(":").map(Number);
  expect(parsed).toMatchObject({
    allowPrivate: JSON.parse(file["allow-private"] ?? "") as unknown,
    reconcile: { pattern: `0 ${minute} ${hour} * * *`, timeZone: file["reconcile.time-zone"] },
    sources: [{ concurrency: Number(source["concurrency"]), limit: undefined, freshWithinMs: 3 * 600_000 }],
  });
  expect(source["fresh-within"]).toBe("three times `every`");
  for (const needed of ["connector", "every"]) {
    expect(source[needed]).toBe("required");
    const rest = { connector: "wordpress", every: "1 minute", [needed]: undefined };
    expect(() => parseSources(`sources: { posts: ${JSON.stringify(rest)} }`, "sources.yaml")).toThrow(needed);
  }
});

interface JsonSchema {
  properties?: Record<string, JsonSchema>;
  required?: string[];
  default?: unknown;
}

/** Leaves by dotted path, each with what the page should say of its default. */
function defaultsOf({ properties = {}, required = [] }: JsonSchema, prefix = ""): Record<string, string> {
  const found: Record<string, string> = {};
  for (const [key, schema] of Object.entries(properties)) {
    if (schema.properties !== undefined) Object.assign(found, defaultsOf(schema, `${prefix}${key}.`));
    else if (schema.default === "") found[prefix + key] = "empty";
    else if (typeof schema.default === "string") found[prefix + key] = schema.default;
    else if (schema.default !== undefined) found[prefix + key] = JSON.stringify(schema.default);
    else found[prefix + key] = required.includes(key) ? "required" : "none";
  }
  return found;
}

describe("settings", () => {
  test.each(Object.entries(connectors))(
    "of %s are on the page, each with its default",
    (name, { settings }) => {
      const schema = z.toJSONSchema(settings, { io: "input" }) as JsonSchema;
      expect(rowsBelow(`### Settings of \`${name}\``)).toEqual(defaultsOf(schema));
    },
  );
});
