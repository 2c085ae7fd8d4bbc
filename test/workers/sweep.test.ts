// The sweep: whatever waits in Postgres is taken up although nobody has nudged, and what can never be taken up ends.
import { sql } from "drizzle-orm";
import { afterEach, beforeEach, describe, expect, test } from "vitest";
import type { Context } from "../../src/context.ts";
import { markPendingWhere } from "../../src/evidence/pending.ts";
import { startReconcile } from "../../src/ingest/runs/reconcile.ts";
import { startRescore } from "../../src/ingest/runs/rescore.ts";
import { readRuns } from "../../src/ingest/runs/runs.ts";
import { claimCollection, readOpenConnections, startSync } from "../../src/ingest/runs/sync.ts";
import { openQueues } from "../../src/queue/queues.ts";
import { openRuntime, type Runtime } from "../../workers/runtime.ts";
import { sweep } from "../../workers/sweep.ts";
import { backends, type Deployment, openDeployment, until } from "../e2e/deployment.ts";

let open: Deployment;
let context: Context;
let runtime: Runtime | undefined;

beforeEach(async () => {
  open = await openDeployment("postgres", { sources: ["blog", "fairs"] });
  context = open.context;
});
afterEach(async () => {
  await runtime?.close();
  runtime = undefined;
  await open.close();
});

const count = async (query: ReturnType<typeof sql>) => {
  const [row] = await context.db.execute<{ count: number }>(query);
  return row?.count;
};
const readStates = async (of = context) =>
  Object.fromEntries(
    (await readRuns(of.db, { limit: 10 })).map(({ kind, source, state }) => [source ?? kind, state]),
  );

describe("what waits in Postgres without a job is taken up", () => {
  beforeEach(async () => {
    runtime = await openRuntime(context);
  });

  test("partners that wait for their score, and scores that wait for the standings", async () => {
    const { db } = context;
    await markPendingWhere(db, sql`select id from partners`, { cause: "clock", at: context.now() });
    await db.execute(
      sql`insert into pending_standings (partner_id) select id from partners on conflict do nothing`,
    );
    await sweep(context);
    await until(async () => (await count(sql`select count(*)::int as count from pending_partners`)) === 0);
    await until(async () => (await count(sql`select count(*)::int as count from pending_standings`)) === 0);
  });

  test("connections of a run, ranges of a rescore, and a reconciliation whose syncs have ended", async () => {
    const { db, programmes } = context;
    const request = { askedBy: "test", now: context.now() };
    await startSync(db, { ...request, source: "fairs", full: false });
    await startRescore(db, programmes, request);
    await startReconcile(db, { ...request, sources: [] });
    await sweep(context);
    await until(async () => Object.values(await readStates()).every((state) => state === "complete"));
    expect(Object.keys(await readStates()).sort()).toEqual(["fairs", "reconcile", "rescore"]);
  });
});

test("a duty that fails is reported after the others have had their turn", async () => {
  const { db } = context;
  runtime = await openRuntime(context);
  await db.execute(
    sql`insert into pending_standings (partner_id) select id from partners on conflict do nothing`,
  );
  await db.execute(sql`alter table inbox_messages rename to out_of_the_way`);
  await expect(sweep(context)).rejects.toMatchObject({
    message: "the sweep's duty hints failed; the sweep's duty messages failed",
  });
  await db.execute(sql`alter table out_of_the_way rename to inbox_messages`);
  await until(async () => (await count(sql`select count(*)::int as count from pending_standings`)) === 0);
});

describe("a source that is gone from sources.yaml", () => {
  const tenMinutesLater = () => new Date(context.now().getTime() + 600_000);
  let fewer: Context;

  beforeEach(() => {
    const sources = context.sources.sources.filter(({ key }) => key !== "fairs");
    const queues = openQueues({
      redisUrl: context.config.redisUrl,
      databaseUrl: context.databaseUrl,
      prefix: context.config.prefix,
      sources: sources.map(({ key }) => key),
      log: context.log,
    });
    fewer = { ...context, queues, sources: { ...context.sources, sources } };
  });
  afterEach(async () => {
    await fewer.queues.close();
  });

  test("keeps nothing else from being swept, and no reconciliation open for ever", async () => {
    await startReconcile(context.db, {
      sources: ["blog", "fairs"],
      askedBy: "test",
      now: context.now(),
    });
    runtime = await openRuntime(fewer);
    await sweep(fewer);
    await until(async () => (await readStates())["blog"] === "complete");
    expect(await readStates()).toMatchObject({ fairs: "running", reconcile: "running" });

    await sweep({ ...fewer, now: tenMinutesLater });
    await until(async () => (await readStates())["reconcile"] !== "running");
    expect(await readRuns(context.db, { limit: 3 })).toMatchObject([
      { source: "fairs", state: "failed", reason: `config: source fairs is not in ${context.sources.file}` },
      { source: "blog", state: "complete" },
      { kind: "reconcile", state: "partial", drift: 0 },
    ]);
  });

  test("is left alone while another process collects from it", async () => {
    const { db } = context;
    const { runId } = await startSync(db, {
      source: "fairs",
      full: false,
      askedBy: "test",
      now: context.now(),
    });
    const [waiting] = await readOpenConnections(db, runId);
    await db.execute(sql`insert into connections (source, key) values ('fairs', 'second')`);
    const [second] = await db.execute<{ id: number }>(sql`
      insert into run_connections (run_id, connection_id, due_at)
      select ${runId}, id, now() from connections where key = 'second' returning connection_id as id`);
    await claimCollection(
      db,
      { runId, connectionId: second?.id ?? 0 },
      { leaseMs: 60_000, now: tenMinutesLater() },
    );
    await sweep({ ...fewer, now: tenMinutesLater });
    expect((await readOpenConnections(db, runId)).map(({ connection }) => connection)).toContainEqual(
      waiting?.connection,
    );
  });

  test("does not stop the job that was to begin its sync", async () => {
    runtime = await openRuntime(fewer);
    await context.queues.nudge("sync", { source: "fairs", full: false, askedBy: "schedule" });
    await until(async () => (await readStates())["fairs"] === "running");
    await sweep({ ...fewer, now: tenMinutesLater });
    expect(await readStates()).toEqual({ fairs: "failed" });
  });
});

describe.runIf(backends.includes("redis"))("with Redis", () => {
  test("standings that are not cached, because it was emptied, are built", async () => {
    const deployment = await openDeployment("redis", { sources: ["blog"] });
    const workers = await openRuntime(deployment.context);
    try {
      expect(await deployment.context.standings.cacheState()).toBe("not built");
      await sweep(deployment.context);
      await until(async () => (await deployment.context.standings.cacheState()) === "built");
    } finally {
      await workers.close();
      await deployment.close();
    }
  });
});
