// What the evidence is worth, held against what is stored. The score job writes these differences, a rescore and a
// reconciliation look for them, verify counts them: one query, so they cannot disagree.
import { type SQL, sql } from "drizzle-orm";
import type { CompiledProgramme, Scope } from "../programme/compile.ts";

/**
 * A SELECT of the achievements whose evaluation at an instant differs from achievements_held: (partner_id, achievement,
 * units, points, held_points). An achievement without units is not stored, so a missing row equals 0 units and 0 points;
 * one the programme no longer has comes out with 0 of both.
 */
export function differences(compiled: CompiledProgramme, scope: Scope, at: Date): SQL {
  return sql`
    select partner_id, achievement, coalesce(evaluated.units, 0) as units, coalesce(evaluated.points, 0) as points,
      coalesce(held.points, 0) as held_points
    from (${compiled.evaluation({ scope, at })}) as evaluated
    full join (select partner_id, achievement, units, points from achievements_held where ${inScope(scope)}) as held
      using (partner_id, achievement)
    where (coalesce(evaluated.units, 0), coalesce(evaluated.points, 0))
      is distinct from (coalesce(held.units, 0), coalesce(held.points, 0))`;
}

/** A condition on a table's own partner_id. */
export function inScope(scope: Scope): SQL {
  if (scope === "all") return sql`true`;
  if ("partners" in scope) return sql`partner_id = any(${sql.param(scope.partners)}::bigint[])`;
  return sql`partner_id between ${scope.first} and ${scope.last}`;
}
