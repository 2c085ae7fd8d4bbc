// What a quick win promises is what recording its evidence gives: through the ordinary recording and the ordinary score job, at
// the promised instant, on random programmes and histories. And with a piece or a quantity step less it gives none of it.
import { sql } from "drizzle-orm";
import fc from "fast-check";
import { afterAll, beforeAll, describe, expect, test } from "vitest";
import type { Database } from "../../db/client.ts";
import type { EvidenceFact } from "../../src/connectors/connector.ts";
import type { Lease } from "../../src/evidence/lease.ts";
import { type QuickWin, readQuickWins, toSupposed } from "../../src/insight/quick-wins.ts";
import type { SupposedEvidence } from "../../src/programme/compile.ts";
import type { Achievement, Award, Programme, Window } from "../../src/programme/document.ts";
import type { ProgrammeVersions } from "../../src/programme/versions.ts";
import { scorePending } from "../../src/scoring/score.ts";
import { numRuns, timeFor } from "../cases.ts";
import { openTestDatabase, type TestDatabase } from "../database.ts";
import { openLease, record } from "../evidence/collecting.ts";
import { replaceEvidence, seedPartners } from "../programme/evidence.ts";
import { histories, PARTNERS } from "../programme/histories.ts";
import type { EvidenceRow } from "../programme/reference.ts";
import { openVersionsOf } from "../scoring/versions-of.ts";

let database: TestDatabase;
let db: Database;
let partners: number[];
let lease: Lease | undefined;
let connection: { source: string; connectionId: number };

beforeAll(async () => {
  database = await openTestDatabase();
  db = database.db;
  partners = await seedPartners(db, PARTNERS);
  await db.execute(sql`insert into sources (key, connector, settings_digest) values ('crm', 'table', '')`);
  const [row] = await db.execute<{ id: number }>(sql`
    insert into connections (source, key, partner_id) values ('crm', 'main', ${partners[0]}) returning id`);
  // Beside the ids that the histories give themselves.
  await db.execute(sql`alter table evidence alter column id restart with 1000000`);
  connection = { source: "crm", connectionId: row!.id };
});
afterAll(async () => {
  await database.close();
});

/** Most of it about one partner, so that much of it counts together. */
const dense = histories.map((history) => ({
  ...history,
  rows: history.rows.map((row) => ({ ...row, partnerId: row.partnerId === null ? null : 0 })),
}));

async function begin(programme: Programme, rows: EvidenceRow[]): Promise<ProgrammeVersions> {
  for (const table of ["ledger", "scores", "achievements_held", "pending_standings", "clock"])
    await db.execute(sql`delete from ${sql.identifier(table)}`);
  await replaceEvidence(db, partners, rows);
  return openVersionsOf(db, [{ programme, effectiveFrom: new Date(0) }]);
}

/** Records evidence of the first partner as a sync does. */
async function add(evidence: QuickWin["evidence"], now: Date): Promise<void> {
  lease ??= await openLease(db, connection, { now });
  await record(db, lease, toFacts(toSupposed({ evidence }, partners[0]!)), { now });
}

async function takeBack(): Promise<void> {
  await db.execute(sql`delete from evidence where source = 'crm'`);
}

/** Total and achievements of the first partner, once the score job has been. */
async function scoredAt(versions: ProgrammeVersions, at: Date) {
  await db.execute(sql`
    insert into pending_partners (partner_id, since, cause) values (${partners[0]}, ${at}, 'clock') on conflict do nothing`);
  await scorePending(db, versions, { now: at, limit: 1 });
  const held = await db.execute<{ achievement: string; points: number }>(sql`
    select achievement, points from achievements_held where partner_id = ${partners[0]} and points <> 0`);
  const [score] = await db.execute<{ points: number }>(sql`
    select points from scores where partner_id = ${partners[0]}`);
  return {
    total: score?.points ?? 0,
    of: (key: string) => held.find(({ achievement }) => achievement === key)?.points ?? 0,
  };
}

const toFacts = (supposed: SupposedEvidence[]): EvidenceFact[] =>
  supposed.map(({ kind, occurredAt, quantity, attributes }, index) => ({
    externalId: `promised-${index}`,
    kind,
    occurredAt,
    quantity,
    attributes,
  }));

/** A step less: a piece less of what is counted, or a quantity that is less by the step. */
function lessOf(win: QuickWin): QuickWin["evidence"] {
  const last = win.evidence.at(-1)!;
  const others = win.evidence.slice(0, -1);
  if (last.step === undefined)
    return last.pieces === 1 ? others : [...others, { ...last, pieces: last.pieces - 1 }];
  return [...others, { ...last, quantity: Math.round((last.quantity - last.step) * 10_000) / 10_000 }];
}

const seen = new Set<string>();
const note = (what: string) => seen.add(what);

/** Records what wins promise, and a step less of it, and holds the scores against the promise. */
async function hold(versions: ProgrammeVersions, programme: Programme, wins: QuickWin[]): Promise<void> {
  for (const win of wins) {
    const own = programme.achievements.find(({ key }) => key === win.achievement)!;
    note(`${own.measure.type} ${own.window.type}`);
    expect(win.points).toBeGreaterThan(0);
    const before = await scoredAt(versions, win.countsAt);
    await add(win.evidence, win.countsAt);
    const after = await scoredAt(versions, win.countsAt);
    expect(after.total - before.total).toBe(win.points);
    expect(after.total).toBe(win.total);
    for (const { key, points } of win.others) expect(after.of(key) - before.of(key)).toBe(points);
    await takeBack();
    await add(lessOf(win), win.countsAt);
    const short = await scoredAt(versions, win.countsAt);
    expect(short.of(own.key)).toBe(before.of(own.key));
    await takeBack();
  }
}

describe("a quick win", () => {
  test(
    "is worth exactly the points it promises, and nothing with a step less",
    async () => {
      const property = fc.asyncProperty(dense, fc.nat(), async ({ programme, at: now, rows }, chosen) => {
        const versions = await begin(programme, rows);
        const found = (await readQuickWins(db, versions, { partnerId: partners[0]!, now }))!;
        for (const win of found.wins) expect(win.countsAt >= now).toBe(true);
        // Two of them: more cases are worth more than more of one.
        const start = chosen % (found.wins.length + 1);
        await hold(versions, programme, found.wins.slice(start).concat(found.wins).slice(0, 2));
      });
      await fc.assert(property, { numRuns });
      // The cases were such that every measure had its wins.
      const measures = new Set([...seen].map((one) => one.split(" ")[0]));
      if (numRuns >= 100) expect(measures.size).toBeGreaterThanOrEqual(6);
    },
    timeFor(3000),
  );

  test(
    "asks of a growth what makes it grow enough, to the last decimal",
    async () => {
      const award: fc.Arbitrary<Award> = fc.oneof(
        fc.integer({ min: 0, max: 30_000 }).map((hundredths): Award => {
          const threshold = { comparison: "more-than", units: hundredths / 100 } as const;
          return { type: "points", points: 5, threshold };
        }),
        fc.constantFrom<Award>(
          { type: "each", points: 1, cap: 50 },
          { type: "share", points: 7, target: 33.33 },
          { type: "points", points: 5, threshold: { comparison: "at-least", units: 0.005 } },
        ),
      );
      const window = fc.constantFrom<Window>(
        { type: "last", amount: 30, unit: "day" },
        { type: "last", amount: 1, unit: "month" },
        { type: "previous", unit: "month" },
      );
      const figures = fc.array(
        fc.record({
          daysAgo: fc.integer({ min: 0, max: 70 }),
          hundredths: fc.integer({ min: -50, max: 5000 }),
        }),
        { minLength: 1, maxLength: 6 },
      );
      const property = fc.asyncProperty(window, award, figures, async (window, award, figures) => {
        const now = new Date("2026-06-15T10:00:00Z");
        const programme = programmeOf([{ measure: { type: "growth" }, window, award }]);
        const rows = figures.map(({ daysAgo, hundredths }, index) => ({
          ...{ id: index + 1, partnerId: 0, kind: "a", endedAt: null, attributes: {}, supersededAt: null },
          ...{ hundredths, occurredAt: new Date(now.getTime() - daysAgo * 86_400_000), recordedAt: now },
        }));
        const versions = await begin(programme, rows);
        const found = (await readQuickWins(db, versions, { partnerId: partners[0]!, now }))!;
        await hold(versions, programme, found.wins);
      });
      await fc.assert(property, { numRuns: Math.ceil(numRuns / 2) });
      if (numRuns >= 100)
        expect([...seen]).toEqual(expect.arrayContaining(["growth last", "growth previous"]));
    },
    timeFor(3000),
  );
});

/** Achievements of kind `a`, by their place. */
function programmeOf(achievements: (Partial<Achievement> & Pick<Achievement, "award">)[]): Programme {
  return {
    name: "Programme",
    timeZone: "Europe/Amsterdam",
    perfect: 100,
    effectiveFrom: undefined,
    nominees: 10,
    seasons: [{ key: "summer", from: "2026-07-01", to: "2026-10-01" }],
    kinds: [],
    categories: [],
    achievements: achievements.map((one, index) => ({
      ...{ key: `achievement-${index}`, title: `Title ${index}`, hint: "Hint", evidence: "a", where: {} },
      ...{ measure: { type: "count" }, window: { type: "ever" }, requires: [], effort: 1 },
      ...one,
    })),
  };
}
