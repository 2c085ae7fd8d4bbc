import { sql } from "drizzle-orm";
import { afterEach, beforeEach, describe, expect, test } from "vitest";
import type { Database } from "../../../db/client.ts";
import {
  type CachedStandings,
  finishReconcile,
  readFinishableReconciles,
  startReconcile,
} from "../../../src/ingest/runs/reconcile.ts";
import { isRanked, isScored, readRuns } from "../../../src/ingest/runs/runs.ts";
import type { Settlement } from "../../../src/ingest/runs/settlement.ts";
import {
  claimCollection,
  readOpenConnections,
  settleCollection,
  startSync,
} from "../../../src/ingest/runs/sync.ts";
import { openProgrammeVersions, type ProgrammeVersions } from "../../../src/programme/versions.ts";
import { openTestDatabase, type TestDatabase } from "../../database.ts";
import { addConnection, addPartners, at, fact, list } from "../../evidence/collecting.ts";
import { drain, publish, readLedger, readPoints, usual } from "../../scoring/programmes.ts";

let database: TestDatabase;
let db: Database;
let programmes: ProgrammeVersions;
let partner: number;

beforeEach(async () => {
  database = await openTestDatabase({ max: 8 });
  db = database.db;
  programmes = openProgrammeVersions();
  [partner] = (await addPartners(db, 1)) as [number];
  for (const source of ["blog", "crm"]) await addConnection(db, { source, partnerId: partner });
});
afterEach(async () => {
  await database.close();
});

const start = async (sources = ["crm", "blog"]) =>
  await startReconcile(db, { sources, askedBy: "test", now: at(0) });
const cache = (stale: number): CachedStandings & { rebuilt: number } => ({
  rebuilt: 0,
  compare: () => Promise.resolve(stale),
  rebuild() {
    this.rebuilt += 1;
    return Promise.resolve();
  },
});
const finish = async (runId: number, cached: CachedStandings = cache(0)) =>
  await finishReconcile(db, programmes, cached, { runId, now: () => at(9) });
const readRun = async (runId: number) => (await readRuns(db, { ids: [runId] }))[0]!;
const failed: Settlement = { state: "failed", errorClass: "auth", reason: "no" };
const held: Settlement = { state: "held", errorClass: "data", reason: "gone" };

/** Ends the syncs below a reconciliation, in the order of the sources' names. */
async function settleAll(runId: number, ...settlements: Settlement[]): Promise<void> {
  const open = await readOpenConnections(db, { parentId: runId });
  const inOrder = open.sort((a, b) => (a.connection.source < b.connection.source ? -1 : 1));
  for (const [index, { connection }] of inOrder.entries()) {
    const claimed = await claimCollection(db, connection, { leaseMs: 1000, now: at(1) });
    await settleCollection(db, { ...connection, token: claimed!.lease.token }, settlements[index]!, at(1));
  }
}

describe("a reconciliation", () => {
  test("begins once, with a complete listing of every source below it", async () => {
    const begun = await Promise.all(Array.from({ length: 6 }, () => start()));
    expect(new Set(begun.map(({ runId }) => runId)).size).toBe(1);
    expect(begun.filter(({ joined }) => !joined)).toHaveLength(1);
    const { runId } = begun[0]!;
    expect(
      await db.execute(sql`select source, "full", state from runs where parent_id = ${runId} order by 1`),
    ).toEqual([
      { source: "blog", full: true, state: "running" },
      { source: "crm", full: true, state: "running" },
    ]);
    expect(await readRun(runId)).toMatchObject({ kind: "reconcile", parts: 2, partsDone: 0 });
  });

  test("is not joined by a sync that somebody asks for, nor joins one", async () => {
    const sync = await startSync(db, { source: "crm", full: true, askedBy: "test", now: at(0) });
    const { runId } = await start();
    expect(await readOpenConnections(db, { parentId: runId })).toHaveLength(2);
    expect(await startSync(db, { source: "crm", full: false, askedBy: "test", now: at(0) })).toEqual({
      runId: sync.runId,
      joined: true,
    });
  });

  test("is not finished before the last of its syncs", async () => {
    await publish(db, usual, at(0));
    const { runId } = await start();
    expect(await readFinishableReconciles(db)).toEqual([]);
    expect(await finish(runId)).toBeUndefined();
    await settleAll(runId, { state: "complete" }, { state: "complete" });
    expect(await readFinishableReconciles(db)).toEqual([runId]);
    const cached = cache(0);
    expect(await finish(runId, cached)).toEqual({ drift: 0 });
    expect(cached.rebuilt).toBe(1);
    expect(await readRun(runId)).toMatchObject({
      state: "complete",
      reason: null,
      drift: 0,
      finishedAt: at(9),
    });
    expect(await finish(runId, cached)).toBeUndefined();
    expect(cached.rebuilt).toBe(1);
    expect(await readFinishableReconciles(db)).toEqual([]);
  });

  test.each<[Settlement, Settlement, string, string | null]>([
    [failed, failed, "failed", "blog failed (auth: no); crm failed (auth: no)"],
    [failed, { state: "complete" }, "partial", "blog failed (auth: no)"],
    [held, failed, "held", "blog held (data: gone); crm failed (auth: no)"],
    [{ state: "complete" }, held, "held", "crm held (data: gone)"],
  ])("ends in the worst state of its syncs: $0.state and $1.state", async (first, second, state, reason) => {
    const { runId } = await start();
    await settleAll(runId, first, second);
    await finish(runId);
    expect(await readRun(runId)).toMatchObject({ state, reason });
  });

  test("scores what its listings have found before it looks for drift, and counts stale standings", async () => {
    await publish(db, usual, at(0));
    await list(db, { source: "crm", connectionId: 2 }, [fact("a")], at(0));
    const { runId } = await start([]);
    expect(await finish(runId, cache(3))).toEqual({ drift: 3 });
    expect(await readPoints(db, [partner], "scores")).toEqual([5]);
  });

  test("is seen to be on its way until it is scored, and then until it is in the standings", async () => {
    await publish(db, usual, at(0));
    await list(db, { source: "crm", connectionId: 2 }, [fact("a")], at(1));
    expect(await isScored(db, at(0))).toBe(false);
    await drain(db, programmes, at(2));
    expect(await isScored(db, at(2))).toBe(true);
    await db.execute(sql`update pending_standings set since = ${at(2)}`);
    expect(await isRanked(db, at(1))).toBe(true);
    expect(await isRanked(db, at(2))).toBe(false);
    await db.execute(sql`delete from pending_standings`);
    expect(await isRanked(db, at(2))).toBe(true);
  });

  describe("of a score that drifts", () => {
    let runId: number;
    beforeEach(async () => {
      await publish(db, usual, at(0));
      await list(db, { source: "crm", connectionId: 2 }, [fact("a")], at(0));
      await drain(db, programmes, at(0));
      await db.execute(sql`update scores set points = 99`);
      ({ runId } = await start([]));
    });

    test("counts it once, however many finish it at once", async () => {
      const finished = await Promise.all([1, 2, 3, 4].map(() => finish(runId)));
      expect(finished.filter((one) => one !== undefined)).toEqual([{ drift: 1 }]);
      expect(await readRun(runId)).toMatchObject({ drift: 1, state: "complete" });
      expect(await readPoints(db, [partner], "scores")).toEqual([5]);
      expect(await readLedger(db)).toHaveLength(1);
    });

    test("still counts it when it was killed after the repair", async () => {
      const killed: CachedStandings = {
        compare: () => Promise.reject(new Error("killed")),
        rebuild: () => Promise.resolve(),
      };
      await expect(finish(runId, killed)).rejects.toThrow("killed");
      expect(await readRun(runId)).toMatchObject({ state: "running" });
      expect(await finish(runId)).toEqual({ drift: 1 });
      expect(await readRun(runId)).toMatchObject({ drift: 1, state: "complete" });
    });
  });
});
