// What the forecast says is what time brings: at every instant of the 90 days its running total is the evaluation's. The oracle
// is the reference evaluation of test/programme, which shares nothing with the SQL.
import { sql } from "drizzle-orm";
import fc from "fast-check";
import { afterAll, beforeAll, describe, expect, test } from "vitest";
import type { Database } from "../../db/client.ts";
import { type Forecast, readForecast } from "../../src/insight/forecast.ts";
import { parseProgramme } from "../../src/programme/document.ts";
import { numRuns, timeFor } from "../cases.ts";
import { openTestDatabase, type TestDatabase } from "../database.ts";
import { replaceEvidence, seedPartners } from "../programme/evidence.ts";
import { histories, PARTNERS, programmes } from "../programme/histories.ts";
import { type EvidenceRow, evaluate, local } from "../programme/reference.ts";
import { programmeText } from "../scoring/programmes.ts";
import { openVersionsOf } from "../scoring/versions-of.ts";

const DAY_MS = 86_400_000;

let database: TestDatabase;
let db: Database;
let partners: number[];

beforeAll(async () => {
  database = await openTestDatabase();
  db = database.db;
  partners = await seedPartners(db, PARTNERS);
});
afterAll(async () => {
  await database.close();
});

/** Most of it about one partner, so that much of it counts together. */
const dense = histories.map((history) => ({
  ...history,
  rows: history.rows.map((row) => ({ ...row, partnerId: row.partnerId === null ? null : 0 })),
}));
const day = fc.integer({ min: 0, max: 90 * DAY_MS });
const adjustment = fc.record({ points: fc.constantFrom(-4, 6), lasts: fc.option(day) });

function totalAt({ total, changes }: Forecast, at: Date): number {
  return changes.findLast((change) => change.at <= at)?.total ?? total;
}

/** The instants at which the local date changes, about: the hour of it, and a millisecond on both sides. */
function midnights(from: Date, timeZone: string): Date[] {
  const hours = Array.from(
    { length: 90 * 24 },
    (_, hour) => new Date(Math.ceil(from.getTime() / 1_800_000) * 1_800_000 + hour * 3_600_000),
  );
  return hours.filter((at) => local(at, timeZone).slice(11, 13) === "00");
}

const seen = new Set<string>();

describe("the forecast", () => {
  test(
    "has the evaluation's total at every instant of the 90 days",
    async () => {
      const property = fc.asyncProperty(
        dense,
        fc.option(fc.tuple(programmes, day), { freq: 2 }),
        fc.array(adjustment, { maxLength: 2 }),
        fc.array(day, { maxLength: 10 }),
        async ({ programme, at: now, rows }, next, adjustments, anywhere) => {
          const later = (ms: number) => new Date(now.getTime() + ms);
          await replaceEvidence(db, partners, rows);
          await db.execute(sql`delete from adjustments`);
          for (const { points, lasts } of adjustments) {
            await db.execute(sql`
              insert into adjustments (partner_id, points, reason, author, created_at, until)
              values (${partners[0]}, ${points}, 'reason', 'Ada', ${later(-1)}, ${lasts === null ? null : later(lasts)})`);
          }
          const all = [{ programme, effectiveFrom: new Date(0) }];
          if (next !== null) all.push({ programme: next[0], effectiveFrom: later(next[1]) });
          const versions = await openVersionsOf(db, all);
          const forecast = (await readForecast(db, versions, { partnerId: partners[0]!, now }))!;
          for (const { because } of forecast.changes) seen.add(because);

          const known = rows.filter((row) => row.supersededAt === null);
          const expected = (at: Date) => {
            const { programme: valid } = all.findLast(({ effectiveFrom }) => effectiveFrom <= at)!;
            const awarded = evaluate(valid, known, 0, at).reduce((sum, { points }) => sum + points, 0);
            const adjusted = adjustments.filter(({ lasts }) => lasts === null || later(lasts) > at);
            return adjusted.reduce((sum, { points }) => sum + points, awarded);
          };
          const edges = [
            ...forecast.changes.map(({ at }) => at),
            ...known.flatMap(({ occurredAt, endedAt }) => [occurredAt, endedAt ?? occurredAt]),
            ...midnights(now, programme.timeZone).filter(
              (_, index) => index < 4 || index % 9 === known.length % 9,
            ),
          ].flatMap((at) => [-1, 0, 1].map((ms) => new Date(at.getTime() + ms)));
          const instants = [now, ...edges, ...anywhere.map(later), forecast.until];
          for (const at of instants.filter((one) => now <= one && one <= forecast.until))
            expect([at, totalAt(forecast, at)]).toEqual([at, expected(at)]);
          let total = forecast.total;
          for (const [index, change] of forecast.changes.entries()) {
            total += change.points;
            if (forecast.changes[index + 1]?.at.getTime() !== change.at.getTime())
              expect(change.total).toBe(total);
          }
        },
      );
      await fc.assert(property, { numRuns });
      // The cases were such that several reasons came up.
      if (numRuns >= 100) expect(seen.size).toBeGreaterThan(2);
    },
    timeFor(3000),
  );

  // Points that are lost and come back between two instants at which nothing else moves are not to be passed over.
  describe("asks about every instant at which points may come back", () => {
    const now = new Date("2026-06-15T12:00:00Z");
    const later = (days: number) => new Date(now.getTime() + days * DAY_MS);
    const row = (id: number, daysAgo: number, quantity: number, endsIn: number | null) => ({
      ...{ id, partnerId: 0, kind: "article", hundredths: quantity * 100, attributes: {} },
      occurredAt: later(-daysAgo),
      endedAt: endsIn === null ? null : later(endsIn),
      recordedAt: later(-100),
      supersededAt: null,
    });
    const forecastOf = async (rule: { measure: unknown; window: unknown }, rows: EvidenceRow[]) => {
      await replaceEvidence(db, partners, rows);
      await db.execute(sql`delete from adjustments`);
      const text = programmeText({
        rule: { evidence: "article", award: { points: 5, "at-least": 2 }, ...rule },
      });
      const versions = await openVersionsOf(db, [
        { programme: parseProgramme(text, "programme.yaml"), effectiveFrom: new Date(0) },
      ]);
      const { changes } = (await readForecast(db, versions, { partnerId: partners[0]!, now }))!;
      return changes.map(({ at, points }) => [Math.round((at.getTime() - now.getTime()) / DAY_MS), points]);
    };

    test("because a negative quantity leaves a sum", async () => {
      const rows = [row(1, 80, 2, null), row(2, 70, -2, null), row(3, 60, 2, null)];
      expect(await forecastOf({ measure: "sum", window: { last: "90 days" } }, rows)).toEqual([
        [10, -5],
        [20, 5],
        [30, -5],
      ]);
    });

    test("because the reading before another that has ended comes to the fore", async () => {
      const rows = [row(1, 10, 2, 10), row(2, 20, 1, 20), row(3, 30, 2, null)];
      expect(await forecastOf({ measure: "latest", window: "in-force" }, rows)).toEqual([
        [10, -5],
        [20, 5],
      ]);
    });
  });
});
