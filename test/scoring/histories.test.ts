// Random histories: evidence that comes, changes, vanishes and comes back, programmes, identities and time, in any order. What
// the score ought to be is said by the reference evaluation of test/programme, from the rows of the evidence table.
import { sql } from "drizzle-orm";
import fc from "fast-check";
import { afterAll, beforeAll, expect, test } from "vitest";
import type { Database } from "../../db/client.ts";
import { addIdentities } from "../../src/evidence/match.ts";
import { parseProgramme } from "../../src/programme/document.ts";
import { openProgrammeVersions } from "../../src/programme/versions.ts";
import { tick } from "../../src/scoring/clock.ts";
import { verify } from "../../src/scoring/verify.ts";
import { numRuns, timeFor } from "../cases.ts";
import { emptyDatabase, openTestDatabase, type TestDatabase } from "../database.ts";
import { addConnection, addPartners, at, fact, factOf, list } from "../evidence/collecting.ts";
import { type EvidenceRow, evaluate } from "../programme/reference.ts";
import { drain, programmeText, publish, readLedger, readPoints, readScores, usual } from "./programmes.ts";

const documents = [
  usual,
  programmeText({
    articles: {
      evidence: "article",
      measure: "sum",
      award: {
        tiers: [
          { "at-least": 2, points: 3 },
          { "at-least": 6, points: 9 },
        ],
      },
    },
    monthly: { evidence: "article", window: { previous: "month" }, award: { points: 4, "at-least": 1 } },
    season: { evidence: "visit", window: { season: "current" }, award: { points: 2, "at-least": 1 } },
  }),
  programmeText({
    visited: {
      evidence: "visit",
      measure: { periods: "week" },
      window: { rolling: "2 weeks" },
      award: { each: 3, cap: 6 },
    },
    certified: { evidence: "certificate", window: "in-force", award: { points: 10, "more-than": 1 } },
  }),
];

const DAY = 24 * 60;
const facts = fc.uniqueArray(
  fc.record({
    slot: fc.integer({ min: 0, max: 3 }),
    kind: fc.constantFrom("article", "article", "certificate", "visit"),
    minutes: fc.oneof(fc.integer({ min: -40 * DAY, max: 2 * DAY }), fc.integer({ min: -2 * DAY, max: 60 })),
    lasts: fc.option(fc.integer({ min: 0, max: 3 * DAY })),
    quantity: fc.integer({ min: 1, max: 3 }),
  }),
  { selector: (one) => one.slot, maxLength: 4 },
);
const step = fc.record({
  /** How much later than the step before. */
  minutes: fc.oneof(fc.constant(0), fc.integer({ min: 0, max: 90 }), fc.integer({ min: 0, max: 20 * DAY })),
  /** How far the clock of the process that does it is behind. */
  behind: fc.constantFrom(0, 0, 1, 30),
  isScored: fc.boolean(),
  does: fc.oneof(
    {
      weight: 6,
      arbitrary: fc.record({
        type: fc.constant("list" as const),
        connection: fc.integer({ min: 0, max: 2 }),
        facts,
      }),
    },
    {
      weight: 2,
      arbitrary: fc.record({
        type: fc.constant("publish" as const),
        document: fc.constantFrom(...documents),
      }),
    },
    {
      weight: 2,
      arbitrary: fc.record({ type: fc.constant("identify" as const), key: fc.integer({ min: 0, max: 3 }) }),
    },
    { weight: 2, arbitrary: fc.record({ type: fc.constant("nothing" as const) }) },
  ),
});

/** What every partner ought to have, from the evidence that is known now. */
async function expected(db: Database, partners: number[], text: string, now: Date): Promise<number[]> {
  const programme = parseProgramme(text, "programme.yaml");
  const rows = await db.execute<Record<string, unknown> & EvidenceRow>(sql`
    select id, partner_id as "partnerId", kind, occurred_at as "occurredAt", ended_at as "endedAt",
      (quantity * 100)::int as hundredths, attributes, recorded_at as "recordedAt", superseded_at as "supersededAt"
    from evidence where superseded_at is null`);
  return partners.map((partner) =>
    evaluate(programme, rows, partner, now).reduce((sum, { points }) => sum + points, 0),
  );
}

let database: TestDatabase;
let db: Database;

beforeAll(async () => {
  database = await openTestDatabase({ max: 2 });
  db = database.db;
});
afterAll(async () => {
  await database.close();
});

test(
  "whatever happens, the ledger's sum is the score, now and at every past instant, and the score is the evaluation",
  async () => {
    const property = fc.asyncProperty(fc.array(step, { minLength: 3, maxLength: 12 }), async (steps) => {
      await emptyDatabase(db);
      const programmes = openProgrammeVersions();
      const partners = await addPartners(db, 3);
      const connections = [
        await addConnection(db, { source: "one", partnerId: partners[0]! }),
        await addConnection(db, { source: "two", partnerId: partners[1]! }),
        await addConnection(db, { source: "three" }),
      ];
      let [minutes, published] = [0, documents[0]!];
      await publish(db, published, at(0));
      const past: { now: Date; points: number[] }[] = [];
      let versions = partners.map(() => 0);
      for (const { does, behind, isScored, ...later } of steps) {
        minutes += later.minutes + 1;
        const now = at(minutes);
        const theirNow = at(minutes - behind);
        if (does.type === "list") {
          const source = connections[does.connection]!;
          const evidence = does.facts.map(({ slot, kind, minutes: ago, lasts, quantity }) => {
            const occurredAt = at(minutes + ago);
            const endedAt = lasts === null ? undefined : at(minutes + ago + lasts);
            const more = { kind, occurredAt, endedAt, quantity };
            return does.connection === 2 ? factOf(`${slot}`, `f${slot}`, more) : fact(`f${slot}`, more);
          });
          await list(db, source, evidence, theirNow);
        } else if (does.type === "publish") {
          await publish(db, does.document, now);
          published = does.document;
        } else if (does.type === "identify") {
          await addIdentities(
            db,
            partners[does.key % 3]!,
            [{ namespace: "crm", key: `${does.key}` }],
            theirNow,
          );
        }
        if (!isScored) continue;
        await tick(db, programmes, now);
        await drain(db, programmes, theirNow, 2);
        const points = await expected(db, partners, published, now);
        expect(await readPoints(db, partners, "scores")).toEqual(points);
        expect(await readPoints(db, partners, "ledger")).toEqual(points);
        expect(await readPoints(db, partners, "achievements_held")).toEqual(points);
        expect(await verify(db, programmes, now)).toMatchObject({ pending: 0, drift: 0 });
        const scores = await readScores(db);
        const reached = partners.map((id) => scores.find((row) => row.partner_id === id)?.version ?? 0);
        for (const [index, version] of reached.entries()) {
          const isAnother = points[index] !== (past.at(-1)?.points[index] ?? 0);
          expect(version).toBeGreaterThanOrEqual(versions[index]! + (isAnother ? 1 : 0));
        }
        versions = reached;
        past.push({ now, points });
      }
      const ledger = await readLedger(db);
      for (const { now, points } of past) {
        const sums = partners.map((id) =>
          ledger
            .filter((line) => line.partner_id === id && line.at <= now)
            .reduce((sum, line) => sum + line.delta, 0),
        );
        expect(sums).toEqual(points);
      }
    });
    await fc.assert(property, { numRuns });
  },
  timeFor(5000),
);
