import { sql } from "drizzle-orm";
import { afterEach, beforeEach, describe, expect, test } from "vitest";
import type { Database } from "../../db/client.ts";
import { finishListing, restartListing } from "../../src/evidence/absence.ts";
import { type Lease, LeaseLostError } from "../../src/evidence/lease.ts";
import { addIdentities } from "../../src/evidence/match.ts";
import { decideLoss, readHeldLosses, readKeptLosses } from "../../src/ingest/runs/losses.ts";
import { claimCollection, settleCollection, startSync } from "../../src/ingest/runs/sync.ts";
import { openTestDatabase, type TestDatabase } from "../database.ts";
import {
  addConnection,
  addPartners,
  at,
  ending,
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
      const none = { absent: 0, renames: [] };
      expect(ended).toEqual({ outcome, missing: known - left, known, of: "connection", ...none });
      expect(await readEvidence(db)).toEqual(before);
      expect(await readPendingPartners(db)).toEqual([]);
    }
  });

  const latestRun = async () =>
    (
      await db.execute<{ id: number; state: string }>(
        sql`select id, state from runs order by id desc limit 1`,
      )
    )[0]!;
  const decide = async (decision: "approved" | "rejected", runId?: number) =>
    await decideLoss(db, { runId: runId ?? (await latestRun()).id, decision, by: "ann", now: at(0) });

  test("is taken by the next listing once it was approved, and only by that one", async () => {
    await listFully(20, 0, at(0));
    await listFully(2, 0, at(1));
    expect(await latestRun()).toMatchObject({ state: "held" });
    expect(await decide("approved")).toEqual({ source: "crm", connections: 1, evidence: 18 });
    expect(await listFully(2, 0, at(2))).toEqual({ outcome: "taken", absent: 18 });
    await listFully(20, 0, at(3));
    expect(await listFully(2, 0, at(4))).toMatchObject({ outcome: "held" });
  });

  test("is listed, and what is approved is that list: a further loss is judged anew", async () => {
    await listFully(20, 0, at(0));
    await listFully(10, 0, at(1));
    const held = await readHeldLosses(db, (await latestRun()).id);
    expect(held.map((loss) => loss.externalId)).toEqual(facts(10, 10).map((one) => one.externalId));
    expect(held[0]).toMatchObject({
      source: "crm",
      connection: "main",
      partner: "partner-1",
      decision: null,
    });
    await decide("approved");
    expect(await listFully(2, 0, at(2))).toMatchObject({ outcome: "held", missing: 8 });
    expect((await readCurrent(db)).map((row) => row.external_id)).toEqual(
      facts(10).map((one) => one.externalId),
    );
  });

  test("that was only an accident needs no approval, and an approval that was not used ends", async () => {
    await listFully(20, 0, at(0));
    await listFully(2, 0, at(1));
    await decide("approved");
    expect(await listFully(20, 0, at(2))).toEqual({ outcome: "taken", absent: 0 });
    expect(await listFully(2, 0, at(3))).toMatchObject({ outcome: "held" });
  });

  test("that was rejected takes nothing and asks nobody again, until the source names it or somebody approves it", async () => {
    await listFully(20, 0, at(0));
    await listFully(2, 0, at(1));
    const { id } = await latestRun();
    await decide("rejected");
    for (const minute of [2, 3]) {
      expect(await listFully(2, 0, at(minute))).toEqual({ outcome: "taken", absent: 0 });
      expect(await readCurrent(db)).toHaveLength(20);
    }
    expect(await decide("approved", id)).toMatchObject({ evidence: 18 });
    expect(await listFully(2, 0, at(4))).toEqual({ outcome: "taken", absent: 18 });
  });

  test("cannot be decided about where nothing is held, or where a later run holds it", async () => {
    await listFully(20, 0, at(0));
    const { id: complete } = await latestRun();
    await expect(decide("approved", complete)).rejects.toThrow(/is not held/);
    await listFully(2, 0, at(1));
    const { id: first } = await latestRun();
    await listFully(2, 0, at(2));
    const { id: second } = await latestRun();
    await expect(decide("approved", first)).rejects.toThrow(`run ${second} holds it now`);
    await listFully(20, 0, at(3));
    await expect(decide("approved", second)).rejects.toThrow(/nothing of run/);
  });

  test("that was rejected can be approved after a later loss was held", async () => {
    await listFully(40, 0, at(0));
    await listFully(30, 0, at(1));
    const { id: first } = await latestRun();
    await decide("rejected");
    await listFully(20, 0, at(2));
    const { id: second } = await latestRun();
    expect(await readKeptLosses(db)).toMatchObject([
      { run: first, decision: "rejected", evidence: 10, decidedBy: "ann" },
      { run: second, decision: null, evidence: 10 },
    ]);
    expect(await decide("approved", first)).toMatchObject({ evidence: 10 });
    expect(await listFully(20, 0, at(3))).toMatchObject({ outcome: "held", missing: 10, absent: 10 });
    await expect(decide("approved", second)).rejects.toThrow(/holds it now/);
    expect(await decide("approved")).toEqual({ source: "crm", connections: 1, evidence: 10 });
    expect(await listFully(20, 0, at(4))).toEqual({ outcome: "taken", absent: 10 });
    expect(await readKeptLosses(db)).toEqual([]);
  });

  test("that was rejected is held again after thirty days, and stays held until it is decided", async () => {
    await listFully(40, 0, at(0));
    await listFully(30, 0, at(1));
    await decide("rejected");
    await listFully(30, 500, at(2));
    await decide("approved");
    await listFully(30, 500, at(3));
    const days = (n: number) => at(n * 24 * 60);
    expect(await readKeptLosses(db)).toMatchObject([{ decision: "rejected", evidence: 10 }]);
    expect(await listFully(30, 500, days(29))).toEqual({ outcome: "taken", absent: 0 });
    for (const day of [30, 31]) {
      expect(await listFully(30, 500, days(day))).toMatchObject({ outcome: "held", missing: 10 });
      expect(await readKeptLosses(db)).toMatchObject([{ decision: null, evidence: 10, decidedBy: null }]);
    }
  });

  test("is not made smaller by new evidence in the same listing", async () => {
    await listFully(20, 0, at(0));
    expect(await listFully(100, 5, at(1))).toMatchObject({ outcome: "held", missing: 5, known: 20 });
  });

  test("of one partner is held where the others keep theirs, and what the others lose is taken", async () => {
    const slugs = ["partner-1", "partner-2"];
    await db.execute(sql`
      insert into identities (namespace, key, partner_id) select 'crm', slug, id from partners where slug = any(${sql.param(slugs)}::text[])`);
    const shared = await addConnection(db, { source: "blog" });
    const of = (slug: string, count: number, from = 0) =>
      Array.from({ length: count }, (_, n) => factOf(slug, `${slug}/${from + n}`));
    await list(db, shared, [...of("partner-1", 8), ...of("partner-2", 100)], at(0));
    const ended = await list(db, shared, [...of("partner-1", 2), ...of("partner-2", 99)], at(1));
    expect(ended).toEqual({ outcome: "held", of: "partner", missing: 6, known: 8, absent: 1, renames: [] });
    expect(await readCurrent(db)).toHaveLength(107);
  });

  test("of a renamed identity names the identity to add", async () => {
    await db.execute(sql`
      insert into identities (namespace, key, partner_id) select 'crm', slug, id from partners where slug = 'partner-1'`);
    const shared = await addConnection(db, { source: "blog" });
    const under = (key: string) =>
      Array.from({ length: 6 }, (_, n) =>
        factOf(key, `${n}/${key}`, { title: `Article ${n}`, link: `https://blog.example/${n}` }),
      );
    await list(db, shared, under("partner-1"), at(0));
    const ended = await list(db, shared, under("renamed"), at(1));
    expect(ended).toMatchObject({
      outcome: "held",
      renames: [{ partner: "partner-1", from: "crm:partner-1", to: "crm:renamed", count: 6 }],
    });
  });

  test("is over for what a pull of changes shows again", async () => {
    await listFully(20, 0, at(0));
    await listFully(10, 0, at(1));
    const lease = await openLease(db, connection, { now: at(2) });
    await record(db, lease, facts(4, 10), { now: at(2) });
    await settleCollection(db, lease, { state: "complete" }, at(2));
    expect(await readKeptLosses(db)).toMatchObject([{ decision: null, evidence: 6 }]);
  });

  test("of many connections that lose a little each is held once their source has lost too much", async () => {
    const connections = [connection];
    for (let n = 1; n < 10; n++)
      connections.push(await addConnection(db, { key: `c${n}`, partnerId: partners[0]! }));
    const listAll = async (count: number, now: Date) => {
      const leases = [];
      for (const one of connections) leases.push(await openLease(db, one, { full: true, now }));
      const outcomes = [];
      for (const [n, lease] of leases.entries()) {
        await record(db, lease, facts(count, n * 100), { listing: true, now });
        const outcome = await finishListing(db, lease, ending(now));
        outcomes.push(outcome.outcome);
        await settleCollection(
          db,
          lease,
          outcome.outcome === "taken"
            ? { state: "complete" }
            : { state: "held", errorClass: "data", reason: "held" },
          now,
        );
      }
      return outcomes;
    };
    expect(await listAll(4, at(0))).toEqual(Array.from({ length: 10 }, () => "taken"));
    // Four of four each: 40 pieces in all, so the third connection would make it 12.
    expect(await listAll(0, at(1))).toEqual([
      ...["taken", "taken"],
      ...Array.from({ length: 8 }, () => "held"),
    ]);
    expect(await readCurrent(db)).toHaveLength(32);
    expect(await decide("approved")).toEqual({ source: "crm", connections: 8, evidence: 32 });
    expect(await listAll(0, at(2))).toEqual(Array.from({ length: 10 }, () => "taken"));
    expect(await readCurrent(db)).toHaveLength(0);
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
    expect(await finishListing(db, lease, ending(at(2)))).toEqual({
      outcome: "incomplete",
      listed: 1,
      written: 3,
    });
    expect(await readCurrent(db)).toHaveLength(3);

    await restartListing(db, lease);
    const again = await claimAgain(lease, at(5));
    expect(again.claimed).toMatchObject({ cursor: null, resumed: false });
    await record(db, again.lease, facts(2), { listing: true, now: at(5) });
    expect(await finishListing(db, again.lease, ending(at(5)))).toEqual({ outcome: "taken", absent: 1 });
  });

  test("because it begins again vouches for nothing that only its first attempt has named", async () => {
    await listFully(3, 0, at(0));
    const lease = await openLease(db, connection, { full: true, now: at(1) });
    // The first attempt records what is new and what has changed, finds one unchanged, and breaks off.
    const changed = [fact("f0", { quantity: 2 }), fact("f1"), fact("new"), fact("newer")];
    await record(db, lease, changed, { listing: true, begins: true, now: at(1), cursor: { page: 2 } });
    await addIdentities(db, partners[1]!, [{ namespace: "crm", key: "x" }], at(1));
    const again = await claimAgain(lease, at(5));
    const named = [fact("f1"), fact("f2"), fact("newer")];
    await record(db, again.lease, named, { listing: true, begins: true, now: at(5) });
    await record(db, again.lease, [fact("f3")], { listing: true, now: at(5) });
    expect(await finishListing(db, again.lease, ending(at(6)))).toEqual({ outcome: "taken", absent: 2 });
    expect((await readCurrent(db)).map((row) => row.external_id).sort()).toEqual(["f1", "f2", "f3", "newer"]);
  });

  test("because its worker was killed goes on where it stopped, and names nothing twice", async () => {
    await listFully(6, 0, at(0));
    const lease = await openLease(db, connection, { full: true, now: at(1) });
    await record(db, lease, facts(3), { listing: true, cursor: { page: 2 } });
    const again = await claimAgain(lease, at(5));
    expect(again.claimed).toMatchObject({ cursor: { page: 2 }, resumed: true });
    // Rows may have been shifted: the next page repeats one.
    await record(db, again.lease, facts(3, 2), { listing: true, cursor: { page: 3 }, now: at(5) });
    expect(await finishListing(db, again.lease, ending(at(5)))).toEqual({ outcome: "taken", absent: 1 });
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
    await expect(finishListing(db, lost, ending(at(5)))).rejects.toThrow(LeaseLostError);
    await expect(restartListing(db, lost)).rejects.toThrow(LeaseLostError);
    await record(db, lease, facts(3, 3), { listing: true, now: at(5) });
    expect(await finishListing(db, lease, ending(at(5)))).toEqual({ outcome: "taken", absent: 0 });
    expect(await readCurrent(db)).toHaveLength(6);
  });

  test("because it was a pull of changes only can never end as a listing", async () => {
    await listFully(6, 0, at(0));
    const lease = await openLease(db, connection, { now: at(1) });
    await record(db, lease, facts(2), { now: at(1) });
    expect(await finishListing(db, lease, ending(at(1)))).toMatchObject({ outcome: "incomplete" });
    expect(await readCurrent(db)).toHaveLength(6);
  });
});
