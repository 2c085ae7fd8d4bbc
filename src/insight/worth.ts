// What facts would bring that need not be stored: whose each would be, and the points that partner would have more with it now.
// Supposed to be stored and evaluated like everything else (compile.ts); nothing is written.
import { sql } from "drizzle-orm";
import { type Database, transaction } from "../../db/client.ts";
import type { EvidenceFact } from "../connectors/connector.ts";
import type { SupposedEvidence } from "../programme/compile.ts";
import type { ProgrammeVersion, ProgrammeVersions } from "../programme/versions.ts";
import { withoutJit } from "../scoring/differences.ts";
import { pointsChanged, readOutcomes } from "./outcomes.ts";

export interface Worth {
  /** null: its identity is unknown, or its connection has no partner. */
  partner: { slug: string; name: string } | null;
  /** Evidence of this id is stored already: the points are what the fact would bring in its place. */
  isStored: boolean;
  /** An achievement asks for its kind. */
  isAskedFor: boolean;
  /**
   * By how many the partner's total is more with it, it alone, gates and caps applied. Without a partner: what it would bring
   * one that has nothing else. null: no programme is published.
   */
  points: number | null;
  /** Where they come from: achievements by key, none of them 0. */
  achievements: { key: string; points: number }[];
}

interface Told {
  facts: EvidenceFact[];
  source: string;
  /** The partner of facts that name none. */
  ownerId: number | null;
  now: Date;
}

/** Stands for a partner that does not exist: ids of partners are positive. */
const UNKNOWN_PARTNER = -1;

/** Of each fact in turn, read in one snapshot. */
export async function readWorths(db: Database, programmes: ProgrammeVersions, told: Told): Promise<Worth[]> {
  return transaction(db, async (tx) => {
    await tx.execute(sql`set transaction isolation level repeatable read, read only`);
    await tx.execute(withoutJit);
    const version = await programmes.inForce(tx, told.now);
    const matches = await readMatches(tx, told);
    const worths: Worth[] = [];
    for (const [index, fact] of told.facts.entries()) {
      const { partner_id: partnerId = null, slug, name, stored_id: storedId = null } = matches[index] ?? {};
      const changes = await readChanges(tx, version, { fact, partnerId, storedId, at: told.now });
      worths.push({
        partner: partnerId === null ? null : { slug: slug ?? "", name: name ?? "" },
        isStored: storedId !== null,
        isAskedFor: version?.programme.achievements.some(({ evidence }) => evidence === fact.kind) ?? false,
        points: changes?.reduce((sum, { points }) => sum + points, 0) ?? null,
        achievements: changes ?? [],
      });
    }
    return worths;
  });
}

type Match = {
  partner_id: number | null;
  slug: string | null;
  name: string | null;
  stored_id: number | null;
};

/** As recording matches them (evidence/record.ts). */
async function readMatches(tx: Database, { facts, source, ownerId }: Told): Promise<Match[]> {
  const column = (value: (fact: EvidenceFact) => string | null) =>
    sql`${sql.param(facts.map(value))}::text[]`;
  return tx.execute<Match>(sql`
    select partners.id as partner_id, slug, name, stored.id as stored_id
    from unnest(${column(({ externalId }) => externalId)}, ${column(({ identity }) => identity?.namespace ?? null)},
      ${column(({ identity }) => identity?.key ?? null)}) with ordinality as told (external_id, namespace, key, place)
    left join identities on identities.namespace = told.namespace and identities.key = told.key
    left join partners on partners.id = case when told.namespace is null then ${ownerId}::bigint else identities.partner_id end
    left join evidence as stored
      on stored.source = ${source} and stored.external_id = told.external_id and stored.superseded_at is null
    order by place`);
}

/** undefined: no programme is published. */
async function readChanges(
  tx: Database,
  version: ProgrammeVersion | undefined,
  question: { fact: EvidenceFact; partnerId: number | null; storedId: number | null; at: Date },
): Promise<{ key: string; points: number }[] | undefined> {
  if (version === undefined) return undefined;
  const { fact, storedId, at } = question;
  const partnerId = question.partnerId ?? UNKNOWN_PARTNER;
  const { kind, occurredAt, endedAt, quantity = 1, attributes = {} } = fact;
  const supposed: SupposedEvidence[] = [{ partnerId, kind, occurredAt, endedAt, quantity, attributes }];
  const before = await readOutcomes(tx, version.compiled, { partnerId, at });
  const without = storedId === null ? [] : [storedId];
  return pointsChanged(
    before,
    await readOutcomes(tx, version.compiled, { partnerId, at, supposed, without }),
  );
}
