// What the evidence is worth, held against what is stored. The score job writes these differences, a rescore and a
// reconciliation look for them, verify counts them: one query, so they cannot disagree.
//
// Figures (npm run bench -- rescore, docs/benchmarks.md): three quarters of the time is the evaluation; expanding it to a row
// for each achievement and the full join are the rest. Postgres hashes what is held of a range (26,000 rows in 2 MB for
// 5,000 partners) or merges along its primary key for more partners, and both take the same time. Not tried:
// achievements_held pivoted into columns, to compare whole partners. It could save a part of that quarter at best, and the
// score job would need this query all the same.
import { type SQL, sql } from "drizzle-orm";
import { type CompiledProgramme, isInScope, type Scope } from "../programme/compile.ts";
import { evaluation } from "./evaluation.ts";

/**
 * A SELECT of the achievements whose evaluation at an instant differs from achievements_held: (partner_id, achievement,
 * units, points, held_points). An achievement without units is not stored, so a missing row equals 0 units and 0 points;
 * one the programme no longer has comes out with 0 of both.
 */
export function differences(compiled: CompiledProgramme, scope: Scope, at: Date): SQL {
  return sql`
    select partner_id, achievement, coalesce(evaluated.units, 0) as units, coalesce(evaluated.points, 0) as points,
      coalesce(held.points, 0) as held_points
    from (${evaluation(compiled, { scope, at })}) as evaluated
    full join (select partner_id, achievement, units, points from achievements_held where ${isInScope(scope)}) as held
      using (partner_id, achievement)
    where (coalesce(evaluated.units, 0), coalesce(evaluated.points, 0))
      is distinct from (coalesce(held.units, 0), coalesce(held.points, 0))`;
}

/**
 * To be run before a statement that holds differences, in its transaction. Postgres expects many times the partners a scope
 * has (25,000 where 500 are named), so the statement looks dear enough to be compiled, where the server has jit (its
 * default). That doubled the time of a batch of the score job: 123 functions, for 500 partners.
 */
export const withoutJit = sql`set local jit = off`;
