import fc from "fast-check";
import { afterAll, beforeAll, describe, expect, test } from "vitest";
import {
  compileProgramme,
  isEverybodyTouched,
  type Scope,
  type SupposedEvidence,
} from "../../src/programme/compile.ts";
import type { Programme } from "../../src/programme/document.ts";
import { numRuns, timeFor } from "../cases.ts";
import { openTestDatabase, type TestDatabase } from "../database.ts";
import { replaceEvidence, seedPartners } from "./evidence.ts";
import { histories, PARTNERS } from "./histories.ts";
import { counts, countsBefore, type EvidenceRow, evaluate, isKnown, type Outcome } from "./reference.ts";

const timeout = timeFor(200);

let database: TestDatabase;
let partners: number[];

beforeAll(async () => {
  database = await openTestDatabase({ max: 1 });
  partners = await seedPartners(database.db, PARTNERS);
});
afterAll(async () => {
  await database.close();
});

describe("the SQL evaluation", () => {
  test(
    "agrees with the reference on random programmes and histories, now and as known at an instant",
    async () => {
      const property = fc.asyncProperty(histories, async ({ programme, at, knownAt, rows }) => {
        await replaceEvidence(database.db, partners, rows);
        for (const known of [undefined, knownAt]) {
          const found = await outcomes(programme, { scope: "all", at, knownAt: known });
          expect(found).toEqual(expected(programme, rows, at, known));
        }
      });
      await fc.assert(property, { numRuns });
    },
    timeout,
  );

  test(
    "gives the same for a partner, for a range of partners and for all",
    async () => {
      const property = fc.asyncProperty(histories, async ({ programme, at, rows }) => {
        await replaceEvidence(database.db, partners, rows);
        const all = await outcomes(programme, { scope: "all", at });
        const [first = 0, second = 0, third = 0] = partners;
        expect(await outcomes(programme, { scope: { partners: [third, first] }, at })).toEqual([
          all[0],
          [],
          all[2],
        ]);
        expect(await outcomes(programme, { scope: { first, last: second }, at })).toEqual([
          all[0],
          all[1],
          [],
        ]);
      });
      await fc.assert(property, { numRuns });
    },
    timeout,
  );

  test(
    "gives for supposed evidence what it gives once that is stored",
    async () => {
      const property = fc.asyncProperty(histories, fc.nat(), async ({ programme, at, rows }, cut) => {
        const isSupposable = (row: EvidenceRow) => row.partnerId !== null && row.supersededAt === null;
        const [stored, supposed] = [
          rows.filter((row, index) => !isSupposable(row) || index < cut % rows.length),
          rows.filter((row, index) => isSupposable(row) && index >= cut % rows.length),
        ].map((some) => some.map((row) => ({ ...row, endedAt: isSupposable(row) ? null : row.endedAt })));
        await replaceEvidence(database.db, partners, stored ?? []);
        const found = await outcomes(programme, {
          scope: "all",
          at,
          supposed: (supposed ?? []).map((row) => ({
            partnerId: partners[row.partnerId ?? 0] ?? 0,
            kind: row.kind,
            occurredAt: row.occurredAt,
            quantity: row.hundredths / 100,
            attributes: row.attributes,
          })),
        });
        expect(found).toEqual(expected(programme, [...(stored ?? []), ...(supposed ?? [])], at, undefined));
      });
      await fc.assert(property, { numRuns });
    },
    timeout,
  );

  test(
    "names exactly the evidence it counts",
    async () => {
      const property = fc.asyncProperty(histories, async ({ programme, at, knownAt, rows }) => {
        await replaceEvidence(database.db, partners, rows);
        const compiled = compileProgramme(programme);
        for (const achievement of programme.achievements) {
          for (const known of [undefined, knownAt]) {
            const behind = await database.db.execute<{ id: number; before: boolean }>(
              compiled.evidenceBehind(achievement.key, { partnerId: partners[0] ?? 0, at, knownAt: known }),
            );
            const counted = rows.filter(
              (row) =>
                row.partnerId === 0 &&
                isKnown(row, known) &&
                (counts(programme, achievement, row, at) || countsBefore(programme, achievement, row, at)),
            );
            if (achievement.measure.type === "latest") {
              const last = Math.max(...counted.map((row) => row.occurredAt.getTime()));
              const latest = counted.filter((row) => row.occurredAt.getTime() === last);
              const most = Math.max(...latest.map((row) => row.hundredths));
              expect(behind.length).toBe(Math.min(1, counted.length));
              const deciding = latest.filter((row) => row.hundredths === most).map((row) => row.id);
              if (behind[0] !== undefined) expect(deciding).toContain(behind[0].id);
              continue;
            }
            expect(behind.map((row) => row.id).sort(ascending)).toEqual(counted.map((row) => row.id));
            for (const row of behind) {
              const stored = rows.find((one) => one.id === row.id);
              expect(row.before).toBe(stored !== undefined && !counts(programme, achievement, stored, at));
            }
          }
        }
      });
      await fc.assert(property, { numRuns });
    },
    timeout,
  );
});

describe("the clock", () => {
  test(
    "touches every partner whose outcome the passing of time changes",
    async () => {
      const minutes = fc.oneof(fc.integer({ min: 1, max: 3 }), fc.integer({ min: 1, max: 600 }));
      const property = fc.asyncProperty(histories, minutes, async ({ programme, at, rows }, passed) => {
        const span = { from: new Date(at.getTime() - passed * 60_000), to: at };
        if (isEverybodyTouched(programme, span)) return;
        await replaceEvidence(database.db, partners, rows);
        const touched = await database.db.execute<{ partner_id: number }>(
          compileProgramme(programme).partnersTouchedByTime(span),
        );
        const ids = touched.map((row) => row.partner_id);
        expect(new Set(ids).size).toBe(ids.length);
        const before = expected(programme, rows, span.from, undefined);
        const after = expected(programme, rows, span.to, undefined);
        for (const [index, partner] of partners.entries()) {
          if (!same(before[index], after[index])) expect(ids).toContain(partner);
        }
      });
      await fc.assert(property, { numRuns });
    },
    timeout,
  );
});

/** Per partner, per achievement; [] where nothing counts. */
async function outcomes(
  programme: Programme,
  input: { scope: Scope; at: Date; knownAt?: Date | undefined; supposed?: SupposedEvidence[] },
): Promise<Outcome[][]> {
  const rows = await database.db.execute<{
    partner_id: number;
    achievement: string;
    units: string;
    points: number;
  }>(compileProgramme(programme).evaluation(input));
  return partners.map((partner) => {
    const own = rows.filter((row) => row.partner_id === partner);
    // All achievements or none: what is missing is only ever a whole partner.
    if (own.length > 0) {
      expect(own.map((row) => row.achievement).sort()).toEqual(
        programme.achievements.map(({ key }) => key).sort(),
      );
    }
    const found = programme.achievements.map(({ key }): Outcome => {
      const row = own.find((one) => one.achievement === key);
      return { hundredths: Math.round(Number(row?.units ?? 0) * 10_000) / 100, points: row?.points ?? 0 };
    });
    return orNothing(found);
  });
}

function expected(
  programme: Programme,
  rows: EvidenceRow[],
  at: Date,
  knownAt: Date | undefined,
): Outcome[][] {
  const known = rows.filter((row) => isKnown(row, knownAt));
  return partners.map((_, partner) => orNothing(evaluate(programme, known, partner, at)));
}

function orNothing(found: Outcome[]): Outcome[] {
  return found.every(({ hundredths, points }) => hundredths === 0 && points === 0) ? [] : found;
}

function same(one: unknown, other: unknown): boolean {
  return JSON.stringify(one) === JSON.stringify(other);
}

function ascending(a: number, b: number): number {
  return a - b;
}
