import { sql } from "drizzle-orm";
import { afterEach, beforeEach, describe, expect, test } from "vitest";
import { compileProgramme } from "../../src/programme/compile.ts";
import type { Achievement, Programme } from "../../src/programme/document.ts";
import { openTestDatabase, type TestDatabase } from "../database.ts";
import { replaceEvidence, seedPartners } from "./evidence.ts";
import type { EvidenceRow } from "./reference.ts";

let database: TestDatabase;
let partner: number;

beforeEach(async () => {
  // One connection: planner settings belong to a session.
  database = await openTestDatabase({ max: 1 });
  [partner = 0] = await seedPartners(database.db, 1);
});
afterEach(async () => {
  await database.close();
});

const at = new Date("2026-11-15T12:00:00Z");

function programmeOf(achievement: Partial<Achievement>): Programme {
  const plain: Achievement = {
    key: "sent",
    title: "Sent",
    hint: "Send.",
    evidence: "sending",
    where: {},
    measure: { type: "sum" },
    window: { type: "ever" },
    award: { type: "each", points: 2, cap: 10 },
    requires: [],
    effort: 1,
  };
  return {
    name: "Programme",
    timeZone: "Europe/Amsterdam",
    perfect: 10,
    effectiveFrom: undefined,
    nominees: 10,
    categories: [],
    seasons: [],
    kinds: [{ key: "sending", label: "Sending" }],
    achievements: [{ ...plain, ...achievement }],
  };
}

function row(id: number, fact: Partial<EvidenceRow>): EvidenceRow {
  const sent = new Date("2026-10-01T10:00:00Z");
  const known = { recordedAt: sent, supersededAt: null };
  return {
    id,
    partnerId: 0,
    kind: "sending",
    occurredAt: sent,
    endedAt: null,
    hundredths: 100,
    attributes: {},
    ...known,
    ...fact,
  };
}

describe("a compiled programme", () => {
  test("awards the cap for a sum that no integer holds", async () => {
    await replaceEvidence(
      database.db,
      [partner],
      [row(1, { hundredths: 9e14 }), row(2, { hundredths: 9e14 })],
    );
    const rows = await database.db.execute(
      compileProgramme(programmeOf({})).evaluation({ scope: "all", at }),
    );
    expect(rows).toEqual([
      { partner_id: partner, achievement: "sent", units: "18000000000000.0000", points: 10 },
    ]);
  });

  test("has rows for a partner whose evidence does not count, and none for one without evidence it asks for", async () => {
    const evaluation = compileProgramme(programmeOf({ where: { use: ["own"] } })).evaluation({
      scope: "all",
      at,
    });
    await replaceEvidence(database.db, [partner], [row(1, { kind: "other" })]);
    expect(await database.db.execute(evaluation)).toEqual([]);
    await replaceEvidence(database.db, [partner], [row(1, { attributes: { use: "client" } })]);
    expect(await database.db.execute(evaluation)).toMatchObject([{ units: "0", points: 0 }]);
  });

  test("shows the evidence behind an achievement, latest first, and knows its own achievements only", async () => {
    const compiled = compileProgramme(programmeOf({ window: { type: "last", amount: 90, unit: "day" } }));
    const old = new Date("2026-08-01T10:00:00Z");
    const late = new Date("2026-11-01T10:00:00Z");
    await replaceEvidence(
      database.db,
      [partner],
      [row(1, {}), row(2, { occurredAt: late }), row(3, { occurredAt: old })],
    );
    const behind = await database.db.execute(compiled.evidenceBehind("sent", { partnerId: partner, at }));
    expect(behind).toMatchObject([
      {
        id: 2,
        source: "table",
        external_id: "row-2",
        kind: "sending",
        occurred_at: late,
        quantity: "1.0000",
      },
      { id: 1, link: null, title: null, ended_at: null, attributes: {} },
    ]);
    expect(() => compiled.evidenceBehind("gone", { partnerId: partner, at })).toThrow(/no achievement gone/);
  });

  test("reads the scoring index and nothing else, already in order", async () => {
    await replaceEvidence(database.db, [partner], [row(1, {})]);
    await database.db.execute(sql`vacuum analyze evidence`);
    await database.db.execute(sql`set enable_seqscan = off`);
    await database.db.execute(sql`set enable_bitmapscan = off`);
    await database.db.execute(sql`set enable_sort = off`);
    const programme = programmeOf({
      where: { use: ["own"] },
      measure: { type: "distinct", attribute: "holder" },
    });
    const inForce = programmeOf({
      key: "months",
      measure: { type: "periods", period: "month" },
      window: { type: "in-force" },
    });
    programme.achievements.push(...inForce.achievements);
    const evaluation = compileProgramme(programme).evaluation({
      scope: { first: partner, last: partner + 500 },
      at,
    });
    const lines = await database.db.execute<{ "QUERY PLAN": string }>(sql`explain ${evaluation}`);
    const plan = lines.map((line) => line["QUERY PLAN"]).join("\n");
    expect(plan).toContain("Index Only Scan using evidence_scoring_idx");
    expect(plan).not.toMatch(/Sort|Seq Scan/);
  });

  test("finds whom time touches by the indexes of beginning and end", async () => {
    const facts = Array.from({ length: 2000 }, (_, hour) => {
      const occurredAt = new Date(at.getTime() - hour * 3_600_000);
      return row(hour + 1, { occurredAt, endedAt: hour % 2 === 0 ? at : null });
    });
    await replaceEvidence(database.db, [partner], facts);
    await database.db.execute(sql`analyze evidence`);
    const programme = programmeOf({ window: { type: "in-force" } });
    programme.achievements.push(
      ...programmeOf({ key: "l", window: { type: "last", amount: 1, unit: "day" } }).achievements,
    );
    const touched = compileProgramme(programme).partnersTouchedByTime({
      from: new Date(at.getTime() - 60_000),
      to: at,
    });
    const lines = await database.db.execute<{ "QUERY PLAN": string }>(sql`explain ${touched}`);
    const plan = lines.map((line) => line["QUERY PLAN"]).join("\n");
    expect(plan.match(/evidence_occurred_idx/g)).toHaveLength(2);
    expect(plan.match(/evidence_ended_idx/g)).toHaveLength(1);
  });
});
