// Forecast: what the passing of time alone will do to a score. There is no second rule in here: the evaluation is asked at the
// instants at which something moves (src/insight/moments-ahead.ts), and what differs between two of them is the forecast.
//
// Thousands of pieces that grow old are thousands of instants, and each evaluation reads all of the pieces. Where evidence only
// ceases to count and points can only fall, instants between two with the same points need not be asked about: whatever had
// fallen in between could not have come back.
import { sql } from "drizzle-orm";
import { type Database, transaction } from "../../db/client.ts";
import type { CompiledProgramme } from "../programme/compile.ts";
import type { ProgrammeVersion, ProgrammeVersions } from "../programme/versions.ts";
import { withoutJit } from "../scoring/differences.ts";
import { adjustmentOf } from "../scoring/evaluation.ts";
import { type Look, type Moment, readMomentsAhead } from "./moments-ahead.ts";
import { type Outcomes, pointsChanged, readOutcomes, totalOf } from "./outcomes.ts";

/** Evidence that ceases (or begins) to count at the instant of a change. */
export interface EvidenceMoved {
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

export const forecastDays = 90;
const DAY_MS = 86_400_000;

interface ForecastQuestion {
  partnerId: number;
  now: Date;
  days?: number;
  /** Ends it between two evaluations, with its reason. */
  signal?: AbortSignal;
}

/** Of one partner, in one snapshot, if no evidence is added or taken back. undefined: no programme is published. */
export async function readForecast(
  db: Database,
  programmes: ProgrammeVersions,
  { partnerId, now, days = forecastDays, signal }: ForecastQuestion,
): Promise<Forecast | undefined> {
  return transaction(db, async (tx) => {
    await tx.execute(sql`set transaction isolation level repeatable read, read only`);
    await tx.execute(withoutJit);
    const version = await programmes.inForce(tx, now);
    if (version === undefined) return undefined;
    const look = { tx, programmes, partnerId };
    const until = new Date(now.getTime() + days * DAY_MS);
    let before = await evaluateAt(look, version, now);
    const { timeZone } = version.programme;
    const forecast: Forecast = { at: now, until, total: totalOf(before.outcomes), timeZone, changes: [] };
    for (const stretch of toStretches(await readMomentsAhead(look, version, { from: now, to: until }))) {
      for await (const [earlier, after] of stepsWithin(look, before, stretch)) {
        signal?.throwIfAborted();
        before = after;
        const changed = inOrder(pointsChanged(earlier.outcomes, after.outcomes), after.version);
        const total = totalOf(after.outcomes);
        for (const change of changed)
          forecast.changes.push(await toChange(look, change, { total, before: earlier, after }));
      }
    }
    return forecast;
  });
}

interface Instant {
  at: Date;
  version: ProgrammeVersion;
  outcomes: Outcomes;
}

async function lookAt(look: Look, at: Date): Promise<Instant> {
  const version = await look.programmes.inForce(look.tx, at);
  if (version === undefined) throw new Error("The programme in force is no longer there.");
  return evaluateAt(look, version, at);
}

async function evaluateAt({ tx, partnerId }: Look, version: ProgrammeVersion, at: Date): Promise<Instant> {
  return { at, version, outcomes: await readOutcomes(tx, version.compiled, { partnerId, at }) };
}

/** Moments at which points can only fall, as long as one follows the other; every other moment by itself. In order. */
function toStretches(moments: Moment[]): Date[][] {
  const stretches: Date[][] = [];
  let falling: Date[] | undefined;
  for (const { at, onlyFalls } of moments) {
    if (onlyFalls && falling !== undefined) falling.push(at);
    else {
      const stretch = [at];
      stretches.push(stretch);
      falling = onlyFalls ? stretch : undefined;
    }
  }
  return stretches;
}

/**
 * Neighbouring instants of a stretch, in order, `before` being the one that precedes it: all those between which points move, and
 * last of all the stretch's end.
 */
async function* stepsWithin(
  look: Look,
  before: Instant,
  stretch: Date[],
  known?: Instant,
): AsyncGenerator<[Instant, Instant]> {
  const end = stretch.at(-1);
  if (end === undefined) return;
  const after = known ?? (await lookAt(look, end));
  if (stretch.length === 1 || pointsChanged(before.outcomes, after.outcomes).length === 0) {
    yield [before, after];
    return;
  }
  const half = Math.ceil(stretch.length / 2);
  let middle = before;
  for await (const step of stepsWithin(look, before, stretch.slice(0, half))) {
    yield step;
    middle = step[1];
  }
  yield* stepsWithin(look, middle, stretch.slice(half), after);
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
  { total, before, after }: { total: number; before: Instant; after: Instant },
): Promise<ForecastChange> {
  const { at } = after;
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
