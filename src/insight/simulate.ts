// What a draft of the programme would change, held against what is stored; nothing is written. Who publishes the draft at
// the same instant gets ledger lines of exactly these differences, because both come from the one evaluation.
//
// One statement, so one snapshot and one evaluation, and Postgres keeps what is large: of 100,000 partners Node sees the
// ends of the lists and the counts.
import { type SQL, sql } from "drizzle-orm";
import { type Database, transaction } from "../../db/client.ts";
import type { Programme } from "../programme/document.ts";
import {
  type ProgrammeVersion,
  type ProgrammeVersions,
  readBeginning,
  refuseUnlessEvaluable,
} from "../programme/versions.ts";
import { withoutJit } from "../scoring/differences.ts";
import { adjustmentPrefix, evaluation } from "../scoring/evaluation.ts";
import { simulationOf } from "./simulation-query.ts";

/** Before: under the version that is in force. After: under the draft. Points may be negative (adjustments). */
export interface Simulation {
  /** The draft is evaluated at this instant: the one at which it would come into force. */
  at: Date;
  /**
   * It would be in force at once, and is held against what is stored. Otherwise it begins at an instant to come, and is held
   * against what the version in force then gives at that instant: what time alone changes until then is no change of the draft.
   */
  atOnce: boolean;
  /** The version it is held against; null: nothing was published yet. */
  programmeVersion: number | null;
  timeZone: string;
  partners: number;
  /** Of those, the ones in the standings. */
  inStandings: number;
  /** Partners that wait for their score: what they wait for is among the changes. */
  pending: number;
  gaining: number;
  losing: number;
  /** Of all partners together: before + gained - lost = after. */
  points: { before: number; gained: number; lost: number; after: number };
  /** From the largest loss to the largest gain without a gap; {from: 0, to: 0} are those that stay as they are. */
  histogram: { from: number; to: number; partners: number }[];
  /** The ten that gain most, and the ten that lose most. */
  gains: SimulatedScore[];
  losses: SimulatedScore[];
  topBefore: SimulatedScore[];
  topAfter: SimulatedScore[];
  /** How many are nominated, and who enters and leaves (100 of them at most). */
  nominees: { before: number; after: number; entering: SimulatedScore[]; leaving: SimulatedScore[] };
  /** The draft's in its order, then those it no longer has. */
  achievements: SimulatedAchievement[];
  adjustments: { before: number; after: number };
}

export interface SimulatedScore {
  slug: string;
  name: string;
  before: number;
  after: number;
  /** null: not in the standings. */
  rankBefore: number | null;
  rankAfter: number | null;
}

interface SimulatedAchievement {
  key: string;
  title: string;
  change: "kept" | "new" | "gone";
  /** Points of all partners together. */
  before: number;
  after: number;
  /** How many of the partners in the standings have points for it. */
  reachedBefore: number;
  reachedAfter: number;
}

/** What a SELECT of (partner_id, achievement, points) says before, and what one says after. */
interface Compared {
  at: Date;
  before: SQL;
  after: SQL;
}

/**
 * Evaluates a draft for everybody, beside what is stored, in one read-only snapshot. Throws a UsageError that names `file`
 * where Postgres refuses to evaluate the draft.
 */
export async function simulate(
  db: Database,
  programmes: ProgrammeVersions,
  draft: { programme: Programme; file: string; now: Date },
): Promise<Simulation> {
  return inSnapshot(db, async (tx) => {
    const { compared, atOnce, version } = await compare(tx, programmes, draft);
    const nominees = {
      before: version?.programme.nominees ?? draft.programme.nominees,
      after: draft.programme.nominees,
    };
    const [row] = await tx.execute<SimulationRow>(
      simulationOf({ ...compared, changes: allPoints(compared), isStored: atOnce, nominees }),
    );
    if (row === undefined) throw new Error("The simulation returned no row.");
    const { width, bars, achievements: reached, entering, leaving, nominated, ...counted } = row;
    return {
      at: compared.at,
      atOnce,
      programmeVersion: version?.id ?? null,
      timeZone: draft.programme.timeZone,
      ...counted,
      histogram: toHistogram(bars, width),
      nominees: { ...nominated, entering, leaving },
      ...toAchievements(draft.programme, version?.programme, reached),
    };
  });
}

/**
 * A SELECT of every difference a draft makes: (partner_id, achievement, before, after), achievement by achievement as the
 * ledger has them.
 */
export async function simulatedChanges(
  db: Database,
  programmes: ProgrammeVersions,
  draft: { programme: Programme; file: string; now: Date },
): Promise<SQL> {
  const { compared } = await compare(db, programmes, draft);
  return sql`select * from (${allPoints(compared)}) as compared where before <> after`;
}

async function compare(
  db: Database,
  programmes: ProgrammeVersions,
  { programme, file, now }: { programme: Programme; file: string; now: Date },
): Promise<{ compared: Compared; atOnce: boolean; version: ProgrammeVersion | undefined }> {
  const { effectiveFrom: at, inForce: atOnce } = await readBeginning(db, programme, now);
  const compiled = await refuseUnlessEvaluable(db, programme, file, at);
  const version = await programmes.inForce(db, at);
  const before =
    atOnce || version === undefined
      ? sql`select partner_id, achievement, points from achievements_held`
      : evaluation(version.compiled, { scope: "all", at });
  return { compared: { at, before, after: evaluation(compiled, { scope: "all", at }) }, atOnce, version };
}

/** Whatever has points before or after; a row that is missing means 0. */
function allPoints({ before, after }: Compared): SQL {
  return sql`
    select partner_id, achievement, coalesce(before.points, 0) as before, coalesce(after.points, 0) as after
    from (${before}) as before full join (${after}) as after using (partner_id, achievement)
    where before.points <> 0 or after.points <> 0`;
}

/** Reads without a lock anybody waits for; what is committed meanwhile is not seen. */
function inSnapshot<T>(db: Database, work: (tx: Database) => Promise<T>): Promise<T> {
  return transaction(db, async (tx) => {
    await tx.execute(sql`set transaction isolation level repeatable read, read only`);
    await tx.execute(withoutJit);
    return work(tx);
  });
}

interface Reached {
  achievement: string;
  before: number;
  after: number;
  reachedBefore: number;
  reachedAfter: number;
}

type SimulationRow = Record<string, unknown> &
  Pick<
    Simulation,
    | "partners"
    | "inStandings"
    | "pending"
    | "gaining"
    | "losing"
    | "points"
    | "gains"
    | "losses"
    | "topBefore"
    | "topAfter"
  > & {
    width: number;
    /** Counted in widths, away from 0: step 1 is a gain of 1 to `width` points. */
    bars: { step: number; partners: number }[];
    achievements: Reached[];
    nominated: { before: number; after: number };
    entering: SimulatedScore[];
    leaving: SimulatedScore[];
  };

function toHistogram(bars: SimulationRow["bars"], width: number): Simulation["histogram"] {
  const steps = [0, ...bars.map(({ step }) => step)];
  const [least, most] = [Math.min(...steps), Math.max(...steps)];
  return Array.from({ length: most - least + 1 }, (_, index) => {
    const step = least + index;
    const [near, far] = [Math.sign(step) * ((Math.abs(step) - 1) * width + 1), step * width];
    const partners = bars.find((bar) => bar.step === step)?.partners ?? 0;
    if (step === 0) return { from: 0, to: 0, partners };
    return { from: Math.min(near, far), to: Math.max(near, far), partners };
  });
}

function toAchievements(
  draft: Programme,
  version: Programme | undefined,
  reached: Reached[],
): Pick<Simulation, "achievements" | "adjustments"> {
  const before = version?.achievements ?? [];
  const isIn = (key: string, list: Programme["achievements"]) => list.some((one) => one.key === key);
  const figures = (key: string) => {
    const { achievement: _, ...found } = reached.find((row) => row.achievement === key) ?? nothing;
    return found;
  };
  const named = [...draft.achievements, ...before.filter(({ key }) => !isIn(key, draft.achievements))];
  const { before: adjustedBefore, after: adjustedAfter } = figures(adjustmentPrefix);
  return {
    achievements: named.map(({ key, title }) => ({
      key,
      title,
      change: !isIn(key, before) ? "new" : isIn(key, draft.achievements) ? "kept" : "gone",
      ...figures(key),
    })),
    adjustments: { before: adjustedBefore, after: adjustedAfter },
  };
}

const nothing: Reached = { achievement: "", before: 0, after: 0, reachedBefore: 0, reachedAfter: 0 };

/** Warnings before publishing: achievements that no partner reaches, or that all reach. */
export function warningsOf({ achievements, inStandings }: Simulation): string[] {
  if (inStandings === 0) return [];
  return achievements
    .filter(({ change }) => change !== "gone")
    .flatMap(({ key, title, reachedAfter }) => {
      if (reachedAfter === 0) return [`No partner reaches ${key} (${title}).`];
      if (reachedAfter === inStandings) return [`Everybody reaches ${key} (${title}).`];
      return [];
    });
}
