// Partners whose score may be out of date. Marked in the transaction of what made them so, drained by the score job.
import { type SQL, sql } from "drizzle-orm";
import type { Database } from "../../db/client.ts";

/** Why a partner is evaluated again; written into the ledger lines that follow. */
type Cause =
  | "evidence"
  | "identity"
  | "clock"
  | "programme"
  | "rescore"
  | "reconcile"
  | "adjustment"
  | "merge";

interface Mark {
  cause: Cause;
  runId?: number | undefined;
  at: Date;
}

/**
 * Marks partners pending. In partner order, so that two transactions never wait for each other in a circle. The row is
 * written even when it is there already: that waits for a score job which has claimed it, so no mark is lost to an
 * evaluation that began before it. A repair that waits (cause reconcile) stays one: only it looks at the sums.
 */
export async function markPending(db: Database, partnerIds: Iterable<number>, mark: Mark): Promise<void> {
  const ids = [...new Set(partnerIds)];
  if (ids.length === 0) return;
  await markPendingWhere(db, sql`select unnest(${sql.param(ids)}::bigint[]) as partner_id`, mark);
}

/** As `markPending`, for the partners a query names (column partner_id). Returns how many. */
export async function markPendingWhere(db: Database, partners: SQL, mark: Mark): Promise<number> {
  const rows = await db.execute(sql`
    with marked as (
      insert into pending_partners (partner_id, since, cause, run_id, settled_at)
      select partner_id, ${mark.at}, ${mark.cause}, ${mark.runId ?? null}::bigint, (select ticked_at from clock)
      from (${partners}) as named (partner_id) group by partner_id order by partner_id
      on conflict (partner_id) do update
        set cause = case when pending_partners.cause = 'reconcile' then 'reconcile' else excluded.cause end,
            run_id = case when pending_partners.cause = 'reconcile' then pending_partners.run_id
              else coalesce(excluded.run_id, pending_partners.run_id) end,
            since = least(pending_partners.since, excluded.since)
      returning 1)
    select count(*)::int as marked from marked`);
  return Number(rows[0]?.["marked"] ?? 0);
}

/** Whether partners wait for the score job. */
export async function hasPendingPartners(db: Database): Promise<boolean> {
  const [row] = await db.execute<{ pending: boolean }>(
    sql`select exists (select from pending_partners) as pending`,
  );
  return row?.pending === true;
}
