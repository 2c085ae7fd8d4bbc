import { sql } from "drizzle-orm";
import { afterEach, beforeEach, describe, expect, test } from "vitest";
import type { Database } from "../../db/client.ts";
import { rescoreRange } from "../../src/ingest/runs/range.ts";
import { finishReconcile, startReconcile } from "../../src/ingest/runs/reconcile.ts";
import { readOpenRanges, startRescore } from "../../src/ingest/runs/rescore.ts";
import { UsageError } from "../../src/platform/errors.ts";
import { openProgrammeVersions, type ProgrammeVersions } from "../../src/programme/versions.ts";
import { adjust, readAdjustments, readUntil, revokeAdjustment } from "../../src/scoring/adjustments.ts";
import { tick } from "../../src/scoring/clock.ts";
import { verify } from "../../src/scoring/verify.ts";
import { openTestDatabase, type TestDatabase } from "../database.ts";
import {
  addConnection,
  addPartners,
  at,
  fact,
  holdOpen,
  list,
  readPendingPartners,
  untilBlocked,
} from "../evidence/collecting.ts";
import { drain, publish, readLedger, readPoints, usual } from "./programmes.ts";

let database: TestDatabase;
let db: Database;
let programmes: ProgrammeVersions;
let partners: number[];

beforeEach(async () => {
  database = await openTestDatabase();
  db = database.db;
  programmes = openProgrammeVersions();
  partners = await addPartners(db, 2);
  await publish(db, usual, at(0));
  await tick(db, programmes, at(0));
  await list(db, await addConnection(db, { partnerId: partners[0]! }), [fact("a"), fact("b")], at(0));
  await drain(db, programmes, at(0));
});
afterEach(async () => {
  await database.close();
});

/** Five points less for the first partner unless said otherwise. */
const give = async (more: Partial<Parameters<typeof adjust>[1]> = {}) =>
  await adjust(db, {
    partnerId: partners[0]!,
    points: -5,
    reason: "The stand was not built",
    by: "Anna",
    now: at(10),
    ...more,
  });
const score = async (minutes: number) => {
  await tick(db, programmes, at(minutes));
  await drain(db, programmes, at(minutes));
  return await readPoints(db, partners, "scores");
};
const linesOf = async (adjustment: { id: number }) =>
  (await readLedger(db))
    .filter(({ achievement }) => achievement === `adjustment:${adjustment.id}`)
    .map(({ delta, cause, at: instant }) => ({ delta, cause, at: instant }));

describe("an adjustment", () => {
  test("is a line of its own, in what is held and in the ledger, and changes nobody else", async () => {
    const taken = await give();
    const given = await give({ partnerId: partners[1]!, points: 7, reason: " A good year ", until: at(600) });
    expect(taken).toEqual({
      id: taken.id,
      partner: "partner-1",
      name: "Partner 1",
      points: -5,
      reason: "The stand was not built",
      by: "Anna",
      createdAt: at(10),
      until: null,
      revokedAt: null,
      revokedBy: null,
      continues: null,
      state: "in force",
    });
    expect(given).toMatchObject({ partner: "partner-2", reason: "A good year", until: at(600) });
    expect(await readPendingPartners(db)).toEqual(partners);
    expect(await score(11)).toEqual([5, 7]);
    expect(await linesOf(taken)).toEqual([{ delta: -5, cause: "adjustment", at: at(11) }]);
    const held = await db.execute(
      sql`select partner_id, achievement, units::int, points from achievements_held where achievement like 'adj%' order by 1`,
    );
    expect(held).toEqual([
      { partner_id: partners[0], achievement: `adjustment:${taken.id}`, units: 1, points: -5 },
      { partner_id: partners[1], achievement: `adjustment:${given.id}`, units: 1, points: 7 },
    ]);
    expect(await verify(db, programmes, at(11))).toMatchObject({ pending: 0, drift: 0 });
  });

  test("may take more than there is", async () => {
    await give({ points: -25 });
    expect(await score(11)).toEqual([-15, 0]);
    expect(await verify(db, programmes, at(11))).toMatchObject({ drift: 0 });
  });

  test("is untouched by a hundred rescores and reconciliations", async () => {
    const adjustment = await give();
    expect(await score(11)).toEqual([5, 0]);
    const before = await readLedger(db);
    const versions = await db.execute(sql`select partner_id, version, reached_at from scores order by 1`);
    for (let round = 0; round < 100; round++) {
      const now = at(12 + round);
      const { runId } = await startRescore(db, programmes, { askedBy: "test", now });
      for (const range of await readOpenRanges(db, runId)) {
        expect(await rescoreRange(db, programmes, range, () => now)).toEqual({ changed: 0 });
      }
      const reconcile = await startReconcile(db, { sources: [], askedBy: "test", now });
      const ended = await finishReconcile(
        db,
        programmes,
        { compare: () => Promise.resolve(0), rebuild: () => Promise.resolve() },
        { runId: reconcile.runId, now: () => now },
      );
      expect(ended).toEqual({ drift: 0 });
    }
    expect(await readLedger(db)).toEqual(before);
    expect(await linesOf(adjustment)).toHaveLength(1);
    expect(await readPoints(db, partners, "scores")).toEqual([5, 0]);
    expect(await db.execute(sql`select partner_id, version, reached_at from scores order by 1`)).toEqual(
      versions,
    );
    expect(await verify(db, programmes, at(112))).toMatchObject({ pending: 0, drift: 0 });
  });

  test("ends at its instant: the clock takes the points, by a line", async () => {
    const adjustment = await give({ points: 10, until: at(60) });
    expect(await score(59)).toEqual([20, 0]);
    await tick(db, programmes, at(60));
    expect(await readPendingPartners(db)).toEqual([partners[0]]);
    expect(await score(60)).toEqual([10, 0]);
    expect(await linesOf(adjustment)).toEqual([
      { delta: 10, cause: "adjustment", at: at(59) },
      { delta: -10, cause: "clock", at: at(60) },
    ]);
    expect(await verify(db, programmes, at(60))).toMatchObject({ pending: 0, drift: 0 });
  });

  test("is revoked by a negative line, once", async () => {
    const adjustment = await give({ points: 10 });
    expect(await score(11)).toEqual([20, 0]);
    const revoked = await revokeAdjustment(db, { id: adjustment.id, by: "Bob", now: at(20) });
    expect(revoked).toEqual({ ...adjustment, revokedAt: at(20), revokedBy: "Bob", state: "revoked" });
    expect(await score(21)).toEqual([10, 0]);
    expect(await linesOf(adjustment)).toEqual([
      { delta: 10, cause: "adjustment", at: at(11) },
      { delta: -10, cause: "adjustment", at: at(21) },
    ]);
    await expect(revokeAdjustment(db, { id: adjustment.id, by: "Bob", now: at(22) })).rejects.toThrow(
      new UsageError(`adjustment ${adjustment.id} was revoked already, by Bob at 2026-06-01T12:20:00.000Z`),
    );
    expect(await score(23)).toEqual([10, 0]);
  });

  test("that is revoked twice at once is revoked by one", async () => {
    const { id } = await give();
    const revoke = (by: string) => revokeAdjustment(db, { id, by, now: at(20) });
    const outcomes = await Promise.allSettled([revoke("Bob"), revoke("Cleo"), revoke("Dan")]);
    expect(outcomes.filter(({ status }) => status === "fulfilled")).toHaveLength(1);
    for (const outcome of outcomes) {
      if (outcome.status === "rejected") expect(outcome.reason).toBeInstanceOf(UsageError);
    }
  });

  test("that has ended, or never was, cannot be revoked", async () => {
    const { id } = await give({ until: at(60) });
    await expect(revokeAdjustment(db, { id, by: "Bob", now: at(60) })).rejects.toThrow(
      new UsageError(`adjustment ${id} ended at 2026-06-01T13:00:00.000Z: there is nothing to revoke`),
    );
    await expect(revokeAdjustment(db, { id: 999, by: "Bob", now: at(20) })).rejects.toThrow(
      new UsageError("there is no adjustment 999; see: standings adjustments"),
    );
    await expect(revokeAdjustment(db, { id, by: " ", now: at(20) })).rejects.toThrow(/^by: expected/);
  });

  test.each([
    [{ points: 0 }, /^points: expected a whole number from -1000000 to 1000000, and not 0, not 0$/],
    [{ points: 1.5 }, /^points: .*not 1\.5$/],
    [{ points: Number.NaN }, /^points: .*not NaN$/],
    [{ points: 1_000_001 }, /^points: /],
    [{ reason: "  " }, /^reason: expected why, in one line of at most 1000 characters$/],
    [{ reason: "a\nb" }, /^reason: /],
    [{ reason: "a\0b" }, /^reason: /],
    [{ by: "" }, /^by: expected the name of who is responsible/],
    [{ by: "merge" }, /^by: expected the name of a person, not merge$/],
    [{ until: at(10) }, /^until: expected an instant to come, not 2026-06-01T12:10:00\.000Z$/],
  ])("with %o is refused, and nothing is written", async (wrong, message) => {
    await expect(give(wrong)).rejects.toThrow(UsageError);
    await expect(give(wrong)).rejects.toThrow(message);
    expect(await readAdjustments(db, { now: at(10) })).toEqual([]);
    expect(await readPendingPartners(db)).toEqual([]);
  });
});

test("adjustments of one partner are no more together than everybody's score can stand", async () => {
  for (let number = 0; number < 10; number++) await give({ points: -1_000_000 });
  await expect(give({ points: -1 })).rejects.toThrow(
    "points: expected no more than 10000000 with its other adjustments",
  );
  await give({ points: 5 });
  expect(await readAdjustments(db, { now: at(10) })).toHaveLength(11);
  expect(await score(11)).toEqual([-9_999_985, 0]);
});

test.each(["9999-12-31", "0998-12-31", "0000-01-01", "+010000-01-01T00:00:00Z", "-000500-01-01T00:00:00Z"])(
  "an end at %s, which no evaluation reaches, is refused as no date",
  (text) => {
    expect(() => readUntil(text, "America/New_York")).toThrow(/^until: expected a date/);
  },
);

describe("the instant of an adjustment", () => {
  test("is not before the clock's last tick, whatever the process's own clock says", async () => {
    await tick(db, programmes, at(30));
    const adjustment = await give({ now: at(10) });
    expect(adjustment.createdAt).toEqual(at(30));
    expect(await revokeAdjustment(db, { id: adjustment.id, by: "Bob", now: at(5) })).toMatchObject({
      revokedAt: at(30),
    });
  });

  test("is not before what its mark says the score was right at, though the clock ticks meanwhile", async () => {
    // Has read the clock, and waits for the partner to be scored before it can mark it.
    await db.execute(
      sql`insert into pending_partners (partner_id, since, cause) values (${partners[0]}, now(), 'x')`,
    );
    const scoring = await holdOpen(db, sql`delete from pending_partners`);
    const adjusting = give({ now: at(10) });
    await untilBlocked(db, 1);
    const ticking = tick(db, programmes, at(30));
    await untilBlocked(db, 2);
    await scoring.release();
    const { createdAt } = await adjusting;
    await ticking;
    const [mark] = await db.execute<{ settled_at: Date }>(sql`select settled_at from pending_partners`);
    expect(createdAt.getTime()).toBeGreaterThanOrEqual(mark!.settled_at.getTime());
  });

  test("may be later than a score job's clock: the points come with the tick that reaches it", async () => {
    await give({ now: at(10) });
    await drain(db, programmes, at(9));
    expect(await readPoints(db, partners, "scores")).toEqual([10, 0]);
    expect(await verify(db, programmes, at(10))).toMatchObject({ pending: 1, drift: 0 });
    expect(await score(10)).toEqual([5, 0]);
    expect(await verify(db, programmes, at(10))).toMatchObject({ pending: 0, drift: 0 });
  });
});

test("adjustments are listed newest first, of one partner or of all, with their state", async () => {
  const ended = await give({ until: at(60) });
  const revoked = await give({ partnerId: partners[1]! });
  await revokeAdjustment(db, { id: revoked.id, by: "Bob", now: at(20) });
  const holding = await give({ now: at(30) });
  const states = async (partnerId?: number) =>
    (await readAdjustments(db, { partnerId, now: at(60) })).map(({ id, state }) => [id, state]);
  expect(await states()).toEqual([
    [holding.id, "in force"],
    [revoked.id, "revoked"],
    [ended.id, "ended"],
  ]);
  expect(await states(partners[0])).toEqual([
    [holding.id, "in force"],
    [ended.id, "ended"],
  ]);
  expect((await readAdjustments(db, { now: at(59) })).at(-1)).toMatchObject({ state: "in force" });
});

describe("an end", () => {
  test.each([
    ["2026-12-31", "2026-12-31T23:00:00Z"],
    // The days of the clock changes, and the one before a leap day.
    ["2026-03-29", "2026-03-29T22:00:00Z"],
    ["2026-10-25", "2026-10-25T23:00:00Z"],
    ["2026-10-24", "2026-10-24T22:00:00Z"],
    ["2028-02-28", "2028-02-28T23:00:00Z"],
    ["2028-02-29", "2028-02-29T23:00:00Z"],
    ["2026-06-01T12:00:00Z", "2026-06-01T12:00:00Z"],
    ["2026-06-01T12:00:00.5+02:00", "2026-06-01T10:00:00.5Z"],
  ])("written %s is %s in Amsterdam", (text, instant) => {
    expect(readUntil(text, "Europe/Amsterdam")).toEqual(new Date(instant));
  });

  test("on a day that begins later than midnight is the first instant of that day", () => {
    // Cairo's clocks went from 00:00 to 01:00 on Friday 28 April 2023.
    expect(readUntil("2023-04-27", "Africa/Cairo")).toEqual(new Date("2023-04-27T22:00:00Z"));
  });

  test.each(["2026-02-30", "31-12-2026", "tomorrow", "2026-12-31T12:00", "", "2026-12-31T25:00:00Z"])(
    "written %o is refused with what was expected",
    (text) => {
      expect(() => readUntil(text, "Europe/Amsterdam")).toThrow(
        new UsageError(
          `until: expected a date such as 2026-12-31, which is included, or an instant such as 2026-12-31T12:00:00Z, not "${text}"`,
        ),
      );
    },
  );
});
