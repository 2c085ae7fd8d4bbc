import { sql } from "drizzle-orm";
import { afterEach, beforeEach, describe, expect, test } from "vitest";
import type { Database } from "../../db/client.ts";
import { openProgrammeVersions, type ProgrammeVersions } from "../../src/programme/versions.ts";
import { tick } from "../../src/scoring/clock.ts";
import { verify } from "../../src/scoring/verify.ts";
import { openTestDatabase, type TestDatabase } from "../database.ts";
import { addConnection, addPartners, at, fact, list, readPendingPartners } from "../evidence/collecting.ts";
import { drain, programmeText, publish, readLedger, readPoints, usual } from "./programmes.ts";

let database: TestDatabase;
let db: Database;
let programmes: ProgrammeVersions;
let partners: number[];
let connection: { source: string; connectionId: number };

beforeEach(async () => {
  database = await openTestDatabase();
  db = database.db;
  programmes = openProgrammeVersions();
  partners = await addPartners(db, 2);
  connection = await addConnection(db, { partnerId: partners[0]! });
});
afterEach(async () => {
  await database.close();
});

const msBefore = (instant: Date, ms: number) => new Date(instant.getTime() - ms);
const HOUR_MS = 3_600_000;

/** Lets time pass until an instant and scores what it touched. Returns the points of the first partner. */
async function pointsAt(now: Date): Promise<number> {
  await tick(db, programmes, now);
  await drain(db, programmes, now);
  return (await readPoints(db, partners, "scores"))[0]!;
}

interface Case {
  what: string;
  window: unknown;
  occurredAt: string;
  endedAt?: string;
  /** When it changes, to the millisecond. */
  on: string;
  points: "gains" | "loses";
}

// Amsterdam: 29 March 2026 02:00 -> 03:00 (01:00Z), 25 October 2026 03:00 -> 02:00 (01:00Z).
const cases: Case[] = [
  {
    what: "evidence of the future begins",
    window: "ever",
    occurredAt: "2026-06-01T12:05Z",
    on: "2026-06-01T12:05Z",
    points: "gains",
  },
  {
    what: "a certificate ends",
    window: "in-force",
    occurredAt: "2026-05-01T10:00Z",
    endedAt: "2026-06-01T12:05:00.007Z",
    on: "2026-06-01T12:05:00.007Z",
    points: "loses",
  },
  {
    what: "a window of two days passes",
    window: { last: "2 days" },
    occurredAt: "2026-05-30T09:30Z",
    on: "2026-06-01T09:30Z",
    points: "loses",
  },
  {
    what: "a day of 23 hours passes",
    window: { last: "1 day" },
    occurredAt: "2026-03-28T12:00Z",
    on: "2026-03-29T11:00Z",
    points: "loses",
  },
  {
    what: "a day of 25 hours passes",
    window: { last: "1 day" },
    occurredAt: "2026-10-24T12:00Z",
    on: "2026-10-25T13:00Z",
    points: "loses",
  },
  {
    what: "a window ends in the hour that is skipped",
    window: { last: "1 day" },
    occurredAt: "2026-03-28T01:30Z",
    on: "2026-03-29T01:00Z",
    points: "loses",
  },
  {
    what: "a window ends in the hour that comes twice",
    window: { last: "1 day" },
    occurredAt: "2026-10-24T00:30Z",
    on: "2026-10-25T00:30Z",
    points: "loses",
  },
  {
    what: "a month ends in summer",
    window: { rolling: "1 month" },
    occurredAt: "2026-05-15T10:00Z",
    on: "2026-05-31T22:00Z",
    points: "loses",
  },
  {
    what: "a month ends in winter",
    window: { rolling: "1 month" },
    occurredAt: "2026-01-15T10:00Z",
    on: "2026-01-31T23:00Z",
    points: "loses",
  },
  {
    what: "the month of the spring change ends",
    window: { previous: "month" },
    occurredAt: "2026-03-15T10:00Z",
    on: "2026-03-31T22:00Z",
    points: "gains",
  },
  {
    what: "the month of the autumn change ends",
    window: { rolling: "1 month" },
    occurredAt: "2026-10-15T10:00Z",
    on: "2026-10-31T23:00Z",
    points: "loses",
  },
  {
    what: "the previous month is another one",
    window: { previous: "month" },
    occurredAt: "2026-02-10T10:00Z",
    on: "2026-03-31T22:00Z",
    points: "loses",
  },
  {
    what: "a year ends",
    window: { previous: "year" },
    occurredAt: "2026-06-01T10:00Z",
    on: "2026-12-31T23:00Z",
    points: "gains",
  },
  {
    what: "a season ends",
    window: { season: "current" },
    occurredAt: "2026-06-01T10:00Z",
    on: "2026-09-30T22:00Z",
    points: "loses",
  },
];

describe("the passing of time", () => {
  test.each(cases)(
    "$points points to the millisecond when $what",
    async ({ window, occurredAt, endedAt, on, points }) => {
      const instant = new Date(on);
      const start = msBefore(instant, HOUR_MS);
      await publish(
        db,
        programmeText({ one: { evidence: "one", window, award: { points: 7, "at-least": 1 } } }),
        start,
      );
      const end = endedAt === undefined ? {} : { endedAt: new Date(endedAt) };
      await list(
        db,
        connection,
        [fact("a", { kind: "one", occurredAt: new Date(occurredAt), ...end })],
        start,
      );
      const [then, later] = points === "gains" ? [0, 7] : [7, 0];
      expect(await pointsAt(start)).toBe(then);
      expect(await pointsAt(msBefore(instant, 1))).toBe(then);
      expect(await pointsAt(instant)).toBe(later);
      expect((await readLedger(db)).at(-1)).toMatchObject({
        cause: "clock",
        at: instant,
        delta: later - then,
      });
      expect(await verify(db, programmes, instant)).toMatchObject({ pending: 0, drift: 0 });
      expect(await pointsAt(new Date(instant.getTime() + HOUR_MS))).toBe(later);
    },
  );

  test("marks nobody when nothing can change", async () => {
    await publish(db, usual, at(0));
    await list(db, connection, [fact("a"), fact("b", { kind: "certificate", endedAt: at(99) })], at(0));
    await pointsAt(at(0));
    expect(await tick(db, programmes, at(1))).toEqual({ marked: 0 });
    expect(await tick(db, programmes, at(98))).toEqual({ marked: 0 });
    expect(await readPendingPartners(db)).toEqual([]);
    expect(await tick(db, programmes, at(99))).toEqual({ marked: 1 });
  });

  test("makes everybody pending at local midnight", async () => {
    await publish(db, usual, at(0));
    await pointsAt(at(0));
    const midnight = new Date("2026-06-01T22:00:00Z");
    expect(await tick(db, programmes, msBefore(midnight, 1))).toEqual({ marked: 0 });
    expect(await tick(db, programmes, midnight)).toEqual({ marked: 2 });
  });

  test("loses nothing of the days in which nobody looked", async () => {
    await publish(db, usual, at(0));
    const visit = fact("v", { kind: "visit", occurredAt: at(-10) });
    await list(db, connection, [visit, fact("c", { kind: "certificate", endedAt: at(60) })], at(0));
    expect(await pointsAt(at(0))).toBe(17);
    expect(await pointsAt(at(60 * 24 * 5))).toBe(0);
    expect(await verify(db, programmes, at(60 * 24 * 5))).toMatchObject({ drift: 0 });
  });

  test("before the first tick is made up for by it", async () => {
    await publish(db, usual, at(0));
    await list(db, connection, [fact("a", { occurredAt: at(5) })], at(0));
    await drain(db, programmes, at(1));
    expect(await pointsAt(at(10))).toBe(5);
  });

  test("is looked at once by two ticks at once, the very first ones included", async () => {
    await publish(db, usual, at(0));
    await list(db, connection, [fact("a", { occurredAt: at(5) })], at(0));
    for (const now of [at(0), at(5)]) {
      await Promise.all([1, 2, 3].map(() => tick(db, programmes, now)));
      await drain(db, programmes, now);
    }
    expect(await readLedger(db)).toHaveLength(1);
    const ticks = await Promise.all([1, 2, 3].map(() => tick(db, programmes, at(6))));
    expect(ticks.map(({ marked }) => marked)).toEqual([0, 0, 0]);
  });

  test("does not go back with a clock that runs backwards", async () => {
    await publish(db, usual, at(0));
    await tick(db, programmes, at(10));
    expect(await tick(db, programmes, at(5))).toEqual({ marked: 0 });
    expect(await db.execute(sql`select ticked_at from clock`)).toEqual([{ ticked_at: at(10) }]);
  });

  test("means nothing without a programme, and everything once another one is in force", async () => {
    expect(await tick(db, programmes, at(0))).toEqual({ marked: 0 });
    await publish(db, usual, at(1));
    await db.execute(sql`delete from pending_partners`);
    expect(await tick(db, programmes, at(2))).toEqual({ marked: 2 });
  });
});
