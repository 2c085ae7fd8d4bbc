// One range of a rescore: which of its partners differ from what is stored, and the score job's work for them.
//
// Partners are evaluated twice where they differ: to find them, and again when they are claimed. That is right where few
// differ, for looking locks nothing and writes nothing. Where most do, as after a change of the rules, the look is a quarter
// of everything. So a range begins with a look at a few; when most of those differ, the rest is marked without looking, and
// the score job finds out. Marking somebody whose score is right costs two small writes and changes nothing.
import { type SQL, sql } from "drizzle-orm";
import { type Database, transaction } from "../../../db/client.ts";
import { markPendingWhere } from "../../evidence/pending.ts";
import type { ProgrammeVersions } from "../../programme/versions.ts";
import { differences, withoutJit } from "../../scoring/differences.ts";
import { drainPending } from "../../scoring/drain.ts";

/** Partners that are looked at first, to know what to expect of the rest. */
const LOOK = 500;

interface Range {
  first: number;
  last: number;
}

interface Chosen {
  runId: number;
  /** Only partners for whom this differs, or who have evidence from there. */
  achievement?: string | undefined;
  source?: string | undefined;
}

/**
 * Evaluates one range, marks the partners whose stored score differs and scores them. Twice is harmless: the second time
 * nothing differs, and a range is done once. Nothing is done where the run was cancelled. Returns how many partners' points
 * have changed.
 */
export async function rescoreRange(
  db: Database,
  programmes: ProgrammeVersions,
  range: { runId: number; first: number },
  now: () => Date,
): Promise<{ changed: number }> {
  const [row] = await db.execute<{ last: number; scope: { achievement?: string; source?: string } }>(sql`
    select last_partner as last, scope from run_ranges join runs on runs.id = run_id
    where run_id = ${range.runId} and first_partner = ${range.first} and done_at is null and runs.state = 'running'`);
  if (row === undefined) return { changed: 0 };
  const chosen = { runId: range.runId, ...row.scope };
  const changed = await rescorePartners(db, programmes, { first: range.first, last: row.last }, chosen, now);
  await transaction(db, async (tx) => {
    await tx.execute(sql`
      update run_ranges set done_at = ${now()}, changed = ${changed}
      where run_id = ${range.runId} and first_partner = ${range.first} and done_at is null`);
    await finishRescoreWhenDone(tx, range.runId, now());
  });
  return { changed };
}

/** Partners whose scoring fails stay pending; the score job, which drains the same list, names them. */
async function rescorePartners(
  db: Database,
  programmes: ProgrammeVersions,
  range: Range,
  chosen: Chosen,
  now: () => Date,
): Promise<number> {
  // Partners that are pending already are evaluated first, so the comparison skips them.
  const waiting = await drainPending(db, programmes, { now, scope: range });
  const few = await readFew(db, range);
  if (waiting.claimed >= few.all) return waiting.changed;
  const looked = await lookAndMark(db, programmes, { first: range.first, last: few.last }, chosen, now());
  const found = await drainPending(db, programmes, { now, scope: range });
  if (few.last >= range.last) return waiting.changed + found.changed;
  const rest = { first: few.last + 1, last: range.last };
  const isChosen = chosen.achievement !== undefined || chosen.source !== undefined;
  if (!isChosen && looked > few.partners / 2) await markAll(db, rest, chosen, now());
  else await lookAndMark(db, programmes, rest, chosen, now());
  const others = await drainPending(db, programmes, { now, scope: range });
  return waiting.changed + found.changed + others.changed;
}

/** The first partners of a range: the last id of them, how many they are, and how many the whole range has. */
async function readFew(
  db: Database,
  { first, last }: Range,
): Promise<{ last: number; partners: number; all: number }> {
  const [few] = await db.execute<{ last: number; partners: number; all: number }>(sql`
    select coalesce(max(id) filter (where number <= ${LOOK}), ${last}::bigint) as last,
      (count(*) filter (where number <= ${LOOK}))::int as partners, count(*)::int as all
    from (select id, row_number() over (order by id) as number from partners where id between ${first} and ${last}) as numbered`);
  return few ?? { last, partners: 0, all: 0 };
}

/** Marks the partners whose stored score differs from the evaluation. Returns how many. */
async function lookAndMark(
  db: Database,
  programmes: ProgrammeVersions,
  scope: Range,
  { runId, achievement, source }: Chosen,
  at: Date,
): Promise<number> {
  const version = await programmes.inForce(db, at);
  if (version === undefined) return 0;
  const conditions = [
    ...(achievement === undefined ? [] : [sql`achievement = ${achievement}`]),
    ...(source === undefined ? [] : [hasEvidenceOf(source, sql`differing.partner_id`)]),
  ];
  const differing = sql`
    select distinct partner_id from (${differences(version.compiled, scope, at)}) as differing
    ${conditions.length === 0 ? sql`` : sql`where ${sql.join(conditions, sql` and `)}`}`;
  return transaction(db, async (tx) => {
    await tx.execute(withoutJit);
    return markPendingWhere(tx, differing, { cause: "rescore", runId, at });
  });
}

async function markAll(db: Database, { first, last }: Range, { runId }: Chosen, at: Date): Promise<void> {
  const everybody = sql`select id from partners where id between ${first} and ${last}`;
  await markPendingWhere(db, everybody, { cause: "rescore", runId, at });
}

/** Whether a partner (a column) has evidence from a source, or had some that is gone. An index for each. */
export function hasEvidenceOf(source: string, partnerId: SQL): SQL {
  const some = sql`select from evidence where evidence.partner_id = ${partnerId} and evidence.source = ${source}`;
  return sql`(exists (${some} and superseded_at is null) or exists (${some} and superseded_at is not null))`;
}

/** Ends a rescore when the last of its ranges is done. One transaction at a time looks at the whole run. */
export async function finishRescoreWhenDone(tx: Database, runId: number, now: Date): Promise<void> {
  await tx.execute(sql`select from runs where id = ${runId} for update`);
  await tx.execute(sql`
    update runs set state = 'complete', finished_at = ${now}
    where id = ${runId} and state = 'running'
      and not exists (select from run_ranges where run_id = ${runId} and done_at is null)`);
}
