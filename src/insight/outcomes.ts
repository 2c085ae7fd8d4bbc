// What the evaluation gives one partner, as figures: for looking ahead, where many instants and suppositions are evaluated.
import { sql } from "drizzle-orm";
import type { Database } from "../../db/client.ts";
import type { CompiledProgramme, Supposition } from "../programme/compile.ts";
import { evaluation } from "../scoring/evaluation.ts";

interface Outcome {
  /** Decimal, as Postgres writes it. */
  units: string;
  /** After gates and caps; an adjustment's may be negative. */
  points: number;
}

/** By the key of the achievement, or `adjustment:<id>`. What has no units and no points has no entry. */
export type Outcomes = Map<string, Outcome>;

export async function readOutcomes(
  db: Database,
  compiled: CompiledProgramme,
  input: { partnerId: number; at: Date } & Supposition,
): Promise<Outcomes> {
  const { partnerId, ...rest } = input;
  const rows = await db.execute<{ achievement: string; units: string; points: number }>(sql`
    select achievement, units::text as units, points
    from (${evaluation(compiled, { scope: { partners: [partnerId] }, ...rest })}) as evaluated`);
  return new Map(rows.map(({ achievement, units, points }) => [achievement, { units, points }]));
}

/** Of everything, adjustments included: the score that the score job would write. */
export function totalOf(outcomes: Outcomes): number {
  return [...outcomes.values()].reduce((sum, { points }) => sum + points, 0);
}

/** The keys for which two outcomes give other points, and by how many more the later one does. */
export function pointsChanged(before: Outcomes, after: Outcomes): { key: string; points: number }[] {
  return [...new Set([...before.keys(), ...after.keys()])]
    .map((key) => ({ key, points: (after.get(key)?.points ?? 0) - (before.get(key)?.points ?? 0) }))
    .filter(({ points }) => points !== 0);
}
