// The work of a run that has begun: one collect job for each of its connections.
import type { Context } from "../context.ts";
import { readOpenConnections } from "../ingest/runs/sync.ts";

/**
 * Enqueues the connections of a run that are not done, or those of every sync below a reconciliation. Idempotent: a
 * connection that is queued already is one deduplicated call. Returns how many there are.
 */
export async function enqueueCollects(
  { db, queues }: Pick<Context, "db" | "queues">,
  of: number | { parentId: number },
): Promise<number> {
  const open = await readOpenConnections(db, of);
  for (const { connection, attempts } of open) {
    await queues.nudge("collect", connection, { epoch: attempts });
  }
  return open.length;
}
