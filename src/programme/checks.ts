// What has to hold between the keys of a programme document. Every part that is well-formed is checked, whatever is
// wrong with the others, so that one attempt shows all problems.
import { z } from "zod";
import type { DocumentProblem } from "../yaml.ts";
import { suggestion } from "./problems.ts";
import { awardSchema, seasonSchema, windowSchema } from "./schema.ts";

type AwardDocument = z.infer<typeof awardSchema>;
type WindowDocument = z.infer<typeof windowSchema>;

const MAP = z.record(z.string(), z.unknown());

/** The problems between the keys of a document that need not be well-formed. */
export function checkProgramme(value: unknown): DocumentProblem[] {
  const document = mapOf(value);
  const kinds = MAP.safeParse(document["evidence"]).data;
  const seasons = mapOf(document["seasons"]);
  const problems = checkSeasons(seasons);
  const maxima: number[] = [];
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
    if (award === undefined) continue;
    problems.push(...checkAward([...path, "award"], award));
    maxima.push(mostOf(award));
  }
  // Only once every award can be read: a sum of the others would send people looking in the wrong place.
  if (maxima.length > 0 && maxima.length === achievements.length) {
    problems.push(...checkPerfect(document["perfect"], maxima));
  }
  return problems;
}

function checkPerfect(perfect: unknown, maxima: number[]): DocumentProblem[] {
  const sum = maxima.reduce((all, one) => all + one, 0);
  if (!Number.isSafeInteger(perfect) || sum === perfect) return [];
  const message = `expected ${sum}, the sum of the most points of all achievements, not ${String(perfect)}`;
  return [{ path: ["perfect"], message }];
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
  const [amount = "", unit = ""] = span.split(" ");
  const days = Number(amount) * UNIT_DAYS[unit.replace(/s$/, "") as keyof typeof UNIT_DAYS];
  // Postgres knows no instants before 4714 BC, and nobody means them.
  return days > LONGEST_DAYS
    ? [{ path: [...path, key], message: "expected a span of at most 100 years" }]
    : [];
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

function mostOf(award: AwardDocument): number {
  if ("cap" in award) return award.cap;
  return "tiers" in award ? Math.max(...award.tiers.map((tier) => tier.points)) : award.points;
}

function mapOf(value: unknown): Record<string, unknown> {
  return MAP.safeParse(value).data ?? {};
}
