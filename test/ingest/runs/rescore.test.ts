import { sql } from "drizzle-orm";
import { afterEach, beforeEach, describe, expect, test } from "vitest";
import type { Database } from "../../../db/client.ts";
import { rescoreRange } from "../../../src/ingest/runs/range.ts";
import {
  cancelRescore,
  readOpenRanges,
  resumeRescore,
  startRescore,
} from "../../../src/ingest/runs/rescore.ts";
import { readRuns, readScoreChanges } from "../../../src/ingest/runs/runs.ts";
import { UsageError } from "../../../src/platform/errors.ts";
import { openProgrammeVersions, type ProgrammeVersions } from "../../../src/programme/versions.ts";
import { verify } from "../../../src/scoring/verify.ts";
import { openTestDatabase, type TestDatabase } from "../../database.ts";
import {
  addConnection,
  addPartners,
  at,
  factOf,
  holdOpen,
  openLease,
  readPendingPartners,
  record,
  untilBlocked,
} from "../../evidence/collecting.ts";
import { drain, programmeText, publish, readLedger, readPoints, usual } from "../../scoring/programmes.ts";

let database: TestDatabase;
let db: Database;
let programmes: ProgrammeVersions;
let partners: number[];

beforeEach(async () => {
  database = await openTestDatabase();
  db = database.db;
  programmes = openProgrammeVersions();
});
afterEach(async () => {
  await database.close();
});

/** So many partners, each with an article and a certificate, scored. */
async function score(count: number): Promise<void> {
  partners = await addPartners(db, count);
  await db.execute(
    sql`insert into identities (namespace, key, partner_id) select 'crm', slug, id from partners`,
  );
  await publish(db, usual, at(0));
  const lease = await openLease(db, await addConnection(db));
  const facts = partners.flatMap((_, n) =>
    ["article", "certificate"].map((kind) => factOf(`partner-${n + 1}`, `${kind}-${n}`, { kind })),
  );
  await record(db, lease, facts, { now: at(1) });
  await drain(db, programmes, at(1), 1000);
}

/** Takes evidence away behind the back of everybody: only an evaluation of everybody finds it. */
const lose = async (kind: string, where = sql`true`) =>
  await db.execute(sql`delete from evidence where kind = ${kind} and ${where}`);

const start = async (request: { partner?: string; achievement?: string; source?: string } = {}) =>
  await startRescore(db, programmes, { ...request, askedBy: "test", now: at(5) });
const work = async (runId: number) => {
  for (const range of await readOpenRanges(db, runId)) await rescoreRange(db, programmes, range, () => at(6));
};
const readRun = async (runId: number) => (await readRuns(db, { ids: [runId] }))[0]!;

describe("a rescore", () => {
  test("that finds no difference writes no line, no mark and no score", async () => {
    await score(3);
    const read = async () => [
      await db.execute(sql`select *, xmin::text from scores order by 1`),
      await db.execute(sql`select *, xmin::text from achievements_held order by 1, 2`),
      await db.execute(sql`select *, xmin::text from pending_standings order by 1`),
      await readLedger(db),
    ];
    const before = await read();
    const { runId } = await start();
    expect(await readRun(runId)).toMatchObject({ kind: "rescore", state: "running", parts: 1, partsDone: 0 });
    await work(runId);
    expect(await readRun(runId)).toMatchObject({
      state: "complete",
      partsDone: 1,
      awards: 0,
      finishedAt: at(6),
    });
    expect(await read()).toEqual(before);
    expect(await readPendingPartners(db)).toEqual([]);
  });

  test("writes what differs as lines of its own", async () => {
    await score(3);
    await lose("article", sql`external_id in ('article-0', 'article-2')`);
    const { runId } = await start();
    await work(runId);
    expect(await readPoints(db, partners, "scores")).toEqual([10, 15, 10]);
    expect((await readLedger(db)).slice(6)).toMatchObject([
      { partner_id: partners[0], delta: -5, cause: "rescore", run_id: runId },
      { partner_id: partners[2], delta: -5, cause: "rescore", run_id: runId },
    ]);
    expect(await readRun(runId)).toMatchObject({ awards: 2 });
    expect(await readScoreChanges(db, { runIds: [runId] })).toMatchObject([
      { slug: "partner-1", delta: -5, points: 10, lines: 1 },
      { slug: "partner-3", delta: -5, points: 10, lines: 1 },
    ]);
    expect(await db.execute(sql`select changed from run_ranges`)).toEqual([{ changed: 2 }]);
  });

  test("of one partner leaves the others alone", async () => {
    await score(3);
    await lose("article");
    const { runId } = await start({ partner: "partner-2" });
    await work(runId);
    expect(await readPoints(db, partners, "scores")).toEqual([15, 10, 15]);
    expect(await readRun(runId)).toMatchObject({ state: "complete", awards: 1 });
  });

  test("of one achievement leaves partners alone that differ in others only", async () => {
    await score(3);
    await lose("article", sql`external_id = 'article-0'`);
    await lose("certificate", sql`external_id = 'certificate-1'`);
    const { runId } = await start({ achievement: "certified" });
    await work(runId);
    expect(await readPoints(db, partners, "scores")).toEqual([15, 5, 15]);
    expect(await db.execute(sql`select scope from runs where id = ${runId}`)).toEqual([
      { scope: { achievement: "certified" } },
    ]);
  });

  test("of one source leaves partners alone that never had evidence from it", async () => {
    await score(3);
    await addConnection(db, { source: "other" });
    await db.execute(sql`
      update evidence set source = 'other', connection_id = (select max(id) from connections) where partner_id = ${partners[1]!}`);
    await lose("article");
    const { runId } = await start({ source: "other" });
    await work(runId);
    expect(await readPoints(db, partners, "scores")).toEqual([15, 10, 15]);
    // What is gone counts as well: it is how a score may have come to differ.
    await db.execute(sql`update evidence set superseded_at = recorded_at where source = 'other'`);
    await work((await start({ source: "other" })).runId);
    expect(await readPoints(db, partners, "scores")).toEqual([15, 0, 15]);
    await expect(start({ source: "none" })).rejects.toThrow(/^there is no source none; expected one of /);
  });

  test("of everybody writes what differs although most of it is marked without a look", async () => {
    await score(1200);
    await lose("certificate");
    const { runId } = await start();
    await work(runId);
    expect(await readPoints(db, partners, "scores")).toEqual(partners.map(() => 5));
    expect(await readRun(runId)).toMatchObject({ state: "complete", awards: 1200 });
    expect(await db.execute(sql`select changed from run_ranges`)).toEqual([{ changed: 1200 }]);
    expect(await verify(db, programmes, at(7))).toMatchObject({ drift: 0, pending: 0 });
  });

  test("of everybody finds those who differ behind partners who do not", async () => {
    await score(1200);
    await lose("certificate", sql`partner_id > ${partners[1100]!}`);
    const { runId } = await start();
    await work(runId);
    expect(await readRun(runId)).toMatchObject({ state: "complete", awards: 99 });
    expect(await verify(db, programmes, at(7))).toMatchObject({ drift: 0, pending: 0 });
  });

  test("evaluates whoever waits already under the cause that marked them", async () => {
    await score(2);
    const twice = { evidence: "certificate", window: "in-force", award: { points: 20, "at-least": 1 } };
    await publish(db, programmeText({ certified: twice }), at(4));
    await work((await start()).runId);
    const lines = (await readLedger(db)).slice(4);
    expect(lines.map(({ cause, run_id, delta }) => [cause, run_id, delta])).toEqual(
      [-5, 10, -5, 10].map((delta) => ["programme", null, delta]),
    );
  });

  test("that is cancelled ends between its ranges, and resumed goes on with the rest", async () => {
    await score(4);
    await db.execute(
      sql`insert into partners (slug, name) select 'idle-' || n, 'Idle' from generate_series(1, 10000) as n`,
    );
    await lose("certificate");
    const { runId } = await start();
    const ranges = await readOpenRanges(db, runId);
    await rescoreRange(db, programmes, ranges[1]!, () => at(6));
    expect(await cancelRescore(db, { runId, by: "Jane Doe", now: at(7) })).toEqual({ done: 1, parts: 3 });
    expect(await readRun(runId)).toMatchObject({
      state: "partial",
      reason: "cancelled by Jane Doe",
      finishedAt: at(7),
      partsDone: 1,
    });
    // What the queue still holds of it finds nothing to do.
    expect(await rescoreRange(db, programmes, ranges[0]!, () => at(8))).toEqual({ changed: 0 });
    expect(await readOpenRanges(db)).toEqual([]);
    expect(await readPoints(db, partners, "scores")).toEqual([15, 15, 15, 15]);

    await resumeRescore(db, runId, at(7));
    expect(await readOpenRanges(db, runId)).toEqual([ranges[0], ranges[2]]);
    await work(runId);
    expect(await readRun(runId)).toMatchObject({ state: "complete", reason: null, partsDone: 3, awards: 4 });
    expect(await readPoints(db, partners, "scores")).toEqual([5, 5, 5, 5]);
  });

  test("that is cancelled while its last range is evaluated is complete once it is resumed", async () => {
    await score(1);
    const { runId } = await start();
    const [range] = await readOpenRanges(db, runId);
    const held = await holdOpen(db, sql`select from run_ranges where run_id = ${runId} for update`);
    const working = rescoreRange(db, programmes, range!, () => at(6));
    await untilBlocked(db, 1);
    await cancelRescore(db, { runId, by: "Jane Doe", now: at(6) });
    await held.release();
    await working;
    expect(await readRun(runId)).toMatchObject({ state: "partial", partsDone: 1 });
    await resumeRescore(db, runId, at(7));
    expect(await readRun(runId)).toMatchObject({ state: "complete", reason: null, finishedAt: at(7) });
  });

  test("is cancelled and resumed only as what it is", async () => {
    await score(1);
    const { runId } = await start();
    await resumeRescore(db, runId, at(7));
    expect(await readRun(runId)).toMatchObject({ state: "running" });
    await work(runId);
    const cancel = (id: number) => cancelRescore(db, { runId: id, by: "Jane", now: at(7) });
    await expect(cancel(runId)).rejects.toThrow(
      new UsageError(`run ${runId} has ended (complete); see: standings runs`),
    );
    await expect(resumeRescore(db, runId, at(7))).rejects.toThrow(
      new UsageError(`run ${runId} is complete: nothing is left of it`),
    );
    await expect(cancel(999)).rejects.toThrow(new UsageError("there is no run 999; see: standings runs"));
    const [sync] = await db.execute<{ id: number }>(sql`select id from runs where kind = 'sync' limit 1`);
    await expect(cancel(sync!.id)).rejects.toThrow(
      new UsageError(`run ${sync!.id} is a sync, not a rescore`),
    );
  });

  test("of what there is not is refused and leaves no run", async () => {
    await expect(start()).rejects.toThrow(
      new UsageError("no programme is published; publish one with: standings publish"),
    );
    await score(1);
    await expect(start({ partner: "nobody" })).rejects.toThrow(new UsageError("there is no partner nobody"));
    await expect(start({ partner: "nobody", source: "crm" })).rejects.toThrow("there is no partner nobody");
    await expect(start({ achievement: "nothing" })).rejects.toThrow(
      new UsageError("there is no achievement nothing; expected one of articles, certified, visited"),
    );
    expect(await db.execute(sql`select from runs where kind = 'rescore'`)).toEqual([]);
  });

  test("of no partners at all is complete at once", async () => {
    await publish(db, usual, at(0));
    expect(await readRun((await start()).runId)).toMatchObject({ state: "complete", parts: 0 });
  });

  test("that was killed goes on with the ranges that are not done, and with what was marked", async () => {
    await score(4);
    await db.execute(
      sql`insert into partners (slug, name) select 'idle-' || n, 'Idle' from generate_series(1, 10000) as n`,
    );
    await lose("certificate");
    const { runId } = await start();
    const ranges = await readOpenRanges(db, runId);
    expect(ranges).toHaveLength(3);
    await rescoreRange(db, programmes, ranges[2]!, () => at(6));
    expect(await readRun(runId)).toMatchObject({ state: "running", parts: 3, partsDone: 1 });
    // Killed after it had marked the partners and before it had scored any.
    let calls = 0;
    const killed = rescoreRange(db, programmes, ranges[0]!, () => {
      calls += 1;
      if (calls > 2) throw new Error("killed");
      return at(6);
    });
    await expect(killed).rejects.toThrow("killed");
    expect(await readPendingPartners(db)).toEqual(partners);
    expect(await readOpenRanges(db)).toEqual(ranges.slice(0, 2));

    await work(runId);
    expect(await readRun(runId)).toMatchObject({ state: "complete", partsDone: 3, awards: 4 });
    expect(await readPoints(db, partners, "scores")).toEqual([5, 5, 5, 5]);
    expect(await rescoreRange(db, programmes, ranges[0]!, () => at(7))).toEqual({ changed: 0 });
    expect(await verify(db, programmes, at(7))).toMatchObject({ drift: 0, pending: 0 });
  });

  test("of the same range by several workers at once writes every line once and ends once", async () => {
    await score(40);
    await lose("certificate");
    const { runId } = await start();
    const [range] = await readOpenRanges(db, runId);
    await Promise.all([1, 2, 3, 4].map(() => rescoreRange(db, programmes, range!, () => at(6))));
    expect(await readLedger(db)).toHaveLength(120);
    expect(await readRun(runId)).toMatchObject({ state: "complete", awards: 40 });
    expect(await verify(db, programmes, at(7))).toMatchObject({ drift: 0, pending: 0 });
  });
});
