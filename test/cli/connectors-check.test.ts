// standings connectors check: what a source would bring, told and not written.
import { randomBytes } from "node:crypto";
import { mkdtemp, rm, writeFile } from "node:fs/promises";
import { tmpdir } from "node:os";
import { join } from "node:path";
import { sql } from "drizzle-orm";
import { afterAll, afterEach, beforeAll, beforeEach, describe, expect, test } from "vitest";
import type { Database } from "../../db/client.ts";
import { HTML, send } from "../../src/conformance/server.ts";
import { openFetcher } from "../../src/connectors/client/fetcher.ts";
import { openContext } from "../../src/context.ts";
import { fetchSample, readSampledConnection } from "../../src/ingest/runs/sample.ts";
import { loadSources } from "../../src/ingest/sources.ts";
import { loadConfig } from "../../src/platform/config.ts";
import { openLog } from "../../src/platform/log.ts";
import { DOCUMENT, openReviews, SOURCES, TOKEN } from "../connectors/guide.ts";
import { openTestDatabase, type TestDatabase } from "../database.ts";
import { type Deployment, openDeployment, sync } from "../e2e/deployment.ts";
import { testPrefix } from "../redis.ts";
import { answerOf, callUnder } from "./calling.ts";
import { departures, documentedFields, type Seen } from "./reference.ts";

/** Documented fields that were printed with a value. */
const seen: Seen = new Set();

/** What a check shares with pulls, because the other system counts both. */
const SHARED = ["public.request_budgets", "public.derived_credentials"];

/** Every row of every table, as one digest a table. */
async function readTables(db: Database): Promise<Record<string, string>> {
  const tables = await db.execute<{ schema: string; name: string }>(sql`
    select schemaname as schema, tablename as name from pg_tables
    where schemaname not in ('pg_catalog', 'information_schema') order by 1, 2`);
  const digests: Record<string, string> = {};
  for (const { schema, name } of tables) {
    const [row] = await db.execute<{ digest: string }>(sql`
      select count(*) || ' ' || coalesce(md5(string_agg(whole::text, ' ' order by whole::text)), '') as digest
      from ${sql.identifier(schema)}.${sql.identifier(name)} as whole`);
    digests[`${schema}.${name}`] = row?.digest ?? "";
  }
  return digests;
}

async function changedBy(db: Database, work: () => Promise<unknown>): Promise<string[]> {
  const before = await readTables(db);
  await work();
  const after = await readTables(db);
  return Object.keys(after).filter((name) => before[name] !== after[name]);
}

const PROGRAMME = `programme: Reviewed
time-zone: Europe/Amsterdam
perfect: 12
evidence: { review: Review }
achievements:
  reviewed:
    title: Reviewed
    hint: Be reviewed.
    evidence: review
    measure: count
    window: ever
    award: { each: 4, cap: 12 }
`;

describe("connectors check, of a made-up system", () => {
  let database: TestDatabase;
  let bench: Awaited<ReturnType<typeof openReviews>>;
  let home: string;
  let env: Record<string, string>;
  const call = (...args: string[]) => callUnder(env, ...args);
  const file = (name: string, text: string) => writeFile(join(home, name), text);

  beforeEach(async () => {
    database = await openTestDatabase({ max: 3 });
    bench = await openReviews();
    home = await mkdtemp(join(tmpdir(), "standings-check-"));
    env = {
      DATABASE_URL: database.url,
      REDIS_URL: "",
      STANDINGS_SECRET_KEY: randomBytes(32).toString("base64"),
      STANDINGS_HOME: home,
      STANDINGS_SOURCES: join(home, "sources.yaml"),
      STANDINGS_PREFIX: testPrefix(),
    };
    const sources = SOURCES.replace("https://api.reviews.example", bench.server.url);
    await file("sources.yaml", `allow-private: ["${bench.server.host}"]\n${sources}`);
    await file("reviews.yaml", DOCUMENT);
    await file("connections.csv", `key,secret\nmain,${TOKEN}\n`);
    await file("partners.csv", "slug,name,identities\nacme,Acme,domain:acme.example\n");
    await file("programme.yaml", PROGRAMME);
  });

  afterEach(async () => {
    await bench.server.close();
    await database.close();
    await rm(home, { recursive: true, force: true });
  });

  async function connect(): Promise<void> {
    await answerOf(env, "partners", "import", join(home, "partners.csv"));
    await answerOf(env, "publish", join(home, "programme.yaml"));
    await answerOf(env, "connections", "import", "reviews", join(home, "connections.csv"));
    bench.server.asked.length = 0;
  }

  test("proves the credential, asks for one page, and tells of five rows whose they would be and what they would bring", async () => {
    const [first, second, third, fourth, fifth] = bench.holding.rows;
    Object.assign(first!, { created_at: "2026-10-01T08:15:00Z" });
    Object.assign(second!, {
      created_at: "2026-10-01T08:16:00Z",
      agency: { website: "https://brightly.example" },
    });
    Object.assign(third!, { created_at: "yesterday" });
    Object.assign(fourth!, { created_at: "2027-10-01T08:16:00Z" });
    Object.assign(fifth!, { state: "draft" });
    await connect();
    const { code, stdout, stderr } = await call("connectors", "check", "reviews");
    expect([code, stderr]).toEqual([0, ""]);
    expect(stdout.split("\n").map((line) => line.replaceAll(/ {2,}/g, "  "))).toEqual([
      "ok  reviews/main: Anna, large plan",
      "",
      "ok  reviews: 50 rows, 48 pieces of evidence, 1 that cannot be read on the first page",
      "kind  external id  occurred at (UTC)  quantity  partner  points",
      expect.stringMatching(/^─+ /) as string,
      "review  reviews/72  2026-10-01T08:16:00  1  no partner (domain:brightly.example)  alone +4  reviewed",
      "review  reviews/71  2026-10-01T08:15:00  1  acme  +4  reviewed",
      ...["76", "77", "78"].map((id) => `review  reviews/${id}  2026-09-30T08:15:00  1  acme  +4  reviewed`),
      "Would be quarantined:",
      expect.stringMatching(/^ {2}reviews\/73: reviews\/73: created_at is no date$/) as string,
      "",
      "no partner has domain:brightly.example; add it with: standings identities add <partner> domain brightly.example",
      "",
      "Nothing is written.",
      "",
    ]);
    expect(bench.server.asked.map(({ path }) => path)).toEqual(["/v2/me", "/v2/reviews"]);
    expect(stdout).not.toContain(TOKEN);
  });

  test("what is stored already, or is of a kind nobody asks for, says so", async () => {
    await connect();
    await answerOf(env, "sync", "reviews");
    const one = JSON.parse(await answerOf(env, "connectors", "check", "reviews", "--json")) as {
      streams: { facts: { stored: boolean; points: number }[] }[];
    };
    expect(one.streams[0]!.facts.map(({ stored, points }) => [stored, points])).toEqual(
      Array.from({ length: 5 }, () => [true, 0]),
    );
    await file("reviews.yaml", DOCUMENT.replace("kind: review", "kind: rating"));
    const said = await answerOf(env, "connectors", "check", "reviews");
    expect(said).toContain("stored already");
    expect(said).toContain("No achievement of the programme in force asks for rating.");
  });

  test("writes nothing: not before the source is known, not when its document has changed", async () => {
    await answerOf(env, "migrate");
    await file("reviews.yaml", DOCUMENT.replace("auth: { type: bearer }", "auth: { type: none }"));
    const unknown = () => call("connectors", "check", "reviews");
    expect(await changedBy(database.db, unknown)).toEqual([]);
    await file("reviews.yaml", DOCUMENT);
    await connect();
    await answerOf(env, "sync", "reviews");
    await file(
      "reviews.yaml",
      DOCUMENT.replace('version: "1"', 'version: "2"\nlimits: { budget: { requests: 50, per: 1 minute } }'),
    );
    const changed = await changedBy(database.db, () => answerOf(env, "connectors", "check", "reviews"));
    expect(changed).toEqual(["public.request_budgets"]);
    expect(SHARED).toEqual(expect.arrayContaining(changed));
    // A command that pulls begins anew with the changed document, so the comparison sees what a check must not do.
    expect(await changedBy(database.db, () => answerOf(env, "ranking"))).toContain("public.connections");
  });

  test("without a programme the points are not known, and the rest is", async () => {
    await answerOf(env, "connections", "import", "reviews", join(home, "connections.csv"));
    expect(await answerOf(env, "connectors", "check", "reviews")).toMatch(/reviews\/71 .* no programme/);
  });

  test("an external id that is a person's address is not shown", async () => {
    await connect();
    await file(
      "reviews.yaml",
      DOCUMENT.replace("      kind: review", '      kind: review\n      external-id: "{author.email}/{id}"'),
    );
    const said = await answerOf(env, "connectors", "check", "reviews");
    expect(said).not.toContain("ben@");
    expect(said).toMatch(/review {2}[\da-f]{12}\/71 /);
  });

  test("a wrong call ends with 2, and names what there is", async () => {
    await connect();
    const unknown = await call("connectors", "check", "review");
    expect([unknown.code, unknown.stderr]).toEqual([
      2,
      "standings: there is no source review; expected one of reviews\n",
    ]);
    const other = await call("connectors", "check", "reviews", "--connection", "second");
    expect([other.code, other.stderr]).toEqual([2, "standings: source reviews has no connection second\n"]);
  });

  test("a secret that is missing or refused ends with 1, with its class and what to do", async () => {
    const missing = await call("connectors", "check", "reviews");
    expect([missing.code, missing.stdout]).toEqual([
      1,
      expect.stringMatching(
        /^FAIL {2}reviews\/main: connection main has no secret, and reviews needs one; import a new credential with: standings connections import reviews connections\.csv\n/,
      ),
    ]);
    await file("connections.csv", "key,secret\nmain,another\n");
    await connect();
    const refused = await call("connectors", "check", "reviews", "--json");
    expect(refused.code).toBe(1);
    const shown = JSON.parse(refused.stdout) as object;
    expect(shown).toMatchObject({ ok: false, class: "auth", streams: [] });
    expect(departures("A check", shown, seen)).toEqual([]);
  });

  test("a page that fails is told with its class, whatever the check of the credential said", async () => {
    await connect();
    const failures: [Parameters<typeof bench.server.breakFrom>[1], string, RegExp][] = [
      [
        (response) => {
          send(response, { headers: { "content-type": "text/html" }, body: HTML });
        },
        "transient",
        /a web page|HTML/i,
      ],
      [
        (response) => {
          send(response, { status: 429, headers: { "retry-after": "3600" }, body: "{}" });
        },
        "quota",
        /the source asks us to wait 1 h/,
      ],
      [
        (response) => {
          send(response, { body: '{"data":"none"}' });
        },
        "data",
        /compare them with the system's export/,
      ],
    ];
    for (const [fault, errorClass, message] of failures) {
      bench.server.breakFrom(2, fault);
      const { code, stdout } = await call("connectors", "check", "reviews", "--json");
      const shown = JSON.parse(stdout) as { streams: object[] };
      expect([code, shown]).toMatchObject([1, { ok: false, class: null, streams: [{ class: errorClass }] }]);
      expect(shown.streams[0]).toMatchObject({ message: expect.stringMatching(message) as string });
    }
  });

  test("a page that takes too long is given up, as in a pull", async () => {
    await connect();
    const sources = await loadSources(env["STANDINGS_SOURCES"]!);
    const context = await openContext(loadConfig(env), sources, openLog("silent"), { registers: false });
    const limits = { connectMs: 1000, headersMs: 1000, bodyMs: 1000, wholeMs: 300 };
    const fetcher = openFetcher({ allowPrivate: [bench.server.host], userAgent: "standings-test", limits });
    bench.server.breakFrom(2, (response) => {
      response.writeHead(200, { "content-type": "application/json" }).write("[");
    });
    const [source] = sources.sources;
    const connection = await readSampledConnection(context.db, source!, undefined);
    const parts = { ...context, fetcher, signal: new AbortController().signal };
    const { checked, listings } = await fetchSample(parts, source!, connection);
    expect(checked).toBe("Anna, large plan");
    expect(listings).toMatchObject([{ name: "reviews", page: { class: "transient" } }]);
    const interrupted = AbortSignal.abort(new Error("interrupted"));
    await expect(fetchSample({ ...parts, signal: interrupted }, source!, connection)).rejects.toThrow(
      "interrupted",
    );
    await fetcher.close();
    await context.close();
  });

  test("a page of which too much cannot be read is what a run would stop at", async () => {
    await connect();
    for (const row of bench.holding.rows.slice(0, 6)) row["created_at"] = null;
    const { code, stdout } = await call("connectors", "check", "reviews");
    expect(code).toBe(1);
    expect(stdout).toContain("6 of 50 rows cannot be read: a run in which so many are would stop");
    expect(stdout).toContain("  … and 1 more");
    const asJson = JSON.parse((await call("connectors", "check", "reviews", "--json")).stdout) as unknown;
    expect(departures("A check", asJson, seen)).toEqual([]);
  });
});

describe("connectors check, of every source of the example", () => {
  let open: Deployment;
  beforeAll(async () => {
    open = await openDeployment("postgres");
  });
  afterAll(async () => {
    await open.close();
  });

  test("tells a page of each stream in the documented shape, and changes no table but what it shares", async () => {
    await sync(open.context, ["blog"]);
    for (const { key } of open.context.sources.sources) {
      const args = ["connectors", "check", key, "--json"];
      let shown: { streams: { name: string; facts: { points: number }[] }[] } | undefined;
      const changed = await changedBy(open.context.db, async () => {
        shown = JSON.parse(await answerOf(open.env, ...args)) as typeof shown;
      });
      expect(changed.filter((name) => !SHARED.includes(name))).toEqual([]);
      expect(departures("A check", shown, seen)).toEqual([]);
      expect(shown?.streams.map(({ name }) => name)).toEqual(
        key === "copernica" ? ["consumption", "html", "dragAndDrop"] : [key],
      );
      expect(shown?.streams.flatMap(({ facts }) => facts).length, key).toBeGreaterThan(0);
    }
  });
});

test("every field of a check that is documented was printed with a value", () => {
  const shapes = /^(A check|A stream|A sampled fact|A refused row)\./;
  const documented = documentedFields().filter((field) => shapes.test(field));
  expect(documented.length).toBeGreaterThan(20);
  expect(documented.filter((field) => !seen.has(field))).toEqual([]);
});
