import { type SQL, sql } from "drizzle-orm";
import { afterEach, beforeEach, describe, expect, test } from "vitest";
import type { Database } from "../../db/client.ts";
import { markPending } from "../../src/evidence/pending.ts";
import { finishReconcile, startReconcile } from "../../src/ingest/runs/reconcile.ts";
import { openProgrammeVersions, type ProgrammeVersions } from "../../src/programme/versions.ts";
import { tick } from "../../src/scoring/clock.ts";
import { verify } from "../../src/scoring/verify.ts";
import { openTestDatabase, type TestDatabase } from "../database.ts";
import {
  addConnection,
  addPartners,
  at,
  fact,
  factOf,
  list,
  openLease,
  record,
} from "../evidence/collecting.ts";
import { drain, publish, readLedger, readPoints, readScores, usual } from "./programmes.ts";

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
  // Three score versions each, so that there is a ledger to contradict.
  await db.execute(
    sql`insert into identities (namespace, key, partner_id) select 'crm', slug, id from partners`,
  );
  const lease = await openLease(db, await addConnection(db));
  for (const [minute, kind] of [
    [1, "article"],
    [2, "certificate"],
    [3, "article"],
  ] as const) {
    const facts = partners.map((_, n) => factOf(`partner-${n + 1}`, `${kind}-${n}-${minute}`, { kind }));
    await record(db, lease, facts, { now: at(minute) });
    await drain(db, programmes, at(minute));
  }
});
afterEach(async () => {
  await database.close();
});

const ofSecond = sql`partner_id = (select id from partners where slug = 'partner-2')`;
const second = ["partner-2"];
const noCache = { compare: () => Promise.resolve(0), rebuild: () => Promise.resolve() };

interface Tampering {
  what: string;
  statement: SQL;
  found: { evaluation?: string[]; achievements?: string[]; ledger?: string[] };
  /** The score afterwards; 20 where the evidence was left alone. */
  points?: number;
}

const tamperings: Tampering[] = [
  {
    what: "points of an achievement",
    statement: sql`update achievements_held set points = 15 where achievement = 'articles' and ${ofSecond}`,
    found: { evaluation: second, achievements: second, ledger: second },
  },
  {
    what: "units of an achievement",
    statement: sql`update achievements_held set units = 3 where achievement = 'articles' and ${ofSecond}`,
    found: { evaluation: second },
  },
  {
    what: "an achievement that was deleted",
    statement: sql`delete from achievements_held where achievement = 'certified' and ${ofSecond}`,
    found: { evaluation: second, achievements: second, ledger: second },
  },
  {
    what: "an achievement nobody knows",
    statement: sql`insert into achievements_held select partner_id, 'unknown', 1, 9, now() from scores where ${ofSecond}`,
    found: { evaluation: second, achievements: second, ledger: second },
  },
  {
    what: "a total",
    statement: sql`update scores set points = points + 1 where ${ofSecond}`,
    found: { achievements: second },
  },
  {
    what: "a total that was deleted",
    statement: sql`delete from scores where ${ofSecond}`,
    found: { achievements: second },
  },
  {
    what: "a line of the ledger",
    statement: sql`update ledger set delta = 4 where achievement = 'articles' and score_version = 1 and ${ofSecond}`,
    found: { ledger: second },
  },
  {
    what: "a line of the ledger that was deleted",
    statement: sql`delete from ledger where score_version = 2 and ${ofSecond}`,
    found: { ledger: second },
  },
  {
    what: "two lines that cancel each other out",
    statement: sql`update ledger set delta = case achievement when 'articles' then delta + 1 else delta - 1 end
      where score_version = 1 and ${ofSecond}`,
    found: { ledger: second },
  },
  {
    what: "evidence that was deleted",
    statement: sql`delete from evidence where kind = 'certificate' and ${ofSecond}`,
    found: { evaluation: second },
    points: 10,
  },
  {
    what: "all of them at once",
    statement: sql`with a as (update achievements_held set points = points + 1 where ${ofSecond}),
      b as (delete from ledger where ${ofSecond}) update scores set points = 77 where ${ofSecond}`,
    found: { evaluation: second, achievements: second, ledger: second },
  },
];

describe("verify", () => {
  test("finds nothing where nobody has tampered, and writes nothing", async () => {
    const clean = { evaluation: [], achievements: [], ledger: [] };
    expect(await verify(db, programmes, at(3))).toEqual({ partners: 2, pending: 0, drift: 0, ...clean });
  });

  test("finds lines of the ledger that belong to no partner, which nothing can repair", async () => {
    await db.execute(sql`
      insert into ledger (partner_id, score_version, achievement, delta, cause, programme_version, at)
      select 4711, 1, 'articles', 5, 'evidence', max(id), ${at(3)} from programme_versions`);
    const found = { drift: 1, ledger: ["number 4711, who is no partner"] };
    expect(await verify(db, programmes, at(3))).toMatchObject(found);
    const { runId } = await startReconcile(db, { sources: [], askedBy: "test", now: at(4) });
    expect(await finishReconcile(db, programmes, noCache, { runId, now: () => at(5) })).toEqual({ drift: 1 });
    expect(await verify(db, programmes, at(6))).toMatchObject({ ...found, pending: 0 });
  });

  test.each(tamperings)(
    "finds $what, says where, and a reconciliation repairs it",
    async ({ statement, found, points = 20 }) => {
      await db.execute(statement);
      const before = await readLedger(db);
      const version = (await readScores(db)).find((row) => row.partner_id === partners[1])?.version ?? 3;
      const lists = { evaluation: [], achievements: [], ledger: [], ...found };
      expect(await verify(db, programmes, at(3))).toEqual({ partners: 2, pending: 0, drift: 1, ...lists });

      const { runId } = await startReconcile(db, { sources: [], askedBy: "test", now: at(4) });
      expect(await finishReconcile(db, programmes, noCache, { runId, now: () => at(5) })).toEqual({
        drift: 1,
      });
      expect(await verify(db, programmes, at(6))).toMatchObject({ pending: 0, drift: 0 });
      for (const of of ["scores", "ledger", "achievements_held"] as const) {
        expect(await readPoints(db, partners, of)).toEqual([20, points]);
      }
      // By lines that were added: none is changed or gone, and each names the reconciliation.
      const after = await readLedger(db);
      expect(after.slice(0, before.length)).toEqual(before);
      const added = after.slice(before.length);
      expect(added.every((line) => line.cause === "reconcile" && line.run_id === runId)).toBe(true);
      expect(added.every((line) => line.partner_id === partners[1])).toBe(true);
      expect(await db.execute(sql`select drift, awards, state from runs where id = ${runId}`)).toEqual([
        { drift: 1, awards: added.length, state: "complete" },
      ]);
      expect((await readScores(db))[1]!.version).toBeGreaterThanOrEqual(version);

      // And the partner can be scored again.
      await list(
        db,
        await addConnection(db, { source: "later", partnerId: partners[1]! }),
        [fact("later")],
        at(7),
      );
      await drain(db, programmes, at(7));
      expect(await readPoints(db, partners, "scores")).toEqual([20, points + 5]);
      expect(await verify(db, programmes, at(8))).toMatchObject({ drift: 0 });
      const next = await startReconcile(db, { sources: [], askedBy: "test", now: at(9) });
      expect(await finishReconcile(db, programmes, noCache, { runId: next.runId, now: () => at(9) })).toEqual(
        { drift: 0 },
      );
    },
  );

  test("does not count a partner that waits for its score", async () => {
    await db.execute(sql`update scores set points = 1 where ${ofSecond}`);
    await markPending(db, [partners[1]!], { cause: "evidence", at: at(3) });
    expect(await verify(db, programmes, at(3))).toMatchObject({ pending: 1, drift: 0 });
  });

  test("does not count a partner that the next tick of the clock will mark", async () => {
    await list(
      db,
      await addConnection(db, { source: "later", partnerId: partners[0]! }),
      [fact("later", { occurredAt: at(10) })],
      at(3),
    );
    await drain(db, programmes, at(4));
    expect(await verify(db, programmes, at(11))).toMatchObject({ pending: 1, drift: 0 });
    await tick(db, programmes, at(11));
    await drain(db, programmes, at(11));
    // Of somebody whose clock is behind: the last tick is what the scores are as of.
    expect(await verify(db, programmes, at(9))).toMatchObject({ pending: 0, drift: 0 });
  });

  test("a repair that waits is not forgotten because evidence comes in meanwhile", async () => {
    await db.execute(
      sql`update ledger set delta = 4 where achievement = 'articles' and score_version = 1 and ${ofSecond}`,
    );
    await markPending(db, [partners[1]!], { cause: "reconcile", at: at(3) });
    await markPending(db, [partners[1]!], { cause: "evidence", at: at(3) });
    await drain(db, programmes, at(4));
    expect(await verify(db, programmes, at(4))).toMatchObject({ drift: 0 });
  });

  test("lists a hundred partners at most and counts all", async () => {
    await db.execute(sql`
      insert into partners (slug, name) select 'many-' || n, 'Many' from generate_series(1, 120) as n`);
    await db.execute(sql`insert into scores select id, 5, now(), 1 from partners where slug like 'many-%'`);
    const found = await verify(db, programmes, at(3));
    expect(found.drift).toBe(120);
    expect(found.achievements).toHaveLength(100);
  });
});
