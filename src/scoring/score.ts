// The only place that gives or takes points. It drains pending_partners: claim, evaluate, write the differences.
//
// Why a score is never computed from evidence that is older than its mark: the claim deletes the pending rows and locks them
// until commit. A writer of evidence for a claimed partner waits at that row and marks it again afterwards. The evaluation is
// a later statement than the claim, so it sees all evidence whose mark it has claimed (READ COMMITTED takes a new snapshot
// for each statement). A partner has one claim at a time, so it has one writer.
import { type SQL, sql } from "drizzle-orm";
import { type Database, transaction } from "../../db/client.ts";
import { isInScope, type Scope } from "../programme/compile.ts";
import type { ProgrammeVersions } from "../programme/versions.ts";
import { differences, withoutJit } from "./differences.ts";
import { lastLine, nextLine, repairSums } from "./repair.ts";

export interface ScoreOutcome {
  /** Partners that were pending and are not any more. 0: there was nothing to do. */
  claimed: number;
  /** Partners whose points changed. */
  changed: number;
  /** Ledger lines written. */
  lines: number;
}

interface ScoreOptions {
  now: Date;
  /** At most so many partners in this batch. */
  limit: number;
  /** Only pending partners of this scope; everybody when absent. */
  scope?: Scope | undefined;
  /** Never these. */
  except?: number[] | undefined;
  /** Is told whom it has claimed, before they are evaluated. */
  onClaim?: ((partnerIds: number[]) => void) | undefined;
}

interface Claim {
  partner_id: number;
  cause: string;
  run_id: number | null;
  settled_at: Date | null;
}

/**
 * Scores one batch of pending partners in one transaction. Running it twice, or twice at once, writes nothing twice: a
 * partner is claimed by one transaction at a time, and ledger_award_key (partner, score version, achievement) refuses a
 * second line. No partner is claimed before a programme is published.
 */
export async function scorePending(
  db: Database,
  programmes: ProgrammeVersions,
  options: ScoreOptions,
): Promise<ScoreOutcome> {
  return transaction(db, async (tx) => {
    const at = await evaluationInstant(tx, options.now);
    const claims = await claim(tx, options);
    if (claims.length === 0) return { claimed: 0, changed: 0, lines: 0 };
    const version = await programmes.inForce(tx, at);
    if (version === undefined) throw new Error("No programme is published; publish one first.");
    const ids = claims.map((row) => row.partner_id);
    options.onClaim?.(ids);
    await tx.execute(withoutJit);
    const [written] = await tx.execute<{ changed: number; lines: number }>(
      write(differences(version.compiled, { partners: ids }, at), claims, { at, versionId: version.id }),
    );
    const repairing = claims.filter((row) => row.cause === "reconcile");
    const repaired =
      repairing.length === 0
        ? 0
        : await repairSums(
            tx,
            repairing.map((row) => row.partner_id),
            { at, versionId: version.id, runId: repairing[0]?.run_id ?? null },
          );
    return {
      claimed: claims.length,
      changed: written?.changed ?? 0,
      lines: (written?.lines ?? 0) + repaired,
    };
  });
}

async function claim(tx: Database, options: ScoreOptions): Promise<Claim[]> {
  const { except = [] } = options;
  const others = except.length === 0 ? sql`` : sql`and partner_id <> all(${sql.param(except)}::bigint[])`;
  return tx.execute<Record<string, unknown> & Claim>(sql`
    delete from pending_partners where partner_id in (
      select partner_id from pending_partners
      where ${isInScope(options.scope ?? "all")} ${others} and exists (
        select from programme_versions
        where effective_from <= greatest(${options.now}::timestamptz, (select ticked_at from clock)))
      order by partner_id limit ${options.limit} for update skip locked)
    returning partner_id, cause, run_id, settled_at`);
}

/**
 * Now, but never before the clock's last tick: a worker whose own clock is behind would evaluate a partner as it was just
 * before the instant for which the tick marked it. Asked before the claim, and a tick that is under way is waited for: the
 * tick takes the clock before the pending rows, so this makes no circle, and none of its marks is scored at an earlier instant.
 */
async function evaluationInstant(tx: Database, now: Date): Promise<Date> {
  const [clock] = await tx.execute<{ ticked_at: Date }>(sql`select ticked_at from clock for share`);
  return clock !== undefined && clock.ticked_at > now ? clock.ticked_at : now;
}

/**
 * One statement for all effects of an evaluation. Every part reads the same snapshot and takes its figures from what
 * another part returns, never from a table that part has written.
 *
 * What a repair (repair.ts) goes on to write in the same transaction is locked here already: its run, and its partners'
 * places on the rank job's list, which they are put on whether or not it will find something. Locked in two statements, each
 * in its own order, two batches could wait for each other in a circle.
 */
function write(compared: SQL, claims: Claim[], context: { at: Date; versionId: number }): SQL {
  const column = (type: string, values: (string | number | null)[]) =>
    sql`${sql.param(values)}::${sql.raw(type)}[]`;
  return sql`
    with claimed as (
      select * from unnest(${column(
        "bigint",
        claims.map((row) => row.partner_id),
      )}, ${column(
        "text",
        claims.map((row) => row.cause),
      )}, ${column(
        "bigint",
        claims.map((row) => row.run_id),
      )}, ${column(
        "timestamptz",
        claims.map((row) => row.settled_at?.toISOString() ?? null),
      )}) as claimed (partner_id, cause, run_id, settled_at)),
    repairs as (select partner_id, run_id from claimed where cause = 'reconcile'),
    compared as materialized (${compared}),
    held as (
      insert into achievements_held (partner_id, achievement, units, points, since)
      select partner_id, achievement, units, points, ${context.at}::timestamptz from compared where units <> 0
      on conflict (partner_id, achievement) do update set units = excluded.units, points = excluded.points,
        since = case when achievements_held.points = excluded.points then achievements_held.since else excluded.since end),
    released as (
      delete from achievements_held using compared
      where achievements_held.partner_id = compared.partner_id and achievements_held.achievement = compared.achievement
        and compared.units = 0),
    deltas as (
      select partner_id, achievement, (points - held_points)::int as delta from compared where points <> held_points),
    totals as materialized (
      select partner_id, points, ${nextLine(context.at)}
      from (select partner_id, sum(delta)::int as points from deltas group by partner_id) as sums
        ${lastLine(sql`sums.partner_id`)}),
    scored as (
      insert into scores (partner_id, points, reached_at, version) select partner_id, points, at, version from totals
      on conflict (partner_id) do update set points = scores.points + excluded.points,
        version = greatest(scores.version + 1, excluded.version),
        reached_at = case when excluded.points = 0 then scores.reached_at else excluded.reached_at end
      returning partner_id, version),
    lines as (
      insert into ledger (partner_id, score_version, achievement, delta, cause, programme_version, run_id, settled_at, at)
      select deltas.partner_id, scored.version, deltas.achievement, deltas.delta, claimed.cause,
        ${context.versionId}::bigint, claimed.run_id, claimed.settled_at, totals.at
      from deltas join totals using (partner_id) join scored using (partner_id) join claimed using (partner_id)
      order by deltas.partner_id, deltas.achievement
      returning run_id, achievement),
    caused as (
      select run_id, count(achievement)::int as lines from (
        select run_id, achievement from lines union all select run_id, null from repairs) as credits
      where run_id is not null group by run_id),
    locked as materialized (
      select runs.id, caused.lines from runs join caused on runs.id = caused.run_id order by runs.id for update of runs),
    credited as (update runs set awards = awards + locked.lines from locked where runs.id = locked.id),
    marked as (
      insert into pending_standings (partner_id)
      select partner_id from (select partner_id from scored union select partner_id from repairs) as either order by partner_id
      on conflict (partner_id) do update set mark = gen_random_uuid())
    select (select count(*)::int from scored) as changed, (select count(*)::int from lines) as lines`;
}
