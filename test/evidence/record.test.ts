import { sql } from "drizzle-orm";
import { afterEach, beforeEach, describe, expect, test } from "vitest";
import type { Database } from "../../db/client.ts";
import type { EvidenceFact } from "../../src/connectors/connector.ts";
import { finishListing } from "../../src/evidence/absence.ts";
import { readOverlapping } from "../../src/evidence/known-times.ts";
import { keepLease, type Lease, LeaseLostError } from "../../src/evidence/lease.ts";
import { addIdentities } from "../../src/evidence/match.ts";
import { recordPage } from "../../src/evidence/record.ts";
import { claimCollection } from "../../src/ingest/runs/sync.ts";
import { openTestDatabase, type TestDatabase } from "../database.ts";
import {
  addConnection,
  addPartners,
  at,
  ending,
  fact,
  factOf,
  holdOpen,
  openLease,
  readCurrent,
  readEvidence,
  readPendingPartners,
  record,
  untilBlocked,
} from "./collecting.ts";

let database: TestDatabase;
let db: Database;
let partners: number[];
let lease: Lease;

beforeEach(async () => {
  database = await openTestDatabase({ max: 8 });
  db = database.db;
  partners = await addPartners(db, 10);
  lease = await openLease(db, await addConnection(db, { partnerId: partners[0]! }));
});
afterEach(async () => {
  await database.close();
});

const drainPending = async () => await db.execute(sql`delete from pending_partners`);
const readCursor = async (of: Lease = lease) =>
  (await db.execute(sql`select cursor, cursor_run from connections where id = ${of.connectionId}`))[0];
const readCounts = async () =>
  (
    await db.execute(sql`select pages, total, seen, added, changed, unmatched from run_connections
      where run_id = ${lease.runId}`)
  )[0];

describe("recording a page", () => {
  test("new evidence belongs to the connection's partner, who is pending; the cursor and the counts have moved", async () => {
    const outcome = await record(db, lease, [fact("a"), fact("b", { quantity: 2.5, title: "An article" })], {
      cursor: { page: 2 },
    });
    expect(outcome).toEqual({ seen: 2, added: 2, changed: 0, unmatched: 0, quarantined: 0 });
    expect(await readCurrent(db)).toMatchObject([
      { external_id: "a", partner_id: partners[0], quantity: 1, title: null, recorded_at: at(0) },
      { external_id: "b", partner_id: partners[0], quantity: 2.5, title: "An article" },
    ]);
    expect(await db.execute(sql`select * from pending_partners`)).toEqual([
      { partner_id: partners[0], since: at(0), cause: "evidence", run_id: lease.runId, settled_at: null },
    ]);
    expect(await readCursor()).toEqual({ cursor: { page: 2 }, cursor_run: lease.runId });
    expect(await readCounts()).toEqual({
      pages: 1,
      total: null,
      seen: 2,
      added: 2,
      changed: 0,
      unmatched: 0,
    });
  });

  test("a page that is recorded again writes no evidence, no mark and no listing", async () => {
    const page = [fact("a", { attributes: { use: "own", level: "x" } }), factOf("nobody", "b")];
    await record(db, lease, page, { listing: true });
    const before = await readEvidence(db);
    await drainPending();
    // The order in which a source names attributes means nothing.
    const again = [fact("a", { attributes: { level: "x", use: "own" } }), factOf("nobody", "b")];
    expect(await record(db, lease, again, { now: at(5), listing: true })).toEqual({
      seen: 0,
      added: 0,
      changed: 0,
      unmatched: 0,
      quarantined: 0,
    });
    expect(await readEvidence(db)).toEqual(before);
    expect(await readPendingPartners(db)).toEqual([]);
    // What this run has recorded itself bears its id.
    expect(await db.execute(sql`select from listings`)).toHaveLength(0);
  });

  test.each<[string, Partial<EvidenceFact>]>([
    ["kind", { kind: "newsletter" }],
    ["instant", { occurredAt: at(-59) }],
    ["end", { endedAt: at(60) }],
    ["quantity", { quantity: 2 }],
    ["attributes", { attributes: { use: "own" } }],
    ["title", { title: "Another" }],
    ["link", { link: "https://example.com/" }],
  ])("another %s supersedes the row, and nothing is rewritten", async (_what, change) => {
    await record(db, lease, [fact("a"), fact("b")]);
    await drainPending();
    const [first] = await readEvidence(db);
    expect(await record(db, lease, [fact("a", change), fact("b")], { now: at(5) })).toMatchObject({
      added: 0,
      changed: 1,
    });
    const rows = (await readEvidence(db)).filter((row) => row.external_id === "a");
    expect(rows).toHaveLength(2);
    expect(rows[0]).toEqual({ ...first, superseded_at: at(5), xmin: rows[0]!.xmin });
    expect(rows[1]).toMatchObject({ recorded_at: at(5), superseded_at: null });
    expect(await readPendingPartners(db)).toEqual([partners[0]]);
  });

  test("evidence that changes hands makes both partners pending", async () => {
    await addIdentities(db, partners[3]!, [{ namespace: "crm", key: "old" }], at(0));
    await addIdentities(db, partners[1]!, [{ namespace: "crm", key: "new" }], at(0));
    await record(db, lease, [factOf("old", "a")]);
    await drainPending();
    await record(db, lease, [factOf("new", "a")], { now: at(1) });
    expect(await readPendingPartners(db)).toEqual([partners[1], partners[3]]);
    expect(await readCurrent(db)).toMatchObject([{ partner_id: partners[1] }]);
  });

  test("the versions of one fact follow each other without a gap or an overlap, even when the clock runs backwards", async () => {
    const minutes = [0, 5, 3, 3, -10, 20, 7];
    for (const [version, minute] of minutes.entries()) {
      await record(db, lease, [fact("a", { quantity: version + 1 })], { now: at(minute) });
    }
    const rows = await readEvidence(db);
    expect(rows.map((row) => row.quantity)).toEqual([1, 2, 3, 4, 5, 6, 7]);
    for (const [index, row] of rows.entries()) {
      expect(row.superseded_at).toEqual(rows[index + 1]?.recorded_at ?? null);
      expect(row.superseded_at === null || row.superseded_at >= row.recorded_at).toBe(true);
    }
    expect(rows.at(-1)!.recorded_at).toEqual(at(20));
  });

  test("of an id that comes twice in a page the last counts", async () => {
    const page = [fact("a", { quantity: 1 }), fact("b"), fact("a", { quantity: 9 })];
    expect(await record(db, lease, page, { listing: true })).toMatchObject({ seen: 2, added: 2 });
    expect(await readEvidence(db)).toMatchObject([
      { external_id: "a", quantity: 9 },
      { external_id: "b", quantity: 1 },
    ]);
    await record(db, lease, page, { now: at(1), listing: true });
    expect(await readEvidence(db)).toHaveLength(2);
  });

  test("an empty page moves the cursor and nothing else", async () => {
    expect(await record(db, lease, [], { cursor: "there", listing: true })).toMatchObject({
      seen: 0,
      added: 0,
    });
    expect(await readCursor()).toMatchObject({ cursor: "there" });
    expect(await readPendingPartners(db)).toEqual([]);
  });

  test.each<[string, Partial<EvidenceFact>]>([
    ["a NUL in its id", { externalId: "a\0" }],
    ["a NUL in its title", { title: "\0" }],
    ["a NUL in an attribute", { attributes: { a: "\0" } }],
    ["half a surrogate pair in an attribute", { attributes: { a: "\ud800" } }],
    ["an id of 513 characters", { externalId: "a".repeat(513) }],
    ["an empty id", { externalId: "" }],
    ["an empty kind", { kind: "" }],
    ["attributes beyond 1 kB", { attributes: { a: "x".repeat(1100) } }],
    ["an end before its beginning", { endedAt: at(-61) }],
    ["no possible instant", { occurredAt: new Date(Number.NaN) }],
    ["a quantity that is no number", { quantity: Number.NaN }],
    ["a quantity without bound", { quantity: Number.POSITIVE_INFINITY }],
  ])("a page with a fact that has %s is refused and leaves nothing behind", async (_what, odd) => {
    await record(db, lease, [fact("first")], { cursor: { page: 1 }, listing: true });
    // Recorded by an earlier run, so that the listing has something to remember.
    await db.execute(sql`update evidence set run_id = null`);
    await record(db, lease, [fact("first")], { cursor: { page: 1 }, listing: true });
    await drainPending();
    const page = [fact("b", { quantity: 3 }), fact("first", { quantity: 3 }), fact("c", odd)];
    await expect(record(db, lease, page, { cursor: { page: 2 }, listing: true })).rejects.toThrow();
    expect(await readEvidence(db)).toMatchObject([
      { external_id: "first", quantity: 1, superseded_at: null },
    ]);
    expect(await readCursor()).toMatchObject({ cursor: { page: 1 } });
    expect(await readCounts()).toMatchObject({ pages: 2, seen: 2, added: 1, changed: 0 });
    expect(await readPendingPartners(db)).toEqual([]);
    expect(await db.execute(sql`select from listings`)).toHaveLength(1);
  });
});

describe("the lease", () => {
  test("whoever has lost it writes nothing, and neither extends nor shortens the new holder's", async () => {
    const { runId, connectionId } = lease;
    const taken = await claimCollection(db, { runId, connectionId }, { leaseMs: 60_000, now: at(2) });
    expect(taken?.lease.token).not.toBe(lease.token);
    const held = await db.execute(sql`select * from connections`);
    await expect(record(db, lease, [fact("a")], { cursor: "stolen", now: at(2) })).rejects.toThrow(
      LeaseLostError,
    );
    await keepLease(db, lease, at(30));
    expect(await db.execute(sql`select * from connections`)).toEqual(held);
    expect(await readEvidence(db)).toEqual([]);
    expect(await readCounts()).toMatchObject({ pages: 0 });
  });

  test("every page and every beat extends it", async () => {
    const until = async () =>
      (await db.execute<{ lease_until: Date }>(sql`select lease_until from connections`))[0]!.lease_until;
    await record(db, lease, [], { now: at(10) });
    expect(await until()).toEqual(at(11));
    await keepLease(db, lease, at(20));
    expect(await until()).toEqual(at(21));
  });
});

describe("recording at the same time", () => {
  test("pages that name the same partners in opposite order never deadlock", async () => {
    for (const [index, partner] of partners.entries()) {
      await addIdentities(db, partner, [{ namespace: "crm", key: String(index) }], at(0));
    }
    const leases = await Promise.all(
      ["one", "two", "three"].map(async (source) => await openLease(db, await addConnection(db, { source }))),
    );
    for (let round = 0; round < 15; round++) {
      const page = partners.map((_, index) => factOf(String(index), `${round}-${index}`));
      await Promise.all(
        leases.map((one, index) =>
          record(db, one, index === 1 ? page.toReversed() : page, { now: at(round) }),
        ),
      );
    }
    expect(await readCurrent(db)).toHaveLength(15 * 10 * 3);
    expect(await readPendingPartners(db)).toEqual(partners);
  });

  test("two connections that name the same facts in opposite order never deadlock, and each fact is there once", async () => {
    const leases = [];
    for (const key of ["one", "two"]) {
      leases.push(await addConnection(db, { source: "shared", key, partnerId: partners[5]! }));
    }
    const [one, two] = [await openLease(db, leases[0]!), await openLease(db, leases[1]!)];
    for (let round = 0; round < 8; round++) {
      const facts = (quantity: number) =>
        Array.from({ length: 400 }, (_, n) => fact(`${round >> 1}-${n}`, { quantity }));
      await Promise.all([record(db, one, facts(round)), record(db, two, facts(round).reverse())]);
    }
    const current = await readCurrent(db);
    expect(current).toHaveLength(4 * 400);
    expect(new Set(current.map((row) => row.external_id)).size).toBe(current.length);
  });
});

describe("known times", () => {
  const afterWaiting = async (page: (now: () => Date) => Promise<unknown>) => {
    let instant = at(1);
    const held = await holdOpen(db, sql`select from evidence where external_id = 'a' for update`);
    const waiting = page(() => instant);
    await untilBlocked(db, 1);
    instant = at(9);
    await held.release();
    await waiting;
  };

  test("a page that waited for a lock is known from when it had it", async () => {
    await record(db, lease, [fact("a")]);
    await afterWaiting((now) =>
      recordPage(db, lease, { evidence: [fact("a", { title: "New" })], cursor: {} }, { listing: false, now }),
    );
    expect(await readEvidence(db)).toMatchObject([
      { recorded_at: at(0), superseded_at: at(9) },
      { recorded_at: at(9), superseded_at: null },
    ]);
  });

  test("the end of a listing that waited for a lock takes evidence from when it had it", async () => {
    await record(db, lease, [fact("a")]);
    const next = await openLease(db, lease, { full: true, now: at(1) });
    await record(db, next, [], { now: at(1), listing: true });
    await afterWaiting((now) => finishListing(db, next, { ...ending(at(0)), now }));
    expect(await readEvidence(db)).toMatchObject([{ recorded_at: at(0), superseded_at: at(9) }]);
  });

  test("a fact comes back no earlier than it went, whatever the clock of the second worker says", async () => {
    await record(db, lease, [fact("a")]);
    await db.execute(sql`update evidence set superseded_at = ${at(18)}`);
    await record(db, lease, [fact("a")], { now: at(10) });
    expect(await readEvidence(db)).toMatchObject([
      { recorded_at: at(0), superseded_at: at(18) },
      { recorded_at: at(18), superseded_at: null },
    ]);
    expect(await readOverlapping(db)).toEqual([]);
  });

  test("two versions that are known at the same time are found", async () => {
    await record(db, lease, [fact("a"), fact("b")]);
    await db.execute(sql`update evidence set superseded_at = ${at(18)} where external_id = 'a'`);
    await record(db, lease, [fact("a")], { now: at(20) });
    expect(await readOverlapping(db)).toEqual([]);
    await db.execute(
      sql`update evidence set recorded_at = ${at(17)} where superseded_at is null and external_id = 'a'`,
    );
    expect(await readOverlapping(db)).toEqual([`${lease.source} a`]);
  });
});
