// Why a line of the ledger was written. Nothing is guessed: the points before it and after it are evaluated again, and the way from
// one to the other is gone in three steps: other rules, then the passing of time, then what became known. A step that changes the
// points of the line's achievement is a cause, and the evidence in which its two ends differ is the evidence that did it.
import { sql } from "drizzle-orm";
import type { Database } from "../../db/client.ts";
import { requirements } from "../programme/awards.ts";
import type { Programme } from "../programme/document.ts";
import type { ProgrammeVersion, ProgrammeVersions } from "../programme/versions.ts";
import { adjustmentOf, evaluation } from "../scoring/evaluation.ts";
import { type EvidenceShown, readEvidenceBehind } from "./evidence-behind.ts";
import {
  type ChangedEvidence,
  decisive,
  type PassedEvidence,
  readChanged,
  toPassed,
} from "./evidence-changes.ts";

/** Each with the points of the line that are due to it. */
export type Cause =
  | {
      type: "rules";
      delta: number;
      version: number;
      effectiveFrom: Date;
      publishedBy: string;
      /** What the version did to the achievement; `other`: to one it depends on. */
      change: "added" | "removed" | "changed" | "other";
    }
  /** Without evidence: the calendar alone, as when a streak's last month is over. */
  | { type: "time"; delta: number; units: { before: number; after: number }; evidence: PassedEvidence[] }
  | { type: "evidence"; delta: number; evidence: ChangedEvidence[] }
  | {
      type: "adjustment";
      delta: number;
      id: number;
      how: "made" | "continued" | "ended" | "revoked" | "moved";
      by: string;
      reason: string;
      revokedBy: string | null;
    }
  /** The stored points were not what the evidence was worth, and a rescore or a reconciliation found it. */
  | { type: "repair"; delta: number };

/** What is asked of a line. */
interface LineOfLedger {
  achievement: string;
  delta: number;
  /** The achievement's points after the line, by the ledger. */
  points: number;
  mark: string;
  programmeVersion: number;
  settledAt: Date | null;
  at: Date;
  /** Of the partner's line before, under another score version. */
  previousAt: Date | undefined;
}

export interface CauseFinder {
  /** The causes of a line, and how many of its points they leave unexplained. */
  find(line: LineOfLedger): Promise<{ causes: Cause[]; unexplained: number }>;
}

type Points = Map<string, { units: number; points: number }>;
/** undefined: before the first version. */
type Version = ProgrammeVersion | undefined;

/** Of one partner. Evaluations are kept, for the lines of one score version share them. To be used in one snapshot. */
export function causeFinder(db: Database, programmes: ProgrammeVersions, partnerId: number): CauseFinder {
  const evaluations = new Map<string, Promise<Points>>();
  const evaluate = (version: Version, at: Date, knownAt: Date): Promise<Points> => {
    if (version === undefined) return Promise.resolve<Points>(new Map());
    const name = `${version.id} ${at.getTime()} ${knownAt.getTime()}`;
    const known = evaluations.get(name) ?? readPoints(db, version, { partnerId, at, knownAt });
    evaluations.set(name, known);
    return known;
  };
  const counted = async (
    version: ProgrammeVersion,
    keys: string[],
    at: Date,
    knownAt: Date,
    every = false,
  ) => {
    const lists: EvidenceShown[][] = [];
    for (const key of keys)
      lists.push(await readEvidenceBehind(db, version.compiled, key, { partnerId, at, knownAt, every }));
    return lists;
  };

  return {
    async find(line) {
      const id = adjustmentOf(line.achievement);
      if (id !== undefined) {
        const cause = await readAdjustment(db, id, line);
        return {
          causes: cause === undefined ? [] : [cause],
          unexplained: cause === undefined ? line.delta : 0,
        };
      }
      const after = await programmes.byId(db, line.programmeVersion);
      if (after === undefined) return { causes: [], unexplained: line.delta };
      const { at } = line;
      const { from, version: before } = await findBase(line);
      const pointsOf = async (version: Version, instant: Date, knownAt: Date) =>
        (await evaluate(version, instant, knownAt)).get(line.achievement)?.points ?? 0;
      const start = await pointsOf(before, from, from);
      const ruled = await pointsOf(after, from, from);
      const passed = await pointsOf(after, at, from);
      const end = await pointsOf(after, at, at);
      const keys = influences(after.programme, line.achievement);
      const causes: Cause[] = [];
      if (ruled !== start) causes.push(await toRules(before, after, line.achievement, ruled - start));
      if (passed !== ruled) causes.push(await toTime(after, keys, line, from, passed - ruled));
      if (end !== passed) {
        const known = await counted(after, keys, at, from, true);
        const since = await counted(after, keys, at, at, true);
        const isReading = (key: string) =>
          after.programme.achievements.some((one) => one.key === key && one.measure.type === "latest");
        const lists = keys.map((key, index) => {
          const both = { before: known[index] ?? [], after: since[index] ?? [] };
          return isReading(key) ? decisive(both) : both;
        });
        const evidence = await readChanged(
          db,
          { before: lists.flatMap(({ before }) => before), after: lists.flatMap(({ after }) => after) },
          { partnerId, from, to: at },
        );
        causes.push({ type: "evidence", delta: end - passed, evidence });
      }
      const unexplained = line.delta - causes.reduce((sum, { delta }) => sum + delta, 0);
      const isRepair = (line.mark === "reconcile" || line.mark === "rescore") && end === line.points;
      if (unexplained !== 0 && isRepair) {
        causes.push({ type: "repair", delta: unexplained });
        return { causes, unexplained: 0 };
      }
      return { causes, unexplained };
    },
  };

  /**
   * An instant as of which the points before a line were right: that of the line before, or what the line says itself. Evidence
   * may have been recorded before the line before and been seen after it, so the evaluation decides: the latest that gives the
   * points before. Nothing was before the first version.
   */
  async function findBase(line: LineOfLedger): Promise<{ from: Date; version: Version }> {
    const candidates = [line.previousAt, line.settledAt ?? undefined]
      .flatMap((instant) => (instant === undefined || instant >= line.at ? [] : [instant.getTime()]))
      .sort((a, b) => b - a);
    if (line.settledAt === null) candidates.push((await readBeginning(db)).getTime());
    for (const candidate of candidates) {
      const from = new Date(candidate);
      const version = await programmes.inForce(db, from);
      const points = (await evaluate(version, from, from)).get(line.achievement)?.points ?? 0;
      if (points === line.points - line.delta) return { from, version };
    }
    const from = new Date(candidates.at(0) ?? line.at.getTime());
    return { from, version: await programmes.inForce(db, from) };
  }

  async function toTime(
    version: ProgrammeVersion,
    keys: string[],
    { achievement, at }: LineOfLedger,
    from: Date,
    delta: number,
  ): Promise<Cause> {
    const [before, after] = [
      await counted(version, keys, from, from),
      await counted(version, keys, at, from),
    ];
    const evidence = keys.flatMap((key, index) => {
      const rule = version.programme.achievements.find((one) => one.key === key);
      const span = { from, to: at };
      return rule === undefined ? [] : toPassed(rule, before[index] ?? [], after[index] ?? [], span);
    });
    const unitsAt = async (instant: Date) =>
      (await evaluate(version, instant, from)).get(achievement)?.units ?? 0;
    const units = { before: await unitsAt(from), after: await unitsAt(at) };
    return { type: "time", delta, units, evidence: onceEach(evidence) };
  }

  async function toRules(
    before: Version,
    after: ProgrammeVersion,
    key: string,
    delta: number,
  ): Promise<Cause> {
    const [published] = await db.execute<{ by: string }>(
      sql`select published_by as by from programme_versions where id = ${after.id}`,
    );
    const ruleOf = (version: Version) =>
      version?.programme.achievements.find((achievement) => achievement.key === key);
    const [was, is] = [ruleOf(before), ruleOf(after)];
    const isSame = JSON.stringify(was) === JSON.stringify(is);
    const change = was === undefined ? "added" : is === undefined ? "removed" : isSame ? "other" : "changed";
    const { id: version, effectiveFrom } = after;
    return { type: "rules", delta, version, effectiveFrom, publishedBy: published?.by ?? "", change };
  }
}

/** The achievements on whose evidence the points of one depend: its own, its gates, and what comes before it in its category. */
function influences(programme: Programme, key: string): string[] {
  const { achievements } = programme;
  const position = achievements.findIndex((achievement) => achievement.key === key);
  const category = achievements[position]?.category;
  const earlier = achievements
    .slice(0, Math.max(0, position))
    .filter((achievement) => category !== undefined && achievement.category === category)
    .map((achievement) => achievement.key);
  const own = position === -1 ? [] : [key];
  const all = [...own, ...earlier].flatMap((one) => [one, ...requirements(programme, one)]);
  return [...new Set(all)];
}

/** The same evidence may count for an achievement and for its gate. */
function onceEach(passed: PassedEvidence[]): PassedEvidence[] {
  return [...new Map(passed.map((one) => [`${one.how} ${one.evidence.id}`, one])).values()];
}

async function readPoints(
  db: Database,
  { compiled }: ProgrammeVersion,
  { partnerId, at, knownAt }: { partnerId: number; at: Date; knownAt: Date },
): Promise<Points> {
  const rows = await db.execute<{ achievement: string; units: number; points: number }>(sql`
    select achievement, units::float8 as units, points
    from (${evaluation(compiled, { scope: { partners: [partnerId] }, at, knownAt })}) as evaluated`);
  return new Map(rows.map(({ achievement, ...row }) => [achievement, row]));
}

/** The last instant at which there was no programme, so that no partner had points. */
async function readBeginning(db: Database): Promise<Date> {
  const [row] = await db.execute<{ at: Date | null }>(
    sql`select min(effective_from) - interval '1 millisecond' as at from programme_versions`,
  );
  return row?.at ?? new Date(0);
}

async function readAdjustment(
  db: Database,
  id: number,
  { delta, at }: Pick<LineOfLedger, "delta" | "at">,
): Promise<Cause | undefined> {
  const [row] = await db.execute<{
    points: number;
    reason: string;
    by: string;
    until: Date | null;
    revoked_at: Date | null;
    revoked_by: string | null;
    continues: number | null;
  }>(sql`
    select points, reason, author as by, until, revoked_at, revoked_by, continues from adjustments where id = ${id}`);
  if (row === undefined || Math.abs(row.points) !== Math.abs(delta)) return undefined;
  const { by, reason, until, revoked_at: revokedAt, revoked_by: revokedBy } = row;
  const shared = { type: "adjustment" as const, delta, id, by, reason, revokedBy };
  if (delta === row.points) return { ...shared, how: row.continues === null ? "made" : "continued" };
  const isRevoked = revokedAt !== null && revokedAt <= at && (until === null || revokedAt < until);
  if (isRevoked) {
    return { ...shared, how: revokedBy === "merge" || revokedBy === "unmerge" ? "moved" : "revoked" };
  }
  return until !== null && until <= at ? { ...shared, how: "ended" } : undefined;
}
