// How often a host may be asked under one credential, kept in Postgres because every worker asks. Exact: in no span of
// `perMs`, wherever it begins, do more than `requests` begin. A bucket that refills would let twice as many through.
import { setTimeout as delay } from "node:timers/promises";
import { sql } from "drizzle-orm";
import type { Database } from "../../../db/client.ts";
import type { Gate } from "../../connectors/client/gate.ts";
import { formatDuration } from "../../platform/durations.ts";
import { SourceError } from "../../platform/errors.ts";

export interface Budget {
  requests: number;
  perMs: number;
  /** Requests under way at the same time; undefined: any number. */
  atOnce: number | undefined;
}

export interface GateParts {
  db: Database;
  /** A keyed hash of a text: what is stored of a host and its credential. */
  pseudonym: (text: string) => string;
  now: () => Date;
}

/** A worker is not kept from other work for longer than this. */
const LONGEST_WAIT_MS = 2000;
/** How often to look whether a request under way has ended. */
const LOOK_MS = 100;
/** A job that is put off stays away for so long at least. */
const LEAST_AWAY_MS = 3000;
/** How long a request under way counts when its worker has died. Longer than any may take (the fetcher's whole limit). */
const LEASE_MS = 150_000;
/** Instants kept of one host and credential. More requests than these are counted in shorter spans. */
const MOST_TAKEN = 120;
/** Of credentials that are used no more. */
const FORGET_MS = 30 * 86_400_000;

/** The gate of one source's budget under one credential (undefined: none). */
export function openGate(parts: GateParts, budget: Budget, secret: string | undefined): Gate {
  return {
    async enter(host, signal) {
      const key = parts.pseudonym(`${host} ${secret ?? ""}`);
      const id = crypto.randomUUID();
      for (let waitedMs = 0; ; ) {
        const permit = await takePermit(parts.db, { key, id, budget, now: parts.now() });
        if (permit.granted) break;
        if (waitedMs + permit.waitMs > LONGEST_WAIT_MS) throw toError(host, budget, permit);
        await delay(permit.waitMs, undefined, { signal }).catch(() => undefined);
        signal.throwIfAborted();
        waitedMs += permit.waitMs;
      }
      return async (waitMs) => {
        if (budget.atOnce === undefined && waitMs === undefined) return;
        // What cannot be given back ends by itself; the answer has come, and counts for more.
        await givePermit(parts.db, { key, id, waitMs, now: parts.now() }).catch(() => undefined);
      };
    },
  };
}

export type Permit =
  | { granted: true; at: number }
  /** `asked`: the host itself wants the wait. */
  | { granted: false; waitMs: number; asked: boolean };

/**
 * Takes a permit, or tells how long to wait for one. One statement under the lock of the budget's row, so any number of
 * workers may; time never runs backwards in it, whatever their clocks say.
 */
export async function takePermit(
  db: Database,
  asked: { key: string; id: string; budget: Budget; now: Date },
): Promise<Permit> {
  const now = asked.now.getTime();
  const { requests, perMs } = inShorterSpans(asked.budget);
  for (;;) {
    const [row] = await db.execute<{
      granted: boolean;
      at: number;
      free: number | null;
      blocked: number | null;
    }>(sql`
      with budget as materialized (
        select key, taken, leases, (extract(epoch from blocked_until) * 1000)::bigint as blocked,
          greatest(${now}::bigint, taken[cardinality(taken)]) as at
        from request_budgets where key = ${asked.key} for no key update),
      looked as materialized (
        select budget.*, taken[cardinality(taken) - ${requests - 1}::int] + ${perMs}::bigint as free, live.leases as live,
          live.count >= ${asked.budget.atOnce ?? null}::int is true as busy
        from budget cross join lateral (
          select count(*)::int as count, coalesce(jsonb_object_agg(lease.key, lease.value), '{}') as leases
          from jsonb_each(budget.leases) as lease where lease.value::bigint > budget.at) as live),
      decided as materialized (
        select *, not busy and greatest(free, blocked, at) = at as granted from looked),
      taking as (
        update request_budgets set used_at = ${asked.now},
          taken = (decided.taken || decided.at)[greatest(1, cardinality(decided.taken) + 2 - ${MOST_TAKEN}::int):],
          leases = case when ${asked.budget.atOnce ?? null}::int is null then decided.live
            else decided.live || jsonb_build_object(${asked.id}::text, decided.at + ${LEASE_MS}::bigint) end
        from decided where request_budgets.key = decided.key and granted)
      select granted, at, free, blocked from decided`);
    if (row !== undefined) {
      if (row.granted) return { granted: true, at: row.at };
      const blockedMs = (row.blocked ?? 0) - row.at;
      const waitMs = Math.max(LOOK_MS, (row.free ?? 0) - row.at, blockedMs);
      return { granted: false, waitMs, asked: waitMs === blockedMs };
    }
    await db.execute(sql`
      with unused as (delete from request_budgets where used_at < ${new Date(now - FORGET_MS)})
      insert into request_budgets (key, used_at) values (${asked.key}, ${asked.now}) on conflict do nothing`);
  }
}

/** Records the end of a request, and the time until which the host wants no further ones. */
async function givePermit(
  db: Database,
  given: { key: string; id: string; waitMs: number | undefined; now: Date },
): Promise<void> {
  const until = given.waitMs === undefined ? null : new Date(given.now.getTime() + given.waitMs);
  await db.execute(sql`
    update request_budgets set leases = leases - ${given.id}::text,
      blocked_until = greatest(blocked_until, ${until}::timestamptz)
    where key = ${given.key}`);
}

/** 1,000 a day is 111 in 160 minutes: as many in all, and what is kept of them stays small. Never more than was given. */
function inShorterSpans({ requests, perMs }: Budget): { requests: number; perMs: number } {
  const spans = Math.ceil(requests / MOST_TAKEN);
  return { requests: Math.floor(requests / spans), perMs: Math.ceil(perMs / spans) };
}

function toError(host: string, budget: Budget, { waitMs, asked }: Permit & { granted: false }): SourceError {
  if (asked) {
    const message = `${host} asked this credential to wait, ${formatDuration(waitMs)} from now`;
    return new SourceError("quota", message, { retryAfterMs: waitMs });
  }
  const rate = `${budget.requests} in ${formatDuration(budget.perMs)}`;
  const most = budget.atOnce === undefined ? "" : `, ${budget.atOnce} at once`;
  return new SourceError("quota", `the budget of ${host} is used up (${rate}${most})`, {
    retryAfterMs: Math.max(waitMs, LEAST_AWAY_MS),
    ownBudget: true,
  });
}
