import { sql } from "drizzle-orm";
import { afterEach, beforeEach, describe, expect, test } from "vitest";
import type { Database } from "../../../db/client.ts";
import { readRuns, readTroubledConnections } from "../../../src/ingest/runs/runs.ts";
import type { Settlement } from "../../../src/ingest/runs/settlement.ts";
import {
  claimCollection,
  readForgottenConnections,
  readOpenConnections,
  settleCollection,
  startSync,
} from "../../../src/ingest/runs/sync.ts";
import { openTestDatabase, type TestDatabase } from "../../database.ts";
import {
  addConnection,
  at,
  fact,
  holdOpen,
  openLease,
  record,
  untilBlocked,
} from "../../evidence/collecting.ts";

let database: TestDatabase;
let db: Database;

beforeEach(async () => {
  database = await openTestDatabase({ max: 8 });
  db = database.db;
});
afterEach(async () => {
  await database.close();
});

const start = async (more: { full?: boolean; now?: Date; source?: string } = {}) =>
  await startSync(db, { source: "crm", full: false, askedBy: "test", now: at(0), ...more });
const claim = async (runId: number, connectionId: number, now = at(0)) =>
  await claimCollection(db, { runId, connectionId }, { leaseMs: 60_000, now });
const settle = async (
  lease: { runId: number; connectionId: number; token: string },
  settlement: Settlement,
  now = at(1),
) => {
  await settleCollection(db, lease, settlement, now);
};
const readRun = async (runId: number) => (await readRuns(db, { ids: [runId] }))[0]!;
const readSource = async () =>
  (
    await db.execute(
      sql`select state, reason, last_complete_at, last_attempt_at from sources where key = 'crm'`,
    )
  )[0];

describe("beginning a sync", () => {
  test("joins the run that is open and asks for as much", async () => {
    await addConnection(db);
    const first = await start();
    expect(await start()).toEqual({ runId: first.runId, joined: true });
    const full = await start({ full: true });
    expect(full.joined).toBe(false);
    expect(await start({ full: true })).toEqual({ runId: full.runId, joined: true });
    expect((await start()).joined).toBe(true);
    expect((await db.execute(sql`select from runs`)).length).toBe(2);
  });

  test("twice at once makes one run", async () => {
    await addConnection(db);
    const runs = await Promise.all(Array.from({ length: 8 }, () => start()));
    expect(new Set(runs.map(({ runId }) => runId)).size).toBe(1);
    expect(runs.filter(({ joined }) => !joined)).toHaveLength(1);
  });

  test("after the end of the last run makes another", async () => {
    const connection = await addConnection(db);
    const lease = await openLease(db, connection);
    await settle(lease, { state: "complete" });
    expect((await start()).joined).toBe(false);
  });

  test("leaves inactive connections and other sources alone, and without any connection says so", async () => {
    await addConnection(db, { source: "other" });
    const { connectionId } = await addConnection(db);
    await db.execute(sql`update connections set active = false where id = ${connectionId}`);
    const { runId } = await start();
    expect(await readRun(runId)).toMatchObject({
      state: "failed",
      reason: "no connections; import them first",
      parts: 0,
    });
    expect(await readSource()).toMatchObject({ state: "failed", last_attempt_at: at(0) });
  });

  test("does not call a connection that was asked to wait before its time", async () => {
    const waiting = await addConnection(db, { key: "waiting" });
    const ready = await addConnection(db, { key: "ready" });
    await db.execute(sql`update connections set retry_at = ${at(60)} where id = ${waiting.connectionId}`);
    const { runId } = await start();
    expect((await readOpenConnections(db, runId)).map(({ connection }) => connection.connectionId)).toEqual([
      ready.connectionId,
    ]);
    expect(await claim(runId, waiting.connectionId)).toBeUndefined();
    const lease = await openLease(db, ready);
    await settle(lease, { state: "complete" });
    expect(await readRun(runId)).toMatchObject({
      state: "partial",
      reason: "quota: asked to wait until 2026-06-01 13:00:00 UTC",
    });
    const later = await start({ now: at(60) });
    expect(await readOpenConnections(db, later.runId)).toHaveLength(2);
  });
});

describe("claiming a connection", () => {
  test("twice at once gives it to one", async () => {
    for (let round = 0; round < 10; round++) {
      const source = `s${round}`;
      const { connectionId } = await addConnection(db, { source });
      const { runId } = await start({ source });
      const claims = await Promise.all(Array.from({ length: 6 }, () => claim(runId, connectionId)));
      expect(claims.filter((one) => one !== undefined)).toHaveLength(1);
      expect(
        await db.execute(sql`select attempts, state from run_connections where run_id = ${runId}`),
      ).toEqual([{ attempts: 1, state: "running" }]);
    }
  });

  test("is over for whoever stays silent longer than the lease", async () => {
    const connection = await addConnection(db);
    const lease = await openLease(db, connection);
    expect(await claim(lease.runId, connection.connectionId, at(0.9))).toBeUndefined();
    expect(await readForgottenConnections(db, at(0.9))).toEqual([]);
    expect(await readForgottenConnections(db, at(1))).toMatchObject([{ attempts: 1 }]);
    const taken = await claim(lease.runId, connection.connectionId, at(1));
    expect(taken?.lease.token).not.toBe(lease.token);
  });

  test("says where to go on, and whether it was this run that got there", async () => {
    const connection = await addConnection(db);
    const lease = await openLease(db, connection);
    await record(db, lease, [fact("a")], { cursor: { page: 7 } });
    const again = await claim(lease.runId, connection.connectionId, at(5));
    expect(again).toMatchObject({
      cursor: { page: 7 },
      resumed: true,
      key: "main",
      full: false,
      secret: null,
    });
    await settle({ ...lease, token: again!.lease.token }, { state: "complete" }, at(5));
    const next = await start({ now: at(6) });
    expect(await claim(next.runId, connection.connectionId, at(6))).toMatchObject({
      cursor: { page: 7 },
      resumed: false,
    });
  });

  test("of two runs waits for the lease of the other", async () => {
    const connection = await addConnection(db);
    const lease = await openLease(db, connection);
    const full = await start({ full: true });
    expect(await claim(full.runId, connection.connectionId)).toBeUndefined();
    await settle(lease, { state: "complete" });
    expect(await claim(full.runId, connection.connectionId)).toMatchObject({ full: true });
  });

  test("of a connection that has been settled meanwhile gives nothing", async () => {
    const connection = await addConnection(db);
    const lease = await openLease(db, connection);
    // The settlement is done except its commit when the second delivery, after the lease, comes.
    const counting = await holdOpen(db, sql`select from runs where id = ${lease.runId} for update`);
    const settled = settleCollection(db, lease, { state: "complete" }, at(2));
    await untilBlocked(db, 1);
    const second = claim(lease.runId, connection.connectionId, at(2));
    await untilBlocked(db, 2);
    await counting.release();
    await settled;
    expect(await second).toBeUndefined();
    expect(await db.execute(sql`select state from run_connections`)).toEqual([{ state: "complete" }]);
    expect(await db.execute(sql`select lease_token from connections`)).toEqual([{ lease_token: null }]);
  });
});

const failed = (pages = false): [Settlement, boolean] => [
  { state: "failed", errorClass: "auth", reason: "the token is refused" },
  pages,
];
const complete: [Settlement, boolean] = [{ state: "complete" }, true];
const held: [Settlement, boolean] = [{ state: "held", errorClass: "data", reason: "9 of 9 are gone" }, true];
const deferred: [Settlement, boolean] = [
  { state: "deferred", errorClass: "quota", reason: "wait", retryAt: at(90) },
  false,
];

describe("settling", () => {
  test.each<{ parts: [Settlement, boolean][]; state: string; states: string[]; reason: string | null }>([
    { parts: [complete, complete], state: "complete", states: ["complete", "complete"], reason: null },
    {
      parts: [failed(), failed()],
      state: "failed",
      states: ["failed", "failed"],
      reason: "auth: the token is refused (2 connections)",
    },
    { parts: [failed(true)], state: "partial", states: ["partial"], reason: "auth: the token is refused" },
    {
      parts: [complete, failed()],
      state: "partial",
      states: ["complete", "failed"],
      reason: "auth: the token is refused",
    },
    { parts: [complete, held], state: "held", states: ["complete", "held"], reason: "data: 9 of 9 are gone" },
    {
      parts: [failed(), held, complete],
      state: "held",
      states: ["failed", "held", "complete"],
      reason: "data: 9 of 9 are gone; auth: the token is refused",
    },
    { parts: [deferred], state: "partial", states: ["partial"], reason: "quota: wait" },
    { parts: [deferred, complete], state: "partial", states: ["partial", "complete"], reason: "quota: wait" },
    {
      parts: [failed(), deferred],
      state: "partial",
      states: ["failed", "partial"],
      reason: "auth: the token is refused; quota: wait",
    },
  ])("$states make a run $state", async ({ parts, state, states, reason }) => {
    const connections = [];
    for (const key of parts.keys()) connections.push(await addConnection(db, { key: String(key) }));
    for (const [index, [settlement, hasPages]] of parts.entries()) {
      const lease = await openLease(db, connections[index]!);
      expect(await readRun(lease.runId)).toMatchObject({ state: "running", partsDone: index });
      if (hasPages) await record(db, lease, [fact(`a${index}`)]);
      await settle(lease, settlement);
    }
    const [run] = await readRuns(db, { limit: 1 });
    expect(run).toMatchObject({
      state,
      reason,
      finishedAt: at(1),
      parts: parts.length,
      partsDone: parts.length,
    });
    const lastCompleteAt = state === "complete" ? at(0) : null;
    expect(await readSource()).toMatchObject({ state, reason, last_complete_at: lastCompleteAt });
    const rows = await db.execute(sql`
      select state, last_complete_at, lease_token, lease_until, retry_at from connections order by id`);
    expect(rows).toEqual(
      states.map((one, index) => ({
        state: one,
        last_complete_at: one === "complete" ? at(0) : null,
        lease_token: null,
        lease_until: null,
        retry_at: parts[index]![0].state === "deferred" ? at(90) : null,
      })),
    );
    const troubled = await readTroubledConnections(db, run!.id);
    expect(troubled).toHaveLength(parts.filter(([{ state: one }]) => one !== "complete").length);
  });

  test("as queued leaves the run open, and its connection is due later", async () => {
    const connection = await addConnection(db);
    const lease = await openLease(db, connection);
    await settle(lease, { state: "queued", errorClass: "transient", reason: "503", dueAt: at(5) });
    expect(await readRun(lease.runId)).toMatchObject({ state: "running", partsDone: 0 });
    expect(await readForgottenConnections(db, at(4))).toEqual([]);
    expect(await readForgottenConnections(db, at(5))).toHaveLength(1);
    const again = await claim(lease.runId, connection.connectionId, at(5));
    await settle({ ...lease, token: again!.lease.token }, { state: "complete" }, at(6));
    expect(await readRun(lease.runId)).toMatchObject({ state: "complete", reason: null });
    expect(await db.execute(sql`select error_class, reason, attempts from run_connections`)).toEqual([
      { error_class: null, reason: null, attempts: 2 },
    ]);
  });

  test("by anybody but the holder of the lease changes nothing", async () => {
    const connection = await addConnection(db);
    const lost = await openLease(db, connection);
    await claim(lost.runId, connection.connectionId, at(2));
    const read = async () => [
      await db.execute(sql`select * from connections`),
      await db.execute(sql`select * from run_connections`),
      await db.execute(sql`select * from runs`),
    ];
    const before = await read();
    for (const settlement of [complete[0], failed()[0], deferred[0]]) await settle(lost, settlement, at(2));
    expect(await read()).toEqual(before);
  });

  test("at the moment another takes the lease over changes nothing either", async () => {
    const connection = await addConnection(db);
    const lost = await openLease(db, connection);
    const takeover = await holdOpen(
      db,
      sql`
      update connections set lease_token = gen_random_uuid(), lease_until = ${at(9)} where id = ${connection.connectionId}`,
    );
    const settled = settleCollection(db, lost, { state: "complete" }, at(2));
    await untilBlocked(db, 1);
    await takeover.release();
    await settled;
    expect(await db.execute(sql`select state, lease_until from connections`)).toEqual([
      { state: "new", lease_until: at(9) },
    ]);
    expect(await readRun(lost.runId)).toMatchObject({ state: "running", partsDone: 0 });
  });

  test("never deadlocks with a page that the same worker is still recording", async () => {
    const connection = await addConnection(db);
    for (let round = 0; round < 10; round++) {
      const lease = await openLease(db, connection);
      const facts = Array.from({ length: 50 }, (_, n) => fact(`${round}-${n}`));
      const [page] = await Promise.allSettled([
        record(db, lease, facts),
        settle(lease, { state: "complete" }),
      ]);
      if (page.status === "rejected") expect(page.reason).toMatchObject({ name: "LeaseLostError" });
      expect(await readRun(lease.runId)).toMatchObject({ state: "complete" });
    }
  });

  test("the last two at once ends the run once", async () => {
    for (let round = 0; round < 10; round++) {
      const source = `s${round}`;
      const keys = ["a", "b", "c"];
      const leases = [];
      for (const key of keys) leases.push(await addConnection(db, { source, key }));
      const open = [];
      for (const one of leases) open.push(await openLease(db, one));
      await Promise.all(open.map((lease) => settle(lease, { state: "complete" })));
      expect(await readRun(open[0]!.runId)).toMatchObject({ state: "complete", partsDone: 3 });
    }
  });
});
