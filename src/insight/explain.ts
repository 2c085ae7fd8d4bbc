// Why a score is what it is: every achievement, reached or not, with the evidence behind it. Of the stored score as of now, or of
// any instant, as known at any instant, under any version of the rules.
import { sql } from "drizzle-orm";
import { type Database, transaction } from "../../db/client.ts";
import { type CompiledProgramme, compileProgramme } from "../programme/compile.ts";
import type { Achievement, Programme } from "../programme/document.ts";
import { type Evaluated, type Outcome, toOutcomes } from "../programme/outcomes.ts";
import type { ProgrammeVersions } from "../programme/versions.ts";
import { maturesAt } from "../programme/windows.ts";
import { withoutJit } from "../scoring/differences.ts";
import { adjustmentOf, evaluation } from "../scoring/evaluation.ts";
import { type FreshWithin, readConfirmation } from "./confirmation.ts";
import { type EvidenceShown, readEvidenceBehind } from "./evidence-behind.ts";

/** The rules by which something is explained; a draft has no id. */
export interface Rules {
  id: number | null;
  programme: Programme;
  compiled: CompiledProgramme;
}

interface Unconfirmed {
  /** Points that would be gone without the evidence that is not confirmed; 0 or more. */
  points: number;
  since: Date;
}

/** Evidence that counts, and since when it is not confirmed; null: it is. */
export interface EvidenceExplained extends EvidenceShown {
  unconfirmedSince: Date | null;
}

export interface AchievementExplained extends Outcome {
  /** Since when its points are what they are; null: there never were any, or another instant is explained. */
  since: Date | null;
  evidence: EvidenceExplained[];
  /** Evidence that will count once it is mature: how much, and from when the first of it does. */
  maturing: { count: number; from: Date } | undefined;
  unconfirmed: Unconfirmed | undefined;
}

interface AdjustmentExplained {
  id: number;
  points: number;
  reason: string;
  by: string;
  createdAt: Date;
  /** null: until it is revoked. */
  until: Date | null;
}

export interface Explanation {
  partner: { slug: string; name: string };
  points: number;
  perfect: number;
  /** null: not the stored score, but a replay. */
  scoreVersion: number | null;
  /** null: a draft. */
  programmeVersion: number | null;
  /** The partner waits for its score: what is shown may be out of date. */
  pending: boolean;
  at: Date;
  /** As known then; null: as known now. */
  knownAt: Date | null;
  /** Of a replay: the points of the score at that instant, by the ledger. */
  scoredThen: number | null;
  timeZone: string;
  /** Its points would be this many fewer without the evidence that is not confirmed. */
  unconfirmed: Unconfirmed | undefined;
  achievements: AchievementExplained[];
  adjustments: AdjustmentExplained[];
  /** Points of achievements that are no part of these rules, until the score job has been. */
  retired: { key: string; units: number; points: number; since: Date }[];
}

export interface ExplainQuestion {
  partnerId: number;
  now: Date;
  freshWithin: FreshWithin;
  /** Instead of the stored score as of now. */
  replay?: { at: Date; knownAt?: Date | undefined; rules?: Rules | undefined } | undefined;
}

/**
 * Explains a partner's score, read in one snapshot so that the points add up to the score whatever is written meanwhile.
 * undefined: there is no such partner, or no programme at that instant.
 */
export async function explain(
  db: Database,
  programmes: ProgrammeVersions,
  question: ExplainQuestion,
): Promise<Explanation | undefined> {
  return transaction(db, async (tx) => {
    await tx.execute(sql`set transaction isolation level repeatable read, read only`);
    await tx.execute(withoutJit);
    const { partnerId, replay } = question;
    const instants = { at: replay?.at ?? question.now, knownAt: replay?.knownAt };
    const rules = replay?.rules ?? (await programmes.inForce(tx, instants.at));
    const partner = await readPartner(tx, partnerId, instants.at);
    if (rules === undefined || partner === undefined) return undefined;
    const held = await (replay === undefined ? readHeld(tx, partnerId) : evaluate());
    const evaluated: Evaluated = held;
    const achievements: AchievementExplained[] = [];
    for (const outcome of toOutcomes(rules.programme, evaluated)) {
      achievements.push({
        ...outcome,
        since: held.get(outcome.achievement.key)?.since ?? null,
        evidence: (
          await readEvidenceBehind(tx, rules.compiled, outcome.achievement.key, { partnerId, ...instants })
        ).map((evidence) => ({ ...evidence, unconfirmedSince: null })),
        maturing: undefined,
        unconfirmed: undefined,
      });
    }
    for (const one of achievements) one.maturing = await readMaturing(one);
    const unconfirmed = instants.knownAt === undefined ? await markUnconfirmed() : undefined;
    const known = new Set(rules.programme.achievements.map(({ key }) => key));
    const others = [...held].filter(([key]) => !known.has(key));
    return {
      partner: { slug: partner.slug, name: partner.name },
      points: replay === undefined ? partner.points : sumOf(held),
      perfect: rules.programme.perfect,
      scoreVersion: replay === undefined ? partner.version : null,
      programmeVersion: rules.id,
      pending: replay === undefined && partner.pending,
      at: instants.at,
      knownAt: instants.knownAt ?? null,
      scoredThen: replay === undefined ? null : partner.scored_then,
      timeZone: rules.programme.timeZone,
      unconfirmed,
      achievements,
      adjustments: await readAdjustments(
        tx,
        others.flatMap(([key]) => adjustmentOf(key) ?? []),
      ),
      retired: others
        .filter(([key]) => adjustmentOf(key) === undefined)
        .map(([key, { units, points, since }]) => ({ key, units, points, since: since ?? instants.at })),
    };

    async function evaluate(without?: number[]): Promise<Held> {
      if (rules === undefined) return new Map();
      const scope = { partners: [partnerId] };
      const rows = await tx.execute<{ achievement: string; units: number; points: number }>(sql`
        select achievement, units::float8 as units, points
        from (${evaluation(rules.compiled, { scope, ...instants, without })}) as evaluated`);
      return new Map(rows.map(({ achievement, ...row }) => [achievement, row]));
    }

    /** What would count but for its age: what counts in the same rules without `matures`, and not in these. */
    async function readMaturing({ achievement, evidence }: AchievementExplained) {
      const { matures, ...young } = achievement;
      if (rules === undefined || matures === undefined) return undefined;
      const { programme } = rules;
      const all = await readEvidenceBehind(tx, compileOne(programme, young), achievement.key, {
        partnerId,
        ...instants,
      });
      const mature = new Set(evidence.map(({ id }) => id));
      const dates = all
        .filter(({ id }) => !mature.has(id))
        .map(({ occurredAt }) => maturesAt(occurredAt, matures, programme.timeZone).getTime())
        .filter((from) => from > instants.at.getTime());
      return dates.length === 0 ? undefined : { count: dates.length, from: new Date(Math.min(...dates)) };
    }

    async function markUnconfirmed(): Promise<Unconfirmed | undefined> {
      const all = achievements.flatMap(({ evidence }) => evidence);
      const since = await readConfirmation(
        tx,
        all.map(({ connectionId }) => connectionId),
        question,
      );
      for (const one of all) one.unconfirmedSince = since(one);
      const ids = all.filter((one) => one.unconfirmedSince !== null).map(({ id }) => id);
      if (ids.length === 0) return undefined;
      const [whole, rest] = [await evaluate(), await evaluate(ids)];
      for (const one of achievements) {
        const { key } = one.achievement;
        const points = (whole.get(key)?.points ?? 0) - (rest.get(key)?.points ?? 0);
        one.unconfirmed = toUnconfirmed(one.evidence, points);
      }
      return toUnconfirmed(all, sumOf(whole) - sumOf(rest));
    }
  });
}

type Held = Map<string, { units: number; points: number; since?: Date }>;

function sumOf(held: Held): number {
  return [...held.values()].reduce((sum, { points }) => sum + points, 0);
}

function compileOne(programme: Programme, achievement: Achievement): CompiledProgramme {
  return compileProgramme({ ...programme, achievements: [{ ...achievement, requires: [] }] });
}

function toUnconfirmed(evidence: EvidenceExplained[], points: number): Unconfirmed | undefined {
  const instants = evidence.flatMap(({ unconfirmedSince }) => unconfirmedSince?.getTime() ?? []);
  if (instants.length === 0) return undefined;
  return { points: Math.max(0, points), since: new Date(Math.min(...instants)) };
}

interface PartnerRow {
  slug: string;
  name: string;
  points: number;
  version: number;
  pending: boolean;
  scored_then: number;
}

async function readPartner(tx: Database, partnerId: number, at: Date): Promise<PartnerRow | undefined> {
  const [row] = await tx.execute<Record<string, unknown> & PartnerRow>(sql`
    select slug, name, coalesce(points, 0) as points, coalesce(version, 0) as version,
      exists (select from pending_partners where partner_id = partners.id) as pending,
      (select coalesce(sum(delta), 0)::int from ledger where ledger.partner_id = partners.id and ledger.at <= ${at}) as scored_then
    from partners left join scores on partner_id = partners.id where partners.id = ${partnerId}`);
  return row;
}

async function readHeld(tx: Database, partnerId: number): Promise<Held> {
  const rows = await tx.execute<{ achievement: string; units: number; points: number; since: Date }>(sql`
    select achievement, units::float8 as units, points, since from achievements_held where partner_id = ${partnerId}`);
  return new Map(rows.map(({ achievement, ...row }) => [achievement, row]));
}

async function readAdjustments(tx: Database, ids: number[]): Promise<AdjustmentExplained[]> {
  return tx.execute<Record<string, unknown> & AdjustmentExplained>(sql`
    select id, points, reason, author as by, created_at as "createdAt", until
    from adjustments where id = any(${sql.param(ids)}::bigint[]) order by id`);
}
