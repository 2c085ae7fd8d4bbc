import { randomBytes } from "node:crypto";
import { sql } from "drizzle-orm";
import { afterEach, beforeEach, describe, expect, test } from "vitest";
import type { Database } from "../../db/client.ts";
import { addIdentities } from "../../src/evidence/match.ts";
import { importConnections } from "../../src/ingest/connections.ts";
import { findPartner } from "../../src/partners/find.ts";
import { importPartners } from "../../src/partners/import.ts";
import { mergePartners, unmergePartner } from "../../src/partners/merge.ts";
import { UsageError } from "../../src/platform/errors.ts";
import { secretBox } from "../../src/platform/secrets.ts";
import { openProgrammeVersions, type ProgrammeVersions } from "../../src/programme/versions.ts";
import { adjust, readAdjustments, revokeAdjustment } from "../../src/scoring/adjustments.ts";
import { tick } from "../../src/scoring/clock.ts";
import { verify } from "../../src/scoring/verify.ts";
import { postgresStandings } from "../../src/standings/postgres.ts";
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
  readCurrent,
  readEvidence,
  readPendingPartners,
  record,
  untilBlocked,
} from "../evidence/collecting.ts";
import { drain, publish, readLedger, readPoints, usual } from "../scoring/programmes.ts";

let database: TestDatabase;
let db: Database;
let programmes: ProgrammeVersions;
/** Of `partner-1` and so on. */
let ids: number[];
/** Of partner-1; and one that names its partners. */
let own: { source: string; connectionId: number };
let shared: { source: string; connectionId: number };

beforeEach(async () => {
  database = await openTestDatabase({ max: 8 });
  db = database.db;
  programmes = openProgrammeVersions();
  ids = await addPartners(db, 4);
  await publish(db, usual, at(0));
  await tick(db, programmes, at(0));
  own = await addConnection(db, { source: "own", key: "4711", partnerId: ids[0]! });
  shared = await addConnection(db);
  for (const [index, id] of ids.entries())
    await addIdentities(db, id, [{ namespace: "crm", key: `${index + 1}` }], at(0));
  await list(db, own, [fact("mine", { kind: "certificate" })], at(0));
  await list(db, shared, [factOf("1", "a"), factOf("2", "b"), factOf("nobody", "c")], at(0));
  await drain(db, programmes, at(0));
});
afterEach(async () => {
  await database.close();
});

const merge = async (partner: string, into: string, now = at(10)) =>
  await mergePartners(db, { partner, into, by: "Anna", now });
const unmerge = async (partner: string, now = at(20)) =>
  await unmergePartner(db, { partner, by: "Bob", now });
const scores = async (minutes: number) => {
  await tick(db, programmes, at(minutes));
  await drain(db, programmes, at(minutes));
  expect(await verify(db, programmes, at(minutes))).toMatchObject({ pending: 0, drift: 0 });
  expect(await readPoints(db, ids, "ledger")).toEqual(await readPoints(db, ids, "scores"));
  return await readPoints(db, ids, "scores");
};
const readPartner = async (slug: string) =>
  (await db.execute(sql`select status, merged_into from partners where slug = ${slug}`))[0];
const ownersOf = async () =>
  Object.fromEntries((await readCurrent(db)).map((row) => [row.external_id, row.partner_id]));

describe("merging", () => {
  test("takes evidence, identities, connections and the points along, by lines of both", async () => {
    expect(await readPoints(db, ids, "scores")).toEqual([15, 5, 0, 0]);
    const moved = await merge("partner-1", "partner-2");
    expect(moved).toEqual({
      from: "partner-1",
      to: "partner-2",
      evidence: 2,
      identities: 1,
      connections: 1,
      adjustments: 0,
    });
    expect(await readPartner("partner-1")).toEqual({ status: "merged", merged_into: ids[1] });
    expect(await ownersOf()).toEqual({ mine: ids[1], a: ids[1], b: ids[1], c: null });
    expect(await db.execute(sql`select key, partner_id from identities order by key`)).toEqual(
      [ids[1], ids[1], ids[2], ids[3]].map((id, index) => ({ key: `${index + 1}`, partner_id: id })),
    );
    expect(await db.execute(sql`select partner_id from connections order by id`)).toEqual([
      { partner_id: ids[1] },
      { partner_id: null },
    ]);
    expect(await readPendingPartners(db)).toEqual([ids[0], ids[1]]);
    expect(await scores(11)).toEqual([0, 20, 0, 0]);
    const lines = (await readLedger(db)).filter(({ cause }) => cause === "merge");
    expect(lines.map(({ partner_id, achievement, delta }) => [partner_id, achievement, delta])).toEqual([
      [ids[0], "articles", -5],
      [ids[0], "certified", -10],
      [ids[1], "articles", 5],
      [ids[1], "certified", 10],
    ]);
  });

  test("rewrites nothing that was known", async () => {
    const before = await readEvidence(db);
    const ledger = await readLedger(db);
    await merge("partner-1", "partner-2");
    await scores(11);
    const after = await readEvidence(db);
    const known = after.map(({ xmin: _, superseded_at, ...row }) => ({
      ...row,
      superseded_at: superseded_at !== null && superseded_at >= at(10) ? null : superseded_at,
    }));
    expect(known.slice(0, before.length)).toEqual(before.map(({ xmin: _, ...row }) => row));
    expect(after.slice(before.length)).toMatchObject([
      { partner_id: ids[1], recorded_at: at(10), superseded_at: null },
      { partner_id: ids[1], recorded_at: at(10), superseded_at: null },
    ]);
    expect((await readLedger(db)).slice(0, ledger.length)).toEqual(ledger);
  });

  test("takes it out of the standings at once, and its slug leads to the other", async () => {
    await db.execute(sql`delete from pending_standings`);
    await merge("partner-1", "partner-2");
    expect(await db.execute(sql`select partner_id from pending_standings order by 1`)).toEqual([
      { partner_id: ids[0] },
      { partner_id: ids[1] },
    ]);
    const standings = postgresStandings(db);
    expect(await standings.of(ids[0]!)).toBeUndefined();
    expect(await standings.page({ offset: 0, limit: 10 })).toMatchObject({ total: 3 });
    expect(await findPartner(db, "partner-1")).toEqual({
      id: ids[1],
      slug: "partner-2",
      name: "Partner 2",
    });
    await merge("partner-2", "partner-3");
    expect(await findPartner(db, "partner-1")).toMatchObject({ slug: "partner-3" });
    expect(await findPartner(db, "partner-4")).toMatchObject({ slug: "partner-4" });
    expect(await findPartner(db, "nobody")).toBeUndefined();
    expect(await findPartner(db, "nul\0")).toBeUndefined();
  });

  test("gives what is collected afterwards to the other", async () => {
    await merge("partner-1", "partner-2");
    await list(db, own, [fact("mine", { kind: "certificate" }), fact("new")], at(11));
    await list(db, shared, [factOf("1", "a"), factOf("2", "b"), factOf("1", "d")], at(11));
    expect(await ownersOf()).toEqual({ mine: ids[1], new: ids[1], a: ids[1], b: ids[1], d: ids[1] });
    // Named as before: no row was written for what has not changed.
    expect((await readEvidence(db)).filter((row) => row.external_id === "a")).toHaveLength(2);
  });

  test("continues the adjustments that hold, and only these", async () => {
    const give = async (partnerId: number, points: number, until?: Date) =>
      await adjust(db, { partnerId, points, reason: "Why", by: "Cleo", until, now: at(1) });
    const holding = await give(ids[0]!, 3, at(100));
    const ended = await give(ids[0]!, 40, at(9));
    const revoked = await give(ids[0]!, 50);
    await revokeAdjustment(db, { id: revoked.id, by: "Dan", now: at(2) });
    await give(ids[1]!, 6);
    expect(await scores(9)).toEqual([18, 11, 0, 0]);
    expect(await merge("partner-1", "partner-2")).toMatchObject({ adjustments: 1 });
    const [continued, ...others] = await readAdjustments(db, { now: at(10) });
    expect(continued).toMatchObject({
      partner: "partner-2",
      points: 3,
      reason: "Why",
      by: "Cleo",
      createdAt: at(10),
      until: at(100),
      continues: holding.id,
      state: "in force",
    });
    expect(others.find(({ id }) => id === holding.id)).toMatchObject({
      revokedAt: at(10),
      revokedBy: "merge",
    });
    expect(others.find(({ id }) => id === ended.id)).toMatchObject({ state: "ended" });
    expect(await scores(11)).toEqual([0, 29, 0, 0]);
    await expect(revokeAdjustment(db, { id: holding.id, by: "Dan", now: at(12) })).rejects.toThrow(
      new UsageError(`adjustment ${holding.id} is continued as ${continued!.id}; revoke that one`),
    );
    expect(await scores(100)).toEqual([0, 26, 0, 0]);
  });

  test.each([
    ["partner-1", "partner-1", "partner partner-1 cannot be merged into itself"],
    ["nobody", "partner-1", "there is no partner nobody; see: standings ranking"],
    ["partner-1", "nobody", "there is no partner nobody; see: standings ranking"],
    [
      "partner-3",
      "partner-1",
      "partner partner-3 was merged into partner-4 already; undo it with: standings partners unmerge partner-3",
    ],
    [
      "partner-4",
      "partner-3",
      "partner partner-3 was merged into partner-4: that would be a circle; undo it first with: standings partners unmerge partner-3",
    ],
    [
      "partner-1",
      "partner-3",
      "partner partner-3 was merged into partner-4 already; undo it with: standings partners unmerge partner-3",
    ],
    ["partner-2", "partner-1", "partner partner-2 is suspended; only active partners can be merged"],
    ["partner-1", "partner-2", "partner partner-2 is suspended; only active partners can be merged"],
  ])(
    "of %s into %s is refused where it makes no sense, and nothing is changed",
    async (partner, into, why) => {
      await merge("partner-3", "partner-4");
      await db.execute(sql`update partners set status = 'suspended' where slug = 'partner-2'`);
      const before = [await readEvidence(db), await db.execute(sql`select * from partners order by id`)];
      await expect(merge(partner, into)).rejects.toThrow(new UsageError(why));
      expect([await readEvidence(db), await db.execute(sql`select * from partners order by id`)]).toEqual(
        before,
      );
      expect(await db.execute(sql`select from partner_merges`)).toHaveLength(1);
    },
  );

  test("needs somebody's name", async () => {
    const nobody = mergePartners(db, { partner: "partner-1", into: "partner-2", by: " ", now: at(10) });
    await expect(nobody).rejects.toThrow(/^by: expected the name/);
  });

  test("of two into each other at once, or of one twice, is done by one", async () => {
    const outcomes = await Promise.allSettled([
      merge("partner-1", "partner-2"),
      merge("partner-2", "partner-1"),
      merge("partner-1", "partner-2"),
      merge("partner-1", "partner-3"),
    ]);
    expect(outcomes.filter(({ status }) => status === "fulfilled").length).toBeLessThanOrEqual(2);
    for (const outcome of outcomes) {
      if (outcome.status === "rejected") expect(outcome.reason).toBeInstanceOf(UsageError);
    }
    const end = await findPartner(db, "partner-1");
    expect(end).toBeDefined();
    expect(await ownersOf()).toMatchObject({ mine: end!.id, a: end!.id });
  });
});

describe("undoing a merge", () => {
  test("takes back what moved and what has been collected since, and nothing else", async () => {
    await adjust(db, { partnerId: ids[0]!, points: 3, reason: "Why", by: "Cleo", now: at(1) });
    await adjust(db, { partnerId: ids[1]!, points: 7, reason: "Why", by: "Cleo", now: at(1) });
    expect(await scores(2)).toEqual([18, 12, 0, 0]);
    await merge("partner-1", "partner-2");
    await list(db, own, [fact("mine", { kind: "certificate" }), fact("new")], at(11));
    await list(db, shared, [factOf("1", "a"), factOf("2", "b"), factOf("2", "d")], at(11));
    expect(await scores(12)).toEqual([0, 40, 0, 0].map((points) => Math.min(points, 35)));
    const moved = await unmerge("partner-1");
    expect(moved).toEqual({
      from: "partner-2",
      to: "partner-1",
      evidence: 3,
      identities: 1,
      connections: 1,
      adjustments: 1,
    });
    expect(await ownersOf()).toEqual({ mine: ids[0], new: ids[0], a: ids[0], b: ids[1], d: ids[1] });
    expect(await readPartner("partner-1")).toEqual({ status: "active", merged_into: null });
    expect(await scores(21)).toEqual([23, 17, 0, 0]);
    expect(await db.execute(sql`select undone_by, undone_at from partner_merges`)).toEqual([
      { undone_by: "Bob", undone_at: at(20) },
    ]);
    expect(await postgresStandings(db).of(ids[0]!)).toMatchObject({ points: 23 });
  });

  test("right after it restores both scores exactly, however often", async () => {
    await adjust(db, { partnerId: ids[0]!, points: 3, reason: "Why", by: "Cleo", now: at(1) });
    const before = await scores(2);
    for (let round = 0; round < 3; round++) {
      await merge("partner-1", "partner-2", at(10 * round + 10));
      await scores(10 * round + 11);
      await unmerge("partner-1", at(10 * round + 12));
      expect(await scores(10 * round + 13)).toEqual(before);
      await merge("partner-2", "partner-1", at(10 * round + 14));
      // Not scored in between.
      await unmerge("partner-2", at(10 * round + 14));
      expect(await scores(10 * round + 15)).toEqual(before);
    }
  });

  test("of a chain goes back step by step, each to whom it came from", async () => {
    await adjust(db, { partnerId: ids[0]!, points: 3, reason: "Why", by: "Cleo", now: at(1) });
    await adjust(db, { partnerId: ids[1]!, points: 4, reason: "Why", by: "Cleo", now: at(1) });
    const before = await scores(2);
    await merge("partner-1", "partner-2", at(10));
    await merge("partner-2", "partner-3", at(11));
    expect(await scores(12)).toEqual([0, 0, 27, 0]);
    await expect(unmerge("partner-1")).rejects.toThrow(
      new UsageError(
        "partner partner-2 was merged into partner-3 since; undo that first with: standings partners unmerge partner-2",
      ),
    );
    expect(await unmerge("partner-2", at(20))).toMatchObject({ evidence: 3, identities: 2, adjustments: 2 });
    expect(await scores(21)).toEqual([0, 27, 0, 0]);
    expect(await unmerge("partner-1", at(22))).toMatchObject({ evidence: 2, identities: 1, adjustments: 1 });
    expect(await scores(23)).toEqual(before);
  });

  test("leaves an adjustment revoked that was revoked meanwhile, and the other's own alone", async () => {
    await adjust(db, { partnerId: ids[0]!, points: 3, reason: "Why", by: "Cleo", now: at(1) });
    // It has been partner-1's for a while, and came back.
    await adjust(db, { partnerId: ids[1]!, points: 4, reason: "Why", by: "Cleo", now: at(1) });
    await merge("partner-2", "partner-1", at(2));
    await unmerge("partner-2", at(3));
    await merge("partner-1", "partner-2", at(10));
    const [continued] = await readAdjustments(db, { partnerId: ids[1]!, now: at(11) });
    expect(continued).toMatchObject({ points: 3, state: "in force" });
    await revokeAdjustment(db, { id: continued!.id, by: "Dan", now: at(12) });
    expect(await unmerge("partner-1")).toMatchObject({ adjustments: 0 });
    expect(await scores(21)).toEqual([15, 9, 0, 0]);
  });

  test("is refused where there is nothing to undo", async () => {
    await expect(unmerge("partner-1")).rejects.toThrow(new UsageError("partner partner-1 is not merged"));
    await expect(unmerge("nobody")).rejects.toThrow(
      new UsageError("there is no partner nobody; see: standings ranking"),
    );
    await merge("partner-1", "partner-2");
    await unmerge("partner-1");
    await expect(unmerge("partner-1")).rejects.toThrow(new UsageError("partner partner-1 is not merged"));
  });

  test("is refused where somebody else has its identities or connections now", async () => {
    await merge("partner-1", "partner-2");
    await db.execute(sql`update identities set partner_id = ${ids[2]} where key = '1'`);
    await db.execute(sql`update connections set partner_id = null where key = '4711'`);
    const before = await db.execute(sql`select * from partners order by id`);
    await expect(unmerge("partner-1")).rejects.toThrow(
      new UsageError(
        "identity crm:1 belongs to partner-3 now, not to partner-2\nconnection own/4711 belongs to no partner now, not to partner-2",
      ),
    );
    expect(await db.execute(sql`select * from partners order by id`)).toEqual(before);
  });

  test("is not before the merge, though the clock of its process is behind", async () => {
    await merge("partner-1", "partner-2", at(10));
    await unmerge("partner-1", at(5));
    expect(await db.execute(sql`select undone_at from partner_merges`)).toEqual([{ undone_at: at(10) }]);
    expect((await readCurrent(db)).every((row) => row.recorded_at <= at(10))).toBe(true);
    expect(await scores(11)).toEqual([15, 5, 0, 0]);
  });
});

describe("a merged partner", () => {
  const load = async (text: string) => await importPartners(db, { text, file: "partners.csv", now: at(11) });

  test("is not revived by a list that still has it: the list is refused, whole", async () => {
    await merge("partner-1", "partner-2");
    const before = await db.execute(sql`select * from partners order by id`);
    const refused = load(
      "slug,name,identities\nnew-one,New,crm:8\npartner-1,Partner 1,crm:1;crm:9\npartner-2,Partner 2,\n",
    );
    await expect(refused).rejects.toThrow(
      new UsageError(
        "partners.csv:3: slug: partner-1 was merged into partner-2; leave it out of the list, or undo that with: standings partners unmerge partner-1",
      ),
    );
    expect(await db.execute(sql`select * from partners order by id`)).toEqual(before);
    expect(await db.execute(sql`select from identities where key in ('8', '9')`)).toEqual([]);
  });

  test("lends its identities to the list's line of the other", async () => {
    await merge("partner-1", "partner-2");
    expect(await load("slug,name,identities\npartner-2,Partner 2,crm:1;crm:2;crm:9\n")).toEqual({
      added: 0,
      changed: 0,
      unchanged: 1,
      matched: 0,
    });
    // What the list added is the other's own.
    expect(await unmerge("partner-1")).toMatchObject({ identities: 1 });
    expect(await db.execute(sql`select partner_id from identities where key = '9'`)).toEqual([
      { partner_id: ids[1] },
    ]);
  });

  test("gets neither a connection nor an adjustment", async () => {
    await merge("partner-1", "partner-2");
    const connections = importConnections(db, secretBox(randomBytes(32).toString("base64")), {
      source: "crm",
      text: "key,partner\nmain,partner-1\n",
      file: "c.csv",
      now: at(11),
    });
    await expect(connections).rejects.toThrow(
      new UsageError("c.csv:2: partner: partner-1 was merged into partner-2; name that one"),
    );
    const adjusting = adjust(db, { partnerId: ids[0]!, points: 1, reason: "Why", by: "Cleo", now: at(11) });
    await expect(adjusting).rejects.toThrow(new UsageError("partner partner-1 has been merged into another"));
  });
});

describe("merging while others are at work", () => {
  test("waits for a page of the partner's connection, and takes what it recorded", async () => {
    const lease = await openLease(db, own, { now: at(5) });
    await record(db, lease, [fact("first")], { now: at(5) });
    const scoring = await holdOpen(db, sql`delete from pending_partners`);
    // Holds the connection and its partner's evidence, and waits for the scoring.
    const page = record(db, lease, [fact("second")], { now: at(6) });
    await untilBlocked(db, 1);
    const merging = merge("partner-1", "partner-2");
    await untilBlocked(db, 2);
    await scoring.release();
    expect(await page).toMatchObject({ added: 1 });
    await merging;
    expect(await ownersOf()).toMatchObject({ first: ids[1], second: ids[1] });
  });

  test("keeps a page waiting that would have recorded for the partner, and the page sees the other", async () => {
    const lease = await openLease(db, own, { now: at(5) });
    const named = await openLease(db, shared, { now: at(5) });
    const holding = await holdOpen(db, sql`select from clock for update`);
    // Has the connections and the identities, and waits for the clock.
    const merging = merge("partner-1", "partner-2");
    await untilBlocked(db, 1);
    const pages = [
      record(db, lease, [fact("late")], { now: at(11) }),
      record(db, named, [factOf("1", "late too")], { now: at(11) }),
    ];
    await untilBlocked(db, 3);
    await holding.release();
    await Promise.all([merging, ...pages]);
    expect(await ownersOf()).toMatchObject({ late: ids[1], "late too": ids[1] });
  });

  test("never deadlocks with pages, lists, ticks, scores and adjustments, and loses nothing", async () => {
    const secrets = secretBox(randomBytes(32).toString("base64"));
    const ownLease = await openLease(db, own, { now: at(0) });
    const sharedLease = await openLease(db, shared, { now: at(0) });
    for (let round = 0; round < 12; round++) {
      const now = at(round + 1);
      const work = [
        () => (round % 2 === 0 ? merge("partner-1", "partner-2", now) : unmerge("partner-1", now)),
        () => record(db, ownLease, [fact(`own-${round}`), fact("mine", { quantity: round + 2 })], { now }),
        () => record(db, sharedLease, [factOf("2", `two-${round}`), factOf("1", `one-${round}`)], { now }),
        () =>
          importPartners(db, {
            text: `slug,name,identities\npartner-4,Four ${round},crm:x${round}\npartner-2,Two ${round},\n`,
            file: "p.csv",
            now,
          }),
        () =>
          importConnections(db, secrets, {
            source: "crm",
            text: `key,partner\nmain,${round % 3 === 0 ? "partner-2" : "partner-3"}\n`,
            file: "c.csv",
            now,
          }),
        () => tick(db, programmes, now),
        () => drain(db, programmes, now, 1),
        () => adjust(db, { partnerId: ids[1]!, points: 1, reason: "Why", by: "Cleo", now }),
      ];
      for (let turn = round % work.length; turn > 0; turn--) work.push(work.shift()!);
      await Promise.all(work.map((begin) => begin()));
    }
    expect(await readStrays(db)).toEqual([]);
    expect((await readCurrent(db)).filter((row) => /^(own|one|two)-/.test(row.external_id))).toHaveLength(36);
    const [, second] = await scores(60);
    expect(second).toBe(15 + 12);
  });
});

/** Current evidence that is not with whom its identity, or its connection, belongs to. */
async function readStrays(on: Database) {
  return on.execute(sql`
    select external_id, evidence.partner_id from evidence
    join connections on connections.id = connection_id
    left join identities on (identities.namespace, identities.key) = (evidence.namespace, identity_key)
    where superseded_at is null and evidence.partner_id is distinct from
      case when evidence.namespace is null then connections.partner_id else identities.partner_id end`);
}
