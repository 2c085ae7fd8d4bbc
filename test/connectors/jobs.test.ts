// What the job makes of a request that fails in the middle of a listing, by the class the conformance suite holds connectors to:
// tried again, put off with the worker free, or given up, on both queue backends. (Killed workers: test/e2e/killed.test.ts.)
import { randomBytes } from "node:crypto";
import { mkdtemp, rm, writeFile } from "node:fs/promises";
import { tmpdir } from "node:os";
import { join } from "node:path";
import { sql } from "drizzle-orm";
import { afterEach, beforeEach, describe, expect, test } from "vitest";
import { type Answer, type Fault, send } from "../../src/conformance/server.ts";
import { type Context, openContext } from "../../src/context.ts";
import { importConnections } from "../../src/ingest/connections.ts";
import { loadSources } from "../../src/ingest/sources.ts";
import { loadConfig } from "../../src/platform/config.ts";
import { openLog } from "../../src/platform/log.ts";
import { openTestDatabase, type TestDatabase } from "../database.ts";
import { backends, sync } from "../e2e/deployment.ts";
import { redisUrl, testPrefix } from "../redis.ts";
import { CONNECTIONS, DOCUMENT, openReviews } from "./guide.ts";

describe.each(backends)("a document pulled by a worker, with the queue on %s", (backend) => {
  let database: TestDatabase;
  let context: Context;
  let home: string;
  let benches: Record<"broken" | "other", Awaited<ReturnType<typeof openReviews>>>;

  beforeEach(async () => {
    database = await openTestDatabase({ max: 4 });
    home = await mkdtemp(join(tmpdir(), "standings-jobs-"));
    benches = { broken: await openReviews(), other: await openReviews() };
    const sources = Object.entries(benches).map(
      ([key, { server }]) =>
        `  ${key}: { connector: http, document: reviews.yaml, every: 1 day, concurrency: 1, settings: { url: "${server.url}" } }`,
    );
    const hosts = Object.values(benches).map(({ server }) => `"${server.host}"`);
    await writeFile(join(home, "reviews.yaml"), DOCUMENT);
    await writeFile(
      join(home, "sources.yaml"),
      `allow-private: [${hosts.join(", ")}]\nsources:\n${sources.join("\n")}\n`,
    );
    const config = loadConfig({
      DATABASE_URL: database.url,
      REDIS_URL: backend === "redis" ? redisUrl() : "",
      STANDINGS_SECRET_KEY: randomBytes(32).toString("base64"),
      STANDINGS_PREFIX: testPrefix(),
      STANDINGS_HOME: home,
    });
    context = await openContext(config, await loadSources(join(home, "sources.yaml")), openLog("silent"));
    for (const source of Object.keys(benches)) {
      const list = { source, text: CONNECTIONS, file: "connections.csv", now: context.now() };
      await importConnections(context.db, context.secrets, list);
    }
  });

  afterEach(async () => {
    await context.close();
    await Promise.all(Object.values(benches).map(({ server }) => server.close()));
    await database.close();
    await rm(home, { recursive: true, force: true });
  });

  const answering =
    (answer: Answer): Fault =>
    (response) => {
      send(response, answer);
    };

  /** The fault at the second page, once; then the source is as it was. */
  function breakOnce(answer: Answer): void {
    const { server } = benches.broken;
    server.breakFrom(2, (response) => {
      server.mend();
      send(response, answer);
    });
  }

  async function syncBoth() {
    const { runs, trouble } = await sync(context, ["broken", "other"]);
    const rows = await context.db.execute<{ source: string; count: number }>(sql`
      select source, count(*)::int as count from evidence where superseded_at is null group by 1 order by 1`);
    const states: Record<string, string> = Object.fromEntries(
      runs.map(({ source, state }) => [source ?? "", state]),
    );
    return {
      states,
      trouble,
      stored: Object.fromEntries(rows.map(({ source, count }) => [source, count])),
    };
  }

  test.each([
    ["a 429 of a second", { status: 429, headers: { "retry-after": "1" }, body: "{}" }],
    ["a 500", { status: 500, body: "{}" }],
    ["a web page", { headers: { "content-type": "text/html" }, body: "<!DOCTYPE html><html></html>" }],
  ])("%s is tried again, and the same run ends with all there is", async (_, answer) => {
    breakOnce(answer);
    const { states, stored } = await syncBoth();
    expect(states).toEqual({ broken: "complete", other: "complete" });
    expect(stored).toEqual({ broken: 120, other: 120 });
  });

  test("a 429 of an hour puts the connection off, keeps what came, and leaves the worker to the other source", async () => {
    const began = Date.now();
    benches.broken.server.breakFrom(
      2,
      answering({ status: 429, headers: { "retry-after": "3600" }, body: "{}" }),
    );
    const { states, trouble, stored } = await syncBoth();
    expect(states["other"]).toBe("complete");
    expect(stored).toEqual({ broken: 50, other: 120 });
    expect(trouble).toMatchObject([{ source: "broken", state: "deferred", errorClass: "quota" }]);
    expect(Date.now() - began).toBeLessThan(60_000);
    const asked = benches.broken.server.asked.length;
    await syncBoth();
    expect(benches.broken.server.asked.length, "it was asked before its time").toBe(asked);
  });

  test("a 401 in the middle ends the run at once, keeps what came, and takes nothing", async () => {
    await syncBoth();
    benches.broken.server.breakFrom(2, answering({ status: 401, body: "{}" }));
    await context.db.execute(sql`update connections set cursor = null, cursor_run = null`);
    const { states, trouble, stored } = await syncBoth();
    expect(states).toEqual({ broken: "partial", other: "complete" });
    expect(trouble).toMatchObject([{ source: "broken", errorClass: "auth" }]);
    expect(stored).toEqual({ broken: 120, other: 120 });
  });
});
