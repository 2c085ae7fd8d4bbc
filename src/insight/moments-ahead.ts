// The instants ahead at which one partner's evaluation may change: evidence begins, ends, grows old or leaves a window; a calendar
// period or season begins; an adjustment begins or ends; another version comes into force.
import { sql } from "drizzle-orm";
import type { Database } from "../../db/client.ts";
import type { Achievement } from "../programme/document.ts";
import { onlyFalls, slidingEdges } from "../programme/measures.ts";
import { ageReachedAt, calendarMoves } from "../programme/moments.ts";
import type { ProgrammeVersion, ProgrammeVersions } from "../programme/versions.ts";
import { boundsMovedPast } from "../programme/windows.ts";

/** Who is looked at, and in which snapshot. */
export interface Look {
  tx: Database;
  programmes: ProgrammeVersions;
  partnerId: number;
}

export interface Moment {
  at: Date;
  /** All that moves is evidence that ceases to count, and no achievement can have more points because of that. */
  onlyFalls: boolean;
}

interface Range {
  from: Date;
  to: Date;
}

/** Every such instant in (from, to], ascending, each once. `first`: the version in force at `from`. */
export async function readMomentsAhead(look: Look, first: ProgrammeVersion, range: Range): Promise<Moment[]> {
  const { tx, programmes, partnerId } = look;
  const begins = await tx.execute<{ at: Date }>(sql`
    select distinct effective_from as at from programme_versions
    where effective_from > ${range.from} and effective_from <= ${range.to} order by at`);
  const ends = await tx.execute<{ at: Date }>(sql`
    select until as at from adjustments
    where partner_id = ${partnerId} and revoked_at is null and until > ${range.from} and until <= ${range.to}
    union select created_at from adjustments
    where partner_id = ${partnerId} and revoked_at is null and created_at > ${range.from} and created_at <= ${range.to}`);
  const moments: Moments = { falling: [], others: [...begins, ...ends].map((row) => row.at) };
  let [version, from]: [ProgrammeVersion | undefined, Date] = [first, range.from];
  for (const to of [...begins.map((row) => row.at), range.to]) {
    if (version !== undefined) await addMomentsUnder(look, version, { from, to }, moments);
    [version, from] = [await programmes.inForce(tx, to), to];
  }
  const others = new Set(moments.others.map((at) => at.getTime()));
  return [...new Set([...others, ...moments.falling.map((at) => at.getTime())])]
    .sort((a, b) => a - b)
    .map((ms) => ({ at: new Date(ms), onlyFalls: !others.has(ms) }));
}

interface Moments {
  falling: Date[];
  others: Date[];
}

/** The same as long as one version is in force. */
async function addMomentsUnder(
  { tx, partnerId }: Look,
  { programme }: ProgrammeVersion,
  range: Range,
  moments: Moments,
): Promise<void> {
  const theirs = sql`partner_id = ${partnerId} and superseded_at is null`;
  const ofKind = (some: Achievement[]) =>
    sql`kind = any(${sql.param([...new Set(some.map(({ evidence }) => evidence))])}::text[])`;
  const { achievements } = programme;
  const [row] = await tx.execute<{ negative: boolean }>(sql`
    select exists (select from evidence where ${theirs} and ${ofKind(achievements)} and quantity < 0) as negative`);
  // Where a quantity is less than 0, a sum can rise when it is gone.
  const falls = (achievement: Achievement) => row?.negative === false && onlyFalls(achievement);

  const begins = await tx.execute<{ at: Date }>(sql`
    select distinct occurred_at as at from evidence
    where ${theirs} and ${ofKind(achievements)} and occurred_at > ${range.from} and occurred_at <= ${range.to}`);
  moments.others.push(...calendarMoves(programme, range), ...begins.map(({ at }) => at));

  const inForce = achievements.filter(({ window }) => window.type === "in-force");
  for (const isFalling of [true, false]) {
    const some = inForce.filter((achievement) => falls(achievement) === isFalling);
    const ends = await tx.execute<{ at: Date }>(sql`
      select distinct ended_at as at from evidence
      where ${theirs} and ${ofKind(some)} and ended_at > ${range.from} and ended_at <= ${range.to}`);
    (isFalling ? moments.falling : moments.others).push(...ends.map(({ at }) => at));
  }

  for (const achievement of achievements) {
    for (const edge of slidingEdges(achievement)) {
      const moved = boundsMovedPast(edge, range.from, range.to, programme);
      if (moved === undefined) continue;
      const aged = await tx.execute<{ occurred_at: Date }>(sql`
        select distinct occurred_at from evidence
        where ${theirs} and kind = ${achievement.evidence} and occurred_at >= ${moved.from} and occurred_at < ${moved.to}`);
      const at = aged
        .map((row) => ageReachedAt(edge, row.occurred_at, programme.timeZone))
        .filter((one) => range.from < one && one <= range.to);
      (edge.leaves && falls(achievement) ? moments.falling : moments.others).push(...at);
    }
  }
}
