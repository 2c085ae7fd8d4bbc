// What an explanation says besides points: what is not confirmed, what is not old enough, what was known then.
import { sql } from "drizzle-orm";
import { afterEach, beforeEach, describe, expect, test } from "vitest";
import type { Database } from "../../db/client.ts";
import { type ExplainQuestion, type Explanation, explain } from "../../src/insight/explain.ts";
import { compileProgramme } from "../../src/programme/compile.ts";
import { parseProgramme } from "../../src/programme/document.ts";
import { openProgrammeVersions, type ProgrammeVersions } from "../../src/programme/versions.ts";
import { adjust } from "../../src/scoring/adjustments.ts";
import { openTestDatabase, type TestDatabase } from "../database.ts";
import { addConnection, addPartners, at, fact, list } from "../evidence/collecting.ts";
import { drain, programmeText, publish, usual } from "../scoring/programmes.ts";

const HOUR = 60;
const DAY = 24 * HOUR;

let database: TestDatabase;
let db: Database;
let programmes: ProgrammeVersions;
let partnerId: number;
let crm: { source: string; connectionId: number };

beforeEach(async () => {
  database = await openTestDatabase();
  db = database.db;
  programmes = openProgrammeVersions();
  [partnerId = 0] = await addPartners(db, 1);
  crm = await addConnection(db, { partnerId });
  await publish(db, usual, at(-30 * DAY));
});
afterEach(() => database.close());

async function ask(more: Partial<ExplainQuestion>): Promise<Explanation> {
  const explained = await explain(db, programmes, {
    ...{ partnerId, now: at(HOUR), freshWithin: () => DAY * 60_000 },
    ...more,
  });
  if (explained === undefined) throw new Error("Nothing was explained.");
  return explained;
}

const settle = (state: string, more: { completeAt: Date; attemptAt: Date }) =>
  db.execute(sql`
    with attempted as (update sources set last_attempt_at = ${more.attemptAt} where key = 'crm')
    update connections set state = ${state}, last_complete_at = ${more.completeAt} where id = ${crm.connectionId}`);

describe("evidence that is not confirmed", () => {
  beforeEach(async () => {
    const certificate = fact("b", { kind: "certificate" });
    await list(db, crm, [fact("a"), certificate], at(0));
    const blog = await addConnection(db, { source: "blog", partnerId });
    await list(db, blog, [fact("c")], at(0));
    await drain(db, programmes, at(0));
  });

  const since = (explained: Explanation) =>
    explained.achievements.map(({ unconfirmed }) => unconfirmed?.points ?? null);

  test("there is none after a complete sync within the freshness target", async () => {
    const explained = await ask({});
    expect(explained).toMatchObject({ points: 20, unconfirmed: undefined });
    expect(since(explained)).toEqual([null, null, null]);
  });

  test.each(["failed", "partial", "held"])(
    "is that of a connection whose last sync ended %s, since its last complete one",
    async (state) => {
      await settle(state, { completeAt: at(10), attemptAt: at(30) });
      const explained = await ask({});
      expect(explained.unconfirmed).toEqual({ points: 15, since: at(10) });
      expect(explained.points).toBe(20);
      expect(since(explained)).toEqual([5, 10, null]);
      expect(explained.achievements[0]?.evidence.map((one) => [one.source, one.unconfirmedSince])).toEqual([
        ["blog", null],
        ["crm", at(10)],
      ]);
    },
  );

  test.each([null, "rejected"] as const)(
    "is evidence that a listing lacked, though later pulls were complete, while its loss is held or rejected: %s",
    async (decision) => {
      await db.execute(sql`
        insert into held_losses (connection_id, external_id, run_id, decision, confirmed_at)
        select connection_id, external_id, run_id, ${decision}::text, ${at(5)} from evidence where external_id = 'a'`);
      await settle("complete", { completeAt: at(10), attemptAt: at(10) });
      const explained = await ask({});
      expect(explained.unconfirmed).toEqual({ points: 5, since: at(5) });
      expect(explained.points).toBe(20);
    },
  );

  test("is not what the very sync recorded that then broke off", async () => {
    await settle("partial", { completeAt: at(-DAY), attemptAt: at(0) });
    expect((await ask({})).unconfirmed).toBeUndefined();
  });

  test("is what is older than its source's freshness target, however well the last sync ended", async () => {
    const freshWithin = (source: string) => (source === "crm" ? HOUR * 60_000 : undefined);
    expect((await ask({ freshWithin })).unconfirmed).toBeUndefined();
    const later = await ask({ freshWithin, now: new Date(at(HOUR).getTime() + 1) });
    expect(later.unconfirmed).toEqual({ points: 15, since: at(0) });
  });

  test("is not spoken of where something is explained as it was known then", async () => {
    await settle("failed", { completeAt: at(10), attemptAt: at(30) });
    expect((await ask({ replay: { at: at(HOUR) } })).unconfirmed?.points).toBe(15);
    expect((await ask({ replay: { at: at(HOUR), knownAt: at(HOUR) } })).unconfirmed).toBeUndefined();
  });
});

describe("a replay", () => {
  test("tells what is known now from what was known then, and both from what was scored", async () => {
    await list(db, crm, [fact("a", { occurredAt: at(-DAY) })], at(0));
    await drain(db, programmes, at(0));
    await list(
      db,
      crm,
      [fact("a", { occurredAt: at(-DAY) }), fact("late", { occurredAt: at(-DAY) })],
      at(20),
    );
    await drain(db, programmes, at(20));
    const now = await ask({});
    expect(now).toMatchObject({ points: 10, scoredThen: null, scoreVersion: 2, knownAt: null });
    expect(await ask({ replay: { at: at(10) } })).toMatchObject({
      points: 10,
      scoredThen: 5,
      scoreVersion: null,
    });
    const then = await ask({ replay: { at: at(10), knownAt: at(10) } });
    expect(then).toMatchObject({ points: 5, scoredThen: 5 });
    expect(then.achievements[0]?.evidence).toHaveLength(1);
    expect(await ask({ replay: { at: at(-2 * DAY) } })).toMatchObject({ points: 0 });
  });

  test("under other rules writes nothing", async () => {
    await list(db, crm, [fact("a")], at(0));
    await drain(db, programmes, at(0));
    const programme = parseProgramme(
      programmeText({ articles: { evidence: "article", award: { each: 8, cap: 8 } } }),
      "draft.yaml",
    );
    const rules = { id: null, programme, compiled: compileProgramme(programme) };
    const written = () =>
      db.execute(sql`select (select count(*) from ledger) as lines,
      (select count(*) from programme_versions) as versions, (select points from scores) as points`);
    const before = await written();
    expect(await ask({ replay: { at: at(0), rules } })).toMatchObject({ points: 8, programmeVersion: null });
    expect(await written()).toEqual(before);
  });

  test("before the first version of the programme explains nothing", async () => {
    const question = { partnerId, now: at(0), freshWithin: () => undefined };
    expect(await explain(db, programmes, { ...question, replay: { at: at(-31 * DAY) } })).toBeUndefined();
    expect(await explain(db, programmes, { ...question, partnerId: 77 })).toBeUndefined();
  });
});

test("an adjustment is a line of its own, and the parts add up", async () => {
  await list(db, crm, [fact("a")], at(0));
  await adjust(db, { partnerId, points: -2, reason: "Late", by: "Ada", now: at(1), until: at(DAY) });
  await drain(db, programmes, at(1));
  const { points, achievements, adjustments } = await ask({ now: at(2) });
  expect(points).toBe(3);
  expect(achievements.map((one) => one.points)).toEqual([5, 0, 0]);
  expect(adjustments).toEqual([
    { id: 1, points: -2, reason: "Late", by: "Ada", createdAt: at(1), until: at(DAY) },
  ]);
});

test("evidence that is not old enough yet is counted, and the first instant at which it is", async () => {
  const rules = programmeText({
    sent: { evidence: "article", matures: "14 days", award: { points: 5, "at-least": 1 } },
  });
  await publish(db, rules, at(0));
  // The second matures across the clock change of October, at the same local time.
  const occurred = new Date("2026-10-13T10:00:00Z");
  await list(
    db,
    crm,
    [fact("a", { occurredAt: new Date("2026-10-17T10:00:00Z") }), fact("b", { occurredAt: occurred })],
    at(0),
  );
  const matures = new Date("2026-10-27T11:00:00Z");
  const before = await ask({ replay: { at: new Date(matures.getTime() - 1) } });
  expect(before).toMatchObject({ points: 0 });
  expect(before.achievements[0]).toMatchObject({ evidence: [], maturing: { count: 2, from: matures } });
  const after = await ask({ replay: { at: matures } });
  expect(after).toMatchObject({ points: 5 });
  expect(after.achievements[0]?.maturing?.count).toBe(1);
});
