// Why a score is what it is: every achievement, reached or not, with the evidence behind it.
import { sql } from "drizzle-orm";
import { type Database, transaction } from "../../db/client.ts";
import { type Achievement, maximumPoints } from "../programme/document.ts";
import type { ProgrammeVersions } from "../programme/versions.ts";

export interface EvidenceShown {
  source: string;
  externalId: string;
  kind: string;
  occurredAt: Date;
  endedAt: Date | null;
  /** Decimal. */
  quantity: number;
  attributes: Record<string, string>;
  title: string | null;
  link: string | null;
}

interface AchievementExplained {
  key: string;
  title: string;
  /** Every point it can award is held. */
  achieved: boolean;
  /** What the measure gives; decimal. */
  units: number;
  points: number;
  maximum: number;
  /** What to do, while there are points left to earn. */
  hint: string | null;
  since: Date | null;
  evidence: EvidenceShown[];
}

export interface Explanation {
  partnerId: number;
  partner: { slug: string; name: string };
  points: number;
  perfect: number;
  scoreVersion: number;
  programmeVersion: number;
  /** The partner waits for its score: what is shown may be out of date. */
  pending: boolean;
  at: Date;
  timeZone: string;
  achievements: AchievementExplained[];
}

/**
 * Explains a partner's stored score as of now, read in one snapshot so that the points add up to the score whatever is
 * written meanwhile. undefined: there is no such partner, or no programme.
 */
export async function explain(
  db: Database,
  programmes: ProgrammeVersions,
  question: { slug: string; now: Date },
): Promise<Explanation | undefined> {
  return transaction(db, async (tx) => {
    await tx.execute(sql`set transaction isolation level repeatable read, read only`);
    const version = await programmes.inForce(tx, question.now);
    const [partner] = await tx.execute<{
      id: number;
      slug: string;
      name: string;
      points: number;
      version: number;
      pending: boolean;
    }>(sql`
      select id, slug, name, coalesce(points, 0) as points, coalesce(version, 0) as version,
        exists (select from pending_partners where partner_id = id) as pending
      from partners left join scores on partner_id = id where slug = ${question.slug}`);
    if (version === undefined || partner === undefined) return undefined;
    const held = await tx.execute<{ achievement: string; units: number; points: number; since: Date }>(sql`
      select achievement, units::float8 as units, points, since from achievements_held where partner_id = ${partner.id}`);
    const achievements: AchievementExplained[] = [];
    for (const achievement of version.programme.achievements) {
      const evidence = await tx.execute<Record<string, unknown> & EvidenceRow>(
        version.compiled.evidenceBehind(achievement.key, { partnerId: partner.id, at: question.now }),
      );
      achievements.push({
        ...toStanding(
          achievement,
          held.find((row) => row.achievement === achievement.key),
        ),
        evidence: evidence.map(toShown),
      });
    }
    // Held under an older version of the programme, until the score job has been: it is part of the sum.
    for (const row of held) {
      if (achievements.some((achievement) => achievement.key === row.achievement)) continue;
      achievements.push({
        key: row.achievement,
        title: row.achievement,
        achieved: true,
        units: row.units,
        points: row.points,
        maximum: row.points,
        hint: null,
        since: row.since,
        evidence: [],
      });
    }
    return {
      partnerId: partner.id,
      partner: { slug: partner.slug, name: partner.name },
      points: partner.points,
      perfect: version.programme.perfect,
      scoreVersion: partner.version,
      programmeVersion: version.id,
      pending: partner.pending,
      at: question.now,
      timeZone: version.programme.timeZone,
      achievements,
    };
  });
}

interface EvidenceRow {
  source: string;
  external_id: string;
  kind: string;
  occurred_at: Date;
  ended_at: Date | null;
  quantity: string;
  attributes: Record<string, string>;
  title: string | null;
  link: string | null;
}

function toStanding(
  achievement: Achievement,
  held: { units: number; points: number; since: Date } | undefined,
): Omit<AchievementExplained, "evidence"> {
  const maximum = maximumPoints(achievement);
  const points = held?.points ?? 0;
  return {
    key: achievement.key,
    title: achievement.title,
    achieved: points >= maximum,
    units: held?.units ?? 0,
    points,
    maximum,
    hint: points >= maximum ? null : achievement.hint,
    since: held?.since ?? null,
  };
}

function toShown(row: EvidenceRow): EvidenceShown {
  return {
    source: row.source,
    externalId: row.external_id,
    kind: row.kind,
    occurredAt: row.occurred_at,
    endedAt: row.ended_at,
    quantity: Number(row.quantity),
    attributes: row.attributes,
    title: row.title,
    link: row.link,
  };
}
