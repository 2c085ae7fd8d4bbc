// Programmes for tests of scoring, written as the documents they are (JSON is YAML), and the score job step by step.
import { sql } from "drizzle-orm";
import type { Database } from "../../db/client.ts";
import { type ProgrammeVersions, publishProgramme } from "../../src/programme/versions.ts";
import { type ScoreOutcome, scorePending } from "../../src/scoring/score.ts";

interface AchievementDocument {
  evidence: string;
  measure?: unknown;
  window?: unknown;
  matures?: string;
  requires?: string;
  award: Record<string, unknown>;
}

/** Each by its key; missing measures count, missing windows are for ever. In Amsterdam, where summer 2026 is a season. */
export function programmeText(achievements: Record<string, AchievementDocument>): string {
  const most = ({ award }: AchievementDocument) => {
    const tiers = award["tiers"] as { points: number }[] | undefined;
    return Number(award["cap"] ?? award["points"] ?? award["share"] ?? tiers?.at(-1)?.points);
  };
  const all = Object.entries(achievements);
  return JSON.stringify({
    programme: "Programme",
    "time-zone": "Europe/Amsterdam",
    perfect: all.reduce((sum, [, one]) => sum + most(one), 0),
    seasons: { summer: { from: "2026-04-01", to: "2026-10-01" } },
    evidence: Object.fromEntries(all.map(([, { evidence }]) => [evidence, evidence])),
    achievements: Object.fromEntries(
      all.map(([key, one]) => [
        key,
        { title: key, hint: `Reach ${key}.`, measure: "count", window: "ever", ...one },
      ]),
    ),
  });
}

/** Five points an article, three at most; ten for a certificate that is in force; seven for a visit in the last two days. */
export const usual = programmeText({
  articles: { evidence: "article", award: { each: 5, cap: 15 } },
  certified: { evidence: "certificate", window: "in-force", award: { points: 10, "at-least": 1 } },
  visited: { evidence: "visit", window: { last: "2 days" }, award: { points: 7, "at-least": 1 } },
});

export async function publish(db: Database, text: string, now: Date): Promise<number> {
  const { versionId } = await publishProgramme(db, {
    text,
    file: "programme.yaml",
    publishedBy: "test",
    now,
  });
  return versionId;
}

/** Scores until nobody is pending. */
export async function drain(
  db: Database,
  programmes: ProgrammeVersions,
  now: Date,
  limit = 100,
): Promise<ScoreOutcome> {
  const total = { claimed: 0, changed: 0, lines: 0 };
  for (;;) {
    const batch = await scorePending(db, programmes, { now, limit });
    total.claimed += batch.claimed;
    total.changed += batch.changed;
    total.lines += batch.lines;
    if (batch.claimed === 0) return total;
  }
}

export interface LedgerLine {
  partner_id: number;
  score_version: number;
  achievement: string;
  delta: number;
  cause: string;
  programme_version: number;
  run_id: number | null;
  at: Date;
}

export async function readLedger(db: Database): Promise<LedgerLine[]> {
  return db.execute<Record<string, unknown> & LedgerLine>(sql`
    select partner_id, score_version, achievement, delta, cause, programme_version, run_id, at from ledger order by id`);
}

export interface Score {
  partner_id: number;
  points: number;
  reached_at: Date;
  version: number;
}

export async function readScores(db: Database): Promise<Score[]> {
  return db.execute<Record<string, unknown> & Score>(sql`
    select partner_id, points, reached_at, version from scores order by partner_id`);
}

/** Points of partners, by what the given source of truth says; 0 where it has nothing. */
export async function readPoints(
  db: Database,
  partners: number[],
  of: "scores" | "ledger" | "achievements_held",
): Promise<number[]> {
  const figure = of === "ledger" ? sql`delta` : sql`points`;
  const rows = await db.execute<{ partner_id: number; points: number }>(sql`
    select partner_id, sum(${figure})::int as points from ${sql.identifier(of)} group by 1`);
  return partners.map((id) => rows.find((row) => row.partner_id === id)?.points ?? 0);
}
