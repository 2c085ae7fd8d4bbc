// The lease on a connection: one worker at a time collects it. The token fences writes; the time lets another worker take over
// when the holder has died. All conditions and assignments of the two columns are here, as parts of statements on `connections`.
import { type SQL, sql } from "drizzle-orm";
import type { Database } from "../../db/client.ts";

/** The right to write for one connection. It ends when another process has taken the connection over. */
export interface Lease {
  runId: number;
  connectionId: number;
  source: string;
  token: string;
  durationMs: number;
}

/** The lease was lost: another process collects this connection now. The caller must stop without writing. */
export class LeaseLostError extends Error {
  override readonly name = "LeaseLostError";

  constructor({ connectionId }: Pick<Lease, "connectionId">) {
    super(`The lease of connection ${connectionId} was taken over.`);
  }
}

/** Condition: the connection of the lease, while the lease holds. */
export function isHeld({ connectionId, token }: Pick<Lease, "connectionId" | "token">): SQL {
  return sql`connections.id = ${connectionId} and connections.lease_token = ${token}::uuid`;
}

/** Condition: no worker holds a lease, or the holder has not extended it in time. */
export function isFree(now: Date): SQL {
  return sql`(connections.lease_until is null or connections.lease_until <= ${now})`;
}

/** Assignments: takes the lease. `returning lease_token` gives its token. */
export function taking(now: Date, durationMs: number): SQL {
  return sql`lease_token = gen_random_uuid(), ${extending(now, durationMs)}`;
}

/** Assignment: extends the lease. */
export function extending(now: Date, durationMs: number): SQL {
  return sql`lease_until = ${new Date(now.getTime() + durationMs)}`;
}

/** Assignments: ends the lease, also that of another holder, whose next write then fails. */
export const releasing = sql`lease_token = null, lease_until = null`;

/** Extends the lease while a page is fetched. A no-op when it is lost: the next page throws then. */
export async function keepLease(db: Database, lease: Lease, now: Date): Promise<void> {
  await db.execute(sql`update connections set ${extending(now, lease.durationMs)} where ${isHeld(lease)}`);
}

/** Whether a worker collects a connection of the source. */
export async function isCollected(db: Database, source: string, now: Date): Promise<boolean> {
  const leased = await db.execute(
    sql`select from connections where source = ${source} and not ${isFree(now)} limit 1`,
  );
  return leased.length > 0;
}
