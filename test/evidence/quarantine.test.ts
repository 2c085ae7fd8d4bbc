import { sql } from "drizzle-orm";
import { afterEach, beforeEach, describe, expect, test } from "vitest";
import type { Database } from "../../db/client.ts";
import { finishListing } from "../../src/evidence/absence.ts";
import { exceedsErrorRate, readQuarantined } from "../../src/evidence/quarantine.ts";
import { openTestDatabase, type TestDatabase } from "../database.ts";
import {
  addConnection,
  addPartners,
  at,
  ending,
  fact,
  list,
  openLease,
  readCurrent,
  record,
} from "./collecting.ts";

let database: TestDatabase;
let db: Database;
let connection: { source: string; connectionId: number };

beforeEach(async () => {
  database = await openTestDatabase();
  db = database.db;
  const [partner] = await addPartners(db, 1);
  connection = await addConnection(db, { partnerId: partner! });
});
afterEach(async () => {
  await database.close();
});

const broken = (externalId: string, reason = "no date") => ({ externalId, reason });
const ids = async () => (await readCurrent(db)).map((row) => row.external_id);

describe("a row that cannot be read", () => {
  test("is kept with its reason, once, and says whether it was evidence before", async () => {
    await list(db, connection, [fact("a"), fact("b")], at(0));
    await list(db, connection, [fact("a")], at(10), [broken("b"), broken("c", "no \u0000number \ud800")]);
    await list(db, connection, [fact("a")], at(20), [broken("b", "still no date"), broken("c")]);
    expect(await readQuarantined(db)).toEqual([
      {
        source: "crm",
        connection: "main",
        externalId: "b",
        reason: "still no date",
        run: 3,
        firstSeenAt: at(10),
        lastSeenAt: at(20),
        known: true,
      },
      expect.objectContaining({ externalId: "c", known: false }),
    ]);
    const counts = await db.execute(sql`select quarantined from run_connections order by run_id`);
    expect(counts).toEqual([{ quarantined: 0 }, { quarantined: 2 }, { quarantined: 2 }]);
  });

  test("is not absent: what it was before stays evidence", async () => {
    await list(db, connection, [fact("a"), fact("b"), fact("c")], at(0));
    expect(await list(db, connection, [fact("a")], at(1), [broken("b")])).toEqual({
      outcome: "taken",
      absent: 1,
    });
    expect(await ids()).toEqual(["a", "b"]);
  });

  test("is released once it can be read again, and once a complete listing has no such row", async () => {
    await list(db, connection, [fact("a")], at(0), [broken("b"), broken("c")]);
    await list(db, connection, [fact("a"), fact("b")], at(1), [broken("c")]);
    expect((await readQuarantined(db)).map((row) => row.externalId)).toEqual(["c"]);
    await list(db, connection, [fact("a"), fact("b")], at(2));
    expect(await readQuarantined(db)).toEqual([]);
  });

  test("in a pull of changes stays until a listing tells, and takes nothing", async () => {
    await list(db, connection, [fact("a"), fact("b")], at(0));
    const lease = await openLease(db, connection, { now: at(1) });
    await record(db, lease, [], { now: at(1), quarantined: [broken("b")] });
    expect(await ids()).toEqual(["a", "b"]);
    expect(await readQuarantined(db)).toHaveLength(1);
  });

  test("without an id may be any fact, so that listing calls nothing absent", async () => {
    await list(db, connection, [fact("a"), fact("b")], at(0));
    const nameless = { ...broken("line 3"), unidentified: true as const };
    expect(await list(db, connection, [fact("a")], at(1), [nameless])).toEqual({
      outcome: "unclear",
      unidentified: 1,
    });
    expect(await ids()).toEqual(["a", "b"]);
    expect(await list(db, connection, [fact("a")], at(2))).toEqual({ outcome: "taken", absent: 1 });
  });

  test("that only an earlier beginning of the listing has met does not name it", async () => {
    await list(db, connection, [fact("a"), fact("b")], at(0));
    const lease = await openLease(db, connection, { full: true, now: at(1) });
    await record(db, lease, [fact("a")], {
      listing: true,
      begins: true,
      now: at(1),
      quarantined: [broken("b")],
    });
    await record(db, lease, [fact("a")], { listing: true, begins: true, now: at(2) });
    expect(await finishListing(db, lease, ending(at(2)))).toEqual({ outcome: "taken", absent: 1 });
    expect(await readQuarantined(db)).toEqual([]);
  });
});

describe("too many of them", () => {
  test.each([
    { read: 95, quarantined: 5, total: undefined, isOver: true, spoilt: false },
    { read: 94, quarantined: 6, total: undefined, isOver: true, spoilt: true },
    { read: 0, quarantined: 4, total: undefined, isOver: true, spoilt: false },
    { read: 0, quarantined: 5, total: undefined, isOver: true, spoilt: true },
    // The first page may be the worst one: it is judged by what is still to come.
    { read: 90, quarantined: 10, total: 1000, isOver: false, spoilt: false },
    { read: 90, quarantined: 51, total: 1000, isOver: false, spoilt: true },
    { read: 40, quarantined: 10, total: undefined, isOver: false, spoilt: false },
    { read: 90, quarantined: 10, total: undefined, isOver: false, spoilt: true },
  ])(
    "$quarantined beside $read of $total, over: $isOver, is spoilt: $spoilt",
    ({ isOver, spoilt, ...rows }) => {
      expect(exceedsErrorRate(rows, isOver)).toBe(spoilt);
    },
  );
});
