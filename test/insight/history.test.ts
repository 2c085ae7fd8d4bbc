// The history of a partner: each line of the ledger with the cause that was found for it.
import { sql } from "drizzle-orm";
import fc from "fast-check";
import { afterAll, beforeAll, beforeEach, describe, expect, test } from "vitest";
import { type Database, transaction } from "../../db/client.ts";
import type { EvidenceFact } from "../../src/connectors/connector.ts";
import { addIdentities, removeIdentityWithin } from "../../src/evidence/match.ts";
import { readHistory } from "../../src/insight/history.ts";
import { mergePartners, unmergePartner } from "../../src/partners/merge.ts";
import { openProgrammeVersions, type ProgrammeVersions } from "../../src/programme/versions.ts";
import { adjust, revokeAdjustment } from "../../src/scoring/adjustments.ts";
import { tick } from "../../src/scoring/clock.ts";
import { numRuns, timeFor } from "../cases.ts";
import { emptyDatabase, openTestDatabase, type TestDatabase } from "../database.ts";
import { addConnection, addPartners, at, fact, factOf, list } from "../evidence/collecting.ts";
import { type EvidenceRow, evaluate, isKnown } from "../programme/reference.ts";
import { drain, programmeText, publish, usual } from "../scoring/programmes.ts";
import { begins, play, steps } from "../scoring/replaying.ts";

let database: TestDatabase;
let db: Database;

beforeAll(async () => {
  database = await openTestDatabase();
  db = database.db;
});
afterAll(async () => {
  await database.close();
});

test(
  "each line's causes explain it: with what was found undone, the evaluation gives the points before",
  async () => {
    const seen = new Set<string>();
    const property = fc.asyncProperty(begins, steps, async (first, history) => {
      const programmes = openProgrammeVersions();
      const { partners } = await play(db, programmes, { first, steps: history });
      const rows = await readRows();
      for (const partnerId of partners) {
        const found = await readHistory(db, programmes, { partnerId, timeZone: "Europe/Amsterdam" });
        expect(found?.lines.at(-1)?.total ?? 0).toBe(found?.points);
        for (const line of found?.lines ?? []) {
          expect(line).toMatchObject({ unexplained: 0 });
          expect(line.causes.reduce((sum, { delta }) => sum + delta, 0)).toBe(line.delta);
          const version = await programmes.byId(db, line.programmeVersion);
          const position = version!.programme.achievements.findIndex(({ key }) => key === line.achievement);
          let known = rows.filter((row) => isKnown(row, line.at));
          const pointsNow = () =>
            position === -1 ? 0 : evaluate(version!.programme, known, partnerId, line.at)[position]!.points;
          for (const cause of line.causes) seen.add(cause.type);
          if (line.causes[0]?.type === "adjustment") continue;
          expect(pointsNow()).toBe(line.points);
          for (const cause of line.causes) {
            expect(cause.delta).not.toBe(0);
            if (cause.type !== "evidence") continue;
            expect(cause.evidence).not.toEqual([]);
            for (const { how, rows: changed } of cause.evidence) {
              seen.add(how);
              known = known.filter(({ id }) => id !== changed.since);
              known.push(...rows.filter(({ id }) => id === changed.before));
            }
            expect(pointsNow()).toBe(line.points - cause.delta);
          }
          for (const cause of line.causes) {
            if (cause.type === "time") for (const { how } of cause.evidence) seen.add(how);
          }
        }
      }
    });
    await fc.assert(property, { numRuns });
    // The histories are rich enough to mean something.
    expect([...seen].sort()).toEqual(
      expect.arrayContaining(["adjustment", "appeared", "evidence", "rules", "time", "vanished"]),
    );
    if (process.env["DEEP"] !== undefined) console.log([...seen].sort().join(" "));
  },
  timeFor(5000),
);

describe("the cause of a line", () => {
  const HOUR = 60;
  const DAY = 24 * HOUR;
  let programmes: ProgrammeVersions;
  let partnerIds: number[];
  let crm: { source: string; connectionId: number };

  beforeEach(async () => {
    await emptyDatabase(db);
    programmes = openProgrammeVersions();
    partnerIds = await addPartners(db, 2);
    crm = await addConnection(db, { partnerId: partnerIds[0]! });
    await publish(db, usual, at(-60 * DAY));
  });

  async function settle(now: Date): Promise<void> {
    await tick(db, programmes, now);
    await drain(db, programmes, now);
  }
  async function sync(evidence: EvidenceFact[], now: Date, connection = crm): Promise<void> {
    await list(db, connection, evidence, now);
    await settle(now);
  }
  const linesOf = async (position: number) => {
    const question = { partnerId: partnerIds[position]!, timeZone: "Europe/Amsterdam" };
    return (await readHistory(db, programmes, question))?.lines ?? [];
  };
  /** "evidence +5: appeared a", a line each. */
  const told = async (position = 0) =>
    (await linesOf(position)).map(({ causes, unexplained }) =>
      [
        ...causes.map((cause) => {
          const evidence =
            "evidence" in cause
              ? cause.evidence.map(({ how, evidence: one }) => `${how} ${one.externalId}`)
              : [];
          return `${cause.type} ${cause.delta}: ${evidence.join(", ")}`;
        }),
        ...(unexplained === 0 ? [] : [`unexplained ${unexplained}`]),
      ].join("; "),
    );

  test("is evidence that appeared, changed, vanished and came back, late or not", async () => {
    const certificate = (more = {}) => fact("c", { kind: "certificate", occurredAt: at(-DAY), ...more });
    await sync([certificate()], at(0));
    await sync([certificate({ endedAt: at(-10) })], at(10));
    await sync([], at(20));
    await sync([certificate()], at(30));
    await sync([certificate({ title: "Another title" })], at(40));
    await sync([], at(50));
    await sync([certificate({ title: "Another title" })], at(60));
    expect(await told()).toEqual([
      "evidence 10: appeared c",
      "evidence -10: changed c",
      "evidence 10: returned c",
      "evidence -10: vanished c",
      "evidence 10: returned c",
    ]);
    const causes = (await linesOf(0)).flatMap((line) => line.causes);
    expect(causes[1]).toMatchObject({
      evidence: [{ at: at(10), fields: [{ name: "endedAt", from: "–", to: at(-10).toISOString() }] }],
    });
    // The run that recorded it, or whose listing lacked it: the first, second, fourth (the third changed no points), sixth, seventh.
    const runs = await db.execute<{ id: number }>(sql`select id from runs order by id`);
    const named = causes.map((cause) => (cause.type === "evidence" ? cause.evidence[0]?.run : undefined));
    expect(named).toEqual([0, 1, 3, 5, 6].map((index) => runs[index]?.id));
  });

  test("names only what the line is about, however much else came with it", async () => {
    await sync([fact("a"), fact("v", { kind: "visit" })], at(0));
    await sync([fact("a", { title: "Another" }), fact("b"), fact("v", { kind: "visit" })], at(10));
    expect(await told()).toEqual([
      "evidence 5: appeared a",
      "evidence 7: appeared v",
      "evidence 5: appeared b",
    ]);
  });

  test("is found although it was recorded before the line before, which had not seen it", async () => {
    await sync([fact("a")], at(0));
    await list(db, crm, [fact("a"), fact("v", { kind: "visit" })], at(10));
    await drain(db, programmes, at(10));
    // A page that began at 5 and was committed after 10, before the clock looked again.
    await list(db, crm, [fact("a"), fact("v", { kind: "visit" }), fact("b")], at(5));
    await drain(db, programmes, at(20));
    expect(await told()).toEqual([
      "evidence 5: appeared a",
      "evidence 7: appeared v",
      "evidence 5: appeared b",
    ]);
  });

  test("is the passing of time: what was known began, ended or left a window", async () => {
    const visit = fact("v", { kind: "visit", occurredAt: at(DAY) });
    await sync([visit, fact("c", { kind: "certificate", endedAt: at(2 * DAY) })], at(0));
    await settle(at(DAY));
    await settle(at(2 * DAY));
    await settle(at(3 * DAY));
    expect(await told()).toEqual([
      "evidence 10: appeared c",
      "time 7: began v",
      "time -10: ended c",
      "time -7: left v",
    ]);
  });

  test("is time and evidence, each with its part, where both happened before anybody looked", async () => {
    await sync([fact("c", { kind: "certificate", endedAt: at(DAY) }), fact("a")], at(0));
    const text = programmeText({
      both: { evidence: "certificate", window: "in-force", award: { each: 2, cap: 6 } },
    });
    await publish(db, text, at(1));
    await settle(at(1));
    await list(
      db,
      crm,
      [1, 2].map((n) => fact(`n${n}`, { kind: "certificate" })),
      at(2 * DAY),
    );
    await settle(at(2 * DAY));
    expect((await told()).at(-1)).toBe("time -2: ended c; evidence 4: appeared n2, appeared n1");
  });

  test("is the calendar alone where a streak's last month is over", async () => {
    const text = programmeText({
      streak: { evidence: "article", measure: { streak: "month" }, award: { each: 2, cap: 6 } },
    });
    await publish(db, text, at(0));
    await sync([fact("a", { occurredAt: at(0) })], at(0));
    await settle(new Date("2026-06-30T22:00:00Z"));
    await settle(new Date("2026-07-31T22:00:00Z"));
    const lines = await linesOf(0);
    expect(lines.map(({ causes }) => causes)).toMatchObject([
      [{ type: "time", delta: 2, units: { before: 0, after: 1 }, evidence: [] }],
      [{ type: "time", delta: -2, units: { before: 1, after: 0 }, evidence: [] }],
    ]);
  });

  test("is evidence that grew old enough, came into a window, or went into the one before", async () => {
    const text = programmeText({
      old: { evidence: "article", matures: "2 days", award: { points: 1, "at-least": 1 } },
      month: { evidence: "article", window: { previous: "month" }, award: { points: 2, "at-least": 1 } },
      growth: {
        evidence: "visit",
        measure: "growth",
        window: { last: "2 weeks" },
        award: { points: 4, "more-than": 0 },
      },
    });
    await publish(db, text, at(0));
    const visits = [
      fact("before", { kind: "visit", occurredAt: at(-15 * DAY) }),
      fact("now", { kind: "visit", quantity: 2 }),
    ];
    await sync([fact("a", { occurredAt: at(0) }), ...visits], at(0));
    await settle(at(2 * DAY));
    await settle(at(14 * DAY));
    await settle(new Date("2026-06-30T22:00:00Z"));
    expect(await told()).toEqual([
      "evidence 4: appeared now, appeared before",
      "time 1: matured a",
      "time -4: became-before now, left before",
      "time 2: entered a",
    ]);
  });

  test("is an identity, or a merge and its undoing", async () => {
    const three = await addConnection(db, { source: "three" });
    await sync([factOf("1", "f")], at(0), three);
    await addIdentities(db, partnerIds[0]!, [{ namespace: "crm", key: "1" }], at(10));
    await settle(at(10));
    await mergePartners(db, { partner: "partner-1", into: "partner-2", by: "Ada", now: at(20) });
    await settle(at(20));
    await unmergePartner(db, { partner: "partner-1", by: "Ada", now: at(30) });
    await settle(at(30));
    expect(await told(0)).toEqual([
      "evidence 5: identified f",
      "evidence -5: merged-out f",
      "evidence 5: merged-in f",
    ]);
    expect(await told(1)).toEqual(["evidence 5: merged-in f", "evidence -5: merged-out f"]);
    const [, , back] = (await linesOf(0)).flatMap(({ causes }) => causes);
    expect(back).toMatchObject({ evidence: [{ partner: "partner-2" }] });
  });

  test("is an identity that was taken away, and one that nobody has", async () => {
    const three = await addConnection(db, { source: "three" });
    await addIdentities(db, partnerIds[0]!, [{ namespace: "crm", key: "1" }], at(-5));
    await sync([factOf("1", "f"), factOf("1", "g")], at(0), three);
    await settle(at(1));
    await sync([factOf("2", "f"), factOf("1", "g")], at(10), three);
    await settle(at(11));
    const partner = { id: partnerIds[0]!, slug: "partner-1" };
    await transaction(db, (tx) => removeIdentityWithin(tx, partner, { namespace: "crm", key: "1" }, at(20)));
    await settle(at(21));
    expect(await told(0)).toEqual([
      "evidence 10: appeared g, appeared f",
      "evidence -5: unidentified f",
      "evidence -5: unidentified g",
    ]);
    const runs = (await linesOf(0)).flatMap(({ causes }) =>
      causes.flatMap((cause) => (cause.type === "evidence" ? cause.evidence.map(({ run }) => run) : [])),
    );
    expect(runs.slice(2)).toEqual([expect.any(Number), null]);
  });

  test("is another version of the programme, also of a gate, and the first of all", async () => {
    await db.execute(sql`truncate programme_versions restart identity cascade`);
    programmes = openProgrammeVersions();
    await sync([fact("a"), fact("v", { kind: "visit" })], at(0));
    const rules = (gate: number) =>
      programmeText({
        gate: { evidence: "visit", award: { points: 1, "at-least": gate } },
        gated: { evidence: "article", award: { points: 5, "at-least": 1 }, requires: "gate" },
      });
    await publish(db, rules(1), at(10));
    await settle(at(10));
    await publish(db, rules(2), at(20));
    await settle(at(20));
    await publish(
      db,
      programmeText({ gate: { evidence: "visit", award: { points: 3, "at-least": 1 } } }),
      at(30),
    );
    await settle(at(30));
    const causes = (await linesOf(0)).flatMap((line) => line.causes.map((cause) => ({ ...line, ...cause })));
    expect(
      causes.map((cause) => [cause.achievement, cause.type, cause.delta, "change" in cause && cause.change]),
    ).toEqual([
      ["gate", "rules", 1, "added"],
      ["gated", "rules", 5, "added"],
      ["gate", "rules", -1, "changed"],
      ["gated", "rules", -5, "other"],
      ["gate", "rules", 3, "changed"],
    ]);
  });

  test("is an adjustment that was made, ended or was revoked", async () => {
    const given = { partnerId: partnerIds[0]!, reason: "Late", by: "Ada" };
    await adjust(db, { ...given, points: -2, now: at(0), until: at(DAY) });
    await settle(at(0));
    const { id } = await adjust(db, { ...given, points: 6, now: at(10) });
    await settle(at(10));
    await revokeAdjustment(db, { id, by: "Grace", now: at(20) });
    await settle(at(20));
    await settle(at(DAY));
    expect((await linesOf(0)).flatMap(({ causes }) => causes)).toMatchObject([
      { how: "made", delta: -2, by: "Ada", reason: "Late" },
      { how: "made", delta: 6 },
      { how: "revoked", delta: -6, revokedBy: "Grace" },
      { how: "ended", delta: 2 },
    ]);
  });

  test("is a repair where stored points were not what the evidence is worth, and nothing where nothing explains it", async () => {
    await sync([fact("a")], at(0));
    await db.execute(sql`update achievements_held set points = 9`);
    await db.execute(sql`update ledger set delta = 9`);
    await db.execute(sql`update scores set points = 9`);
    await db.execute(
      sql`insert into pending_partners (partner_id, since, cause) values (${partnerIds[0]}, ${at(9)}, 'rescore')`,
    );
    await settle(at(10));
    expect(await told()).toEqual(["evidence 5: appeared a; unexplained 4", "repair -4: "]);
  });
});

/** All evidence there ever was, in the words of the reference. */
async function readRows(): Promise<EvidenceRow[]> {
  return db.execute<Record<string, unknown> & EvidenceRow>(sql`
    select id, partner_id as "partnerId", kind, occurred_at as "occurredAt", ended_at as "endedAt",
      (quantity * 100)::int as hundredths, attributes, recorded_at as "recordedAt", superseded_at as "supersededAt"
    from evidence order by id`);
}
