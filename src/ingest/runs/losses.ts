// An administrator's decisions about held losses: approved or rejected.
//
// A decision covers the evidence in the list and nothing else. Approved: the next complete listing that lacks it removes it;
// further missing evidence is judged separately. Rejected: it stays evidence, marked unconfirmed, and the same loss is not
// held again; it can still be approved later. When a listing names the evidence again, the decision is deleted.
import { sql } from "drizzle-orm";
import { type Database, transaction } from "../../../db/client.ts";
import { UsageError } from "../../platform/errors.ts";

export interface HeldLoss {
  source: string;
  connection: string;
  externalId: string;
  kind: string;
  occurredAt: Date;
  title: string | null;
  /** The partner's slug; null where it has none yet. */
  partner: string | null;
  decision: "approved" | "rejected" | null;
  decidedBy: string | null;
}

/** What a run would take, or has held back, by connection and id. Empty where nothing of it waits. */
export async function readHeldLosses(db: Database, runId: number): Promise<HeldLoss[]> {
  return db.execute<Record<string, unknown> & HeldLoss>(sql`
    select connections.source, connections.key as connection, held_losses.external_id as "externalId", kind,
      occurred_at as "occurredAt", title, slug as partner, decision, decided_by as "decidedBy"
    from held_losses join connections on connections.id = held_losses.connection_id
    join evidence on evidence.source = connections.source and evidence.external_id = held_losses.external_id
      and superseded_at is null
    left join partners on partners.id = evidence.partner_id
    where held_losses.run_id = ${runId} order by 1, 2, 3`);
}

/** What a run holds of one connection: evidence that waits for a decision, or whose loss was rejected. */
export interface KeptLoss {
  run: number;
  source: string;
  connection: string;
  decision: "rejected" | null;
  /** How many pieces. */
  evidence: number;
  decidedBy: string | null;
  decidedAt: Date | null;
}

/** Everything that can be decided about, by run and connection. A rejected loss can be approved later. */
export async function readKeptLosses(db: Database): Promise<KeptLoss[]> {
  return db.execute<Record<string, unknown> & KeptLoss>(sql`
    select run_id as run, source, key as connection, decision, count(*)::int as evidence, max(decided_by) as "decidedBy",
      max(decided_at) as "decidedAt"
    from held_losses join connections on connections.id = connection_id
    where active and decision is distinct from 'approved'
    group by run_id, source, key, decision order by run_id, source, key, decision`);
}

/**
 * Decides about everything a run has held; a later decision replaces an earlier one. Throws a UsageError where the run holds
 * nothing any more, for instance because a later run holds the same evidence. Returns the source, the connections and the pieces of evidence.
 */
export async function decideLoss(
  db: Database,
  request: { runId: number; decision: "approved" | "rejected"; by: string; now: Date },
): Promise<{ source: string; connections: number; evidence: number }> {
  return transaction(db, async (tx) => {
    // The connections first, as a listing that ends does: it sees the whole decision or nothing of it.
    const connections = await tx.execute<{ id: number; source: string; latest: number | null }>(sql`
      select connections.id, source, (
        select max(run_id) from held_losses where connection_id = connections.id) as latest
      from connections join run_connections on run_connections.connection_id = connections.id
      where run_connections.run_id = ${request.runId} and run_connections.state = 'held'
      order by connections.id for no key update of connections`);
    const [first] = connections;
    if (first === undefined) {
      throw new UsageError(`run ${request.runId} is not held; see: standings runs held`);
    }
    const decided = await tx.execute(sql`
      update held_losses set decision = ${request.decision}, decided_by = ${request.by}, decided_at = ${request.now}
      where run_id = ${request.runId} returning 1`);
    if (decided.length === 0) {
      const later = Math.max(...connections.map(({ latest }) => latest ?? 0));
      throw new UsageError(
        later > request.runId
          ? `nothing of run ${request.runId} waits any more: run ${later} holds it now; look at it with: standings runs held ${later}`
          : `nothing of run ${request.runId} waits any more: later listings have named it again, or taken it`,
      );
    }
    // The next listing has to be a whole one: "nothing has changed" would take nothing.
    await tx.execute(sql`
      update connections set validators = null where id = any(${sql.param(connections.map(({ id }) => id))}::bigint[])`);
    return { source: first.source, connections: connections.length, evidence: decided.length };
  });
}
