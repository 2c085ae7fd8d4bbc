// The perfect score: what a programme declares and its awards have to add up to.
import type { z } from "zod";
import { mapOf } from "../platform/documents/problems.ts";
import type { DocumentProblem } from "../platform/documents/yaml.ts";
import { awardSchema, categorySchema } from "./schema.ts";

/**
 * The perfect score is what a partner with everything has: the most points of every achievement, of a category no more than
 * its cap. Gates take nothing from it, for all of them are open then. Only where every award and every cap can be read: a
 * sum of the others would send people looking in the wrong place. The achievements of a document need not be well-formed.
 */
export function checkPerfect(
  document: Record<string, unknown>,
  achievements: [string, unknown][],
): DocumentProblem[] {
  const { perfect } = document;
  const caps = readCaps(document["categories"]);
  const summands = caps && readSummands(achievements, caps);
  if (summands === undefined || achievements.length === 0 || !Number.isSafeInteger(perfect)) return [];
  const sum = summands.reduce((all, { points }) => all + points, 0);
  if (sum === perfect) return [];
  const added = summands.map(({ text }) => text).join(" + ");
  const shown = added === String(sum) ? "" : ` = ${added}`;
  return [{ path: ["perfect"], message: `expected ${sum}${shown}, not ${String(perfect)}` }];
}

function readCaps(categories: unknown): Map<string, number> | undefined {
  const caps = new Map<string, number>();
  for (const [key, part] of Object.entries(mapOf(categories))) {
    const category = categorySchema.safeParse(part).data;
    if (category === undefined) return undefined;
    caps.set(key, category.cap);
  }
  return caps;
}

/** In the order of the document, a category where its first achievement is. */
function readSummands(
  achievements: [string, unknown][],
  caps: Map<string, number>,
): { points: number; text: string }[] | undefined {
  const summands: { category: string | undefined; most: number[] }[] = [];
  for (const [, part] of achievements) {
    const { award: written, category } = mapOf(part);
    const award = awardSchema.safeParse(written).data;
    if (award === undefined) return undefined;
    const known = typeof category === "string" && caps.has(category) ? category : undefined;
    const begun = known === undefined ? undefined : summands.find((one) => one.category === known);
    if (begun === undefined) summands.push({ category: known, most: [mostOf(award)] });
    else begun.most.push(mostOf(award));
  }
  return summands.map(({ category = "", most }) => {
    const points = most.reduce((sum, each) => sum + each, 0);
    const text = most.join(" + ");
    const cap = caps.get(category) ?? points;
    if (points <= cap) return { points, text };
    return { points: cap, text: `${cap} (category ${category}: ${text}, capped at ${cap})` };
  });
}

function mostOf(award: z.infer<typeof awardSchema>): number {
  if ("cap" in award) return award.cap;
  if ("share" in award) return award.share;
  return "tiers" in award ? Math.max(...award.tiers.map((tier) => tier.points)) : award.points;
}
