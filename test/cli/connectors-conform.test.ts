// standings connectors conform: the suite over a document of a user's own, on the answers that were recorded.
import { mkdtemp, readFile, rm, writeFile } from "node:fs/promises";
import { tmpdir } from "node:os";
import { join } from "node:path";
import { afterAll, beforeAll, describe, expect, test } from "vitest";
import { type CaseOutcome, conform } from "../../src/conformance/conform.ts";
import { DOCUMENT } from "../connectors/guide.ts";
import { callUnder } from "./calling.ts";
import { departures, documentedFields, type Seen } from "./reference.ts";

const page = await readFile(new URL("../../docs/connectors/conformance.md", import.meta.url), "utf8");
const FIXTURE = /^```yaml\n(# reviews\.fixture\.yaml[\s\S]*?)^```$/m.exec(page)![1]!;

let home: string;
beforeAll(async () => {
  home = await mkdtemp(join(tmpdir(), "standings-conform-"));
  await writeFile(join(home, "reviews.yaml"), DOCUMENT);
  await writeFile(join(home, "reviews.fixture.yaml"), FIXTURE);
});
afterAll(async () => {
  await rm(home, { recursive: true });
});

/** Nobody's database: the command opens none. */
const env = { DATABASE_URL: "postgres://nobody@127.0.0.1:1/none", STANDINGS_SECRET_KEY: "" };
const at = (name: string) => join(home, name);

async function outcomesOf(document: string, fixture = FIXTURE): Promise<CaseOutcome[]> {
  const texts = {
    document: { text: document, file: "reviews.yaml" },
    fixture: { text: fixture, file: "reviews.fixture.yaml" },
  };
  return conform(texts, () => undefined);
}

const failed = (outcomes: CaseOutcome[]) => outcomes.filter(({ outcome }) => outcome === "failed");

describe("connectors conform", () => {
  test("holds for the document and the fixture that the guides show, and says what cannot be tried", async () => {
    const { code, stdout } = await callUnder(
      env,
      ...["connectors", "conform", at("reviews.yaml"), "--fixture", at("reviews.fixture.yaml")],
    );
    const lines = stdout.trimEnd().split("\n");
    expect(lines.filter((line) => line.startsWith("FAIL"))).toEqual([]);
    expect(code).toBe(0);
    expect(lines.filter((line) => line.startsWith("- "))).toHaveLength(1);
    expect(lines.at(-1)).toMatch(/^\d\d cases hold, 0 fail, 1 cannot be tried\.$/);
  });

  test("ends with 1 where a case fails, and says the same as JSON", async () => {
    await writeFile(at("wrong.yaml"), DOCUMENT.replace("created_at\n", "created\n"));
    const args = [
      "connectors",
      "conform",
      at("wrong.yaml"),
      "--fixture",
      at("reviews.fixture.yaml"),
      "--json",
    ];
    const { code, stdout } = await callUnder(env, ...args);
    const shown = JSON.parse(stdout) as { cases: CaseOutcome[] };
    expect(code).toBe(1);
    const seen: Seen = new Set();
    expect(departures("A trial", shown, seen)).toEqual([]);
    expect(
      documentedFields().filter((field) => /^(A trial|A case)\./.test(field) && !seen.has(field)),
    ).toEqual([]);
    expect(failed(shown.cases)[0]).toMatchObject({
      case: "readable",
      reason: "reviews/71 would be quarantined: reviews/71: no date of what happened",
    });
  });

  test("ends with 2 for a file that is none", async () => {
    const args = ["connectors", "conform", at("reviews.yaml"), "--fixture", at("none.yaml")];
    const { code, stderr } = await callUnder(env, ...args);
    expect([code, stderr]).toEqual([2, expect.stringContaining("none.yaml: cannot be read (ENOENT)")]);
  });
});

/** The document with a change that must be in it. */
function changed(...changes: [string, string][]): string {
  return changes.reduce((text, [from, to]) => {
    if (!text.includes(from)) throw new Error(`the guide's document does not say ${from}`);
    return text.replace(from, to);
  }, DOCUMENT);
}

describe("a mistake of a document", () => {
  test.each([
    ["meta.total", "meta.count", "has nothing at meta.count, where the document looks"],
    ["next: meta.next_cursor", "next: meta.next", "has nothing at meta.next, where the document looks"],
    ["records: data", "records: items", "has no rows at items"],
    ["path: /reviews", "path: /ratings", "has no answer for GET /ratings, which the stream reviews asks for"],
  ])("%s as %s is refused before a case is tried", async (from, to, why) => {
    await expect(outcomesOf(changed([from, to]))).rejects.toThrow(why);
  });

  test.each([
    ["field: updated_at", "field: changed_at", "readable", /no date at changed_at/],
    [
      "stars: number",
      "stars: boolean",
      "readable",
      /reviews\/71 would be quarantined: .*stars is no boolean/,
    ],
    ["state: published", "state: public", "readable", /no row is evidence/],
    [
      "kind: review",
      'kind: review\n      external-id: "{agency.website}"',
      "readable",
      /two rows are one piece of evidence, https:\/\/www\.acme\.example/,
    ],
    ["path: /me", "path: /you", "check", /404/],
    ["look-back: 2 hours", "look-back: 2 hours\n      request: { query: { since_id: 9 } }", "none", /./],
  ])("%s as %s fails the case that is about it", async (from, to, key, why) => {
    const wrong = failed(await outcomesOf(changed([from, to])));
    if (key === "none") expect(wrong).toEqual([]);
    else expect(wrong.find((one) => one.case === key)?.reason).toMatch(why);
  });
});

const PAGING = "paging: { type: cursor, parameter: cursor, next: meta.next_cursor }";
const HEADERS = "total: { header: X-Total }";

describe("a fixture stands for a system that", () => {
  test.each<[string, [string, string][], string?]>([
    ["counts pages", [[PAGING, "paging: { type: page }"]]],
    [
      "counts pages from 0 and says how many",
      [[PAGING, "paging: { type: page, first: 0, last-page: meta.pages }"]],
    ],
    ["counts rows", [[PAGING, "paging: { type: offset, parameter: start }"]]],
    ["links to the next page", [[PAGING, "paging: { type: next-url, next: meta.next_cursor }"]]],
    [
      "links in a header",
      [
        [PAGING, "paging: { type: link-header }"],
        ["total: meta.total", HEADERS],
      ],
    ],
    ["goes on after a row", [[PAGING, "paging: { type: keyset, parameter: after, field: id }"]]],
    ["goes on at a row", [[PAGING, "paging: { type: keyset, parameter: from, field: id, inclusive: true }"]]],
    ["gives all at once", [[PAGING, "paging: { type: none }"]]],
    [
      "posts, and has the place in the body",
      [
        ["path: /reviews", "path: /reviews\n      method: POST\n      body: { kind: all }"],
        [PAGING, "paging: { type: offset, parameter: page.from, in: body }"],
      ],
      FIXTURE.replace("GET /reviews", "POST /reviews"),
    ],
    [
      "wants a token for two parts",
      [
        ["{ type: bearer }", '{ type: client-credentials, url: "https://login.example/token" }'],
        ["auth:", "secret: { fields: [client-id, client-secret] }\nauth:"],
      ],
      FIXTURE.replace("rv_live_0123456789", `'{"client-id":"a1b2","client-secret":"s3cr3t-0123"}'`),
    ],
    ["wants a signed token", [["{ type: bearer }", "{ type: signed-jwt, algorithm: HS256 }"]]],
    ["has a fixed address", [['"{$settings.url}/v2"', "https://api.reviews.example/v2"]]],
    [
      "writes local times",
      [["occurred-at: created_at", "occurred-at: created_at\n      time-zone: Europe/Amsterdam"]],
      FIXTURE.replaceAll(/(created_at: "[^"]*)Z"/g, '$1"'),
    ],
    [
      "lists by others",
      [
        ["streams:\n", "streams:\n  shops: { request: { path: /shops } }\n"],
        [
          "request:\n      path: /reviews",
          'for-each: shops\n    request:\n      path: "/shops/{$parent.id}/reviews"',
        ],
      ],
      FIXTURE.replace("GET /reviews", "GET /shops: [{ id: 7 }, { id: 8 }]\n  GET /shops/7/reviews"),
    ],
  ])("%s", async (what, changes, fixture = FIXTURE) => {
    const whole = what.includes("says how many") ? fixture.replace("meta: {", "meta: { pages: 3,") : fixture;
    const outcomes = await outcomesOf(changed(...changes), whole);
    expect(failed(outcomes)).toEqual([]);
    const untried = outcomes.filter(({ outcome }) => outcome === "untried").map((one) => one.case);
    expect(untried).toEqual([
      ...(what === "gives all at once" ? ["page-not-full"] : []),
      ...(["gives all at once", "goes on at a row"].includes(what) ? ["endless"] : []),
      ...(what === "writes local times" ? [] : ["clock-change"]),
    ]);
  });
});
