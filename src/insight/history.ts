// Every change of a partner's points, with its cause, read in one snapshot.
import { sql } from "drizzle-orm";
import { type Database, transaction } from "../../db/client.ts";
import type { ProgrammeVersions } from "../programme/versions.ts";
import { withoutJit } from "../scoring/differences.ts";
import { type Cause, causeFinder } from "./causes.ts";

export interface HistoryLine {
  id: number;
  at: Date;
  achievement: string;
  /** Its title under the version of the programme of then; its key where that has none. */
  title: string;
  delta: number;
  /** The achievement's points after it. */
  points: number;
  /** The partner's score after it: the running total. */
  total: number;
  scoreVersion: number;
  programmeVersion: number;
  /** What had the partner evaluated: evidence, identity, clock, programme, rescore, reconcile, adjustment or merge. */
  mark: string;
  /** Of the last mark; what became known has runs of its own. */
  run: number | null;
  causes: Cause[];
  /** Points for which nothing was found. */
  unexplained: number;
}

export interface History {
  partner: { slug: string; name: string };
  /** The score as it is now. */
  points: number;
  /** The score at the beginning of the time that was asked for; 0 where none was. */
  before: number;
  timeZone: string;
  /** Oldest first. */
  lines: HistoryLine[];
}

export interface HistoryQuestion {
  partnerId: number;
  achievement?: string | undefined;
  /** Half-open: from this instant on, and before that one. */
  from?: Date | undefined;
  to?: Date | undefined;
  timeZone: string;
}

interface LedgerRow {
  id: number;
  at: Date;
  achievement: string;
  delta: number;
  points: number;
  total: number;
  scoreVersion: number;
  programmeVersion: number;
  mark: string;
  run: number | null;
  settledAt: Date | null;
}

/** undefined: there is no such partner. */
export async function readHistory(
  db: Database,
  programmes: ProgrammeVersions,
  question: HistoryQuestion,
): Promise<History | undefined> {
  return transaction(db, async (tx) => {
    await tx.execute(sql`set transaction isolation level repeatable read, read only`);
    await tx.execute(withoutJit);
    const { partnerId, achievement, from, to, timeZone } = question;
    const [partner] = await tx.execute<{ slug: string; name: string; points: number }>(sql`
      select slug, name, coalesce(points, 0) as points from partners left join scores on partner_id = id
      where id = ${partnerId}`);
    if (partner === undefined) return undefined;
    const rows = await readLedger(tx, partnerId);
    const finder = causeFinder(tx, programmes, partnerId);
    const asked = (row: LedgerRow) =>
      (achievement === undefined || row.achievement === achievement) &&
      (from === undefined || row.at >= from) &&
      (to === undefined || row.at < to);
    const lines: HistoryLine[] = [];
    for (const row of rows.filter(asked)) {
      const { settledAt, ...line } = row;
      const previous = rows.filter((other) => other.scoreVersion < row.scoreVersion).at(-1);
      const found = await finder.find({ ...line, settledAt, previousAt: previous?.at });
      const version = await programmes.byId(tx, row.programmeVersion);
      const rule = version?.programme.achievements.find(({ key }) => key === row.achievement);
      lines.push({ ...line, title: rule?.title ?? row.achievement, ...found });
    }
    const { slug, name, points } = partner;
    const before = from === undefined ? 0 : (rows.filter((row) => row.at < from).at(-1)?.total ?? 0);
    return { partner: { slug, name }, points, before, timeZone, lines };
  });
}

/** In the order in which they were written; score versions rise. */
async function readLedger(tx: Database, partnerId: number): Promise<LedgerRow[]> {
  return tx.execute<Record<string, unknown> & LedgerRow>(sql`
    select id, at, achievement, delta, score_version as "scoreVersion", programme_version as "programmeVersion",
      cause as mark, run_id as run, settled_at as "settledAt",
      (sum(delta) over (partition by achievement order by score_version, id))::int as points,
      (sum(delta) over (order by score_version, id))::int as total
    from ledger where partner_id = ${partnerId} order by score_version, id`);
}
