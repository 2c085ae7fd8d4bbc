// Random histories to be replayed: late, changed, vanished and re-appearing evidence, rules that change and begin later, identities,
// adjustments, merges, and weeks that go across both clock changes of the programme's time zone.
import fc from "fast-check";
import type { Database } from "../../db/client.ts";
import { addIdentities } from "../../src/evidence/match.ts";
import { mergePartners, unmergePartner } from "../../src/partners/merge.ts";
import { UsageError } from "../../src/platform/errors.ts";
import type { ProgrammeVersions } from "../../src/programme/versions.ts";
import { adjust, readAdjustments, revokeAdjustment } from "../../src/scoring/adjustments.ts";
import { tick } from "../../src/scoring/clock.ts";
import { emptyDatabase } from "../database.ts";
import { addConnection, addPartners, fact, factOf, list } from "../evidence/collecting.ts";
import { drain, programmeText, publish, usual } from "./programmes.ts";

const categories = {
  ...(JSON.parse(
    programmeText({
      articles: { evidence: "article", award: { each: 3, cap: 9 } },
      visited: { evidence: "visit", window: { last: "5 days" }, award: { each: 2, cap: 6 } },
      certified: { evidence: "certificate", window: "in-force", award: { each: 4, cap: 8 } },
    }),
  ) as { achievements: Record<string, object> }),
  perfect: 18,
  categories: { all: { title: "All", cap: 10 } },
};
for (const key of ["articles", "visited"])
  Object.assign(categories.achievements[key] ?? {}, { category: "all" });

const documents = [
  usual,
  JSON.stringify(categories),
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

type Does =
  | {
      type: "list";
      connection: number;
      facts: { slot: number; kind: string; minutes: number; lasts: number | null; quantity: number }[];
    }
  | { type: "publish"; document: string; later: number }
  | { type: "identify"; key: number }
  | { type: "adjust"; partner: number; points: number; lasts: number | null }
  | { type: "merge"; partner: number; into: number }
  | { type: "unmerge"; partner: number }
  | { type: "revoke" }
  | { type: "nothing" };

export interface Step {
  minutes: number;
  /** false: nobody looks at the clock or scores after it. */
  isScored: boolean;
  does: Does;
}

const partner = fc.integer({ min: 0, max: 2 });
const does: fc.Arbitrary<Does> = fc.oneof(
  {
    weight: 7,
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
      partner,
      points: fc.constantFrom(-4, 6),
      lasts: fc.option(fc.integer({ min: 1, max: 10 * DAY })),
    }),
  },
  {
    weight: 1,
    arbitrary: fc.record({ type: fc.constant("merge" as const), partner, into: partner }),
  },
  { weight: 1, arbitrary: fc.record({ type: fc.constant("unmerge" as const), partner }) },
  { weight: 1, arbitrary: fc.constant({ type: "revoke" as const }) },
  { weight: 2, arbitrary: fc.constant({ type: "nothing" as const }) },
);

export const steps: fc.Arbitrary<Step[]> = fc.array(
  fc.record({
    minutes: fc.oneof(fc.integer({ min: 1, max: 90 }), fc.integer({ min: 1, max: 20 * DAY })),
    isScored: fc.constantFrom(true, true, true, false),
    does,
  }),
  { minLength: 3, maxLength: 10 },
);

/** Near a clock change of Amsterdam, so that the first weeks go across it; and ends of a year and of February. */
export const begins = fc.constantFrom(
  "2026-03-27T12:00Z",
  "2026-10-23T12:00Z",
  "2024-02-27T12:00Z",
  "2026-12-30T12:00Z",
);

/**
 * Empties the database and lets a history happen for three partners, `partner-1` to `partner-3`. Returns their ids and the instants
 * at which everything was scored; at the last one it is.
 */
export async function play(
  db: Database,
  programmes: ProgrammeVersions,
  history: { first: string; steps: Step[] },
): Promise<{ partners: number[]; settled: Date[] }> {
  await emptyDatabase(db);
  const partners = await addPartners(db, 3);
  const connections = [
    await addConnection(db, { source: "one", partnerId: partners[0]! }),
    await addConnection(db, { source: "two", partnerId: partners[1]! }),
    await addConnection(db, { source: "three" }),
  ];
  const start = new Date(history.first).getTime();
  const after = (minutes: number) => new Date(start + minutes * 60_000);
  await publish(db, usual, after(0));
  const settled: Date[] = [];
  let minutes = 0;
  for (const [index, step] of history.steps.entries()) {
    minutes += step.minutes;
    await happen(step.does, minutes);
    if (!step.isScored && index < history.steps.length - 1) continue;
    await tick(db, programmes, after(minutes));
    await drain(db, programmes, after(minutes), 2);
    settled.push(after(minutes));
  }
  return { partners, settled };

  async function happen(does: Does, minutes: number): Promise<void> {
    const now = after(minutes);
    const slug = (position: number) => `partner-${position + 1}`;
    switch (does.type) {
      case "list": {
        const named = does.facts.map(({ slot, kind, minutes: ago, lasts, quantity }) => {
          const occurredAt = after(minutes + ago);
          const endedAt = lasts === null ? undefined : after(minutes + ago + lasts);
          const more = { kind, occurredAt, endedAt, quantity };
          return does.connection === 2 ? factOf(`${slot}`, `f${slot}`, more) : fact(`f${slot}`, more);
        });
        await list(db, connections[does.connection]!, named, now);
        return;
      }
      case "publish": {
        const begin = after(minutes + does.later * DAY)
          .toISOString()
          .slice(0, 10);
        const document = JSON.parse(does.document) as object;
        await publish(
          db,
          JSON.stringify({ ...document, ...(does.later > 0 && { "effective-from": begin }) }),
          now,
        );
        return;
      }
      case "identify":
        return ifPossible(
          addIdentities(db, partners[does.key % 3]!, [{ namespace: "crm", key: `${does.key}` }], now),
        );
      case "adjust": {
        const until = does.lasts === null ? undefined : after(minutes + does.lasts);
        const { partner, points } = does;
        return ifPossible(
          adjust(db, { partnerId: partners[partner]!, points, reason: "reason", by: "Ada", until, now }),
        );
      }
      case "revoke": {
        for (const { id } of await readAdjustments(db, { now }))
          await ifPossible(revokeAdjustment(db, { id, by: "Grace", now }));
        return;
      }
      case "merge":
        return ifPossible(
          mergePartners(db, { partner: slug(does.partner), into: slug(does.into), by: "Ada", now }),
        );
      case "unmerge":
        return ifPossible(unmergePartner(db, { partner: slug(does.partner), by: "Ada", now }));
      case "nothing":
    }
  }
}

/** What is refused has not happened. */
async function ifPossible(work: Promise<unknown>): Promise<void> {
  await work.catch((error: unknown) => {
    if (!(error instanceof UsageError)) throw error;
  });
}
