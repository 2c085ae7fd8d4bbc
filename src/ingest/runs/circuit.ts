// The circuit breaker of connections: exponential backoff for a source that keeps failing, reset by one success. Its state is in
// Postgres (connections.failures, rest_until, refused), so all workers share it.
//
// After FAILURES failed runs in a row a connection rests for five minutes, and twice as long after each further failure, six
// hours at most. Then it is tried once, without the job's own retries. When every connection of a source rests, the source
// itself is down: one connection probes it, and a success wakes the others. A refused credential is not tried until it is
// replaced. Schedules and reconciliations respect all of this; a sync by hand respects only Retry-After.
import { type SQL, sql } from "drizzle-orm";
import type { Database } from "../../../db/client.ts";

/** So many failed runs in a row make a connection rest. */
export const FAILURES = 5;
const FIRST_REST_MS = 300_000;
const LONGEST_REST_MS = 6 * 3_600_000;

/** How long a connection rests after so many failures in a row; 0: not at all. */
export function restMs(failures: number): number {
  if (failures < FAILURES) return 0;
  return Math.min(LONGEST_REST_MS, FIRST_REST_MS * 2 ** Math.min(failures - FAILURES, 20));
}

/** Reasons to skip a connection that a run respects: all, only the waits that the source asked for (Retry-After), or nothing. */
export type RespectedReasons = "all" | "waits" | "nothing";

/** A SELECT of (id, error_class, reason) over a source's connections; both are null where a run that begins now may call it. */
export function selectCallable(source: string, respect: RespectedReasons, now: Date): SQL {
  const until = (column: SQL) =>
    sql`to_char(${column} at time zone 'UTC', 'YYYY-MM-DD HH24:MI:SS') || ' UTC'`;
  const waits = respect === "nothing" ? sql`false` : sql`coalesce(retry_at > ${now}, false)`;
  const isBreakerUsed = respect === "all" ? sql`true` : sql`false`;
  return sql`
    with known as (
      select id, refused, failures, retry_at, rest_until, ${waits} as waits,
        ${isBreakerUsed} and refused as is_refused, ${isBreakerUsed} and coalesce(rest_until > ${now}, false) as rests,
        ${isBreakerUsed} and bool_and(refused or failures >= ${FAILURES}) over () as is_down,
        row_number() over (partition by refused or coalesce(rest_until > ${now}, false) or ${waits} order by id) as place
      from connections where source = ${source} and active)
    select id,
      case when is_refused then 'auth' when waits then 'quota' when rests or (is_down and place > 1) then 'transient' end as error_class,
      case when is_refused then 'its credential was refused; it is not called before it has another one'
        when waits then 'asked to wait until ' || ${until(sql`retry_at`)}
        when rests then 'failed ' || failures || ' times in a row; tried again after ' || ${until(sql`rest_until`)}
        when is_down and place > 1 then 'every connection of the source fails; one is tried first'
      end as reason
    from known`;
}

/** Lets the resting connections of a source be called again: one of them has answered. */
export async function wakeSource(db: Database, source: string): Promise<void> {
  await db.execute(sql`
    with resting as (
      select id from connections where source = ${source} and rest_until is not null order by id for update)
    update connections set rest_until = null from resting where connections.id = resting.id`);
}

export interface RestingConnection {
  source: string;
  key: string;
  failures: number;
  refused: boolean;
  restUntil: Date | null;
  reason: string | null;
}

/** The connections of a source that are tried rarely or not at all. */
export async function readResting(db: Database, source: string): Promise<RestingConnection[]> {
  return db.execute<Record<string, unknown> & RestingConnection>(sql`
    select source, key, failures, refused, rest_until as "restUntil", reason from connections
    where source = ${source} and active and (refused or failures >= ${FAILURES}) order by key`);
}
