// standings doctor: what is well, and what is not with its remedy.

import { writeFile } from "node:fs/promises";
import { join } from "node:path";
import { sql } from "drizzle-orm";
import { afterAll, afterEach, beforeAll, describe, expect, test } from "vitest";
import { type Deployment, openDeployment } from "../e2e/deployment.ts";
import { answerOf, callUnder } from "./calling.ts";
import { departures, documentedFields, type Seen } from "./reference.ts";

let open: Deployment;
beforeAll(async () => {
  open = await openDeployment("postgres");
});
afterEach(() => {
  open.sandbox.faults.set("blog", { mode: "none" });
});
afterAll(async () => {
  await open.close();
});

const nowhere = { DATABASE_URL: "postgres://vendor:geheim@127.0.0.1:1/standings" };
const remedy = "check DATABASE_URL and that the server runs";

async function failuresUnder(env: Record<string, string>): Promise<string[]> {
  const { code, stdout } = await callUnder({ ...open.env, ...env }, "doctor");
  expect(code).toBe(1);
  return stdout.split("\n").filter((line) => line.startsWith("FAIL"));
}

test("a deployment that is well has a line for each part, and ends with 0", async () => {
  const lines = (await answerOf(open.env, "doctor")).trimEnd().split("\n");
  expect(lines.map((line) => line.split(": ")[0])).toEqual(
    [
      ...["configuration", "database", "queue", "standings", "programme"],
      ...[
        "copernica",
        "blog",
        "magazine",
        "registrations",
        "profiles",
        "accounts",
        "certifications",
        "fairs",
      ],
    ].map((part) => `ok    ${part}`),
  );
  expect(lines).toContain("ok    copernica: 96 of 96 credentials accepted; never complete yet");
  expect(lines).toContain("ok    queue: BullMQ on Postgres (no REDIS_URL)");
});

test("the findings as JSON are the documented ones", async () => {
  const seen: Seen = new Set();
  const value = JSON.parse(await answerOf(open.env, "doctor", "--json")) as unknown;
  expect(departures("Findings", value, seen)).toEqual([]);
  expect(documentedFields().filter((field) => /^(Findings|A finding)\./.test(field))).toEqual([...seen]);
});

describe("a source", () => {
  test("that does not work names the answer and what to do", async () => {
    open.sandbox.faults.set("blog", { mode: "500" });
    expect(await failuresUnder({})).toEqual([
      expect.stringMatching(
        /^FAIL {2}blog\/main: GET 127\.0\.0\.1:\d+\/blog\S* answered 500; try again; if it stays, ask the operator of the system$/,
      ),
    ]);
  });

  test("that asks for an hour says so", async () => {
    open.sandbox.faults.set("blog", { mode: "429", retryAfter: 3600 });
    const [failure] = await failuresUnder({});
    expect(failure).toMatch(/answered 429; the source asks us to wait (1 h|60 min)[^;]*; nothing to do$/);
  });

  test("that is busy for a moment is asked once more", async () => {
    open.sandbox.faults.set("blog", { mode: "429", retryAfter: 1, times: 1 });
    expect(await answerOf(open.env, "doctor")).toMatch(/^ok {4}blog: /m);
    expect(open.sandbox.faults.asked()).toEqual({});
  });

  test("whose last run has failed is named with the reason, also while its evidence is fresh", async () => {
    const { db } = open.context;
    const [run] = await db.execute<{ id: number }>(sql`
      insert into runs (kind, source, asked_by, state, reason, started_at, finished_at)
      values ('sync', 'fairs', 'test', 'failed', 'no heading stand', now(), now()) returning id`);
    expect(await failuresUnder({})).toEqual([
      `FAIL  fairs: its last run (${run!.id}) has failed: no heading stand; try it again with: standings sync fairs`,
    ]);
    await db.execute(sql`delete from runs`);
  });

  test("whose token is refused names the account and how to give it another", async () => {
    const file = join(open.context.config.home, "wrong.csv");
    await writeFile(file, "key,partner,use,secret\n101101,de-verzendfabriek,own,not-a-token\n");
    await answerOf(open.env, "connections", "import", "copernica", file);
    const failures = await failuresUnder({});
    expect(failures).toEqual([
      "FAIL  copernica: 95 of 96 credentials accepted; never complete yet",
      expect.stringMatching(
        /^FAIL {2}copernica\/101101: .+; import a new credential with: standings connections import copernica connections\.csv$/,
      ),
    ]);
    expect(failures.join()).not.toContain("not-a-token");
  });
});

describe("what cannot be reached", () => {
  test("a Redis that is down is named once for the queue and once for the standings", async () => {
    const failures = await failuresUnder({ REDIS_URL: "redis://127.0.0.1:1" });
    expect(failures.slice(0, 2)).toEqual([
      "FAIL  queue: the queue does not answer; check REDIS_URL and that the server runs",
      "FAIL  standings: Redis does not answer, so they are read from Postgres; check REDIS_URL and that the server runs",
    ]);
  });

  test("without a Redis no job is begun, and the standings are read all the same", async () => {
    const env = { ...open.env, REDIS_URL: "redis://127.0.0.1:1" };
    const { code, stderr } = await callUnder(env, "sync", "blog");
    expect(code).toBe(1);
    expect(stderr.split("\n")[0]).toBe(
      "standings: the queue does not answer; check REDIS_URL and that the server runs",
    );
    expect(await answerOf(open.env, "runs", "--json")).toBe("[]\n");
    expect(await answerOf(env, "ranking", "--top", "1")).toContain("   1  ");
  });

  test("a database that is not there is one finding with its remedy, and never shows the password", async () => {
    const failures = await failuresUnder(nowhere);
    expect(failures).toEqual([
      `FAIL  database: Cannot use Postgres at 127.0.0.1:1/standings: connect ECONNREFUSED 127.0.0.1:1; ${remedy}`,
    ]);
    const ranking = await callUnder({ ...open.env, ...nowhere }, "ranking");
    expect(ranking).toEqual({
      code: 1,
      stdout: "",
      stderr: `standings: Cannot use Postgres at 127.0.0.1:1/standings: connect ECONNREFUSED 127.0.0.1:1; ${remedy}\n`,
    });
  });

  test("settings with mistakes are a finding", async () => {
    const file = join(open.context.config.home, "broken-sources.yaml");
    await writeFile(file, "sources:\n  blog: { connector: wordpres, every: 1 day }\n");
    expect(await failuresUnder({ STANDINGS_SOURCES: file })).toEqual([
      expect.stringMatching(/^FAIL {2}configuration: .+:2: sources\.blog\.connector: expected one of /),
    ]);
    expect(await failuresUnder({ STANDINGS_SECRET_KEY: "short" })).toEqual([
      expect.stringContaining("FAIL  configuration: STANDINGS_SECRET_KEY: expected 32 bytes in base64"),
    ]);
  });
});
