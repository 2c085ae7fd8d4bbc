import { sql } from "drizzle-orm";
import { afterEach, beforeEach, describe, expect, test } from "vitest";
import type { Database } from "../../db/client.ts";
import { finishListing, restartListing } from "../../src/evidence/absence.ts";
import { addIdentities } from "../../src/evidence/match.ts";
import { type Lease, LeaseLostError } from "../../src/evidence/record.ts";
import { approveLoss } from "../../src/runs/runs.ts";
import { claimCollection, settleCollection, startSync } from "../../src/runs/sync.ts";
import { openTestDatabase, type TestDatabase } from "../database.ts";
import {
  addConnection,
  addPartners,
  at,
  fact,
  factOf,
  list,
  openLease,
  readCurrent,
  readEvidence,
  readPendingPartners,
  record,
} from "./collecting.ts";

let database: TestDatabase;
let db: Database;
let partners: number[];
let connection: { source: string; connectionId: number };

beforeEach(async () => {
  database = await openTestDatabase();
  db = database.db;
  partners = await addPartners(db, 3);
  connection = await addConnection(db, { partnerId: partners[0]! });
});
afterEach(async () => {
  await database.close();
});

const facts = (count: number, first = 0) => Array.from({ length: count }, (_, n) => fact(`f${first + n}`));
const drainPending = async () => await db.execute(sql`delete from pending_partners`);
const listFully = async (count: number, first: number, now: Date) =>
  await list(db, connection, facts(count, first), now);

describe("a complete listing", () => {
  test("takes what it does not name: the row ends, its partner is pending, the run counts it", async () => {
    await addIdentities(db, partners[1]!, [{ namespace: "crm", key: "x" }], at(0));
    await list(db, connection, [...facts(10), factOf("x", "of-x"), factOf("nobody", "unmatched")], at(0));
    await drainPending();
    expect(await list(db, connection, facts(10), at(10))).toEqual({ outcome: "taken", absent: 2 });
    const gone = (await readEvidence(db)).filter((row) => row.superseded_at !== null);
    expect(gone).toMatchObject([
      { external_id: "of-x", superseded_at: at(10) },
      { external_id: "unmatched", superseded_at: at(10) },
    ]);
    expect(await readPendingPartners(db)).toEqual([partners[1]]);
    const [counts] = await db.execute(
      sql`select absent, seen from run_connections order by run_id desc limit 1`,
    );
    expect(counts).toEqual({ absent: 2, seen: 10 });
    expect(await db.execute(sql`select from listings`)).toEqual([]);
  });

  test("that names everything takes nothing and writes no evidence", async () => {
    await listFully(10, 0, at(0));
    const before = await readEvidence(db);
    await drainPending();
    expect(await listFully(10, 0, at(1))).toEqual({ outcome: "taken", absent: 0 });
    expect(await readEvidence(db)).toEqual(before);
    expect(await readPendingPartners(db)).toEqual([]);
  });

  test("leaves the evidence of other connections alone", async () => {
    const other = await addConnection(db, { key: "other", partnerId: partners[1]! });
    // Both are of one run, so the run of the second is the first's.
    const lease = await openLease(db, connection);
    const otherLease = await openLease(db, other);
    await record(db, lease, facts(4));
    await record(db, otherLease, facts(4, 100));
    await settleCollection(db, lease, { state: "complete" }, at(0));
    await settleCollection(db, otherLease, { state: "complete" }, at(0));
    expect(await list(db, connection, [], at(1))).toEqual({ outcome: "taken", absent: 4 });
    expect((await readCurrent(db)).map((row) => row.external_id)).toEqual(["f100", "f101", "f102", "f103"]);
  });

  test("gives evidence that is back a new row", async () => {
    await listFully(3, 0, at(0));
    await listFully(2, 0, at(1));
    await listFully(3, 0, at(2));
    expect((await readEvidence(db)).filter((row) => row.external_id === "f2")).toMatchObject([
      { recorded_at: at(0), superseded_at: at(1) },
      { recorded_at: at(2), superseded_at: null },
    ]);
  });

  test("does not believe a clock that runs backwards", async () => {
    await listFully(3, 0, at(10));
    await listFully(2, 0, at(5));
    expect((await readEvidence(db)).at(-1)).toMatchObject({ recorded_at: at(10), superseded_at: at(10) });
  });
});

describe("a sudden loss", () => {
  test.each([
    { known: 30, left: 24, outcome: "taken" },
    { known: 25, left: 20, outcome: "taken" },
    { known: 24, left: 19, outcome: "held" },
    { known: 5, left: 1, outcome: "taken" },
    { known: 5, left: 0, outcome: "held" },
  ])("of $known down to $left is $outcome", async ({ known, left, outcome }) => {
    await listFully(known, 0, at(0));
    await drainPending();
    const before = await readEvidence(db);
    const ended = await listFully(left, 0, at(1));
    if (outcome === "taken") {
      expect(ended).toEqual({ outcome, absent: known - left });
      expect(await readCurrent(db)).toHaveLength(left);
    } else {
      expect(ended).toEqual({ outcome, missing: known - left, known });
      expect(await readEvidence(db)).toEqual(before);
      expect(await readPendingPartners(db)).toEqual([]);
    }
  });

  test("is taken by the next listing once it was approved, and only by that one", async () => {
    await listFully(20, 0, at(0));
    await listFully(2, 0, at(1));
    const [held] = await db.execute<{ id: number; state: string; reason: string }>(
      sql`select id, state, reason from runs order by id desc limit 1`,
    );
    expect(held).toMatchObject({ state: "held", reason: "data: held" });
    expect(await approveLoss(db, held!.id)).toEqual({ source: "crm", connections: 1 });
    expect(await listFully(2, 0, at(2))).toEqual({ outcome: "taken", absent: 18 });
    await listFully(20, 0, at(3));
    expect(await listFully(2, 0, at(4))).toMatchObject({ outcome: "held" });
  });

  test("that was only an accident needs no approval, and an approval that was not used ends", async () => {
    await listFully(20, 0, at(0));
    await listFully(2, 0, at(1));
    const [held] = await db.execute<{ id: number }>(sql`select id from runs order by id desc limit 1`);
    await approveLoss(db, held!.id);
    expect(await listFully(20, 0, at(2))).toEqual({ outcome: "taken", absent: 0 });
    expect(await listFully(2, 0, at(3))).toMatchObject({ outcome: "held" });
  });

  test("cannot be approved where nothing is held", async () => {
    await listFully(20, 0, at(0));
    const [run] = await db.execute<{ id: number }>(sql`select id from runs`);
    await expect(approveLoss(db, run!.id)).rejects.toThrow(/is not held/);
  });
});

describe("a listing that is not whole", () => {
  const claimAgain = async (lease: Lease, now: Date) => {
    const { runId, connectionId } = lease;
    const claimed = await claimCollection(db, { runId, connectionId }, { leaseMs: 60_000, now });
    return { claimed, lease: { ...lease, token: claimed!.lease.token } };
  };

  test("because its table was lost in a crash takes nothing, and begins again", async () => {
    await listFully(3, 0, at(0));
    const lease = await openLease(db, connection, { full: true, now: at(1) });
    await record(db, lease, facts(2), { listing: true, cursor: { page: 2 } });
    // What a crash of Postgres does to an unlogged table.
    await db.execute(sql`truncate listings`);
    await record(db, lease, facts(1, 2), { listing: true, cursor: { page: 3 } });
    expect(await finishListing(db, lease, at(2))).toEqual({
      outcome: "incomplete",
      listed: 1,
      written: 3,
    });
    expect(await readCurrent(db)).toHaveLength(3);

    await restartListing(db, lease);
    const again = await claimAgain(lease, at(5));
    expect(again.claimed).toMatchObject({ cursor: null, resumed: false });
    await record(db, again.lease, facts(2), { listing: true, now: at(5) });
    expect(await finishListing(db, again.lease, at(5))).toEqual({ outcome: "taken", absent: 1 });
  });

  test("because its worker was killed goes on where it stopped, and names nothing twice", async () => {
    await listFully(6, 0, at(0));
    const lease = await openLease(db, connection, { full: true, now: at(1) });
    await record(db, lease, facts(3), { listing: true, cursor: { page: 2 } });
    const again = await claimAgain(lease, at(5));
    expect(again.claimed).toMatchObject({ cursor: { page: 2 }, resumed: true });
    // Rows may have been shifted: the next page repeats one.
    await record(db, again.lease, facts(3, 2), { listing: true, cursor: { page: 3 }, now: at(5) });
    expect(await finishListing(db, again.lease, at(5))).toEqual({ outcome: "taken", absent: 1 });
    expect(await readCurrent(db)).toHaveLength(5);
  });

  test("does not go on from the cursor of another run", async () => {
    const lease = await openLease(db, connection, { full: true });
    await record(db, lease, facts(3), { listing: true, cursor: { page: 2 } });
    await settleCollection(db, lease, { state: "failed", errorClass: "transient", reason: "x" }, at(0));
    const { runId } = await startSync(db, { source: "crm", full: true, askedBy: "test", now: at(1) });
    const next = await claimCollection(db, { ...lease, runId }, { leaseMs: 60_000, now: at(1) });
    expect(next).toMatchObject({ resumed: false, cursor: { page: 2 } });
  });

  test("may be neither ended nor begun again by whoever has lost the lease", async () => {
    await listFully(6, 0, at(0));
    const lost = await openLease(db, connection, { full: true, now: at(1) });
    await record(db, lost, facts(3), { listing: true, now: at(1), cursor: { page: 2 } });
    const { lease } = await claimAgain(lost, at(5));
    await expect(finishListing(db, lost, at(5))).rejects.toThrow(LeaseLostError);
    await expect(restartListing(db, lost)).rejects.toThrow(LeaseLostError);
    await record(db, lease, facts(3, 3), { listing: true, now: at(5) });
    expect(await finishListing(db, lease, at(5))).toEqual({ outcome: "taken", absent: 0 });
    expect(await readCurrent(db)).toHaveLength(6);
  });

  test("because it was a pull of changes only can never end as a listing", async () => {
    await listFully(6, 0, at(0));
    const lease = await openLease(db, connection, { now: at(1) });
    await record(db, lease, facts(2), { now: at(1) });
    expect(await finishListing(db, lease, at(1))).toMatchObject({ outcome: "incomplete" });
    expect(await readCurrent(db)).toHaveLength(6);
  });
});
