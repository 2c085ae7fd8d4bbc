// Unmatched evidence, grouped by identity, with the points that it would bring.
//
// The points are those that the group alone would bring a partner without other evidence. This needs no guess about the
// partner, makes groups comparable, and is a lower bound of what its partner misses, unless a cap is reached already.
import { sql } from "drizzle-orm";
import { type Database, transaction } from "../../db/client.ts";
import type { ProgrammeVersions } from "../programme/versions.ts";
import { withoutJit } from "../scoring/differences.ts";
import { type Suggestion, suggestPartners } from "./suggest.ts";

/** For so many groups partners are suggested: each is compared with every partner. */
const SUGGESTED = 50;

export interface UnmatchedGroup {
  /** null: the evidence is its connection's, `source/key`, which has no partner. */
  namespace: string | null;
  key: string;
  /** Pieces of evidence, in all and by kind. */
  count: number;
  kinds: Record<string, number>;
  /** Where it comes from: keys of sources. */
  sources: string[];
  firstAt: Date;
  lastAt: Date;
  /** What it alone would bring; null where no programme is published. */
  points: number | null;
  suggestions: Suggestion[];
}

export interface Unmatched {
  /** The most points first, then the most evidence. */
  groups: UnmatchedGroup[];
  /** Why no partner is suggested by name; null where names are compared. */
  withoutSuggestions: string | null;
}

const waiting = sql`
  select namespace, coalesce(identity_key, connections.source || '/' || connections.key) as key, kind, evidence.source,
    occurred_at, ended_at, quantity, evidence.attributes
  from evidence join connections on connections.id = connection_id
  where evidence.partner_id is null and superseded_at is null`;

/** Every group, read in one snapshot. */
export async function readUnmatched(
  db: Database,
  programmes: ProgrammeVersions,
  now: Date,
): Promise<Unmatched> {
  return transaction(db, async (tx) => {
    await tx.execute(sql`set transaction isolation level repeatable read, read only`);
    await tx.execute(withoutJit);
    const version = await programmes.inForce(tx, now);
    const groups = await tx.execute<
      Record<string, unknown> & Omit<UnmatchedGroup, "points" | "suggestions">
    >(sql`
      select namespace, key, sum(count)::int as count, jsonb_object_agg(kind, count) as kinds,
        min(first_at) as "firstAt", max(last_at) as "lastAt", string_to_array(string_agg(sources, ','), ',') as sources
      from (
        select namespace, key, kind, count(*)::int as count, min(occurred_at) as first_at, max(occurred_at) as last_at,
          string_agg(distinct source, ',') as sources
        from (${waiting}) as waiting group by 1, 2, 3) as counted
      group by 1, 2 order by 1 nulls last, 2`);
    // Groups stand in for partners, with negative ids that no partner has.
    const asPartners = sql`
      select -dense_rank() over (order by namespace nulls last, key) as partner_id, kind, occurred_at, ended_at, quantity, attributes
      from (${waiting}) as waiting`;
    const points =
      version === undefined
        ? []
        : await tx.execute<{ place: number; points: number }>(sql`
            select (-partner_id)::int as place, sum(points)::int as points
            from (${version.compiled.evaluation({ scope: "all", at: now, instead: asPartners })}) as evaluated group by 1`);
    const byPlace = new Map(points.map((row) => [row.place, row.points]));
    const ordered = groups
      .map((group, index) => ({
        ...group,
        sources: [...new Set(group.sources)].sort(),
        points: version === undefined ? null : (byPlace.get(index + 1) ?? 0),
      }))
      .sort((a, b) => (b.points ?? 0) - (a.points ?? 0) || b.count - a.count);
    const { suggestions, missing } = await suggestPartners(tx, ordered.slice(0, SUGGESTED));
    return {
      groups: ordered.map((group, index) => ({ ...group, suggestions: suggestions[index] ?? [] })),
      withoutSuggestions: missing,
    };
  });
}
