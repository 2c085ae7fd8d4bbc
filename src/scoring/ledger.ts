// Reading the ledger as a stream: what was written after a line that is known.
import { sql } from "drizzle-orm";
import type { Database } from "../../db/client.ts";

/** The id of the last ledger line; 0 where there is none. */
export async function readLastLine(db: Database): Promise<number> {
  const [row] = await db.execute<{ id: number }>(sql`select coalesce(max(id), 0) as id from ledger`);
  return row?.id ?? 0;
}

export interface LedgerLine {
  id: number;
  at: Date;
  /** The partner's name. */
  name: string;
  /** The key of the achievement. */
  achievement: string;
  cause: string;
  /** Points, may be negative. */
  delta: number;
  /** The partner's points now, not those after this line. */
  points: number;
}

/** The lines after this id, oldest first, 200 at most. */
export async function readLinesAfter(db: Database, after: number): Promise<LedgerLine[]> {
  return db.execute<Record<string, unknown> & LedgerLine>(sql`
    select ledger.id, at, name, achievement, cause, delta, scores.points
    from ledger join partners on partners.id = ledger.partner_id join scores on scores.partner_id = partners.id
    where ledger.id > ${after} order by ledger.id limit 200`);
}

/** A partner's stored points; 0 where it was never scored. */
export async function readPoints(db: Database, partnerId: number): Promise<number> {
  const [row] = await db.execute<{ points: number }>(
    sql`select points from scores where partner_id = ${partnerId}`,
  );
  return row?.points ?? 0;
}
