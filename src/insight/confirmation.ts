// Evidence is present, absent or unknown. Unknown: the source has not confirmed it recently. It keeps its points, and every
// surface shows since when.
import { sql } from "drizzle-orm";
import type { Database } from "../../db/client.ts";

/** When a source's evidence counts as too old: milliseconds, by the source's key; undefined: it is configured no more. */
export type FreshWithin = (source: string) => number | undefined;

interface ConnectionRow {
  id: number;
  source: string;
  state: string;
  last_complete_at: Date | null;
  last_attempt_at: Date | null;
}

/**
 * Says of a piece of evidence since when it is not confirmed; null: it is. It is confirmed by having been recorded, and by
 * every run of its connection that ended complete. That is not enough where the last run did not, where it is longer ago
 * than the source's freshness target, or where a listing lacked the evidence and its loss was held or rejected.
 */
export async function readConfirmation(
  db: Database,
  connectionIds: Iterable<number>,
  question: { freshWithin: FreshWithin; now: Date },
): Promise<(evidence: { connectionId: number; externalId: string; recordedAt: Date }) => Date | null> {
  const ids = [...new Set(connectionIds)];
  const rows = await db.execute<Record<string, unknown> & ConnectionRow>(sql`
    select connections.id, source, connections.state, connections.last_complete_at, last_attempt_at
    from connections join sources on sources.key = source where id = any(${sql.param(ids)}::bigint[])`);
  const connections = new Map(rows.map((row) => [row.id, row]));
  const missing = await readMissing(db, ids);
  return ({ connectionId, externalId, recordedAt }) => {
    const connection = connections.get(connectionId);
    if (connection === undefined) return null;
    const shownAt = missing.get(connectionId)?.get(externalId);
    if (shownAt !== undefined) return new Date(Math.max(shownAt.getTime(), recordedAt.getTime()));
    const { state, source, last_complete_at: completeAt, last_attempt_at: attemptAt } = connection;
    const confirmedAt = completeAt !== null && completeAt > recordedAt ? completeAt : recordedAt;
    const freshWithin = question.freshWithin(source);
    const isOld = freshWithin !== undefined && question.now.getTime() - confirmedAt.getTime() > freshWithin;
    const hasFailed = state === "failed" || state === "partial" || state === "held";
    // What the very run recorded that then broke off is confirmed by it.
    const isSeen = attemptAt !== null && recordedAt >= attemptAt;
    return isOld || (hasFailed && !isSeen) ? confirmedAt : null;
  };
}

/** What complete listings lacked and is kept, by connection and id: when its source showed it last. */
async function readMissing(db: Database, ids: number[]): Promise<Map<number, Map<string, Date>>> {
  const rows = await db.execute<{
    connection_id: number;
    external_id: string;
    confirmed_at: Date | null;
  }>(sql`
    select connection_id, external_id, confirmed_at from held_losses
    where connection_id = any(${sql.param(ids)}::bigint[])`);
  const missing = new Map<number, Map<string, Date>>();
  for (const { connection_id: id, external_id: externalId, confirmed_at: confirmedAt } of rows) {
    const ofConnection = missing.get(id) ?? new Map<string, Date>();
    missing.set(id, ofConnection.set(externalId, confirmedAt ?? new Date(0)));
  }
  return missing;
}
