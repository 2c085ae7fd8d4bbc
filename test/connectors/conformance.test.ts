// The suite itself: every connector that ships is in it, and nobody is excepted from a case without a written reason.
import { readdirSync, readFileSync } from "node:fs";
import { expect, test } from "vitest";
import { cases } from "../../src/conformance/cases.ts";
import { connectorNames } from "../../src/connectors/catalogue.ts";
import { listExceptions } from "./exceptions.ts";

const page = readFileSync(new URL("../../docs/connectors/conformance.md", import.meta.url), "utf8");
const tests = readdirSync(new URL("./", import.meta.url))
  .filter((file) => file.endsWith(".test.ts"))
  .map((file) => readFileSync(new URL(file, import.meta.url), "utf8"));

/** The rows of the table whose head begins like this, cell by cell, without the backticks. */
function rowsBelow(head: string): string[][] {
  const lines = page.split("\n");
  const first = lines.findIndex((line) => line.replaceAll(/ +/g, " ").startsWith(head));
  const length = lines.slice(first).findIndex((line) => !line.startsWith("|"));
  return lines.slice(first + 2, first + length).map((line) =>
    line
      .split("|")
      .slice(1, -1)
      .map((cell) => cell.trim().replaceAll("`", "")),
  );
}

test("every connector that ships is held by it", () => {
  const called = new Set(
    tests.flatMap((text) => [...text.matchAll(/conforms\(\s*"([^",]+)/g)].map(([, name]) => name)),
  );
  // `http` is the language of documents: "made-up" in http.test.ts is one for each way of paging.
  // `inbox` asks nobody, so there is no system that could do any of it: test/connectors/inbox holds it to the contract.
  const wanted = connectorNames()
    .filter((name) => name !== "inbox")
    .map((name) => (name === "http" ? "made-up" : name));
  expect(wanted.filter((name) => !called.has(name))).toEqual([]);
});

test("an exception is of a case there is", () => {
  const keys = cases.map(({ key }) => key);
  expect(new Set(keys).size).toBe(keys.length);
  for (const { connector, cases: excepted } of listExceptions())
    expect(keys, connector).toEqual(expect.arrayContaining(excepted));
});

test("the page has every case with its sentence, and every exception with its reason", () => {
  expect(rowsBelow("| case | ")).toEqual(cases.map(({ key, title }) => [key, title]));
  expect(rowsBelow("| connector | cases | ")).toEqual(
    listExceptions().map(({ connector, cases: excepted, reason }) => [
      connector,
      excepted.join(", "),
      reason.replaceAll("`", ""),
    ]),
  );
});
