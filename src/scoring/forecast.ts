// Forecast: what the passing of time alone will do to a score. There is no second rule in here: the evaluation is asked at every
// instant at which something moves (evidence begins, ends, grows old or leaves a window; a calendar period or season begins;
// an adjustment ends; another version comes into force), and what differs between two of them is the forecast.
import { sql } from "drizzle-orm";
import { type Database, transaction } from "../../db/client.ts";
import type { CompiledProgramme } from "../programme/compile.ts";
import { slidingEdges } from "../programme/measures.ts";
import { ageReachedAt, calendarMoves } from "../programme/moments.ts";
import type { ProgrammeVersion, ProgrammeVersions } from "../programme/versions.ts";
import { boundsMovedPast } from "../programme/windows.ts";
import { withoutJit } from "./differences.ts";
import { adjustmentOf } from "./evaluation.ts";
import { type Outcomes, pointsChanged, readOutcomes, totalOf } from "./outcomes.ts";

/** Evidence that ceases (or begins) to count at the instant of a change. */
interface EvidenceMoved {
  source: string;
  externalId: string;
  kind: string;
  occurredAt: Date;
  endedAt: Date | null;
  title: string | null;
  link: string | null;
}

export interface ForecastChange {
  at: Date;
  /** The key of the achievement, or `adjustment:<id>`. */
  achievement: string;
  /** As the programme calls it; of an adjustment its reason. */
  title: string;
  /** Less than 0: lost. More: gained by time alone, as when evidence is mature. */
  points: number;
  /** The total from that instant on, all changes of it included. */
  total: number;
  /**
   * `ended`: evidence is no longer in force; `left`: evidence has left the window (also: the month or season has passed);
   * `began`: evidence counts from now on; `period`: a streak has missed a period, or has one more; `rules`: a gate or a category
   * lets other points through, because of another change of this instant; `programme`: other rules come into force;
   * `adjustment`: an adjustment ends.
   */
  because: "ended" | "left" | "began" | "period" | "rules" | "programme" | "adjustment";
  /** The evidence that makes the difference, latest first. Empty where it is the rules, or that nothing has happened. */
  evidence: EvidenceMoved[];
}

export interface Forecast {
  at: Date;
  /** The forecast's last instant. */
  until: Date;
  /** The total at `at`. */
  total: number;
  timeZone: string;
  /** In order of time, and of one instant in the programme's order. */
  changes: ForecastChange[];
}

interface Look {
  tx: Database;
  programmes: ProgrammeVersions;
  partnerId: number;
}

export const forecastDays = 90;
const DAY_MS = 86_400_000;

/** Of one partner, in one snapshot, if no evidence is added or taken back. undefined: no programme is published. */
export async function readForecast(
  db: Database,
  programmes: ProgrammeVersions,
  { partnerId, now, days = forecastDays }: { partnerId: number; now: Date; days?: number },
): Promise<Forecast | undefined> {
  return transaction(db, async (tx) => {
    await tx.execute(sql`set transaction isolation level repeatable read, read only`);
    await tx.execute(withoutJit);
    const version = await programmes.inForce(tx, now);
    if (version === undefined) return undefined;
    const look = { tx, programmes, partnerId };
    const until = new Date(now.getTime() + days * DAY_MS);
    let current = { version, outcomes: await readOutcomes(tx, version.compiled, { partnerId, at: now }) };
    const { timeZone } = version.programme;
    const forecast: Forecast = { at: now, until, total: totalOf(current.outcomes), timeZone, changes: [] };
    for (const at of await readMoments(look, version, { from: now, to: until })) {
      const next = await lookAt(look, at);
      const total = totalOf(next.outcomes);
      for (const change of inOrder(pointsChanged(current.outcomes, next.outcomes), next.version))
        forecast.changes.push(await toChange(look, change, { at, total, before: current, after: next }));
      current = next;
    }
    return forecast;
  });
}

interface Instant {
  version: ProgrammeVersion;
  outcomes: Outcomes;
}

async function lookAt({ tx, programmes, partnerId }: Look, at: Date): Promise<Instant> {
  const version = await programmes.inForce(tx, at);
  if (version === undefined) throw new Error("The programme in force is no longer there.");
  return { version, outcomes: await readOutcomes(tx, version.compiled, { partnerId, at }) };
}

/** Every instant in (from, to] at which the partner's evaluation may change, ascending, each once. */
async function readMoments(
  look: Look,
  first: ProgrammeVersion,
  range: { from: Date; to: Date },
): Promise<Date[]> {
  const { tx, programmes, partnerId } = look;
  const begins = await tx.execute<{ at: Date }>(sql`
    select distinct effective_from as at from programme_versions
    where effective_from > ${range.from} and effective_from <= ${range.to} order by at`);
  const ends = await tx.execute<{ at: Date }>(sql`
    select until as at from adjustments
    where partner_id = ${partnerId} and revoked_at is null and until > ${range.from} and until <= ${range.to}
    union select created_at from adjustments
    where partner_id = ${partnerId} and revoked_at is null and created_at > ${range.from} and created_at <= ${range.to}`);
  const moments = [...begins, ...ends].map((row) => row.at);
  let [version, from]: [ProgrammeVersion | undefined, Date] = [first, range.from];
  for (const to of [...begins.map((row) => row.at), range.to]) {
    if (version !== undefined) moments.push(...(await momentsUnder(look, version, { from, to })));
    [version, from] = [await programmes.inForce(tx, to), to];
  }
  return [...new Set(moments.map((at) => at.getTime()))].sort((a, b) => a - b).map((ms) => new Date(ms));
}

/** The same as long as one version is in force. */
async function momentsUnder(
  { tx, partnerId }: Look,
  { programme }: ProgrammeVersion,
  range: { from: Date; to: Date },
): Promise<Date[]> {
  const moments = calendarMoves(programme, range);
  const theirs = sql`partner_id = ${partnerId} and superseded_at is null`;
  const kinds = (some: { evidence: string }[]) =>
    sql.param([...new Set(some.map(({ evidence }) => evidence))]);
  const inForce = programme.achievements.filter(({ window }) => window.type === "in-force");
  const rows = await tx.execute<{ at: Date }>(sql`
    select occurred_at as at from evidence where ${theirs} and kind = any(${kinds(programme.achievements)}::text[])
      and occurred_at > ${range.from} and occurred_at <= ${range.to}
    union select ended_at from evidence where ${theirs} and kind = any(${kinds(inForce)}::text[])
      and ended_at > ${range.from} and ended_at <= ${range.to}`);
  moments.push(...rows.map((row) => row.at));
  for (const achievement of programme.achievements) {
    for (const edge of slidingEdges(achievement)) {
      const moved = boundsMovedPast(edge, range.from, range.to, programme);
      if (moved === undefined) continue;
      const aged = await tx.execute<{ occurred_at: Date }>(sql`
        select distinct occurred_at from evidence
        where ${theirs} and kind = ${achievement.evidence} and occurred_at >= ${moved.from} and occurred_at < ${moved.to}`);
      moments.push(...aged.map((row) => ageReachedAt(edge, row.occurred_at, programme.timeZone)));
    }
  }
  return moments.filter((at) => range.from < at && at <= range.to);
}

/** As the programme lists them; what it does not know (adjustments, achievements of the version before) last. */
function inOrder<Change extends { key: string }>(
  changes: Change[],
  { programme }: ProgrammeVersion,
): Change[] {
  const place = ({ key }: Change) => {
    const index = programme.achievements.findIndex((one) => one.key === key);
    return index === -1 ? programme.achievements.length : index;
  };
  return [...changes].sort((a, b) => place(a) - place(b) || (a.key < b.key ? -1 : 1));
}

async function toChange(
  look: Look,
  { key, points }: { key: string; points: number },
  moment: { at: Date; total: number; before: Instant; after: Instant },
): Promise<ForecastChange> {
  const { at, total, before, after } = moment;
  const line = { at, achievement: key, points, total };
  const adjustment = adjustmentOf(key);
  if (adjustment !== undefined) {
    const [row] = await look.tx.execute<{ reason: string }>(
      sql`select reason from adjustments where id = ${adjustment}`,
    );
    return { ...line, title: row?.reason ?? key, because: "adjustment", evidence: [] };
  }
  const named = (instant: Instant) => instant.version.programme.achievements.find((one) => one.key === key);
  const achievement = named(after) ?? named(before);
  const title = achievement?.title ?? key;
  if (before.version.id !== after.version.id || achievement === undefined)
    return { ...line, title, because: "programme", evidence: [] };
  if (before.outcomes.get(key)?.units === after.outcomes.get(key)?.units)
    return { ...line, title, because: "rules", evidence: [] };
  const { compiled } = after.version;
  const [lost, come] = await Promise.all([
    readMoved(look, compiled, key, { counted: new Date(at.getTime() - 1), not: at }),
    readMoved(look, compiled, key, { counted: at, not: new Date(at.getTime() - 1) }),
  ]);
  if (lost.length > 0) {
    const because = lost.some(({ endedAt }) => endedAt?.getTime() === at.getTime()) ? "ended" : "left";
    return { ...line, title, because, evidence: lost };
  }
  return { ...line, title, because: come.length > 0 ? "began" : "period", evidence: come };
}

/** What an achievement counts at one instant and not at another, latest first. */
async function readMoved(
  { tx, partnerId }: Look,
  compiled: CompiledProgramme,
  key: string,
  instants: { counted: Date; not: Date },
): Promise<EvidenceMoved[]> {
  const behind = (at: Date) => compiled.evidenceBehind(key, { partnerId, at });
  const rows = await tx.execute<Record<string, unknown> & EvidenceMoved>(sql`
    select source, external_id as "externalId", kind, occurred_at as "occurredAt", ended_at as "endedAt", title, link
    from (${behind(instants.counted)}) as counted
    where id not in (select id from (${behind(instants.not)}) as others)
    order by occurred_at desc, source, external_id desc`);
  return rows.map(({ source, externalId, kind, occurredAt, endedAt, title, link }) => ({
    source,
    externalId,
    kind,
    occurredAt,
    endedAt,
    title,
    link,
  }));
}
