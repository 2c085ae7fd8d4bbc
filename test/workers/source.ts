// A deployment with one source: a table on a server of the test's own, which it breaks on purpose.
import { randomBytes } from "node:crypto";
import { sql } from "drizzle-orm";
import { openServer, type TestServer } from "../../src/conformance/server.ts";
import { type Context, openContext } from "../../src/context.ts";
import { type ConnectionReport, readRuns, readTroubledConnections } from "../../src/ingest/runs/runs.ts";
import { parseSources } from "../../src/ingest/sources.ts";
import { loadConfig } from "../../src/platform/config.ts";
import { openLog } from "../../src/platform/log.ts";
import { openTestDatabase } from "../database.ts";
import { testPrefix } from "../redis.ts";

export interface OneSource {
  context: Context;
  server: TestServer;
  close(): Promise<void>;
}

/**
 * The source is `list`, its one connection `main`; it has two pieces of evidence. The queue is on Postgres. `more`: further
 * keys of the source; `format`: what its table is said to be.
 */
export async function openOneSource({ more = "", format = "csv" } = {}): Promise<OneSource> {
  const database = await openTestDatabase({ max: 4 });
  const server = await openServer(() => ({
    headers: { "content-type": "text/csv" },
    body: "id,crm,on\na,1,2026-01-01\nb,2,2026-01-02\n",
  }));
  const settings = `{ url: "${server.url}/list.csv", format: ${format}, evidence: registration, id: id, occurred-at: on,
    partner: { namespace: crm, column: crm }, time-zone: UTC }`;
  const text = `allow-private: ["${server.host}"]
sources: { list: { connector: table, every: 1 day, ${more} settings: ${settings} } }`;
  const config = loadConfig({
    DATABASE_URL: database.url,
    STANDINGS_SECRET_KEY: randomBytes(32).toString("base64"),
    STANDINGS_PREFIX: testPrefix(),
  });
  const context = await openContext(config, parseSources(text, "sources.yaml"), openLog("silent"));
  return {
    context,
    server,
    async close() {
      await context.close();
      await server.close();
      await database.close();
    },
  };
}

/** How the connection of the latest run stands, with what the run says; undefined once it is complete. */
export async function readTrouble({ db }: Context): Promise<ConnectionReport | undefined> {
  const [run] = await readRuns(db, { limit: 1 });
  return run === undefined ? undefined : (await readTroubledConnections(db, run.id))[0];
}

export async function readStates({ db }: Context): Promise<string[]> {
  return (await db.execute<{ state: string }>(sql`select state from runs order by id`)).map(
    ({ state }) => state,
  );
}
