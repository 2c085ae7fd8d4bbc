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
  measure?: unknown;
  matures?: string;
  occurredAt: string;
  endedAt?: string;
  /** When it changes, to the millisecond. */
  on: string;
  points: "gains" | "loses";
}

/** Ten points an article instead of five. */
const double = programmeText({ articles: { evidence: "article", award: { each: 10, cap: 30 } } });

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
  {
    what: "a quarter ends",
    window: { previous: "quarter" },
    occurredAt: "2026-07-01T10:00Z",
    on: "2026-09-30T22:00Z",
    points: "gains",
  },
  {
    what: "a year after the 29th of February passes",
    window: { last: "1 year" },
    occurredAt: "2024-02-29T10:00Z",
    on: "2025-02-28T23:00Z",
    points: "loses",
  },
  {
    what: "a year later in a leap year passes",
    window: { last: "1 year" },
    occurredAt: "2027-02-28T10:00Z",
    on: "2028-02-28T10:00Z",
    points: "loses",
  },
  {
    what: "the 29th of February ends the month",
    window: { rolling: "1 month" },
    occurredAt: "2028-02-29T10:00Z",
    on: "2028-02-29T23:00Z",
    points: "loses",
  },
  {
    what: "the first month of a streak is complete",
    measure: { streak: "month" },
    window: "ever",
    occurredAt: "2026-03-01T10:00Z",
    on: "2026-03-31T22:00Z",
    points: "gains",
  },
  {
    what: "a month without evidence breaks a streak",
    measure: { streak: "month" },
    window: "ever",
    occurredAt: "2026-09-30T21:59:59.999Z",
    on: "2026-10-31T23:00Z",
    points: "loses",
  },
  {
    what: "the week of the autumn change is complete",
    measure: { streak: "week" },
    window: "ever",
    occurredAt: "2026-10-25T22:59:59.999Z",
    on: "2026-10-25T23:00Z",
    points: "gains",
  },
  {
    what: "evidence is mature after a day of 23 hours",
    matures: "1 day",
    window: "ever",
    occurredAt: "2026-03-28T12:00Z",
    on: "2026-03-29T11:00Z",
    points: "gains",
  },
  {
    what: "a reading leaves its window",
    measure: "latest",
    window: { last: "2 weeks" },
    occurredAt: "2026-10-20T10:00Z",
    on: "2026-11-03T11:00Z",
    points: "loses",
  },
];

// The first instants of what follows: spring change, autumn change, ends of a month, a quarter, a year, the 29th of February.
const boundaries = [
  { day: "2026-03-29", starts: "2026-03-28T23:00Z", unit: "day" },
  { day: "2026-03-30", starts: "2026-03-29T22:00Z", unit: "week" },
  { day: "2026-10-25", starts: "2026-10-24T22:00Z", unit: "day" },
  { day: "2026-10-26", starts: "2026-10-25T23:00Z", unit: "week" },
  { day: "2026-05-01", starts: "2026-04-30T22:00Z", unit: "month" },
  { day: "2026-07-01", starts: "2026-06-30T22:00Z", unit: "quarter" },
  { day: "2027-01-01", starts: "2026-12-31T23:00Z", unit: "year" },
  { day: "2028-02-29", starts: "2028-02-28T23:00Z", unit: "day" },
  { day: "2028-03-01", starts: "2028-02-29T23:00Z", unit: "month" },
] as const;

describe("the passing of time", () => {
  test.each(cases)(
    "$points points to the millisecond when $what",
    async ({ window, measure = "count", matures, occurredAt, endedAt, on, points }) => {
      const instant = new Date(on);
      const start = msBefore(instant, HOUR_MS);
      await publish(
        db,
        programmeText({
          one: {
            evidence: "one",
            measure,
            window,
            ...(matures !== undefined && { matures }),
            award: { points: 7, "at-least": 1 },
          },
        }),
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

  test.each(boundaries)("evidence on the first instant of $day belongs to it, a $unit", async (boundary) => {
    const starts = new Date(boundary.starts);
    const seasons = {
      before: { from: "2024-01-01", to: boundary.day },
      after: { from: boundary.day, to: "2029-01-01" },
    };
    const season = (key: string) => ({
      evidence: "one",
      window: { season: key },
      award: { each: 1, cap: 9 },
    });
    const text = JSON.parse(programmeText({ before: season("before"), after: season("after") })) as object;
    await publish(db, JSON.stringify({ ...text, seasons }), msBefore(starts, HOUR_MS));
    const facts = [-1, 0, 1].map((ms) => fact(`${ms}`, { kind: "one", occurredAt: msBefore(starts, -ms) }));
    await list(db, connection, facts, msBefore(starts, HOUR_MS));
    expect(await pointsAt(msBefore(starts, 2))).toBe(0);
    expect(await pointsAt(msBefore(starts, 1))).toBe(1);
    expect(await pointsAt(starts)).toBe(2);
    expect(await pointsAt(msBefore(starts, -1))).toBe(3);
    const held = await db.execute(sql`select achievement, points from achievements_held order by 1`);
    expect(held).toEqual([
      { achievement: "after", points: 2 },
      { achievement: "before", points: 1 },
    ]);
  });

  test("brings a version into force to the millisecond, at a local time", async () => {
    const start = new Date("2026-03-28T12:00Z");
    await publish(db, usual, start);
    await list(db, connection, [fact("a", { occurredAt: start })], start);
    expect(await pointsAt(start)).toBe(5);
    // 02:30 does not exist on this day: the first instant after the gap.
    const later = JSON.stringify({ ...(JSON.parse(double) as object), "effective-from": "2026-03-29T02:30" });
    const version = await publish(db, later, msBefore(start, -1000));
    const instant = new Date("2026-03-29T01:00Z");
    expect(await pointsAt(msBefore(instant, 1))).toBe(5);
    expect(await pointsAt(instant)).toBe(10);
    expect((await readLedger(db)).at(-1)).toMatchObject({
      cause: "clock",
      at: instant,
      delta: 5,
      programme_version: version,
    });
    expect(await verify(db, programmes, instant)).toMatchObject({ pending: 0, drift: 0 });
  });

  test("ends an adjustment to the millisecond", async () => {
    await publish(db, usual, at(0));
    await db.execute(sql`
      insert into adjustments (partner_id, points, reason, author, created_at, until)
      values (${partners[0]}, -3, 'late', 'Ada', ${at(0)}, ${at(5)})`);
    expect(await pointsAt(at(0))).toBe(-3);
    expect(await pointsAt(msBefore(at(5), 1))).toBe(-3);
    expect(await pointsAt(at(5))).toBe(0);
    expect(await verify(db, programmes, at(5))).toMatchObject({ pending: 0, drift: 0 });
  });

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
