// The programme: the published rules, written as a YAML document (docs/programme.md is its manual).
import { z } from "zod";
import { toProblems } from "../platform/documents/problems.ts";
import { parseYaml, readAsWritten } from "../platform/documents/yaml.ts";
import { instantOfLocal } from "./calendar.ts";
import { checkProgramme } from "./checks.ts";
import { type AchievementDocument, type ProgrammeDocument, programmeSchema } from "./schema.ts";

/** A parsed, checked and normalised programme. */
export interface Programme {
  name: string;
  /** IANA name of the zone whose midnights and wall clock every window follows. */
  timeZone: string;
  /** The points of a partner that has every achievement in full. */
  perfect: number;
  /** Not in force before this instant; undefined: from the moment it is published. */
  effectiveFrom: Date | undefined;
  /** So many of the highest ranks are nominated for Partner of the Year; more where they share the last of them. */
  nominees: number;
  /** Local dates (YYYY-MM-DD), half-open, in order of time, not overlapping. */
  seasons: { key: string; from: string; to: string }[];
  /** The evidence kinds this programme knows, in document order. */
  kinds: { key: string; label: string }[];
  /** Achievements that award no more than `cap` points together. */
  categories: { key: string; title: string; cap: number }[];
  /** In document order. Within a category, the earlier achievements' points are the ones that are kept. */
  achievements: Achievement[];
}

/** One line of the programme: which evidence, how it is measured, when it counts, what it awards. */
export interface Achievement {
  key: string;
  title: string;
  /** Shown while it is not reached. */
  hint: string;
  /** The evidence kind. */
  evidence: string;
  /** Attribute -> the values that count. Every attribute has to match. */
  where: Record<string, string[]>;
  measure: Measure;
  /** What its units are called, as after a number; absent: the label of its evidence says it. */
  unit?: string;
  window: Window;
  award: Award;
  /** Keys of the achievements that must award points themselves, or this one awards none. */
  requires: string[];
  /** The key of its category. */
  category?: string;
  /** Evidence counts only once it is this old, by the local clock. */
  matures?: { amount: number; unit: "day" | "week" };
  /** How much work a step of it is, beside the other achievements; 1 is the least. */
  effort: number;
}

export type Measure =
  | { type: "count" }
  | { type: "sum" }
  | { type: "distinct"; attribute: string }
  | { type: "periods"; period: "week" | "month" | "quarter" }
  /** Consecutive calendar periods with evidence, up to the last complete one; `longestStreak` at most. */
  | { type: "streak"; period: "week" | "month" | "quarter" }
  /** The quantity of the latest evidence. */
  | { type: "latest" }
  /** By how many per cent the sum is more than in the window before; two decimals, rounded towards 0. */
  | { type: "growth" };

export type Window =
  | { type: "ever" }
  | { type: "in-force" }
  | { type: "season"; season: string /* a season's key, or "current" */ }
  | { type: "last"; amount: number; unit: "day" | "week" | "month" | "quarter" | "year" }
  | { type: "previous"; unit: "week" | "month" | "quarter" | "year" }
  | { type: "rolling"; amount: number; unit: "week" | "month" | "quarter" };

export type Award =
  | { type: "points"; points: number; threshold: { comparison: "at-least" | "more-than"; units: number } }
  | { type: "each"; points: number; cap: number }
  | { type: "tiers"; tiers: { atLeast: number; points: number }[] }
  /** In proportion to the units, rounded down; all of them at the target. */
  | { type: "share"; points: number; target: number };

/** The most points an achievement can award, its category's cap left aside. */
export function maximumPoints({ award }: Pick<Achievement, "award">): number {
  switch (award.type) {
    case "points":
    case "share":
      return award.points;
    case "each":
      return award.cap;
    case "tiers":
      return Math.max(...award.tiers.map((tier) => tier.points));
  }
}

/**
 * Parses and checks a programme document. `file` names it in errors. Throws one UsageError that lists every problem, a line
 * each: `file:line: key: what was expected`.
 */
export function parseProgramme(text: string, file: string): Programme {
  const document = parseYaml(text, file, z.unknown());
  const { value } = document;
  const checked = programmeSchema.safeParse(value);
  const problems = checked.success ? [] : toProblems(programmeSchema, value, checked.error.issues);
  problems.push(...checkProgramme(value));
  if (!checked.success || problems.length > 0) return document.refuse(problems);
  // In the failsafe schema every scalar is the text that was written: 007 and 1.10 stay what they are.
  return toProgramme(checked.data, readAsWritten(text) as ProgrammeDocument);
}

function toProgramme(document: ProgrammeDocument, written: ProgrammeDocument): Programme {
  const seasons = Object.entries(document.seasons ?? {}).map(([key, season]) => ({ key, ...season }));
  const effectiveFrom = document["effective-from"];
  const timeZone = document["time-zone"];
  return {
    name: document.programme,
    timeZone,
    perfect: document.perfect,
    effectiveFrom: effectiveFrom === undefined ? undefined : instantOfLocal(effectiveFrom, timeZone),
    nominees: document.nominees ?? 10,
    seasons: seasons.sort((a, b) => (a.from < b.from ? -1 : 1)),
    kinds: Object.entries(document.evidence).map(([key, label]) => ({ key, label })),
    categories: Object.entries(document.categories ?? {}).map(([key, category]) => ({ key, ...category })),
    achievements: Object.entries(document.achievements).map(([key, achievement]) =>
      toAchievement(key, achievement, written.achievements[key]?.where),
    ),
  };
}

function toAchievement(
  key: string,
  document: AchievementDocument,
  where: AchievementDocument["where"],
): Achievement {
  return {
    key,
    title: document.title,
    hint: document.hint,
    evidence: document.evidence,
    where: Object.fromEntries(
      Object.entries(where ?? {}).map(([attribute, values]) => [attribute, [values].flat().map(String)]),
    ),
    measure: toMeasure(document.measure),
    ...(document.unit !== undefined && { unit: document.unit }),
    window: toWindow(document.window),
    award: toAward(document.award),
    requires: [document.requires ?? []].flat(),
    ...(document.category !== undefined && { category: document.category }),
    ...(document.matures !== undefined && {
      matures: toSpan(document.matures) as NonNullable<Achievement["matures"]>,
    }),
    effort: document.effort ?? 1,
  };
}

function toMeasure(measure: AchievementDocument["measure"]): Measure {
  if (typeof measure === "string") return { type: measure };
  if ("distinct" in measure) return { type: "distinct", attribute: measure.distinct };
  if ("streak" in measure) return { type: "streak", period: measure.streak };
  return { type: "periods", period: measure.periods };
}

function toWindow(window: AchievementDocument["window"]): Window {
  if (typeof window === "string") return { type: window };
  if ("season" in window) return { type: "season", season: String(window.season) };
  if ("last" in window) return { type: "last", ...toSpan(window.last) } as Window;
  if ("previous" in window) return { type: "previous", unit: window.previous };
  return { type: "rolling", ...toSpan(window.rolling) } as Window;
}

/** "90 days": the schema has let no other units through than the window knows. */
function toSpan(text: string): { amount: number; unit: string } {
  const [amount = "", unit = ""] = text.split(" ");
  return { amount: Number(amount), unit: unit.replace(/s$/, "") };
}

function toAward(award: AchievementDocument["award"]): Award {
  if ("tiers" in award) {
    return {
      type: "tiers",
      tiers: award.tiers.map((tier) => ({ atLeast: tier["at-least"], points: tier.points })),
    };
  }
  if ("each" in award) return { type: "each", points: award.each, cap: award.cap };
  if ("share" in award) return { type: "share", points: award.share, target: award.of };
  const threshold =
    "at-least" in award
      ? ({ comparison: "at-least", units: award["at-least"] } as const)
      : ({ comparison: "more-than", units: award["more-than"] } as const);
  return { type: "points", points: award.points, threshold };
}
