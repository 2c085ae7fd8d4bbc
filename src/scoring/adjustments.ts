// Points given or taken by a named administrator, beside the rules. An adjustment is a line of its own in every evaluation
// (evaluation.ts), so a rescore finds it right, and it is taken back only by its end or by a revocation.
//
// Locks, in everybody's order: merging, the clock (shared), the adjustment, the pending partner. The clock, because a tick
// that came between the instant of an adjustment and its mark would say that the score without it was right at a later one.
import { type SQL, sql } from "drizzle-orm";
import { type Database, transaction } from "../../db/client.ts";
import { lockAgainstMerging } from "../evidence/match.ts";
import { markPending } from "../evidence/pending.ts";
import { UsageError } from "../platform/errors.ts";
import { endOfWritten } from "../programme/calendar.ts";

export interface Adjustment {
  id: number;
  /** The partner's slug and name. */
  partner: string;
  name: string;
  /** Integer, never 0; negative takes points. */
  points: number;
  reason: string;
  /** Who made it. */
  by: string;
  createdAt: Date;
  /** It ends at this instant; null: it holds until it is revoked. */
  until: Date | null;
  revokedAt: Date | null;
  /** Who revoked it: a name, `merge` or `unmerge`. */
  revokedBy: string | null;
  /** The adjustment of another partner that this one continues since the two were merged, or parted. */
  continues: number | null;
  state: "in force" | "ended" | "revoked";
}

const MOST_POINTS = 1_000_000;
/** Of one partner together: a total that Postgres cannot hold would keep everybody's score from being written. */
const MOST_TOGETHER = 10_000_000;
const LONGEST_TEXT = 1000;

/**
 * Gives points to a partner, or takes them, and marks it pending, in one transaction. Twice makes two adjustments. Throws a
 * UsageError for points that are no whole number or 0, no reason, no name of a person, an end that is over, and a partner that
 * has been merged.
 */
export async function adjust(
  db: Database,
  request: {
    partnerId: number;
    points: number;
    reason: string;
    by: string;
    until?: Date | undefined;
    now: Date;
  },
): Promise<Adjustment> {
  const { partnerId, points, until } = request;
  if (!Number.isInteger(points) || points === 0 || Math.abs(points) > MOST_POINTS) {
    throw new UsageError(
      `points: expected a whole number from -${MOST_POINTS} to ${MOST_POINTS}, and not 0, not ${points}`,
    );
  }
  const reason = readLine("reason", request.reason, "why");
  const by = readAuthor(request.by);
  return transaction(db, async (tx) => {
    await lockAgainstMerging(tx);
    const at = await knownInstant(tx, request.now);
    if (until !== undefined && until <= at) {
      throw new UsageError(`until: expected an instant to come, not ${until.toISOString()}`);
    }
    const [merged] = await tx.execute<{ slug: string }>(sql`
      select slug from partners where id = ${partnerId} and status = 'merged'`);
    if (merged !== undefined) throw new UsageError(`partner ${merged.slug} has been merged into another`);
    const [row] = await tx.execute<{ id: number }>(sql`
      insert into adjustments (partner_id, points, reason, author, created_at, until)
      values (${partnerId}, ${points}, ${reason}, ${by}, ${at}, ${until ?? null}) returning id`);
    const [sum] = await tx.execute<{ points: number }>(sql`
      select sum(points) as points from adjustments where partner_id = ${partnerId} and ${holds(at)}`);
    if (Math.abs(sum?.points ?? 0) > MOST_TOGETHER) {
      throw new UsageError(`points: expected no more than ${MOST_TOGETHER} with its other adjustments`);
    }
    await markPending(tx, [partnerId], { cause: "adjustment", at });
    return readOne(tx, row?.id ?? 0, at);
  });
}

/**
 * Takes an adjustment back: its points go with the next score, by a line of their own. Throws a UsageError where there is
 * no such adjustment, or it holds no more.
 */
export async function revokeAdjustment(
  db: Database,
  request: { id: number; by: string; now: Date },
): Promise<Adjustment> {
  const by = readAuthor(request.by);
  return transaction(db, async (tx) => {
    await lockAgainstMerging(tx);
    const at = await knownInstant(tx, request.now);
    await tx.execute(sql`select from adjustments where id = ${request.id} for update`);
    const adjustment = await readOne(tx, request.id, at);
    if (adjustment.state !== "in force") throw new UsageError(await whyNotInForce(tx, adjustment));
    const [revoked] = await tx.execute<{ partner_id: number }>(sql`
      update adjustments set revoked_at = greatest(${at}, created_at), revoked_by = ${by}
      where id = ${request.id} returning partner_id`);
    await markPending(tx, revoked === undefined ? [] : [revoked.partner_id], { cause: "adjustment", at });
    return readOne(tx, request.id, at);
  });
}

/** The adjustments of one partner, or all of them, newest first, as they stand at an instant. */
export async function readAdjustments(
  db: Database,
  question: { partnerId?: number | undefined; now: Date },
): Promise<Adjustment[]> {
  const { partnerId, now } = question;
  return select(db, partnerId === undefined ? sql`true` : sql`partner_id = ${partnerId}`, now);
}

/**
 * The end of an adjustment as a person writes it: a local date (`2026-12-31`: that day is included, so it ends when the next
 * one begins in `timeZone`) or an instant with its offset (`2026-12-31T12:00:00Z`). Throws a UsageError on anything else.
 */
export function readUntil(text: string, timeZone: string): Date {
  const until = endOfWritten(text, timeZone);
  if (until !== undefined) return until;
  throw new UsageError(
    `until: expected a date such as 2026-12-31, which is included, or an instant such as 2026-12-31T12:00:00Z, not "${text}"`,
  );
}

/**
 * Moves the adjustments that a query names (column id; in force) to another partner: each is revoked in the name of what moves
 * it and continued there, so that neither partner's past changes. Only within the transaction of a merge.
 */
export async function moveAdjustments(
  tx: Database,
  ids: SQL,
  move: { to: number; by: "merge" | "unmerge"; at: Date },
): Promise<number> {
  const [moved] = await tx.execute<{ count: number }>(sql`
    with revoked as (
      update adjustments set revoked_at = ${move.at}, revoked_by = ${move.by}
      where id in (${ids}) and ${holds(move.at)} returning *),
    continued as (
      insert into adjustments (partner_id, points, reason, author, created_at, until, continues)
      select ${move.to}::bigint, points, reason, author, revoked_at, until, id from revoked order by id returning 1)
    select count(*)::int as count from continued`);
  return moved?.count ?? 0;
}

/**
 * The instant of a change that is made now: not before the clock's last tick, up to which scores have been evaluated. The
 * clock stands still until commit.
 */
export async function knownInstant(tx: Database, now: Date): Promise<Date> {
  const [clock] = await tx.execute<{ ticked_at: Date }>(sql`select ticked_at from clock for share`);
  return clock !== undefined && clock.ticked_at > now ? clock.ticked_at : now;
}

function holds(at: Date): SQL {
  return sql`revoked_at is null and (until is null or until > ${at})`;
}

async function select(db: Database, condition: SQL, at: Date): Promise<Adjustment[]> {
  return db.execute<Record<string, unknown> & Adjustment>(sql`
    select adjustments.id, slug as partner, name, points, reason, author as by, adjustments.created_at as "createdAt", until,
      revoked_at as "revokedAt", revoked_by as "revokedBy", continues,
      case when revoked_at is not null then 'revoked' when ${holds(at)} then 'in force' else 'ended' end as state
    from adjustments join partners on partners.id = partner_id
    where ${condition} order by adjustments.id desc`);
}

async function readOne(tx: Database, id: number, at: Date): Promise<Adjustment> {
  const [adjustment] = await select(tx, sql`adjustments.id = ${id}`, at);
  if (adjustment === undefined) {
    throw new UsageError(`there is no adjustment ${id}; see: standings adjustments`);
  }
  return adjustment;
}

async function whyNotInForce(tx: Database, adjustment: Adjustment): Promise<string> {
  const { id, until, revokedAt, revokedBy } = adjustment;
  const [continuing] = await tx.execute<{ id: number }>(
    sql`select id from adjustments where continues = ${id}`,
  );
  if (continuing !== undefined) return `adjustment ${id} is continued as ${continuing.id}; revoke that one`;
  if (revokedAt !== null) {
    return `adjustment ${id} was revoked already, by ${revokedBy ?? ""} at ${revokedAt.toISOString()}`;
  }
  return `adjustment ${id} ended at ${until?.toISOString() ?? ""}: there is nothing to revoke`;
}

/** What takes an adjustment back without a person's decision about it. */
const RESERVED_NAMES = ["merge", "unmerge", "forget"];

/** The name of an administrator as it is kept. Throws a UsageError where there is none. */
export function readAuthor(by: string): string {
  const name = readLine("by", by, "the name of who is responsible");
  if (RESERVED_NAMES.includes(name)) throw new UsageError(`by: expected the name of a person, not ${name}`);
  return name;
}

/** One line of text that says something. */
function readLine(what: string, text: string, expected: string): string {
  const line = text.trim();
  if (line === "" || line.length > LONGEST_TEXT || /\p{Cc}/u.test(line)) {
    throw new UsageError(`${what}: expected ${expected}, in one line of at most ${LONGEST_TEXT} characters`);
  }
  return line;
}
