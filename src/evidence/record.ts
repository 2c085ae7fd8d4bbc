// Evidence enters here and nowhere else. A page is recorded in one transaction: what changed is superseded, what is new is
// inserted, what is unchanged costs no write, its partners are pending and the connection's cursor has moved.
import { hash } from "node:crypto";
import { sql } from "drizzle-orm";
import { type Database, transaction } from "../../db/client.ts";
import type { EvidenceFact, Page } from "../connectors/connector.ts";
import { extending, isHeld, type Lease, LeaseLostError } from "./lease.ts";
import { lockForReading } from "./match.ts";
import { markPending } from "./pending.ts";
import { quarantine, releaseReadable } from "./quarantine.ts";

export interface PageOutcome {
  seen: number;
  added: number;
  changed: number;
  unmatched: number;
  /** Rows of the page that cannot be read. */
  quarantined: number;
}

/** A row of what `compare` finds: a fact that is not stored like this, or (position 0) how many facts were listed. */
interface ComparedRow {
  position: number;
  partner_id: number | null;
  id: number | null;
  stored_partner_id: number | null;
  listed: number | null;
}

/**
 * Records one page. `listing`: the page belongs to a complete listing, so what it names is remembered for absence. `begins`: it
 * is the first of one, and what an earlier attempt of the run named vouches for nothing any more.
 * Recording a page twice changes nothing the second time: the digest of a current row tells what is unchanged, and
 * evidence_current_key (source, external_id) lets no second current row in. `now` is read again once the page holds its locks.
 * Throws LeaseLostError.
 */
export async function recordPage(
  db: Database,
  lease: Lease,
  page: Page,
  options: { listing: boolean; begins?: boolean; now: () => Date },
): Promise<PageOutcome> {
  // In one order in every page, so that two pages that name the same facts never wait for each other in a circle.
  const facts = [...new Map(page.evidence.map((fact) => [fact.externalId, fact])).values()].sort((a, b) =>
    a.externalId < b.externalId ? -1 : 1,
  );
  return transaction(db, async (tx) => {
    const extended = await extendLease(tx, lease, options.now(), page);
    const begins = options.listing && (options.begins === true || page.begins === true);
    const attempt = {
      ...lease,
      beginning: extended.beginning + (begins ? await beginListing(tx, lease) : 0),
    };
    // Even where no fact names an identity: what is stored of it may wait for one, and be matched at this very moment.
    await lockForReading(tx);
    const { fresh, listed } = await compare(tx, attempt, facts, {
      owner: extended.partner_id,
      listing: options.listing,
    });
    const replaced = fresh.flatMap((row) => (row.before === undefined ? [] : [row.before]));
    const replacedIds = replaced.map((before) => before.id);
    await lockCurrent(tx, replacedIds);
    // Read when all locks are held: a page that waited is not known earlier than what it waited for.
    const now = options.now();
    await supersede(tx, replacedIds, now);
    await insert(tx, attempt, fresh, now);
    if (extended.has_quarantined) await releaseReadable(tx, lease.connectionId, facts);
    if (extended.has_held && !options.listing) await confirmHeld(tx, lease.connectionId, facts);
    const quarantined = await quarantine(tx, attempt, page.quarantined ?? [], now);
    const touched = [...fresh.map((row) => row.partnerId), ...replaced.map((before) => before.partnerId)];
    await markPending(
      tx,
      touched.filter((id) => id !== null),
      { cause: "evidence", runId: lease.runId, at: now },
    );
    const outcome = {
      seen:
        page.unchanged === true
          ? await countKnown(tx, lease)
          : listed === undefined
            ? facts.length
            : fresh.length + listed,
      added: fresh.length - replaced.length,
      changed: replaced.length,
      unmatched: fresh.filter((row) => row.partnerId === null).length,
      quarantined,
    };
    await tx.execute(sql`
      update run_connections set pages = pages + 1, total = coalesce(${page.total ?? null}::int, total),
        seen = seen + ${outcome.seen}, listed = coalesce(listed + ${listed ?? 0}, ${listed ?? null}::int), added = added + ${outcome.added}, changed = changed + ${outcome.changed},
        unmatched = unmatched + ${outcome.unmatched}, quarantined = quarantined + ${quarantined}
      where run_id = ${lease.runId} and connection_id = ${lease.connectionId}`);
    return outcome;
  });
}

/** An unchanged source has shown everything it had shown before. */
async function countKnown(tx: Database, { connectionId }: Lease): Promise<number> {
  const [row] = await tx.execute<{ known: number }>(sql`
    select count(*)::int as known from evidence where connection_id = ${connectionId} and superseded_at is null`);
  return row?.known ?? 0;
}

/**
 * Extends the lease and writes the cursor of the page that is recorded. Locks the connection's row until commit,
 * so an import that gives the connection another partner waits.
 */
async function extendLease(tx: Database, lease: Lease, now: Date, page: Page): Promise<ExtendedRow> {
  const rows = await tx.execute<ExtendedRow>(sql`
    update connections set ${extending(now, lease.durationMs)},
      cursor = ${JSON.stringify(page.cursor)}::jsonb, cursor_run = ${lease.runId},
      -- From here on the evidence is no longer what the last complete listing has seen.
      validators = case when ${page.unchanged === true} then validators end
    where ${isHeld(lease)}
    returning partner_id,
      coalesce((select beginning from run_connections
        where run_id = ${lease.runId} and connection_id = ${lease.connectionId}), 0) as beginning,
      exists (select from quarantined_rows where connection_id = ${lease.connectionId}) as has_quarantined,
      exists (select from held_losses where connection_id = ${lease.connectionId}) as has_held`);
  const row = rows[0];
  if (row === undefined) throw new LeaseLostError(lease);
  return row;
}

interface ExtendedRow extends Record<string, unknown> {
  partner_id: number | null;
  beginning: number;
  has_quarantined: boolean;
  has_held: boolean;
}

/** What the source shows again is missing no more, and nothing is to be decided about it. */
async function confirmHeld(tx: Database, connectionId: number, facts: EvidenceFact[]): Promise<void> {
  await tx.execute(sql`
    delete from held_losses
    where connection_id = ${connectionId} and external_id = any(${sql.param(facts.map((fact) => fact.externalId))}::text[])`);
}

/**
 * Begins the run's complete listing again, if it had begun: rows that an earlier attempt recorded bear the number of that
 * beginning, and what it found unchanged is forgotten. Of the holder of the lease only, within its transaction. Returns by how
 * much the number of its beginning has risen.
 */
export async function beginListing(tx: Database, lease: Lease): Promise<number> {
  const begun = await tx.execute(sql`
    update run_connections set beginning = beginning + 1, listed = null, seen = 0, quarantined = 0
    where run_id = ${lease.runId} and connection_id = ${lease.connectionId} and listed is not null returning 1`);
  if (begun.length > 0) await dropListing(tx, lease);
  return begun.length;
}

/** Forgets what a listing has named; nothing of it is needed once it has ended. */
export async function dropListing(db: Database, lease: Lease): Promise<void> {
  await db.execute(
    sql`delete from listings where run_id = ${lease.runId} and connection_id = ${lease.connectionId}`,
  );
}

/** The lease, and which beginning of the listing its pages belong to. */
type Attempt = Lease & { beginning: number };

/** A fact that is new, or is not stored as the page tells it. */
interface FreshFact {
  fact: EvidenceFact;
  digest: string;
  partnerId: number | null;
  before: { id: number; partnerId: number | null } | undefined;
}

/**
 * Holds a page against what is stored. What is unchanged comes back as nothing: Postgres compares the digests, so an unchanged
 * page costs one statement and one row instead of two statements and a row for each fact. For a listing,
 * what it has named is remembered in the same statement, as far as the evidence does not say so itself: a row that this listing
 * has recorded bears its run and its beginning. `listed`: how many facts it had not named before; undefined for a pull of changes.
 *
 * Each fact is looked up in evidence_current_key by itself: that is what LIMIT is for, which Postgres may not turn into
 * another join. A plain join is planned by the statistics, and a first sync has none yet: it then reads every row of the
 * source for every page (of 40,000 rows: 66 ms a page and growing, instead of 11 ms).
 */
async function compare(
  tx: Database,
  lease: Attempt,
  facts: EvidenceFact[],
  { owner, listing }: { owner: number | null; listing: boolean },
): Promise<{ fresh: FreshFact[]; listed: number | undefined }> {
  if (facts.length === 0) return { fresh: [], listed: listing ? 0 : undefined };
  const digests = facts.map(digestOf);
  const column = (values: (string | null)[]) => sql`${sql.param(values)}::text[]`;
  const names = facts.some((fact) => fact.identity !== undefined);
  // Most pages name no partner: their facts belong to the connection's partner, and no identity is looked up.
  const identified = names
    ? sql`left join unnest(${column(facts.map((fact) => fact.identity?.namespace ?? null))},
          ${column(facts.map((fact) => fact.identity?.key ?? null))}) with ordinality as named (namespace, key, position) using (position)
        left join identities on identities.namespace = named.namespace and identities.key = named.key`
    : sql``;
  const partner = names
    ? sql`case when named.namespace is null then ${owner}::bigint else identities.partner_id end`
    : sql`${owner}::bigint`;
  const rows = await tx.execute<Record<string, unknown> & ComparedRow>(sql`
    with compared as materialized (
      select page.position::int as position, page.external_id, ${partner} as partner_id, stored.id, stored.partner_id as stored_partner_id,
        stored.run_id = ${lease.runId}::bigint and stored.run_beginning = ${lease.beginning}::int as says_so,
        stored.digest is not distinct from page.digest and stored.partner_id is not distinct from ${partner} as unchanged
      from unnest(${column(facts.map((fact) => fact.externalId))}, ${column(digests)}) with ordinality as page (external_id, digest, position)
      ${identified}
      left join lateral (
        select id, digest, partner_id, run_id, run_beginning from evidence
        where source = ${lease.source} and external_id = page.external_id and superseded_at is null limit 1) as stored on true),
    listed as (
      insert into listings (run_id, connection_id, external_id)
      select ${lease.runId}::bigint, ${lease.connectionId}::bigint, external_id from compared
      where ${listing} and unchanged and says_so is not true
      on conflict on constraint listings_pkey do nothing returning 1)
    select position, partner_id, id, stored_partner_id, null::int as listed from compared where not unchanged
    union all select 0, null, null, null, count(*)::int from listed
    order by position`);
  const [count, ...differing] = rows;
  const fresh = differing.map((row): FreshFact => {
    const [fact, digest] = [facts[row.position - 1], digests[row.position - 1]];
    if (fact === undefined || digest === undefined)
      throw new Error(`No fact at position ${row.position} of the page.`);
    const before = row.id === null ? undefined : { id: row.id, partnerId: row.stored_partner_id };
    return { fact, digest, partnerId: row.partner_id, before };
  });
  return { fresh, listed: listing ? (count?.listed ?? 0) : undefined };
}

/** The content of a fact as the source sent it, in a fixed order: two facts with one digest are the same fact. */
function digestOf(fact: EvidenceFact): string {
  const attributes = Object.entries(fact.attributes ?? {}).sort(([a], [b]) => (a < b ? -1 : 1));
  const content = [
    fact.kind,
    fact.occurredAt.getTime(),
    fact.endedAt?.getTime() ?? null,
    fact.quantity ?? 1,
    attributes,
    fact.title ?? null,
    fact.link ?? null,
    fact.identity === undefined ? null : [fact.identity.namespace, fact.identity.key],
  ];
  return hash("sha256", JSON.stringify(content), "hex").slice(0, 32);
}

/** Locks rows that are current, in id order, as every writer of evidence does. */
async function lockCurrent(tx: Database, ids: number[]): Promise<void> {
  if (ids.length === 0) return;
  await tx.execute(sql`
    select from evidence where id = any(${sql.param(ids)}::bigint[]) and superseded_at is null order by id for update`);
}

/** Ends the known time of rows. In id order, as every writer of evidence locks. A clock that ran backwards ends it at once. */
export async function supersede(tx: Database, ids: number[], now: Date): Promise<void> {
  if (ids.length === 0) return;
  await tx.execute(sql`
    with locked as (
      select id from evidence where id = any(${sql.param(ids)}::bigint[]) and superseded_at is null
      order by id for update)
    update evidence set superseded_at = greatest(${now}, recorded_at) from locked where evidence.id = locked.id`);
}

async function insert(tx: Database, lease: Attempt, rows: FreshFact[], now: Date): Promise<void> {
  if (rows.length === 0) return;
  const column = (type: string, value: (row: FreshFact) => string | number | null) =>
    sql`${sql.param(rows.map(value))}::${sql.raw(type)}[]`;
  await tx.execute(sql`
    insert into evidence (source, connection_id, run_id, run_beginning, external_id, partner_id, namespace, identity_key, kind,
      occurred_at, ended_at, quantity, attributes, title, link, digest, recorded_at)
    select ${lease.source}, ${lease.connectionId}::bigint, ${lease.runId}::bigint, ${lease.beginning}::int, fresh.*,
      -- Never before an earlier version of the fact has ended, also when clocks differ: known times do not overlap.
      greatest(${now}::timestamptz, (
        select max(earlier.superseded_at) from evidence as earlier
        where earlier.source = ${lease.source} and earlier.external_id = fresh.external_id
          and earlier.superseded_at is not null))
    from unnest(
      ${column("text", ({ fact }) => fact.externalId)}, ${column("bigint", ({ partnerId }) => partnerId)},
      ${column("text", ({ fact }) => fact.identity?.namespace ?? null)},
      ${column("text", ({ fact }) => fact.identity?.key ?? null)},
      ${column("text", ({ fact }) => fact.kind)},
      ${column("timestamptz", ({ fact }) => fact.occurredAt.toISOString())},
      ${column("timestamptz", ({ fact }) => fact.endedAt?.toISOString() ?? null)},
      ${column("numeric", ({ fact }) => quantityOf(fact))},
      ${column("jsonb", ({ fact }) => JSON.stringify(fact.attributes ?? {}))},
      ${column("text", ({ fact }) => fact.title ?? null)}, ${column("text", ({ fact }) => fact.link ?? null)},
      ${column("text", ({ digest }) => digest)}) as fresh (external_id, partner_id, namespace, identity_key, kind, occurred_at,
        ended_at, quantity, attributes, title, link, digest)
    on conflict (source, external_id) where superseded_at is null do nothing`);
}

/** NaN is a numeric to Postgres, and more than every threshold: one would award everything. Throws. */
function quantityOf({ externalId, quantity = 1 }: EvidenceFact): number {
  if (Number.isNaN(quantity)) throw new Error(`The quantity of ${externalId} is not a number.`);
  return quantity;
}
