// How many partners are in the standings, kept as changes that add up (db/schema.ts), so that no page counts them all.
import { sql } from "drizzle-orm";
import { type Database, transaction } from "../../db/client.ts";
import { isShown } from "./order.ts";

/** From so many rows on they are made one: each page adds them up. */
const MANY = 200;

/** An expression: how many there are, in the snapshot of the statement that asks. */
export const partnersShown = sql`(select coalesce(sum(change), 0)::int from standings_size)`;

/**
 * Counts the partners and makes one row of all changes. Returns by how much they were wrong: 0, unless somebody has written
 * partners past the triggers. Partners may be added meanwhile, whose rows this statement neither sees nor takes away.
 */
export async function recountStandings(db: Database): Promise<number> {
  return transaction(db, async (tx) => {
    // Two at a time would both write the whole.
    await tx.execute(sql`select pg_advisory_xact_lock(hashtextextended('standings size', 0))`);
    const [row] = await tx.execute<{ wrong: number }>(sql`
      with counted as (select count(*)::int as size from partners p where ${isShown}),
      taken as (delete from standings_size returning change),
      kept as (insert into standings_size (change) select size from counted)
      select size - coalesce((select sum(change) from taken), 0)::int as wrong from counted`);
    return row?.wrong ?? 0;
  });
}

/** Makes one row of the changes when they have become many. */
export async function keepSizeShort(db: Database): Promise<void> {
  const [row] = await db.execute<{ many: boolean }>(
    sql`select count(*) > ${MANY} as many from standings_size`,
  );
  if (row?.many === true) await recountStandings(db);
}
