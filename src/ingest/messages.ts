// Messages of webhooks: stored once however often they are delivered, read in the order of arrival, deleted after a retention time.
import { createHash } from "node:crypto";
import { type SQL, sql } from "drizzle-orm";
import { type Database, transaction } from "../../db/client.ts";
import type { Message, Messages } from "../connectors/connector.ts";

/** Longer than any sender repeats a message. After that the same one would be a new one, with the same evidence. */
const KEPT_MS = 30 * 86_400_000;
const FORGOTTEN_AT_ONCE = 1000;
/** An id is a short text; what a sender makes longer is known by its digest. */
const LONGEST_ID = 200;

interface NewMessage {
  source: string;
  /** The sender's; undefined: it has none, and the body stands for it. */
  id: string | undefined;
  body: Buffer;
  wakes: string;
  content: string | null;
  now: Date;
}

/**
 * Stores a message, for its source or the one it hints at to be synced. "known": it is there already, and nothing has changed;
 * inbox_messages_message_key lets one of any number of deliveries in. A hint without an id says the same whenever
 * something changes again: once a run has begun for the last one it is new, and in its place.
 */
export async function recordMessage(db: Database, message: NewMessage): Promise<"new" | "known"> {
  const { source, id, body, wakes, content, now } = message;
  const digest = createHash("sha256").update(body).digest("hex").slice(0, 32);
  return transaction(db, async (tx) => {
    // A shared lock: a reader waits for all inserts under way, so that no message appears behind the position it has read.
    await tx.execute(sql`select pg_advisory_xact_lock_shared(${orderOf(source)})`);
    const stored = await tx.execute(sql`
      insert into inbox_messages (source, message_id, digest, received_at, wakes, content)
      values (${source}, ${toId(id) ?? digest}, ${digest}, ${now}, ${wakes}, ${content})
      on conflict on constraint inbox_messages_message_key do update
        set state = 'waiting', run_id = null, received_at = excluded.received_at
        where ${toId(id) === undefined && content === null} and inbox_messages.state = 'handled'
      returning 1`);
    return stored.length === 0 ? "known" : "new";
  });
}

function toId(id: string | undefined): string | undefined {
  if (id === undefined || id === "") return undefined;
  if (id.length <= LONGEST_ID && !id.includes("\0") && id.isWellFormed()) return id;
  return `sha256-${createHash("sha256").update(id).digest("hex").slice(0, 32)}`;
}

/**
 * The lock of a source's order. Positions are given before they are committed: without it a message could be stored at a
 * position that has been read past, and would never be read.
 */
const orderOf = (source: string) => sql`hashtextextended(${`inbox ${source}`}, 0)`;

/** As the connector's contract says. A message that is being stored is waited for, five seconds at most. */
export async function readMessages(
  db: Database,
  source: string,
  which: Parameters<Messages>[0],
): Promise<Message[]> {
  if ("last" in which) return read(db, sql`source = ${source} order by inbox_messages.id desc limit 1`);
  return transaction(db, async (tx) => {
    await tx.execute(sql`select set_config('lock_timeout', '5s', true)`);
    await tx.execute(sql`select pg_advisory_xact_lock(${orderOf(source)})`);
    return read(
      tx,
      sql`source = ${source} and inbox_messages.id > ${which.after}::bigint order by inbox_messages.id limit ${which.most}::int`,
    );
  });
}

async function read(db: Database, rest: SQL): Promise<Message[]> {
  return db.execute<Record<string, unknown> & Message>(sql`
    select inbox_messages.id as position, message_id as id, received_at as "receivedAt", content from inbox_messages where ${rest}`);
}

/**
 * Of messages that are to be evidence: a pull has recorded them. Either the cursor of the source's connection stands at this
 * position or a later one, or the run that began for the message, or one after it, has come to its end. The cursor alone does
 * not tell: it is null once all are to be read again, and what was evidence before still is.
 */
const COLLECTED = sql`exists (
  select from connections where connections.source = inbox_messages.source and connections.key = 'main' and (
    case when connections.cursor ->> 'after' ~ '^[0-9]+$' then (connections.cursor ->> 'after')::bigint end >= inbox_messages.id
    or exists (
      select from run_connections where run_connections.connection_id = connections.id
        and run_connections.run_id >= inbox_messages.run_id and run_connections.state = 'complete')))`;

/** Forgets messages of long ago, some at a time. One that is to be evidence, and is not yet, stays. */
export async function forgetMessages(db: Database, now: Date): Promise<void> {
  await db.execute(sql`
    delete from inbox_messages where id in (
      select inbox_messages.id from inbox_messages
      where received_at < ${new Date(now.getTime() - KEPT_MS)} and (content is null or ${COLLECTED})
      order by received_at limit ${FORGOTTEN_AT_ONCE}::int for update skip locked)`);
}

/** Erases what is in messages that name one of these words, as far as it is evidence already. Short words only as a whole value. */
export async function eraseMessages(tx: Database, words: string[]): Promise<void> {
  const patterns = words
    .filter((word) => word !== "")
    .map((word) => {
      const text = JSON.stringify(word);
      return `%${(word.length > 2 ? text.slice(1, -1) : text).replaceAll(/[\\%_]/g, "\\$&")}%`;
    });
  await tx.execute(sql`
    update inbox_messages set content = null
    where content ilike any(${sql.param(patterns)}::text[]) and ${COLLECTED}`);
}

/** An id or key that is shorter may stand in anything. */
const LEAST_TELLING = 8;

/**
 * Erases what is in messages that became this evidence (a query of its ids), before it loses the names it has: a message
 * need not name a partner by a word, for the mapping may have made a pseudonym of it. A message is known by its id in the
 * evidence's, or by the evidence's key in what it says.
 */
export async function eraseMessagesOf(tx: Database, evidenceIds: SQL): Promise<void> {
  await tx.execute(sql`
    with facts as (
      select source, external_id, regexp_replace(external_id, '^event/', '') as key from evidence where id in (${evidenceIds}))
    update inbox_messages set content = null from facts
    where facts.source = inbox_messages.source and content is not null and (
      facts.key = message_id or starts_with(facts.key, message_id || '/')
      or (${COLLECTED} and (
        (length(message_id) >= ${LEAST_TELLING}::int and strpos(facts.external_id, message_id) > 0)
        or (length(facts.key) >= ${LEAST_TELLING}::int and strpos(content, trim(both '"' from to_json(facts.key)::text)) > 0))))`);
}
