// Does what is stored equal what the evidence is worth? The only acceptable difference is 0.
import { type SQL, sql } from "drizzle-orm";
import type { Database } from "../../db/client.ts";
import type { ProgrammeVersions } from "../programme/versions.ts";
import { touchedByTime } from "./clock.ts";
import { differences } from "./differences.ts";

export interface Verification {
  partners: number;
  /** Partners that wait for their score, and so are not compared. */
  pending: number;
  /** Partners for whom any of the three comparisons failed. */
  drift: number;
  /** Stored achievements differ from the evaluation of the stored evidence. */
  evaluation: string[];
  /** The score is not the sum of its achievements. */
  achievements: string[];
  /** The ledger does not add up to what is stored, achievement by achievement; or it has lines without a partner. */
  ledger: string[];
}

/**
 * Holds every stored score against the evaluation, its achievements and its ledger, in one snapshot; writes nothing.
 * Partners that are pending, or will be at the clock's next tick, are counted but not compared: they are known to wait.
 * The lists hold slugs, at most 100 each; lines of the ledger that belong to no partner, which no key forbids, are named by its number.
 */
export async function verify(db: Database, programmes: ProgrammeVersions, now: Date): Promise<Verification> {
  const [row] = await db.execute<Record<string, unknown> & Verification>(sql`
    ${await judgement(db, programmes, now)}
    select (select count(*)::int from partners) as partners,
      (select count(*)::int from waiting) as pending,
      (select count(*)::int from judged where by_evaluation or by_achievements or by_ledger)
        + (select count(*)::int from unknown) as drift,
      array(select slug from judged where by_evaluation order by 1 limit 100) as evaluation,
      array(select slug from judged where by_achievements order by 1 limit 100) as achievements,
      array(select slug from judged where by_ledger union all select slug from unknown order by 1 limit 100) as ledger`);
  if (row === undefined) throw new Error("The verification returned no row.");
  const { partners, pending, drift, evaluation, achievements, ledger } = row;
  return { partners, pending, drift, evaluation, achievements, ledger };
}

/** A SELECT of the partners (column partner_id) that `verify` counts as drift. */
export async function drifting(db: Database, programmes: ProgrammeVersions, now: Date): Promise<SQL> {
  return sql`${await judgement(db, programmes, now)}
    select partner_id from judged where by_evaluation or by_achievements or by_ledger`;
}

/** The WITH clause both read: every partner that does not wait, and which comparisons it fails. */
async function judgement(db: Database, programmes: ProgrammeVersions, now: Date): Promise<SQL> {
  const [clock] = await db.execute<{ ticked_at: Date }>(sql`select ticked_at from clock`);
  // As in the score job: a process whose clock is behind evaluates at the instant of the last tick.
  const at = clock !== undefined && clock.ticked_at > now ? clock.ticked_at : now;
  const version = await programmes.inForce(db, at);
  const touched =
    clock === undefined || clock.ticked_at >= at
      ? undefined
      : await touchedByTime(db, programmes, { from: clock.ticked_at, to: at });
  const evaluated =
    version === undefined
      ? sql`select null::bigint as partner_id where false`
      : sql`select distinct partner_id from (${differences(version.compiled, "all", at)}) as differing`;
  return sql`
    with waiting as materialized (
      select partner_id from pending_partners
      union select partner_id from (${touched ?? sql`select null::bigint where false`}) as touched (partner_id)),
    evaluated as materialized (${evaluated}),
    unbalanced as materialized (
      select distinct partner_id from (
        select partner_id, achievement, sum(delta) as points from ledger group by 1, 2) as lines
      full join (select partner_id, achievement, points from achievements_held) as held using (partner_id, achievement)
      where coalesce(lines.points, 0) <> coalesce(held.points, 0)),
    unknown as materialized (
      select 'number ' || partner_id || ', who is no partner' as slug from unbalanced
      where not exists (select from partners where partners.id = unbalanced.partner_id)),
    held as materialized (select partner_id, sum(points) as points from achievements_held group by 1),
    judged as materialized (
      select partners.id as partner_id, slug, evaluated.partner_id is not null as by_evaluation,
        coalesce(held.points, 0) <> coalesce(scores.points, 0) as by_achievements,
        unbalanced.partner_id is not null as by_ledger
      from partners left join scores on scores.partner_id = partners.id left join held on held.partner_id = partners.id
        left join evaluated on evaluated.partner_id = partners.id left join unbalanced on unbalanced.partner_id = partners.id
      where not exists (select from waiting where waiting.partner_id = partners.id))`;
}
