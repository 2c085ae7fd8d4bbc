// What has to hold between the keys of a programme document. Every part that is well-formed is checked, whatever is
// wrong with the others, so that one attempt shows all problems.
import type { z } from "zod";
import { mapOf, readMap, suggestion } from "../platform/documents/problems.ts";
import type { DocumentProblem } from "../platform/documents/yaml.ts";
import { longestStreak } from "./calendar.ts";
import { checkPerfect } from "./perfect.ts";
import {
  awardSchema,
  maturesSchema,
  measureSchema,
  requiresSchema,
  seasonSchema,
  windowSchema,
} from "./schema.ts";

type AwardDocument = z.infer<typeof awardSchema>;
type MeasureDocument = z.infer<typeof measureSchema>;
type WindowDocument = z.infer<typeof windowSchema>;

/** The problems between the keys of a document that need not be well-formed. */
export function checkProgramme(value: unknown): DocumentProblem[] {
  const document = mapOf(value);
  const kinds = readMap(document["evidence"]);
  const seasons = mapOf(document["seasons"]);
  const problems = checkSeasons(seasons);
  const achievements = Object.entries(mapOf(document["achievements"]));
  for (const [key, part] of achievements) {
    const path = ["achievements", key];
    const achievement = mapOf(part);
    const kind = achievement["evidence"];
    if (kinds !== undefined && typeof kind === "string" && !Object.hasOwn(kinds, kind)) {
      const known = Object.keys(kinds);
      const message = `expected one of the kinds under evidence (${known.join(", ")}), not "${kind}"`;
      problems.push({ path: [...path, "evidence"], message: message + suggestion(kind, known) });
    }
    const window = windowSchema.safeParse(achievement["window"]).data;
    if (window !== undefined)
      problems.push(...checkWindow([...path, "window"], window, Object.keys(seasons)));
    const award = awardSchema.safeParse(achievement["award"]).data;
    if (award !== undefined) problems.push(...checkAward([...path, "award"], award));
    const measure = measureSchema.safeParse(achievement["measure"]).data;
    if (measure !== undefined) problems.push(...checkMeasure(path, measure, { window, award, achievement }));
    const matures = maturesSchema.safeParse(achievement["matures"]).data;
    if (matures !== undefined && window !== undefined)
      problems.push(...checkMatures([...path, "matures"], matures, window));
  }
  problems.push(...checkGates(achievements), ...checkCategories(document["categories"], achievements));
  problems.push(...checkPerfect(document, achievements));
  return problems;
}

/** `requires` names achievements of this document and never leads back to where it began. */
function checkGates(achievements: [string, unknown][]): DocumentProblem[] {
  const known = achievements.map(([key]) => key);
  const required = new Map(
    achievements.map(([key, part]) => {
      const requires = requiresSchema.safeParse(mapOf(part)["requires"]).data;
      return [key, [requires ?? []].flat()];
    }),
  );
  return [...required].flatMap(([key, keys]) => {
    const path = ["achievements", key, "requires"];
    const unknown = keys
      .filter((one) => !known.includes(one))
      .map((one) => ({
        path,
        message: `expected an achievement of this programme, not "${one}"${suggestion(one, known)}`,
      }));
    const circle = wayBack(key, required);
    if (circle === undefined) return unknown;
    return [...unknown, { path, message: `expected no circle: ${circle.join(" requires ")}` }];
  });
}

/** The shortest way from a key back to itself, beginning and ending with it. */
function wayBack(key: string, required: Map<string, string[]>): string[] | undefined {
  const ways = [[key]];
  const seen = new Set<string>();
  for (let way = ways.shift(); way !== undefined; way = ways.shift()) {
    for (const next of required.get(way.at(-1) ?? "") ?? []) {
      if (next === key) return [...way, key];
      if (!seen.has(next)) ways.push([...way, next]);
      seen.add(next);
    }
  }
  return undefined;
}

function checkCategories(categories: unknown, achievements: [string, unknown][]): DocumentProblem[] {
  const known = Object.keys(mapOf(categories));
  const used = achievements.flatMap(([key, part]) => {
    const { category } = mapOf(part);
    return typeof category === "string" ? [{ key, category }] : [];
  });
  const unknown = used
    .filter(({ category }) => !known.includes(category))
    .map(({ key, category }) => ({
      path: ["achievements", key, "category"],
      message:
        known.length === 0
          ? "expected a category under categories; there is none"
          : `expected one of ${known.join(", ")}, not "${category}"${suggestion(category, known)}`,
    }));
  const empty = known
    .filter((key) => !used.some(({ category }) => category === key))
    .map((key) => ({
      path: ["categories", key],
      message: "expected achievements of this category; there is none",
    }));
  return [...unknown, ...empty];
}

/** A streak and a growth compare whole spans of time, and evidence that has to mature is missing at their end. */
function checkMeasure(
  path: string[],
  measure: MeasureDocument,
  {
    window,
    award,
    achievement,
  }: {
    window: WindowDocument | undefined;
    award: AwardDocument | undefined;
    achievement: Record<string, unknown>;
  },
): DocumentProblem[] {
  const problems: DocumentProblem[] = [];
  const isStreak = typeof measure === "object" && "streak" in measure;
  if ((isStreak || measure === "growth") && achievement["matures"] !== undefined) {
    const message = `expected no matures: ${isStreak ? "a streak" : "a growth"} would always miss what happened last`;
    problems.push({ path: [...path, "matures"], message });
  }
  if (measure === "growth" && window !== undefined && !isComparable(window)) {
    problems.push({
      path: [...path, "window"],
      message:
        "expected { last: <span> } or { previous: <unit> } for growth, which compares with the window before",
    });
  }
  if (isStreak && award !== undefined && mostUnits(award) > longestStreak) {
    const message = `expected at most ${longestStreak} units: a streak is counted no further`;
    problems.push({ path: [...path, "award"], message });
  }
  const periods = window === undefined ? undefined : mostPeriods(window, measure);
  if (periods !== undefined && award !== undefined && mostUnits(award) > periods) {
    const message = `expected at most ${periods} units: the window has no more periods`;
    problems.push({ path: [...path, "award"], message });
  }
  return problems;
}

const PERIODS: Record<string, Record<string, number>> = {
  week: { week: 1 },
  month: { month: 1 },
  quarter: { month: 3, quarter: 1 },
  year: { month: 12, quarter: 4 },
};

const SHORTEST_DAYS = { week: 7, month: 28, quarter: 90 };

/**
 * How many calendar periods can hold evidence of one window, at most; undefined where there is no bound, or the measure counts none.
 * Where a window cuts into periods it is as many as would fit, and one: some windows hold less.
 */
function mostPeriods(window: WindowDocument, measure: MeasureDocument): number | undefined {
  if (typeof measure === "string") return undefined;
  const period = "periods" in measure ? measure.periods : "streak" in measure ? measure.streak : undefined;
  if (period === undefined || typeof window === "string") return undefined;
  const span = "previous" in window ? `1 ${window.previous}` : longestIn(window);
  const most = span === undefined ? undefined : Math.ceil(daysOf(span) / SHORTEST_DAYS[period]) + 1;
  return ("periods" in measure ? periodsIn(window, measure) : undefined) ?? most;
}

/** How many calendar periods a window consists of; undefined where it cuts into one, or has no bounds. */
function periodsIn(window: WindowDocument, measure: MeasureDocument): number | undefined {
  if (typeof window === "string" || typeof measure === "string" || !("periods" in measure)) return undefined;
  if ("previous" in window) return PERIODS[window.previous]?.[measure.periods];
  if (!("rolling" in window)) return undefined;
  const [amount = "", unit = ""] = window.rolling.split(" ");
  const each = PERIODS[unit.replace(/s$/, "")]?.[measure.periods];
  return each === undefined ? undefined : Number(amount) * each;
}

function isComparable(window: WindowDocument): boolean {
  return typeof window === "object" && ("last" in window || "previous" in window);
}

function checkMatures(path: string[], matures: string, window: WindowDocument): DocumentProblem[] {
  const longest = typeof window === "string" ? undefined : longestIn(window);
  if (longest === undefined || daysOf(matures) < daysOf(longest)) return [];
  return [
    { path, message: `expected less than ${longest}: evidence would leave the window before it counts` },
  ];
}

/** How long evidence is in a window at most: of a period that is over, from its beginning to the end of the next one. */
function longestIn(window: Exclude<WindowDocument, string>): string | undefined {
  if ("last" in window) return window.last;
  if ("rolling" in window) return window.rolling;
  return "previous" in window ? `2 ${window.previous}s` : undefined;
}

function checkSeasons(seasons: Record<string, unknown>): DocumentProblem[] {
  const known = Object.entries(seasons).flatMap(([key, part]) => {
    const season = seasonSchema.safeParse(part).data;
    return season === undefined ? [] : [{ key, ...season }];
  });
  const empty = known.filter((season) => season.from >= season.to);
  const inOrder = known
    .filter((season) => season.from < season.to)
    .sort((a, b) => (a.from < b.from ? -1 : 1));
  const overlapping = inOrder.filter((season, index) => {
    const before = inOrder[index - 1];
    return before !== undefined && season.from < before.to;
  });
  return [
    ...empty.map((season) => ({
      path: ["seasons", season.key, "to"],
      message: `expected a day after ${season.from}, on which the season begins`,
    })),
    ...overlapping.map((season) => ({
      path: ["seasons", season.key, "from"],
      message: `expected no overlap; season ${inOrder[inOrder.indexOf(season) - 1]?.key ?? ""} lasts until ${inOrder[inOrder.indexOf(season) - 1]?.to ?? ""}`,
    })),
  ];
}

const UNIT_DAYS = { day: 1, week: 7, month: 31, quarter: 92, year: 366 };
const LONGEST_DAYS = 366 * 100;

function checkWindow(path: string[], window: WindowDocument, seasons: string[]): DocumentProblem[] {
  if (typeof window === "string") return [];
  if ("season" in window) {
    const season = String(window.season);
    if (season === "current" ? seasons.length > 0 : seasons.includes(season)) return [];
    const known = ["current", ...seasons];
    const message =
      seasons.length === 0
        ? "expected a season under seasons; there is none"
        : `expected one of ${known.join(", ")}, not "${season}"${suggestion(season, known)}`;
    return [{ path: [...path, "season"], message }];
  }
  const [key, span] =
    "last" in window ? ["last", window.last] : ["rolling", "rolling" in window ? window.rolling : ""];
  // Postgres has no instants before 4714 BC.
  return daysOf(span) > LONGEST_DAYS
    ? [{ path: [...path, key], message: "expected a span of at most 100 years" }]
    : [];
}

/** At most: "2 months" are 62. */
function daysOf(span: string): number {
  const [amount = "", unit = ""] = span.split(" ");
  return Number(amount) * UNIT_DAYS[unit.replace(/s$/, "") as keyof typeof UNIT_DAYS];
}

function checkAward(path: string[], award: AwardDocument): DocumentProblem[] {
  if ("cap" in award && award.cap < award.each) {
    return [
      { path: [...path, "cap"], message: `expected a cap of at least ${award.each}, the points of one unit` },
    ];
  }
  if (!("tiers" in award)) return [];
  return award.tiers.flatMap((tier, index) => {
    const before = award.tiers[index - 1];
    if (before === undefined) return [];
    return (["at-least", "points"] as const)
      .filter((key) => tier[key] <= before[key])
      .map((key) => ({
        path: [...path, "tiers", index, key] as unknown as string[],
        message: `expected more than the ${before[key]} of the tier before, not ${tier[key]}`,
      }));
  });
}

/** The whole units beyond which an award gives no more points. */
function mostUnits(award: AwardDocument): number {
  if ("tiers" in award) return Math.max(...award.tiers.map((tier) => tier["at-least"]));
  if ("cap" in award) return award.cap / award.each;
  if ("share" in award) return award.of;
  return "at-least" in award ? award["at-least"] : Math.floor(award["more-than"]) + 1;
}
