// Several workers at once, and what the queue keeps for them.
import { sql } from "drizzle-orm";
import { afterEach, describe, expect, test } from "vitest";
import { verify } from "../../src/scoring/verify.ts";
import { registerSchedules } from "../../workers/sweep.ts";
import { backends, type Deployment, openDeployment, until } from "./deployment.ts";

let open: Deployment | undefined;
afterEach(async () => {
  await open?.close();
  open = undefined;
});

describe.each(backends)("with the queue on %s", (backend) => {
  test("two worker processes finish a rescore of everybody with one line a partner, and drain on SIGTERM", async () => {
    // The workers' first scheduled sync does not find these rows in the export, and holds the loss.
    const deployment = await openDeployment(backend, { sources: ["registrations", "blog"] });
    open = deployment;
    const { db, programmes, now } = deployment.context;
    // Evidence that nobody was marked for: only a rescore finds it.
    await db.execute(sql`
      insert into partners (slug, name) select 'many-' || n, 'Many ' || n from generate_series(1, 12000) as n`);
    await db.execute(sql`
      insert into evidence (source, connection_id, external_id, partner_id, kind, occurred_at, digest, recorded_at)
      select 'registrations', connections.id, slug, partners.id, 'registration', now() - interval '1 day', 'x', now()
      from partners, connections where slug like 'many-%' and source = 'registrations'`);
    const workers = [deployment.spawn("worker"), deployment.spawn("worker")];
    await Promise.all(
      workers.map(
        (worker) =>
          new Promise<void>((resolve) => {
            worker.process.stderr?.on("data", (text: string) => {
              if (text.includes("The worker runs.")) resolve();
            });
          }),
      ),
    );
    const rescore = await deployment.spawn("rescore", "--all", "--json").ended;
    expect(rescore.code, rescore.stderr).toBe(0);
    const [lines] = await db.execute<{ lines: number; partners: number; points: number }>(sql`
      select count(*)::int as lines, count(distinct partner_id)::int as partners, sum(delta)::int as points
      from ledger join partners on partners.id = partner_id where slug like 'many-%'`);
    expect(lines).toEqual({ lines: 12_000, partners: 12_000, points: 120_000 });
    await until(async () => (await verify(db, programmes, now())).pending === 0);
    expect(await verify(db, programmes, now())).toMatchObject({ drift: 0, partners: 12_040 });
    for (const worker of workers) worker.process.kill("SIGTERM");
    for (const worker of workers) expect(await worker.ended).toMatchObject({ code: 0 });
  });

  test("schedules are registered once by any number of processes, and those of gone sources end", async () => {
    const deployment = await openDeployment(backend, { sources: ["blog", "fairs", "accounts", "profiles"] });
    open = deployment;
    const { context } = deployment;
    await Promise.all(Array.from({ length: 5 }, () => registerSchedules(context)));
    const sources = context.sources.sources.map((source) => `sync-${source.key}`);
    expect((await context.queues.schedules()).sort()).toEqual(["clock", "reconcile", ...sources].sort());
    const fewer = { ...context.sources, sources: context.sources.sources.slice(0, 2) };
    await registerSchedules({ ...context, sources: fewer });
    expect(await context.queues.schedules()).toHaveLength(4);
  });
});
