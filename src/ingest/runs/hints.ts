// Messages of the inbox ask for a sync of a source. inbox_messages is the list of pending work: many messages at once are one
// run, and messages that arrive during a run wait for the next one, because that run may have read their data already.
import { type SQL, sql } from "drizzle-orm";
import { type Database, transaction } from "../../../db/client.ts";
import { startSyncWithin } from "./sync.ts";

/**
 * Between the beginnings of two runs of a source that messages have called for: some systems send a message for each e-mail, and
 * each would be a run of its own, one behind the other for ever. A run that took longer is followed by a pause as long as
 * itself, so that a source with many accounts is pulled half of the time at most.
 */
const PAUSE_MS = 5000;

/** The beginning of `asked_by` of such runs; the inbox's source follows. */
const INBOX = "inbox";

/** The payload of the sync job that is nudged for messages: it begins a run only if some still wait for one. */
export const toHint = (source: string) => ({
  source,
  full: false,
  askedBy: INBOX,
  forMessages: true as const,
});

/** Of messages whose source can have a run now: none is open, and the last one that messages called for is a while ago. */
const mayBegin = (now: Date): SQL => sql`
  not exists (select from runs where kind = 'sync' and state = 'running' and runs.source = inbox_messages.wakes)
  and coalesce((
    select greatest(started_at + ${PAUSE_MS}::int * interval '1 millisecond', finished_at + (finished_at - started_at))
    from runs where runs.source = inbox_messages.wakes and starts_with(asked_by, ${`${INBOX} `})
    order by runs.id desc limit 1) <= ${now}, true)`;

/**
 * Begins a run for everything that waits for one. undefined: nothing does, or it has to wait longer; then the sweep asks
 * again. Twice is harmless: what is handled waits no more, under the lock that lets one run of a source begin at a time.
 */
export async function startHintedSync(
  db: Database,
  { source, now }: { source: string; now: Date },
): Promise<{ runId: number; joined: boolean } | undefined> {
  return transaction(db, async (tx) => {
    await tx.execute(sql`select pg_advisory_xact_lock(hashtextextended(${`sync ${source}`}, 0))`);
    const [waiting] = await tx.execute<{ inbox: string }>(sql`
      select source as inbox from inbox_messages
      where wakes = ${source} and state = 'waiting' and ${mayBegin(now)} limit 1`);
    if (waiting === undefined) return undefined;
    const request = { source, full: false, askedBy: `${INBOX} ${waiting.inbox}`, now };
    const begun = await startSyncWithin(tx, request);
    // This includes messages that arrived since: no pull of this run starts before the commit.
    await tx.execute(sql`
      update inbox_messages set state = 'handled', run_id = ${begun.runId} where wakes = ${source} and state = 'waiting'`);
    return begun;
  });
}

/** The sources that messages wait for and that can have a run now. */
export async function readHinted(db: Database, now: Date): Promise<string[]> {
  const rows = await db.execute<{ source: string }>(sql`
    with waiting as (select distinct wakes from inbox_messages where state = 'waiting')
    select wakes as source from waiting as inbox_messages where ${mayBegin(now)} order by 1`);
  return rows.map(({ source }) => source);
}
