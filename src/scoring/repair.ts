// When stored figures contradict each other (somebody wrote to the database by hand), a reconciliation makes them agree
// again: by ordinary lines, never by rewriting the ledger.
import { type SQL, sql } from "drizzle-orm";
import type { Database } from "../../db/client.ts";

/**
 * Makes ledger and score of claimed partners agree with their achievements, which the evaluation has just written: a line
 * for each achievement whose lines do not add up, and the score set to the sum. Only within the transaction that has
 * claimed the partners, after the statement of score.ts, which has put them on the rank job's list. Where nothing differs it writes nothing. Returns the lines written.
 */
export async function repairSums(
  tx: Database,
  partnerIds: number[],
  context: { at: Date; versionId: number; runId: number | null },
): Promise<number> {
  const ids = sql`${sql.param(partnerIds)}::bigint[]`;
  const [row] = await tx.execute<{ lines: number }>(sql`
    with corrections as materialized (
      select partner_id, achievement, (coalesce(held.points, 0) - coalesce(lines.points, 0))::int as delta
      from (select partner_id, achievement, sum(delta) as points from ledger where partner_id = any(${ids}) group by 1, 2) as lines
      full join (select partner_id, achievement, points from achievements_held where partner_id = any(${ids})) as held
        using (partner_id, achievement)
      where coalesce(held.points, 0) <> coalesce(lines.points, 0)),
    totals as materialized (
      select partner_id, coalesce((select sum(points) from achievements_held where achievements_held.partner_id = named.partner_id), 0)::int as points,
        ${nextLine(context.at)}
      from unnest(${ids}) as named (partner_id) ${lastLine(sql`named.partner_id`)}),
    scored as (
      insert into scores (partner_id, points, reached_at, version)
      select partner_id, points, at, version from totals
      where exists (select from corrections where corrections.partner_id = totals.partner_id)
        or points <> coalesce((select points from scores where scores.partner_id = totals.partner_id), 0)
      on conflict (partner_id) do update set points = excluded.points,
        version = greatest(scores.version + 1, excluded.version),
        reached_at = case when scores.points = excluded.points then scores.reached_at else excluded.reached_at end
      returning partner_id, version),
    lines as (
      insert into ledger (partner_id, score_version, achievement, delta, cause, programme_version, run_id, at)
      select partner_id, scored.version, achievement, delta, 'reconcile', ${context.versionId}::bigint,
        ${context.runId}::bigint, totals.at
      from corrections join totals using (partner_id) join scored using (partner_id) returning 1),
    credited as (
      update runs set awards = awards + (select count(*)::int from lines)
      where id = ${context.runId}::bigint and exists (select from lines))
    select count(*)::int as lines from lines`);
  return row?.lines ?? 0;
}

/** A join with the last line of a partner (a column), where it has one: a step in ledger_award_key. */
export function lastLine(partnerId: SQL): SQL {
  return sql`left join lateral (
    select ledger.at, score_version from ledger where ledger.partner_id = ${partnerId}
    order by score_version desc limit 1) as last on true`;
}

/**
 * The instant (at) and the score version (version) of the line after `lastLine`. A worker whose clock is behind may not
 * write a line before the last, or the ledger's sum between the two would be a score that never was. And where somebody
 * has deleted the score, its version goes on after the ledger's: the same one again would be refused as a second award.
 */
export function nextLine(at: Date): SQL {
  return sql`greatest(${at}::timestamptz, last.at) as at, coalesce(last.score_version, 0) + 1 as version`;
}
