// Whatever happens to processes, queues and deliveries, the effects are those of one clean sync.
import { sql } from "drizzle-orm";
import { Redis } from "ioredis";
import { afterEach, describe, expect, test } from "vitest";
import { followRuns } from "../../src/cli/follow.ts";
import type { Context } from "../../src/context.ts";
import { beginRescore } from "../../src/operations/rescore.ts";
import { beginReconcile, beginSync } from "../../src/operations/sync.ts";
import { verify } from "../../src/scoring/verify.ts";
import { openWorkers } from "../../workers/main.ts";
import { scoresAtFirstStart } from "../sandbox/scores.ts";
import { backends, type Deployment, openDeployment, quiet, until } from "./deployment.ts";

let open: Deployment | undefined;
afterEach(async () => {
  await open?.close();
  open = undefined;
});

/** No drift, nobody waiting, no achievement awarded twice, and the scores that were computed by hand from the sandbox. */
async function expectOneCleanSync(deployment: Deployment): Promise<void> {
  const { context } = deployment;
  await until(async () => (await verify(context.db, context.programmes, context.now())).pending === 0);
  const verification = await verify(context.db, context.programmes, context.now());
  expect(verification).toMatchObject({ partners: 40, pending: 0, drift: 0 });
  const rows = await context.db.execute<{ slug: string; points: number; lines: number }>(sql`
    select slug, coalesce(points, 0) as points, coalesce((select sum(delta) from ledger where partner_id = partners.id), 0)::int as lines
    from partners left join scores on partner_id = partners.id`);
  const byHand = scoresAtFirstStart;
  expect(Object.fromEntries(rows.map((row) => [row.slug, row.points]))).toEqual(byHand);
  expect(Object.fromEntries(rows.map((row) => [row.slug, row.lines]))).toEqual(byHand);
  const [double] = await context.db.execute<{ count: number }>(sql`
    select count(*)::int as count from (
      select 1 from evidence where superseded_at is null group by source, external_id having count(*) > 1) as twice`);
  expect(double?.count).toBe(0);
}

const evidenceOf = async ({ context }: Deployment) => {
  const [row] = await context.db.execute<{ count: number }>(sql`select count(*)::int as count from evidence`);
  return row?.count ?? 0;
};

/** Every job under two epochs: two deliveries that no deduplication can see. */
function withDoubledNudges(context: Context): Context {
  const nudge: Context["queues"]["nudge"] = async (name, payload, options) => {
    const epoch = options?.epoch ?? 0;
    await context.queues.nudge(name, payload, { ...options, epoch: 1000 + epoch });
    await context.queues.nudge(name, payload, { ...options, epoch: 2000 + epoch });
  };
  return { ...context, queues: { ...context.queues, nudge } };
}

describe.each(backends)("with the queue on %s", (backend) => {
  test("two syncs at the same time are one", async () => {
    open = await openDeployment(backend);
    const both = await Promise.all([open.spawn("sync", "--full").ended, open.spawn("sync", "--full").ended]);
    expect(
      both.map((sync) => sync.code),
      both.map((sync) => sync.stderr).join(),
    ).toEqual([0, 0]);
    await expectOneCleanSync(open);
    const [runs] = await open.context.db.execute<{ count: number }>(
      sql`select count(*)::int as count from runs`,
    );
    expect(runs?.count).toBeLessThanOrEqual(16);
  });

  test("a process killed in the middle of a sync loses nothing and doubles nothing", async () => {
    const deployment = await openDeployment(backend, { leaseMs: 3000 });
    open = deployment;
    const killed = deployment.spawn("sync", "--full");
    await until(async () => (await evidenceOf(deployment)) > 300);
    killed.process.kill("SIGKILL");
    expect((await killed.ended).code).toBeNull();
    const again = await deployment.spawn("sync", "--full").ended;
    expect(again.code, again.stderr).toBe(0);
    await expectOneCleanSync(deployment);
  });

  test("every job delivered twice, at the same time, has the effect of one", async () => {
    const deployment = await openDeployment(backend);
    open = deployment;
    const { context } = deployment;
    const doubling = withDoubledNudges(context);
    const workers = [
      await openWorkers(doubling, { schedules: false }),
      await openWorkers(withDoubledNudges(await deployment.openContext()), { schedules: false }),
    ];
    try {
      const signal = new AbortController().signal;
      const runIds = await beginSync(doubling, { sources: [], full: true, askedBy: "test" });
      await followRuns(context, quiet(), runIds, signal);
      await expectOneCleanSync(deployment);
      const rescored = await beginRescore(doubling, { all: true });
      const { runId: reconciled } = await beginReconcile(doubling, "test");
      const runs = await followRuns(context, quiet(), [rescored, reconciled], signal);
      expect(runs.map((run) => [run.kind, run.state, run.awards])).toEqual([
        ["rescore", "complete", 0],
        ["reconcile", "complete", 0],
      ]);
      await expectOneCleanSync(deployment);
    } finally {
      await Promise.all(workers.map((one) => one.close()));
    }
  });
});

describe.runIf(backends.includes("redis"))("with the queue on redis", () => {
  test("Redis emptied in the middle of a sync costs a sweep's delay and nothing else", async () => {
    const deployment = await openDeployment("redis", { redisDatabase: 7 });
    open = deployment;
    const sync = deployment.spawn("sync", "--full");
    await until(async () => (await evidenceOf(deployment)) > 300);
    const redis = new Redis(deployment.env["REDIS_URL"] ?? "");
    await redis.flushdb();
    redis.disconnect();
    const { code, stderr } = await sync.ended;
    expect(code, stderr).toBe(0);
    await expectOneCleanSync(deployment);
  });
});
