// What a source does, and what it costs: evidence that goes takes exactly its points; a source that fails takes none.
import { sql } from "drizzle-orm";
import { afterAll, beforeAll, describe, expect, test } from "vitest";
import type { Context } from "../../src/context.ts";
import { tick } from "../../src/scoring/clock.ts";
import { scorePending } from "../../src/scoring/score.ts";
import { verify } from "../../src/scoring/verify.ts";
import { scoresAtFirstStart } from "../sandbox/scores.ts";
import { backends, type Deployment, openDeployment, sync } from "./deployment.ts";

interface Line {
  slug: string;
  achievement: string;
  delta: number;
  cause: string;
}

/** The ledger lines written while something happens. */
async function linesDuring(context: Context, happening: () => Promise<unknown>): Promise<Line[]> {
  const [before] = await context.db.execute<{ id: number }>(
    sql`select coalesce(max(id), 0) as id from ledger`,
  );
  await happening();
  return context.db.execute<Record<string, unknown> & Line>(sql`
    select slug, achievement, delta, cause from ledger join partners on partners.id = partner_id
    where ledger.id > ${before?.id ?? 0} order by ledger.id`);
}

describe.each(backends)("with the queue on %s", (backend) => {
  let open: Deployment;
  beforeAll(async () => {
    open = await openDeployment(backend);
    const { runs } = await sync(open.context);
    expect(runs.map((run) => run.state)).toEqual(runs.map(() => "complete"));
  });
  afterAll(async () => {
    await open.close();
  });

  const pointsOf = async () => {
    const rows = await open.context.db.execute<{ slug: string; points: number }>(sql`
      select slug, coalesce(points, 0) as points from partners left join scores on partner_id = partners.id`);
    return Object.fromEntries(rows.map((row) => [row.slug, row.points]));
  };

  test.each([
    { mode: "500", state: "failed", errorClass: "transient", reason: /500/ },
    { mode: "429", state: "deferred", errorClass: "quota", reason: /429/ },
    { mode: "html", state: "failed", errorClass: "transient", reason: /web page/ },
    { mode: "half-page", state: "failed", errorClass: "transient", reason: /./ },
    { mode: "short-page", state: "failed", errorClass: "transient", reason: /./ },
  ] as const)(
    "a blog that answers $mode costs nobody a point, says why, and holds nobody up",
    async (fault) => {
      const { context, sandbox } = open;
      sandbox.faults.set("blog", { mode: fault.mode, retryAfter: 3600 });
      const lines = await linesDuring(context, async () => {
        const { runs, trouble } = await sync(context, ["blog", "fairs"]);
        expect(runs.map((run) => [run.source, run.state === "complete"])).toEqual([
          ["blog", false],
          ["fairs", true],
        ]);
        expect(trouble).toMatchObject([
          { source: "blog", key: "main", state: fault.state, errorClass: fault.errorClass },
        ]);
        expect(trouble[0]?.reason).toMatch(fault.reason);
      });
      expect(lines).toEqual([]);
      expect(await pointsOf()).toEqual(scoresAtFirstStart);

      sandbox.faults.set("blog", { mode: "none" });
      if (fault.mode === "429") {
        // Asked to wait an hour: not called again before that, and the run says until when.
        const { trouble } = await sync(context, ["blog"]);
        expect(trouble).toMatchObject([{ state: "deferred", errorClass: "quota", attempts: 0 }]);
        expect(trouble[0]?.reason).toMatch(/asked to wait until/);
        await context.db.execute(sql`update connections set retry_at = null`);
      }
      const { runs } = await sync(context, ["blog"]);
      expect(runs.map((run) => run.state)).toEqual(["complete"]);
      expect(await pointsOf()).toEqual(scoresAtFirstStart);
    },
  );

  test("a trashed article takes its five points at the next sync", async () => {
    const { context, sandbox } = open;
    const article = sandbox.world.articles.find((candidate) => candidate.category === "marketing-agency-x");
    const lines = await linesDuring(context, async () => {
      sandbox.world.happen({ type: "article-trashed", id: article?.id ?? 0 });
      await sync(context, ["blog"]);
    });
    expect(lines).toEqual([
      { slug: "marketing-agency-x", achievement: "joint-articles", delta: -5, cause: "evidence" },
    ]);
  });

  test("a closed client account takes its tier's points at the next sync", async () => {
    const { context, sandbox } = open;
    const account = sandbox.world.clientAccounts.find(
      (candidate) => candidate.crm === "1042" && candidate.closedOn === undefined,
    );
    const lines = await linesDuring(context, async () => {
      sandbox.world.happen({ type: "account-closed", key: account?.key ?? "" });
      await sync(context, ["accounts"]);
    });
    expect(lines).toEqual([
      { slug: "marketing-agency-x", achievement: "client-accounts", delta: -5, cause: "evidence" },
    ]);
  });

  test("a certificate that ends takes its points within a minute, without any sync", async () => {
    const { context, sandbox } = open;
    const certificate = sandbox.world.certificates.find(
      (candidate) => candidate.employer.startsWith("wolkenpost") && candidate.level === "advanced",
    );
    const expiresAt = new Date(Date.now() + 60_000);
    sandbox.world.happen({
      type: "certificate-expires",
      id: certificate?.id ?? "",
      expiresAt: expiresAt.toISOString(),
    });
    await tick(context.db, context.programmes, context.now());
    const before = await linesDuring(context, () => sync(context, ["certifications"]));
    expect(before).toEqual([]);
    const lines = await linesDuring(context, async () => {
      await tick(context.db, context.programmes, expiresAt);
      await scorePending(context.db, context.programmes, { now: expiresAt, limit: 1000 });
    });
    expect(lines.filter((line) => line.achievement === "certified-people")).toEqual([
      { slug: "wolkenpost", achievement: "certified-people", delta: -8, cause: "clock" },
    ]);
    expect(await verify(context.db, context.programmes, expiresAt)).toMatchObject({ drift: 0, pending: 0 });
  });
});
