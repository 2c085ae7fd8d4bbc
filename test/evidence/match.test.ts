import { sql } from "drizzle-orm";
import { afterEach, beforeEach, describe, expect, test } from "vitest";
import type { Database } from "../../db/client.ts";
import { finishListing } from "../../src/evidence/absence.ts";
import type { Lease } from "../../src/evidence/lease.ts";
import { addIdentities } from "../../src/evidence/match.ts";
import { UsageError } from "../../src/platform/errors.ts";
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
  partners = await addPartners(db, 3);
  lease = await openLease(db, await addConnection(db, { partnerId: partners[0]! }));
});
afterEach(async () => {
  await database.close();
});

const crm = (...keys: string[]) => keys.map((key) => ({ namespace: "crm", key }));
/** Current evidence without a partner although somebody has its identity. */
const readForgotten = async () =>
  await db.execute(sql`
    select from evidence join identities on (identities.namespace, identities.key) = (evidence.namespace, identity_key)
    where superseded_at is null and evidence.partner_id is null`);

describe("matching", () => {
  test("evidence whose identity nobody has is kept and counted, and makes nobody pending", async () => {
    const outcome = await record(db, lease, [
      factOf("x", "a"),
      factOf("x", "b"),
      factOf("y", "c"),
      fact("d"),
    ]);
    expect(outcome).toEqual({ seen: 4, added: 4, changed: 0, unmatched: 3, quarantined: 0 });
    expect((await readCurrent(db)).map((row) => row.partner_id)).toEqual([null, null, null, partners[0]]);
    expect(await readPendingPartners(db)).toEqual([partners[0]]);
  });

  test("it gets its partner the moment the identity is added, and what was known before stays true", async () => {
    await record(db, lease, [factOf("x", "a"), factOf("x", "b", { quantity: 3 }), factOf("y", "c")]);
    expect(await addIdentities(db, partners[1]!, crm("x", "z"), at(10))).toEqual({ matched: 2 });
    const rows = await readEvidence(db);
    expect(rows.filter((row) => row.external_id === "b")).toMatchObject([
      { partner_id: null, recorded_at: at(0), superseded_at: at(10), quantity: 3 },
      { partner_id: partners[1], recorded_at: at(10), superseded_at: null, quantity: 3 },
    ]);
    expect(await readPendingPartners(db)).toEqual([partners[1]]);
    expect((await readCurrent(db)).filter((row) => row.partner_id === null)).toMatchObject([
      { external_id: "c" },
    ]);
    // The source says the same again: nothing to do.
    expect(await record(db, lease, [factOf("x", "a")], { now: at(11) })).toMatchObject({
      added: 0,
      changed: 0,
    });
  });

  test("an identity the partner has already changes nothing, however often it is named", async () => {
    await addIdentities(db, partners[1]!, crm("x"), at(0));
    await record(db, lease, [factOf("x", "a")]);
    const before = await readEvidence(db);
    expect(await addIdentities(db, partners[1]!, crm("x", "x", "y", "y"), at(1))).toEqual({ matched: 0 });
    expect(await readEvidence(db)).toEqual(before);
    expect(await addIdentities(db, partners[1]!, [], at(1))).toEqual({ matched: 0 });
  });

  test("an identity of another partner is refused by its name, and nothing is changed", async () => {
    await addIdentities(db, partners[1]!, crm("x"), at(0));
    await record(db, lease, [factOf("y", "a")]);
    const refused = addIdentities(db, partners[2]!, crm("y", "x"), at(1));
    await expect(refused).rejects.toThrow(
      new UsageError("identity crm:x belongs to partner partner-2 already"),
    );
    expect(await db.execute(sql`select key, partner_id from identities`)).toEqual([
      { key: "x", partner_id: partners[1] },
    ]);
    expect(await readCurrent(db)).toMatchObject([{ partner_id: null, superseded_at: null }]);
  });

  test("a clock that runs backwards leaves no gap between the unmatched row and its successor", async () => {
    await record(db, lease, [factOf("x", "a")], { now: at(10) });
    await addIdentities(db, partners[1]!, crm("x"), at(5));
    expect(await readEvidence(db)).toMatchObject([
      { recorded_at: at(10), superseded_at: at(10) },
      { recorded_at: at(10), superseded_at: null },
    ]);
  });
});

describe("matching while a page is being recorded", () => {
  test("an identity waits for a page that does not see it, and gives its evidence a partner", async () => {
    await record(db, lease, [fact("mine")]);
    const scoring = await holdOpen(db, sql`delete from pending_partners`);
    // Has inserted the unmatched row and waits for the scoring to mark its other partner.
    const page = record(db, lease, [factOf("x", "a"), fact("mine", { quantity: 2 })], { now: at(1) });
    await untilBlocked(db, 1);
    const matching = addIdentities(db, partners[1]!, crm("x"), at(2));
    await untilBlocked(db, 2);
    await scoring.release();
    expect(await page).toMatchObject({ added: 1, unmatched: 1 });
    expect(await matching).toEqual({ matched: 1 });
    expect(await readForgotten()).toEqual([]);
  });

  test("a page waits for an identity that does not see it", async () => {
    await record(db, lease, [factOf("x", "a")]);
    await addIdentities(db, partners[1]!, crm("other"), at(0));
    await record(db, lease, [factOf("other", "b")]);
    const scoring = await holdOpen(db, sql`delete from pending_partners`);
    // Has matched the first fact and waits for the scoring to mark its partner.
    const matching = addIdentities(db, partners[1]!, crm("x"), at(1));
    await untilBlocked(db, 1);
    const page = record(db, lease, [factOf("x", "c")], { now: at(2) });
    await untilBlocked(db, 2);
    await scoring.release();
    expect(await matching).toEqual({ matched: 1 });
    expect(await page).toMatchObject({ added: 1, unmatched: 0 });
    expect(await readForgotten()).toEqual([]);
  });

  test("a page that no longer names the identity is not lost to the matching of what it replaces", async () => {
    await addIdentities(db, partners[1]!, crm("other"), at(0));
    await record(db, lease, [factOf("x", "a"), factOf("other", "b")]);
    const scoring = await holdOpen(db, sql`delete from pending_partners`);
    const matching = addIdentities(db, partners[1]!, crm("x"), at(1));
    await untilBlocked(db, 1);
    const page = record(db, lease, [fact("a", { quantity: 7 })], { now: at(2) });
    await untilBlocked(db, 2);
    await scoring.release();
    expect(await matching).toEqual({ matched: 1 });
    expect(await page).toMatchObject({ changed: 1 });
    const current = (await readCurrent(db)).filter((row) => row.external_id === "a");
    expect(current).toMatchObject([{ quantity: 7, partner_id: partners[0] }]);
  });

  test("no order of the two leaves evidence unmatched whose identity exists", async () => {
    const other = await openLease(db, await addConnection(db, { source: "other" }));
    for (let round = 0; round < 40; round++) {
      const facts = Array.from({ length: 8 }, (_, n) => factOf(`${round}`, `${round}-${n}`));
      const work = [
        () => record(db, lease, facts, { now: at(round) }),
        () => addIdentities(db, partners[round % 3]!, crm(`${round}`), at(round)),
        () => record(db, other, facts.toReversed(), { now: at(round) }),
      ];
      for (let turn = round % 3; turn > 0; turn--) work.push(work.shift()!);
      await Promise.all(work.map((begin) => begin()));
      expect(await readForgotten()).toEqual([]);
    }
    expect(await readCurrent(db)).toHaveLength(40 * 8 * 2);
  });

  test("the end of a listing and the matching of what is gone never deadlock", async () => {
    const facts = Array.from({ length: 60 }, (_, n) => factOf(`${n % 2}`, `${(n * 37) % 60}`));
    await record(db, lease, facts);
    // Recorded by an earlier run.
    await db.execute(sql`update evidence set run_id = null`);
    await record(db, lease, [fact("kept")], { listing: true });
    await db.execute(sql`
      insert into held_losses (connection_id, external_id, run_id, decision)
      select connection_id, external_id, ${lease.runId}, 'approved' from evidence where external_id <> 'kept'`);
    const [gone] = await Promise.all([
      finishListing(db, lease, ending(at(1))),
      addIdentities(db, partners[1]!, crm("0"), at(1)),
      addIdentities(db, partners[2]!, crm("1"), at(1)),
    ]);
    // What was matched first is taken with its partner, what was taken first is not matched any more: gone either way.
    expect(gone).toMatchObject({ outcome: "taken", absent: 60 });
    expect(await readCurrent(db)).toMatchObject([{ external_id: "kept" }]);
  });
});
