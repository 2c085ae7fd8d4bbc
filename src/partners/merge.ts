// Merges two partners that turned out to be one: the data of the first moves to the second, and can be moved back.
//
// History is not rewritten. Current evidence is superseded by rows with the new partner, adjustments in force are revoked and
// continued, points move by ordinary ledger lines of both. So every past instant stays as it was, under the slug of then.
//
// Locks, in the order of all transactions: merging (no connection or adjustment is given to either meanwhile), the
// connections (a page that is being recorded for one is waited for), the identities (so is every other page), the
// partners, the clock, the evidence, the pending partners, the pending standings.
import { sql } from "drizzle-orm";
import { type Database, transaction } from "../../db/client.ts";
import { giveEvidence, type Identity, lockForMatching, lockForMerging } from "../evidence/match.ts";
import { markPending } from "../evidence/pending.ts";
import { UsageError } from "../platform/errors.ts";
import { knownInstant, moveAdjustments, readAuthor } from "../scoring/adjustments.ts";
import { markStandingsPending } from "../standings/refresh.ts";

/** What a merge or its undoing has moved. */
export interface Moved {
  /** Slugs: whose it was, and whose it is. */
  from: string;
  to: string;
  /** Pieces of current evidence, and what leads new evidence to the partner. */
  evidence: number;
  identities: number;
  connections: number;
  /** Those that hold. */
  adjustments: number;
}

interface PartnerRow {
  id: number;
  slug: string;
  status: "active" | "suspended" | "merged";
  merged_into: string | null;
}

/**
 * Merges a partner into another: evidence, identities, connections and adjustments that hold become the other's, its slug leads
 * there, and it leaves the standings. Throws a UsageError for unknown, merged and suspended partners, for one and the same, and where the
 * other was merged into this one.
 */
export async function mergePartners(
  db: Database,
  request: { partner: string; into: string; by: string; now: Date },
): Promise<Moved> {
  const by = readAuthor(request.by);
  if (request.partner === request.into) {
    throw new UsageError(`partner ${request.partner} cannot be merged into itself`);
  }
  return transaction(db, async (tx) => {
    await lockForMerging(tx);
    const connections = await tx.execute<{ id: number }>(sql`
      select id from connections where partner_id = (select id from partners where slug = ${request.partner})
      order by id for no key update`);
    await lockForMatching(tx);
    const [from, to] = await lockPartners(tx, request.partner, request.into);
    refuseUnlessActive(from);
    if (to.merged_into === from.slug) {
      throw new UsageError(
        `partner ${to.slug} was merged into ${from.slug}: that would be a circle; undo it first with: standings partners unmerge ${to.slug}`,
      );
    }
    refuseUnlessActive(to);
    const at = await changeInstant(tx, [from.id, to.id], request.now);
    const identities = await tx.execute<Record<string, unknown> & Identity>(sql`
      update identities set partner_id = ${to.id} where partner_id = ${from.id} returning namespace, key`);
    const connectionIds = connections.map(({ id }) => id);
    await tx.execute(sql`
      update connections set partner_id = ${to.id} where id = any(${sql.param(connectionIds)}::bigint[])`);
    const known = sql`select id from evidence where partner_id = ${from.id} and superseded_at is null`;
    const evidence = await giveEvidence(tx, known, to.id, at);
    const adjustments = await moveAdjustments(
      tx,
      sql`select id from adjustments where partner_id = ${from.id}`,
      { to: to.id, by: "merge", at },
    );
    await tx.execute(
      sql`update partners set status = 'merged', merged_into = ${to.id} where id = ${from.id}`,
    );
    await tx.execute(sql`
      insert into partner_merges (partner_id, into_id, merged_at, merged_by, identities, connections)
      values (${from.id}, ${to.id}, ${at}, ${by}, ${JSON.stringify(identities)}::jsonb, ${JSON.stringify(connectionIds)}::jsonb)`);
    await markBoth(tx, [from.id, to.id], at);
    return {
      from: from.slug,
      to: to.slug,
      evidence,
      identities: identities.length,
      connections: connections.length,
      adjustments,
    };
  });
}

/**
 * Undoes a merge: the identities and connections that moved with it go back, and with them exactly the evidence that is
 * known under them now, what was collected since included; so do the adjustments that moved and still hold. Throws a UsageError where
 * the partner is not merged, the other one has been merged itself since, or somebody else has one of the identities or
 * connections now.
 */
export async function unmergePartner(
  db: Database,
  request: { partner: string; by: string; now: Date },
): Promise<Moved> {
  const by = readAuthor(request.by);
  return transaction(db, async (tx) => {
    await lockForMerging(tx);
    const [merge] = await tx.execute<Record<string, unknown> & MergeRow>(sql`
      select partner_merges.id, merged.slug as partner, other.slug as into, merged_at, identities, connections
      from partner_merges join partners as merged on merged.id = partner_id join partners as other on other.id = into_id
      where merged.slug = ${request.partner} and undone_at is null`);
    if (merge === undefined) throw new UsageError(await whyNotMerged(tx, request.partner));
    const connections = await tx.execute<{ id: number; named: string; slug: string | null }>(sql`
      select connections.id, source || '/' || key as named, slug
      from connections left join partners on partners.id = partner_id
      where connections.id = any(${sql.param(merge.connections)}::bigint[])
      order by connections.id for no key update of connections`);
    await lockForMatching(tx);
    const [from, to] = await lockPartners(tx, merge.partner, merge.into);
    if (to.status === "merged") {
      throw new UsageError(
        `partner ${to.slug} was merged into ${to.merged_into ?? ""} since; undo that first with: standings partners unmerge ${to.slug}`,
      );
    }
    const named = sql`unnest(${sql.param(merge.identities.map(({ namespace }) => namespace))}::text[],
      ${sql.param(merge.identities.map(({ key }) => key))}::text[]) as named (namespace, key)`;
    const owners = await tx.execute<{ named: string; slug: string | null }>(sql`
      select named.namespace || ':' || named.key as named, slug
      from ${named} left join identities using (namespace, key) left join partners on partners.id = partner_id order by 1`);
    refuseTaken(to.slug, [
      ...owners.map((row) => ({ ...row, what: "identity" })),
      ...connections.map((row) => ({ ...row, what: "connection" })),
    ]);
    const at = await changeInstant(tx, [from.id, to.id], request.now);
    await tx.execute(sql`
      update identities set partner_id = ${from.id} from ${named}
      where identities.namespace = named.namespace and identities.key = named.key`);
    await tx.execute(sql`
      update connections set partner_id = ${from.id} where id = any(${sql.param(merge.connections)}::bigint[])`);
    const known = sql`
      select id from evidence where partner_id = ${to.id} and superseded_at is null and (
        (namespace, identity_key) in (select namespace, key from ${named})
        or (namespace is null and connection_id = any(${sql.param(merge.connections)}::bigint[])))`;
    const evidence = await giveEvidence(tx, known, from.id, at);
    const adjustments = await moveAdjustments(tx, adjustmentsOf(from.id, to.id, merge.merged_at), {
      to: from.id,
      by: "unmerge",
      at,
    });
    await tx.execute(sql`update partners set status = 'active', merged_into = null where id = ${from.id}`);
    await tx.execute(
      sql`update partner_merges set undone_at = ${at}, undone_by = ${by} where id = ${merge.id}`,
    );
    await markBoth(tx, [from.id, to.id], at);
    return {
      from: to.slug,
      to: from.slug,
      evidence,
      identities: merge.identities.length,
      connections: merge.connections.length,
      adjustments,
    };
  });
}

interface MergeRow {
  id: number;
  partner: string;
  into: string;
  merged_at: Date;
  identities: Identity[];
  connections: number[];
}

/**
 * The adjustments of the partner merged into that came with a merge, by whatever way they have gone since: what continues
 * those that the merge revoked.
 */
function adjustmentsOf(partnerId: number, intoId: number, mergedAt: Date) {
  return sql`
    with recursive moved as (
      select id, partner_id from adjustments
      where partner_id = ${partnerId} and revoked_by = 'merge' and revoked_at = ${mergedAt}
      union all
      select adjustments.id, adjustments.partner_id from moved join adjustments on adjustments.continues = moved.id)
    select id from moved where partner_id = ${intoId}`;
}

/** Both rows, locked in order of id. Throws a UsageError where there is none. */
async function lockPartners(tx: Database, first: string, second: string): Promise<[PartnerRow, PartnerRow]> {
  const rows = await tx.execute<Record<string, unknown> & PartnerRow>(sql`
    select id, slug, status, (select slug from partners as other where other.id = partners.merged_into) as merged_into
    from partners where slug in (${first}, ${second}) order by id for no key update`);
  const find = (slug: string) => {
    const found = rows.find((row) => row.slug === slug);
    if (found === undefined) throw new UsageError(`there is no partner ${slug}; see: standings ranking`);
    return found;
  };
  return [find(first), find(second)];
}

function refuseUnlessActive({ slug, status, merged_into }: PartnerRow): void {
  if (status === "active") return;
  if (status === "suspended")
    throw new UsageError(`partner ${slug} is suspended; only active partners can be merged`);
  throw new UsageError(
    `partner ${slug} was merged into ${merged_into ?? ""} already; undo it with: standings partners unmerge ${slug}`,
  );
}

async function whyNotMerged(tx: Database, slug: string): Promise<string> {
  const known = await tx.execute(sql`select from partners where slug = ${slug}`);
  return known.length === 0
    ? `there is no partner ${slug}; see: standings ranking`
    : `partner ${slug} is not merged`;
}

function refuseTaken(slug: string, owners: { what: string; named: string; slug: string | null }[]): void {
  const taken = owners.filter((owner) => owner.slug !== slug);
  if (taken.length === 0) return;
  throw new UsageError(
    taken
      .map(
        ({ what, named, slug: owner }) =>
          `${what} ${named} belongs to ${owner ?? "no partner"} now, not to ${slug}`,
      )
      .join("\n"),
  );
}

/** Not before anything that moves was made or has moved, whatever the clock of this process says. */
async function changeInstant(tx: Database, partnerIds: number[], now: Date): Promise<Date> {
  const at = await knownInstant(tx, now);
  const ids = sql`any(${sql.param(partnerIds)}::bigint[])`;
  const [row] = await tx.execute<{ at: Date }>(sql`
    select greatest(${at}::timestamptz, (select max(created_at) from adjustments where partner_id = ${ids}),
      (select max(greatest(merged_at, undone_at)) from partner_merges where partner_id = ${ids} or into_id = ${ids})) as at`);
  return row?.at ?? at;
}

async function markBoth(tx: Database, partnerIds: number[], at: Date): Promise<void> {
  await markPending(tx, partnerIds, { cause: "merge", at });
  await markStandingsPending(tx, partnerIds);
}
