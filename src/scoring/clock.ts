// Time changes scores without any evidence: something begins, ends, or leaves a window.
import { type SQL, sql } from "drizzle-orm";
import { type Database, transaction } from "../../db/client.ts";
import { markPendingWhere } from "../evidence/pending.ts";
import { isEverybodyTouched } from "../programme/compile.ts";
import type { ProgrammeVersions } from "../programme/versions.ts";
import { partnersWithAdjustmentsMoved } from "./evaluation.ts";

/**
 * Marks the partners whose score may have changed since the last tick by the passing of time alone, and moves the clock,
 * in one transaction. Any number of ticks may run at once or not at all for days: the row of the clock is locked, and the
 * next tick looks at the whole time in between. Returns how many partners were marked.
 */
export async function tick(
  db: Database,
  programmes: ProgrammeVersions,
  now: Date,
): Promise<{ marked: number }> {
  return transaction(db, async (tx) => {
    const first = await tx.execute(
      sql`insert into clock (ticked_at) values (${now}) on conflict (id) do nothing returning 1`,
    );
    // Begins and ends since the first scores were written are unknown.
    if (first.length > 0) {
      const everybody = sql`select id from partners where exists (select from programme_versions)`;
      return { marked: await markPendingWhere(tx, everybody, { cause: "clock", at: now }) };
    }
    const [clock] = await tx.execute<{ ticked_at: Date }>(sql`select ticked_at from clock for update`);
    if (clock === undefined || clock.ticked_at >= now) return { marked: 0 };
    const touched = await touchedByTime(tx, programmes, { from: clock.ticked_at, to: now });
    const marked =
      touched === undefined ? 0 : await markPendingWhere(tx, touched, { cause: "clock", at: now });
    await tx.execute(sql`update clock set ticked_at = ${now}`);
    return { marked };
  });
}

/** The partners (column partner_id) whose evaluation may differ between two instants; undefined without a programme. */
export async function touchedByTime(
  db: Database,
  programmes: ProgrammeVersions,
  span: { from: Date; to: Date },
): Promise<SQL | undefined> {
  const before = await programmes.inForce(db, span.from);
  const after = await programmes.inForce(db, span.to);
  if (after === undefined) return undefined;
  if (before?.id !== after.id || isEverybodyTouched(after.programme, span))
    return sql`select id from partners`;
  return sql`${after.compiled.partnersTouchedByTime(span)} union ${partnersWithAdjustmentsMoved(span)}`;
}

/** By how many milliseconds an instant is ahead of the database's clock; negative: behind. */
export async function clockLead(db: Database, now: Date): Promise<number> {
  const [row] = await db.execute<{ now: Date }>(sql`select clock_timestamp() as now`);
  return row === undefined ? 0 : now.getTime() - row.now.getTime();
}
