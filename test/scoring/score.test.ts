import { sql } from "drizzle-orm";
import { afterEach, beforeEach, describe, expect, test } from "vitest";
import type { Database } from "../../db/client.ts";
import type { Lease } from "../../src/evidence/lease.ts";
import { markPending } from "../../src/evidence/pending.ts";
import { openProgrammeVersions, type ProgrammeVersions } from "../../src/programme/versions.ts";
import { tick } from "../../src/scoring/clock.ts";
import { scorePending } from "../../src/scoring/score.ts";
import { verify } from "../../src/scoring/verify.ts";
import { openTestDatabase, type TestDatabase } from "../database.ts";
import {
  addConnection,
  addPartners,
  at,
  fact,
  factOf,
  holdOpen,
  list,
  openLease,
  readPendingPartners,
  record,
  untilBlocked,
} from "../evidence/collecting.ts";
import { drain, programmeText, publish, readLedger, readPoints, readScores, usual } from "./programmes.ts";

let database: TestDatabase;
let db: Database;
let programmes: ProgrammeVersions;
let partner: number;
let connection: { source: string; connectionId: number };

beforeEach(async () => {
  database = await openTestDatabase({ max: 12 });
  db = database.db;
  programmes = openProgrammeVersions();
  const [first] = await addPartners(db, 1);
  partner = first!;
  connection = await addConnection(db, { partnerId: partner });
});
afterEach(async () => {
  await database.close();
});

const score = async (now: Date) => await drain(db, programmes, now);
const articles = (count: number) => Array.from({ length: count }, (_, n) => fact(`a${n}`));
const certificate = (more = {}) => fact("certificate", { kind: "certificate", ...more });

describe("scoring", () => {
  test("nobody is claimed before a programme is published", async () => {
    await list(db, connection, articles(1), at(0));
    expect(await score(at(1))).toEqual({ claimed: 0, changed: 0, lines: 0 });
    expect(await readPendingPartners(db)).toEqual([partner]);
    await publish(db, usual, at(2));
    expect(await score(at(3))).toEqual({ claimed: 1, changed: 1, lines: 1 });
  });

  test("a worker whose clock is behind the publication claims nobody either", async () => {
    await publish(db, usual, at(5));
    expect(await score(at(4))).toEqual({ claimed: 0, changed: 0, lines: 0 });
    expect(await readPendingPartners(db)).toEqual([partner]);
  });

  test("evidence becomes lines of the ledger, which name their cause, run and programme", async () => {
    const version = await publish(db, usual, at(0));
    await score(at(0));
    await list(db, connection, [...articles(2), certificate()], at(1));
    await score(at(2));
    const [run] = await db.execute<{ id: number; awards: number }>(sql`select id, awards from runs`);
    const line = { partner_id: partner, score_version: 1, cause: "evidence", run_id: run!.id, at: at(2) };
    expect(await readLedger(db)).toEqual([
      { ...line, achievement: "articles", delta: 10, programme_version: version },
      { ...line, achievement: "certified", delta: 10, programme_version: version },
    ]);
    expect(run!.awards).toBe(2);
    expect(await readScores(db)).toEqual([
      { partner_id: partner, points: 20, reached_at: at(2), version: 1 },
    ]);
    expect(await db.execute(sql`select partner_id from pending_standings`)).toEqual([
      { partner_id: partner },
    ]);
  });

  test("vanished evidence becomes a negative line, and what is back a positive one", async () => {
    await publish(db, usual, at(0));
    await list(db, connection, [...articles(2), certificate()], at(1));
    await score(at(1));
    await list(db, connection, articles(1), at(2));
    await score(at(2));
    await list(db, connection, [...articles(1), certificate()], at(3));
    await score(at(3));
    const lines = (await readLedger(db)).map(({ score_version, achievement, delta }) => [
      score_version,
      achievement,
      delta,
    ]);
    expect(lines).toEqual([
      [1, "articles", 10],
      [1, "certified", 10],
      [2, "articles", -5],
      [2, "certified", -10],
      [3, "certified", 10],
    ]);
    expect(await readScores(db)).toMatchObject([{ points: 15, version: 3, reached_at: at(3) }]);
  });

  test("an achievement the programme no longer has is taken back", async () => {
    await publish(db, usual, at(0));
    await list(db, connection, [...articles(2), certificate()], at(1));
    await score(at(1));
    const without = programmeText({ articles: { evidence: "article", award: { each: 4, cap: 20 } } });
    const second = await publish(db, without, at(5));
    await score(at(6));
    expect((await readLedger(db)).slice(2)).toMatchObject([
      { achievement: "articles", delta: -2, cause: "programme", programme_version: second, run_id: null },
      { achievement: "certified", delta: -10, cause: "programme", programme_version: second },
    ]);
    expect(await db.execute(sql`select achievement, points from achievements_held`)).toEqual([
      { achievement: "articles", points: 8 },
    ]);
    expect(await readScores(db)).toMatchObject([{ points: 8 }]);
  });

  test("units that change no points are kept without a line and without a new version", async () => {
    await publish(db, usual, at(0));
    await list(db, connection, articles(3), at(1));
    await score(at(1));
    await db.execute(sql`delete from pending_standings`);
    await list(db, connection, articles(7), at(2));
    expect(await score(at(2))).toEqual({ claimed: 1, changed: 0, lines: 0 });
    expect(await db.execute(sql`select units::int, points, since from achievements_held`)).toEqual([
      { units: 7, points: 15, since: at(1) },
    ]);
    expect(await readScores(db)).toMatchObject([{ version: 1, reached_at: at(1) }]);
    expect(await db.execute(sql`select from pending_standings`)).toEqual([]);
  });

  test("a total that stays the same keeps the time it was reached, with a new version", async () => {
    await publish(db, usual, at(0));
    await list(db, connection, articles(2), at(1));
    await score(at(1));
    // Two articles for ten points go, a certificate for ten comes.
    await list(db, connection, [certificate()], at(2));
    expect(await score(at(2))).toMatchObject({ lines: 2 });
    expect(await readScores(db)).toEqual([
      { partner_id: partner, points: 10, reached_at: at(1), version: 2 },
    ]);
  });

  test("another total is reached when it was given, down as well as up, and even by the same evidence", async () => {
    await publish(db, usual, at(0));
    for (const [minute, count] of [1, 2, 1, 2].entries()) {
      await list(db, connection, articles(count), at(minute));
      await score(at(minute));
      expect(await readScores(db)).toMatchObject([
        { points: 5 * count, reached_at: at(minute), version: minute + 1 },
      ]);
    }
  });

  test("lines of a worker whose clock is behind are not older than those before them", async () => {
    await publish(db, usual, at(0));
    await list(db, connection, articles(1), at(1));
    await score(at(10));
    await list(db, connection, articles(2), at(2));
    await score(at(3));
    await list(db, connection, articles(1), at(11));
    await score(at(11));
    expect((await readLedger(db)).map((line) => line.at)).toEqual([at(10), at(10), at(11)]);
    expect((await readScores(db))[0]!.reached_at).toEqual(at(11));
  });

  test("a worker whose clock is behind the last tick evaluates as of the tick", async () => {
    await publish(db, usual, at(0));
    await tick(db, programmes, at(0));
    await list(db, connection, [certificate({ occurredAt: at(5) })], at(1));
    expect(await score(at(1))).toMatchObject({ lines: 0 });
    await tick(db, programmes, at(6));
    expect(await score(at(4))).toMatchObject({ lines: 1 });
  });

  test("points of a partner nobody has matched wait with its evidence", async () => {
    await publish(db, usual, at(0));
    await list(db, connection, [factOf("nobody", "a")], at(1));
    expect(await score(at(1))).toMatchObject({ lines: 0 });
  });

  test("only pending partners of the scope are claimed, and no more than the limit", async () => {
    await publish(db, usual, at(0));
    const more = await db.execute<{ id: number }>(sql`
      insert into partners (slug, name) select 'more-' || n, 'More' from generate_series(1, 9) as n returning id`);
    const ids = [partner, ...more.map((row) => row.id)];
    await markPending(db, ids, { cause: "rescore", at: at(1) });
    const options = { now: at(1), limit: 4, scope: { first: ids[2]!, last: ids[7]! } };
    expect((await scorePending(db, programmes, options)).claimed).toBe(4);
    expect((await scorePending(db, programmes, options)).claimed).toBe(2);
    expect((await scorePending(db, programmes, options)).claimed).toBe(0);
    expect(await readPendingPartners(db)).toEqual([...ids.slice(0, 2), ...ids.slice(8)]);
    const named = { now: at(1), limit: 4, scope: { partners: [ids[9]!] } };
    expect((await scorePending(db, programmes, named)).claimed).toBe(1);
  });
});

describe("scoring while evidence comes in", () => {
  test("a mark made while its partner is being scored is not lost", async () => {
    await publish(db, usual, at(0));
    await score(at(0));
    const lease = await openLease(db, connection);
    await record(db, lease, articles(1));
    // Everything of the first scoring is done except its commit: it waits for the standings' to-do list.
    const ranking = await holdOpen(db, sql`insert into pending_standings (partner_id) values (${partner})`);
    const first = scorePending(db, programmes, { now: at(1), limit: 10 });
    await untilBlocked(db, 1);
    const page = record(db, lease, articles(2), { now: at(2) });
    await untilBlocked(db, 2);
    // Nothing else can claim the partner meanwhile.
    expect(await scorePending(db, programmes, { now: at(2), limit: 10 })).toMatchObject({ claimed: 0 });
    await ranking.release();
    expect(await first).toMatchObject({ lines: 1 });
    await page;
    expect(await readPendingPartners(db)).toEqual([partner]);
    expect(await score(at(3))).toMatchObject({ lines: 1 });
    expect(await readScores(db)).toMatchObject([{ points: 10, version: 2 }]);
  });

  test("a scoring that is killed before its commit leaves the partner pending and no trace", async () => {
    await publish(db, usual, at(0));
    await score(at(0));
    await list(db, connection, articles(1), at(1));
    const ranking = await holdOpen(db, sql`insert into pending_standings (partner_id) values (${partner})`);
    const killed = scorePending(db, programmes, { now: at(1), limit: 10 });
    killed.catch(() => undefined);
    await untilBlocked(db, 1);
    await db.execute(sql`select pg_terminate_backend(pid) from pg_stat_activity
      where datname = current_database() and wait_event_type = 'Lock'`);
    await expect(killed).rejects.toThrow();
    await ranking.release();
    expect(await readLedger(db)).toEqual([]);
    expect(await readPendingPartners(db)).toEqual([partner]);
    expect(await score(at(2))).toMatchObject({ lines: 1 });
  });

  test("eight score jobs over 200 partners write no line twice while three sources go on recording", async () => {
    const ids = await db.execute<{ id: number }>(sql`
      insert into partners (slug, name) select 'many-' || n, 'Many' from generate_series(1, 200) as n returning id`);
    await db.execute(sql`insert into identities (namespace, key, partner_id)
      select 'crm', substr(slug, 6), id from partners where slug like 'many-%'`);
    await publish(db, usual, at(0));
    const leases: Lease[] = [];
    for (const source of ["one", "two", "three"]) {
      leases.push(await openLease(db, await addConnection(db, { source })));
    }
    let recording = leases.length;
    const recorders = leases.map(async (lease, shift) => {
      for (let round = 0; round < 8; round++) {
        const page = ids.flatMap((_, n) => {
          const key = String(1 + ((n * 7 + shift * 31 + round) % 200));
          if ((n + round) % 3 > 0) return [];
          return [
            factOf(key, `${shift}-${key}-${round % 3}`, {
              kind: round % 2 === 0 ? "article" : "certificate",
            }),
          ];
        });
        await record(db, lease, page, { now: at(round) });
      }
      recording -= 1;
    });
    const drains = Array.from({ length: 8 }, async () => {
      let lines = 0;
      do lines += (await drain(db, programmes, at(20), 25)).lines;
      while (recording > 0);
      return lines;
    });
    await Promise.all(recorders);
    const written = (await Promise.all(drains)).reduce((sum, lines) => sum + lines, 0);
    const rest = await score(at(20));
    const ledger = await readLedger(db);
    expect(ledger.length).toBe(written + rest.lines);
    expect(ledger.length).toBeGreaterThan(200);
    const points = ids.map((row) => row.id);
    const scores = await readPoints(db, points, "scores");
    expect(await readPoints(db, points, "ledger")).toEqual(scores);
    expect(await readPoints(db, points, "achievements_held")).toEqual(scores);
    expect(await verify(db, programmes, at(20))).toMatchObject({ partners: 201, pending: 0, drift: 0 });
    const [awards] = await db.execute(sql`select sum(awards)::int as awards from runs`);
    expect(awards).toEqual({ awards: ledger.filter((line) => line.run_id !== null).length });
  });
});
