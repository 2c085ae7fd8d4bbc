// Replay: what the ledger says of any past instant is what the evaluation gives as known at that instant, under the version that
// was in force. Over random histories with late, changed, vanished and re-appearing evidence, rules that change and begin later,
// adjustments, and both clock changes of the programme's time zone.
import { sql } from "drizzle-orm";
import fc from "fast-check";
import { afterAll, beforeAll, expect, test } from "vitest";
import type { Database } from "../../db/client.ts";
import { addIdentities } from "../../src/evidence/match.ts";
import { openProgrammeVersions, type ProgrammeVersions } from "../../src/programme/versions.ts";
import { tick } from "../../src/scoring/clock.ts";
import { evaluation } from "../../src/scoring/evaluation.ts";
import { verify } from "../../src/scoring/verify.ts";
import { openTestDatabase, type TestDatabase } from "../database.ts";
import { addConnection, addPartners, fact, factOf, list } from "../evidence/collecting.ts";
import { drain, programmeText, publish, usual } from "./programmes.ts";

const numRuns = Number(process.env["DEEP"] ?? 100);

const documents = [
  usual,
  programmeText({
    sum: { evidence: "article", measure: "sum", award: { share: 9, of: 5 } },
    monthly: { evidence: "article", window: { previous: "month" }, award: { points: 4, "at-least": 1 } },
    streak: {
      evidence: "visit",
      measure: { streak: "week" },
      award: { each: 2, cap: 6 },
      requires: "sum",
    },
    certified: { evidence: "certificate", window: "in-force", award: { points: 10, "at-least": 1 } },
  }),
  programmeText({
    latest: {
      evidence: "article",
      measure: "latest",
      matures: "2 days",
      award: { points: 3, "at-least": 2 },
    },
    growth: {
      evidence: "article",
      measure: "growth",
      window: { last: "2 weeks" },
      award: { points: 8, "more-than": 0 },
    },
    visited: {
      evidence: "visit",
      measure: { periods: "week" },
      window: { rolling: "2 weeks" },
      award: { each: 3, cap: 6 },
    },
  }),
];

const HOUR = 60;
const DAY = 24 * HOUR;
const facts = fc.uniqueArray(
  fc.record({
    slot: fc.integer({ min: 0, max: 3 }),
    kind: fc.constantFrom("article", "article", "certificate", "visit"),
    /** Before or after the listing that names it. */
    minutes: fc.oneof(fc.integer({ min: -40 * DAY, max: 2 * DAY }), fc.integer({ min: -2 * DAY, max: 60 })),
    lasts: fc.option(fc.integer({ min: 0, max: 3 * DAY })),
    quantity: fc.integer({ min: 1, max: 3 }),
  }),
  { selector: (one) => one.slot, maxLength: 4 },
);
const step = fc.record({
  minutes: fc.oneof(fc.integer({ min: 1, max: 90 }), fc.integer({ min: 1, max: 20 * DAY })),
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
        /** Days until it begins. */
        later: fc.constantFrom(0, 0, 1, 9),
      }),
    },
    {
      weight: 1,
      arbitrary: fc.record({ type: fc.constant("identify" as const), key: fc.integer({ min: 0, max: 3 }) }),
    },
    {
      weight: 1,
      arbitrary: fc.record({
        type: fc.constant("adjust" as const),
        partner: fc.integer({ min: 0, max: 2 }),
        points: fc.constantFrom(-4, 6),
        lasts: fc.option(fc.integer({ min: 1, max: 10 * DAY })),
      }),
    },
    { weight: 1, arbitrary: fc.constant({ type: "revoke" as const }) },
    { weight: 2, arbitrary: fc.constant({ type: "nothing" as const }) },
  ),
});
/** Near a clock change of Amsterdam, so that the first weeks go across it. */
const begins = fc.constantFrom(
  "2026-03-27T12:00Z",
  "2026-10-23T12:00Z",
  "2024-02-27T12:00Z",
  "2026-12-30T12:00Z",
);

let database: TestDatabase;
let db: Database;
let programmes: ProgrammeVersions;

beforeAll(async () => {
  database = await openTestDatabase();
  db = database.db;
});
afterAll(async () => {
  await database.close();
});

async function empty(): Promise<void> {
  await db.execute(
    sql`truncate partners, sources, programme_versions, clock, evidence, ledger, runs restart identity cascade`,
  );
  programmes = openProgrammeVersions();
}

/** Points of each partner, by what a query of (partner_id, points) says. */
async function read(query: ReturnType<typeof sql>, partners: number[]): Promise<number[]> {
  const rows = await db.execute<{ partner_id: number; points: number }>(sql`
    select partner_id, sum(points)::int as points from (${query}) as named group by 1`);
  return partners.map((id) => rows.find((row) => row.partner_id === id)?.points ?? 0);
}

test(
  "the ledger's balance at an instant is the evaluation as known then",
  async () => {
    const property = fc.asyncProperty(
      begins,
      fc.array(step, { minLength: 3, maxLength: 10 }),
      async (first, steps) => {
        await empty();
        const partners = await addPartners(db, 3);
        const connections = [
          await addConnection(db, { source: "one", partnerId: partners[0]! }),
          await addConnection(db, { source: "two", partnerId: partners[1]! }),
          await addConnection(db, { source: "three" }),
        ];
        const start = new Date(first).getTime();
        const after = (minutes: number) => new Date(start + minutes * 60_000);
        let minutes = 0;
        await publish(db, usual, after(0));
        const settled: Date[] = [];
        for (const { does, ...later } of steps) {
          minutes += later.minutes;
          const now = after(minutes);
          if (does.type === "list") {
            const source = connections[does.connection]!;
            const named = does.facts.map(({ slot, kind, minutes: ago, lasts, quantity }) => {
              const occurredAt = after(minutes + ago);
              const endedAt = lasts === null ? undefined : after(minutes + ago + lasts);
              const more = { kind, occurredAt, endedAt, quantity };
              return does.connection === 2 ? factOf(`${slot}`, `f${slot}`, more) : fact(`f${slot}`, more);
            });
            await list(db, source, named, now);
          } else if (does.type === "publish") {
            const begin = after(minutes + does.later * DAY)
              .toISOString()
              .slice(0, 10);
            const text = {
              ...(JSON.parse(does.document) as object),
              ...(does.later > 0 && { "effective-from": begin }),
            };
            await publish(db, JSON.stringify(text), now);
          } else if (does.type === "identify") {
            const identity = { namespace: "crm", key: `${does.key}` };
            await addIdentities(db, partners[does.key % 3]!, [identity], now);
          } else if (does.type === "adjust") {
            const until = does.lasts === null ? null : after(minutes + does.lasts);
            await db.execute(sql`
              with adjusted as (
                insert into adjustments (partner_id, points, reason, author, created_at, until)
                values (${partners[does.partner]}, ${does.points}, 'reason', 'Ada', ${now}, ${until}) returning partner_id)
              insert into pending_partners (partner_id, since, cause) select partner_id, ${now}, 'adjustment' from adjusted
              on conflict do nothing`);
          } else if (does.type === "revoke") {
            await db.execute(sql`
              with revoked as (
                update adjustments set revoked_at = ${now}, revoked_by = 'Ada' where revoked_at is null returning partner_id)
              insert into pending_partners (partner_id, since, cause) select distinct partner_id, ${now}::timestamptz, 'adjustment' from revoked
              on conflict do nothing`);
          }
          await tick(db, programmes, now);
          await drain(db, programmes, now, 2);
          settled.push(now);
        }
        for (const at of settled) {
          const version = await programmes.inForce(db, at);
          const replayed = evaluation(version!.compiled, { scope: "all", at, knownAt: at });
          const balance = sql`select partner_id, delta as points from ledger where at <= ${at}`;
          expect(await read(balance, partners)).toEqual(await read(replayed, partners));
          // Achievement by achievement, too: no two errors cancel each other out.
          const differing = await db.execute(sql`
            select partner_id, achievement, sum(points) from (
              select partner_id, achievement, points from (${replayed}) as replayed
              union all select partner_id, achievement, -delta from ledger where at <= ${at}) as lines
            group by 1, 2 having sum(points) <> 0`);
          expect(differing).toEqual([]);
        }
        expect(await verify(db, programmes, settled.at(-1)!)).toMatchObject({ pending: 0, drift: 0 });
      },
    );
    await fc.assert(property, { numRuns });
  },
  60_000 + numRuns * 5000,
);
