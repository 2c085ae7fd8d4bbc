// The evaluation, whole: what the programme makes of the evidence, and the adjustments beside it. Scores, explanations,
// simulations and forecasts all come from this one query.
import { type SQL, sql } from "drizzle-orm";
import { type CompiledProgramme, isInScope, type Scope, type Supposition } from "../programme/compile.ts";

export interface EvaluationInput extends Supposition {
  scope: Scope;
  at: Date;
  /** As known then; absent: as known now. */
  knownAt?: Date | undefined;
}

/**
 * A SELECT of (partner_id, achievement, units, points), as `CompiledProgramme.evaluation`, and a row for every adjustment
 * that holds: its achievement is `adjustment:<id>`, its units are 1 and its points may be negative.
 */
export function evaluation(compiled: CompiledProgramme, input: EvaluationInput): SQL {
  return sql`
    ${compiled.evaluation(input)}
    union all
    select partner_id, ${adjustmentPrefix} || id, 1, points from adjustments
    where ${isInScope(input.scope)} and ${adjustmentHolds(input)}`;
}

/** No achievement of a programme has a colon in its key. */
export const adjustmentPrefix = "adjustment:";

/** The id of the adjustment that a line of points is; undefined where it is an achievement. */
export function adjustmentOf(achievement: string): number | undefined {
  return achievement.startsWith(adjustmentPrefix)
    ? Number(achievement.slice(adjustmentPrefix.length))
    : undefined;
}

function adjustmentHolds({ at, knownAt }: { at: Date; knownAt?: Date | undefined }): SQL {
  const known =
    knownAt === undefined
      ? sql`revoked_at is null`
      : sql`created_at <= ${knownAt} and (revoked_at is null or revoked_at > ${knownAt})`;
  return sql`created_at <= ${at} and (until is null or until > ${at}) and ${known}`;
}

/**
 * A SELECT of the partners with an adjustment that ends in (from, to], or began there unseen: it begins when it is made, and
 * where the process that scored the partner next has a clock that is behind, it had not begun yet.
 */
export function partnersWithAdjustmentsMoved(span: { from: Date; to: Date }): SQL {
  return sql`
    select partner_id from adjustments
    where revoked_at is null and until is not null and until > ${span.from} and until <= ${span.to}
    union select partner_id from adjustments
    where revoked_at is null and created_at > ${span.from} and created_at <= ${span.to}
      and not exists (select from pending_partners as pending where pending.partner_id = adjustments.partner_id)
      and not exists (
        select from achievements_held as held
        where held.partner_id = adjustments.partner_id and held.achievement = ${adjustmentPrefix} || adjustments.id)`;
}
