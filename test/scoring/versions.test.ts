import { sql } from "drizzle-orm";
import { afterEach, beforeEach, describe, expect, test } from "vitest";
import type { Database } from "../../db/client.ts";
import { UsageError } from "../../src/platform/errors.ts";
import { openProgrammeVersions } from "../../src/programme/versions.ts";
import { tick } from "../../src/scoring/clock.ts";
import { openTestDatabase, type TestDatabase } from "../database.ts";
import { addPartners, at, holdOpen, readPendingPartners, untilBlocked } from "../evidence/collecting.ts";
import { programmeText, publish, usual } from "./programmes.ts";

let database: TestDatabase;
let db: Database;

beforeEach(async () => {
  database = await openTestDatabase();
  db = database.db;
});
afterEach(async () => {
  await database.close();
});

const other = programmeText({ articles: { evidence: "article", award: { each: 1, cap: 2 } } });
const inForce = async (minute: number) => (await openProgrammeVersions().inForce(db, at(minute)))?.id;

describe("publishing a programme", () => {
  test("makes everybody pending, once: the text in force is not published again", async () => {
    const partners = await addPartners(db, 3);
    const first = await publish(db, usual, at(0));
    expect(await readPendingPartners(db)).toEqual(partners);
    await db.execute(sql`delete from pending_partners`);
    expect(await publish(db, usual, at(1))).toBe(first);
    expect(await readPendingPartners(db)).toEqual([]);
    expect(await db.execute(sql`select from programme_versions`)).toHaveLength(1);
  });

  test("by several at once makes one version", async () => {
    const ids = await Promise.all([1, 2, 3, 4].map(() => publish(db, usual, at(0))));
    expect(new Set(ids).size).toBe(1);
  });

  test("keeps every version, and each is in force from its publication to the next", async () => {
    const first = await publish(db, usual, at(0));
    const second = await publish(db, other, at(10));
    const third = await publish(db, usual, at(20));
    expect(new Set([first, second, third]).size).toBe(3);
    expect(await Promise.all([-1, 0, 9, 10, 19, 20, 99].map(inForce))).toEqual([
      undefined,
      first,
      first,
      second,
      second,
      third,
      third,
    ]);
  });

  test("of a version to come lets no tick pass its beginning unseen", async () => {
    await addPartners(db, 1);
    await publish(db, usual, at(0));
    await tick(db, openProgrammeVersions(), at(1));
    await db.execute(sql`delete from pending_partners`);
    const coming = JSON.stringify({ ...(JSON.parse(other) as object), "effective-from": "2026-06-01T14:10" });
    await db.execute(sql`
      create function wait() returns trigger language plpgsql as
        $$ begin perform pg_advisory_xact_lock(42); return new; end $$`);
    await db.execute(sql`
      create trigger waiting before insert on programme_versions for each row execute function wait()`);
    const held = await holdOpen(db, sql`select pg_advisory_xact_lock(42)`);
    const publishing = publish(db, coming, at(9));
    await untilBlocked(db, 1);
    const ticking = tick(db, openProgrammeVersions(), at(11));
    await untilBlocked(db, 2);
    await held.release();
    const published = await publishing;
    expect([await inForce(9), await inForce(11)]).toEqual([1, published]);
    expect(await ticking).toEqual({ marked: 1 });
  });

  test("takes effect even when the publisher's clock is behind the version before", async () => {
    await publish(db, usual, at(10));
    const second = await publish(db, other, at(5));
    expect(await inForce(10)).toBe(second);
  });

  const beginning = (text: string, from: string) =>
    JSON.stringify({ ...(JSON.parse(text) as object), "effective-from": from });
  // at(0) is 14:00 in Amsterdam on 1 June 2026.

  test("of one that begins later makes nobody pending and changes nothing until then", async () => {
    await addPartners(db, 2);
    const first = await publish(db, usual, at(0));
    await db.execute(sql`delete from pending_partners`);
    const second = await publish(db, beginning(other, "2026-06-01T14:30"), at(1));
    expect(await readPendingPartners(db)).toEqual([]);
    expect(await Promise.all([1, 29, 30].map(inForce))).toEqual([first, first, second]);
    expect(await publish(db, beginning(other, "2026-06-01T14:30"), at(2))).toBe(second);
  });

  test("in between leaves the one that begins later in its place", async () => {
    await publish(db, usual, at(0));
    const later = await publish(db, beginning(other, "2026-06-01T14:30"), at(1));
    const between = await publish(db, other, at(10));
    expect(await Promise.all([9, 10, 29, 30].map(inForce))).toEqual([later - 1, between, between, later]);
  });

  test("with the same beginning takes one back that has not begun", async () => {
    await publish(db, usual, at(0));
    await publish(db, beginning(other, "2026-06-01T14:30"), at(1));
    const instead = await publish(db, beginning(usual, "2026-06-01T14:30"), at(2));
    expect(await inForce(30)).toBe(instead);
  });

  test("whose beginning has passed is in force from its publication: history is not rewritten", async () => {
    const first = await publish(db, usual, at(0));
    const second = await publish(db, beginning(other, "2026-01-01"), at(10));
    expect(await Promise.all([9, 10].map(inForce))).toEqual([first, second]);
  });

  test("is never in force from before the last tick of the clock", async () => {
    await publish(db, usual, at(0));
    await db.execute(sql`insert into clock (ticked_at) values (${at(20)})`);
    const second = await publish(db, other, at(10));
    expect(await Promise.all([19, 20].map(inForce))).toEqual([second - 1, second]);
  });

  test("of a document that is not valid stores nothing", async () => {
    await expect(publish(db, `${usual}}`, at(0))).rejects.toThrow(UsageError);
    expect(await db.execute(sql`select from programme_versions`)).toEqual([]);
  });
});
