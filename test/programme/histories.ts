// Random programmes and histories for fast-check, drawn where errors live: on, just before and just after every edge.
import fc from "fast-check";
import type { Achievement, Award, Measure, Programme, Window } from "../../src/programme/document.ts";
import { type EvidenceRow, local } from "./reference.ts";

/** Three partners; rows refer to them by their position. */
export const PARTNERS = 3;

export interface History {
  programme: Programme;
  at: Date;
  knownAt: Date;
  rows: EvidenceRow[];
}

// Summer and winter time; a gap and a repetition at midnight, one of them on the last of a month; half an hour; none at all.
const ZONES: Record<string, string[]> = {
  "Europe/Amsterdam": ["2026-03-29T01:00Z", "2026-10-25T01:00Z", "2024-03-31T01:00Z"],
  "America/New_York": ["2026-03-08T07:00Z", "2026-11-01T06:00Z"],
  "America/Santiago": ["2026-04-05T03:00Z", "2026-09-06T04:00Z"],
  "Africa/Cairo": ["2024-10-31T21:00Z", "2024-04-25T22:00Z"],
  "Australia/Lord_Howe": ["2026-04-04T15:00Z", "2026-10-03T15:30Z"],
  "Asia/Kathmandu": [],
  UTC: [],
};
// Ends of months, quarters and years, the 29th of February and its shadow, a Monday, the edges of the seasons below.
const MIDNIGHTS = [
  "2026-01-01",
  "2026-02-28",
  "2026-03-01",
  "2026-03-29",
  "2026-03-30",
  "2026-04-01",
  "2026-05-31",
  "2026-07-01",
  "2026-10-26",
  "2026-12-31",
  "2024-02-29",
  "2024-03-01",
  "2025-03-01",
  "2024-11-01",
];
const SEASONS = [
  { key: "2024", from: "2024-02-29", to: "2025-01-01" },
  { key: "spring", from: "2026-03-01", to: "2026-03-29" },
  { key: "summer", from: "2026-03-29", to: "2026-10-25" },
];

const HOUR_MS = 3_600_000;
const DAY_MS = 24 * HOUR_MS;
const nudge = fc.oneof(
  { weight: 4, arbitrary: fc.constantFrom(0, 0, 1, -1, 2) },
  {
    weight: 3,
    arbitrary: fc.constantFrom(HOUR_MS / 2, -HOUR_MS / 2, HOUR_MS, -HOUR_MS, HOUR_MS - 1, 1.5 * HOUR_MS),
  },
  { weight: 2, arbitrary: fc.integer({ min: -2 * DAY_MS, max: 2 * DAY_MS }) },
);

const measure: fc.Arbitrary<Measure> = fc.constantFrom<Measure>(
  { type: "count" },
  { type: "sum" },
  { type: "distinct", attribute: "holder" },
  { type: "periods", period: "week" },
  { type: "periods", period: "month" },
  { type: "periods", period: "quarter" },
  { type: "streak", period: "week" },
  { type: "streak", period: "month" },
  { type: "streak", period: "quarter" },
  { type: "latest" },
  { type: "growth" },
);

const window: fc.Arbitrary<Window> = fc.oneof(
  fc.constantFrom<Window>({ type: "ever" }, { type: "in-force" }),
  fc
    .constantFrom("current", "2024", "spring", "summer")
    .map((season): Window => ({ type: "season", season })),
  fc
    .constantFrom<[number, "day" | "week" | "month" | "quarter" | "year"][]>(
      [1, "day"],
      [90, "day"],
      [2, "week"],
      [1, "month"],
      [12, "month"],
      [1, "quarter"],
      [2, "year"],
    )
    .map(([amount, unit]): Window => ({ type: "last", amount, unit })),
  fc
    .constantFrom("week" as const, "month" as const, "quarter" as const, "year" as const)
    .map((unit): Window => ({ type: "previous", unit })),
  fc
    .constantFrom<[number, "week" | "month" | "quarter"][]>(
      [1, "week"],
      [63, "week"],
      [70, "week"],
      [3, "month"],
      [12, "month"],
      [2, "quarter"],
    )
    .map(([amount, unit]): Window => ({ type: "rolling", amount, unit })),
);

const units = fc.oneof(
  fc.integer({ min: 1, max: 5 }),
  fc.constantFrom(50, 100),
  fc.integer({ min: 1, max: 500 }).map((n) => n / 100),
);
const award: fc.Arbitrary<Award> = fc.oneof(
  fc.record({
    type: fc.constant("points" as const),
    points: fc.integer({ min: 1, max: 20 }),
    threshold: fc.oneof(
      fc.record({ comparison: fc.constant("at-least" as const), units }),
      fc.record({ comparison: fc.constant("more-than" as const), units: fc.oneof(units, fc.constant(0)) }),
    ),
  }),
  fc
    .tuple(fc.integer({ min: 1, max: 5 }), fc.integer({ min: 0, max: 9 }))
    .map(([points, more]): Award => ({ type: "each", points, cap: points + more })),
  fc.array(units, { minLength: 1, maxLength: 3 }).map((bounds): Award => {
    const rising = [...new Set(bounds)].sort((a, b) => a - b);
    return { type: "tiers", tiers: rising.map((atLeast, index) => ({ atLeast, points: 3 * (index + 1) })) };
  }),
  fc.record({ type: fc.constant("share" as const), points: fc.integer({ min: 1, max: 20 }), target: units }),
);

const achievement = fc
  .record({
    evidence: fc.constantFrom("a", "b"),
    where: fc.constantFrom<Record<string, string[]>>(
      {},
      {},
      { level: ["x"] },
      { level: ["x", "it's"] },
      { level: ["it's"], holder: ["p", "q"] },
    ),
    measure,
    window,
    award,
    matures: fc.constantFrom<(Achievement["matures"] | undefined)[]>(
      undefined,
      undefined,
      undefined,
      { amount: 1, unit: "day" },
      { amount: 2, unit: "week" },
    ),
    category: fc.constantFrom(undefined, undefined, "one", "two"),
    /** How many places before it the achievement is that it requires; 0: none. */
    gate: fc.constantFrom(0, 0, 1, 2),
    effort: fc.integer({ min: 1, max: 4 }),
  })
  .filter(({ measure, window, matures }) => {
    const isOverTime = measure.type === "streak" || measure.type === "growth";
    if (isOverTime && matures !== undefined) return false;
    return measure.type !== "growth" || window.type === "last" || window.type === "previous";
  });

export const programmes: fc.Arbitrary<Programme> = fc
  .record({
    timeZone: fc.constantFrom("Europe/Amsterdam", "Europe/Amsterdam", ...Object.keys(ZONES)),
    caps: fc.tuple(fc.integer({ min: 1, max: 20 }), fc.integer({ min: 1, max: 20 })),
    achievements: fc.array(achievement, { minLength: 1, maxLength: 6 }),
  })
  .map(({ timeZone, caps, achievements }) => ({
    name: "Programme",
    timeZone,
    perfect: 100,
    effectiveFrom: undefined,
    nominees: 10,
    seasons: SEASONS,
    kinds: ["a", "b", "c"].map((key) => ({ key, label: key })),
    categories: ["one", "two"].map((key, index) => ({ key, title: key, cap: caps[index] ?? 1 })),
    achievements: achievements.map(({ gate, matures, category, ...one }, index): Achievement => {
      return {
        key: `achievement-${index}`,
        title: "Title",
        hint: "Hint",
        ...one,
        requires: gate === 0 || gate > index ? [] : [`achievement-${index - gate}`],
        ...(matures !== undefined && { matures }),
        ...(category !== undefined && { category }),
      };
    }),
  }));

/** A programme, an instant to evaluate, another to know at, and evidence around all the edges that follow from them. */
export const histories: fc.Arbitrary<History> = programmes.chain((programme) => {
  const { timeZone } = programme;
  const anchors = [
    ...(ZONES[timeZone] ?? []).map((text) => new Date(text)),
    ...MIDNIGHTS.map((date) => midnight(date, timeZone)),
  ];
  const anchor = fc.tuple(fc.constantFrom(...anchors), nudge).map(([at, ms]) => new Date(at.getTime() + ms));
  const few = fc.array(anchor, { minLength: 1, maxLength: 4 });
  return fc.record({ at: anchor, knownAt: anchor, others: few }).chain(({ at, knownAt, others }) => {
    const spans = programme.achievements.flatMap((one) => edgesOf(one, at));
    // Few instants in one history: what is counted once has to be there twice.
    const other = fc
      .tuple(fc.constantFrom(...others), nudge)
      .map(([edge, ms]) => new Date(edge.getTime() + ms));
    const happened = fc.oneof(
      fc.tuple(fc.constantFrom(...spans), nudge).map(([edge, ms]) => new Date(edge.getTime() + ms)),
      fc.tuple(fc.constant(at), nudge).map(([edge, ms]) => new Date(edge.getTime() + ms)),
      other,
    );
    const known = fc.tuple(fc.constant(knownAt), nudge).map(([edge, ms]) => new Date(edge.getTime() + ms));
    const row = fc
      .record({
        partnerId: fc.option(fc.integer({ min: 0, max: PARTNERS - 1 }), { freq: 8 }),
        kind: fc.constantFrom("a", "a", "b", "c"),
        occurredAt: happened,
        endedAt: fc.option(happened),
        hundredths: fc.oneof(fc.constant(100), fc.integer({ min: -500, max: 500 })),
        attributes: fc.record(
          { level: fc.constantFrom("x", "it's", "z"), holder: fc.constantFrom("p", "q", "r", "") },
          { requiredKeys: [] },
        ),
        recordedAt: known,
        supersededAt: fc.option(known, { freq: 3 }),
      })
      .map((fact) => ({
        ...fact,
        attributes: { ...fact.attributes },
        endedAt: notBefore(fact.endedAt, fact.occurredAt),
        supersededAt: notBefore(fact.supersededAt, fact.recordedAt),
      }));
    return fc.array(row, { minLength: 1, maxLength: 40, size: "max" }).map((rows) => ({
      programme,
      at,
      knownAt,
      rows: rows.map((one, index) => ({ id: index + 1, ...one })),
    }));
  });
});

function notBefore(date: Date | null, start: Date): Date | null {
  return date !== null && date < start ? start : date;
}

/** About where the windows of an achievement begin, its streak ends, its evidence is mature. */
function edgesOf({ window, measure, matures }: Achievement, at: Date): Date[] {
  const edges = [edgeOf(window, at)];
  if (measure.type === "streak") {
    for (let ago = 1; ago <= 3; ago++)
      edges.push(edgeOf({ type: "rolling", amount: ago, unit: measure.period }, at));
  }
  if (measure.type === "growth" && window.type === "last")
    edges.push(edgeOf({ ...window, amount: 2 * window.amount }, at));
  if (measure.type === "growth" && window.type === "previous") {
    for (let ago = 1; ago <= 2; ago++)
      edges.push(edgeOf({ type: "last", amount: ago, unit: window.unit }, at));
  }
  if (matures !== undefined) edges.push(edgeOf({ type: "last", ...matures }, at));
  return edges;
}

/** About where a window begins: the nudges do the rest. */
function edgeOf(window: Window, at: Date): Date {
  if (window.type !== "last" && window.type !== "rolling") return at;
  const days = { day: 1, week: 7, month: 0, quarter: 0, year: 0 }[window.unit] * window.amount;
  const months = { day: 0, week: 0, month: 1, quarter: 3, year: 12 }[window.unit] * window.amount;
  const edge = new Date(at);
  edge.setUTCMonth(edge.getUTCMonth() - months, edge.getUTCDate() - days);
  return edge;
}

/** Local midnight, or about it where the clock changes then. */
function midnight(date: string, timeZone: string): Date {
  const utc = new Date(`${date}T00:00:00.000Z`);
  const shown = new Date(`${local(utc, timeZone)}Z`);
  return new Date(utc.getTime() - (shown.getTime() - utc.getTime()));
}
