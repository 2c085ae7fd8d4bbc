// Evidence enters here and nowhere else. A page is recorded in one transaction: what changed is superseded, what is new is
// inserted, what is unchanged costs no write, its partners are pending and the connection's cursor has moved.
import { createHash } from "node:crypto";
import { sql } from "drizzle-orm";
import { type Database, transaction } from "../../db/client.ts";
import type { EvidenceFact, Page } from "../connectors/connector.ts";
import { lockForReading } from "./match.ts";
import { markPending } from "./pending.ts";

/** The right to write for one connection. It ends when another process has taken the connection over. */
export interface Lease {
  runId: number;
  connectionId: number;
  source: string;
  token: string;
  durationMs: number;
}

export interface PageOutcome {
  seen: number;
  added: number;
  changed: number;
  unmatched: number;
}

/** Another process collects this connection now; whoever gets this error must stop without writing. */
export class LeaseLostError extends Error {
  override readonly name = "LeaseLostError";
}

interface StoredFact {
  position: number;
  identified: number | null;
  id: number | null;
  digest: string | null;
  partner_id: number | null;
  recorded_at: Date | null;
  run_id: number | null;
}

/**
 * Records one page. `listing`: the page belongs to a complete listing, so what it names is remembered for absence.
 * Recording a page twice changes nothing the second time: the digest of a current row tells what is unchanged, and
 * evidence_current_key (source, external_id) lets no second current row in. Throws LeaseLostError.
 */
export async function recordPage(
  db: Database,
  lease: Lease,
  page: Page,
  options: { listing: boolean; now: Date },
): Promise<PageOutcome> {
  // In one order in every page, so that two pages that name the same facts never wait for each other in a circle.
  const facts = [...new Map(page.evidence.map((fact) => [fact.externalId, fact])).values()].sort((a, b) =>
    a.externalId < b.externalId ? -1 : 1,
  );
  return transaction(db, async (tx) => {
    const owner = await extendLease(tx, lease, options.now, page.cursor);
    // Even where no fact names an identity: what is stored of it may wait for one, and be matched at this very moment.
    await lockForReading(tx);
    const rows = await compare(tx, lease, facts, owner);
    const fresh = rows.filter((row) => row.before === undefined || row.changed);
    const replaced = fresh.flatMap((row) => (row.before === undefined ? [] : [row.before]));
    await supersede(
      tx,
      replaced.map((before) => before.id),
      options.now,
    );
    await insert(tx, lease, fresh, options.now);
    const touched = [...fresh.map((row) => row.partnerId), ...replaced.map((before) => before.partnerId)];
    await markPending(
      tx,
      touched.filter((id) => id !== null),
      { cause: "evidence", runId: lease.runId, at: options.now },
    );
    const listed = options.listing ? await list(tx, lease, rows) : undefined;
    const outcome = {
      seen: listed === undefined ? facts.length : fresh.length + listed,
      added: fresh.length - replaced.length,
      changed: replaced.length,
      unmatched: fresh.filter((row) => row.partnerId === null).length,
    };
    await tx.execute(sql`
      update run_connections set pages = pages + 1, total = coalesce(${page.total ?? null}::int, total),
        seen = seen + ${outcome.seen}, listed = coalesce(listed + ${listed ?? 0}, ${listed ?? null}::int), added = added + ${outcome.added}, changed = changed + ${outcome.changed},
        unmatched = unmatched + ${outcome.unmatched}
      where run_id = ${lease.runId} and connection_id = ${lease.connectionId}`);
    return outcome;
  });
}

/**
 * Holds the lease for another while, with the cursor of what is being recorded. Locks the connection's row until commit,
 * so an import that gives the connection another partner waits. Returns that partner.
 */
async function extendLease(
  tx: Database,
  lease: Lease,
  now: Date,
  cursor: Page["cursor"],
): Promise<number | null> {
  const rows = await tx.execute<{ partner_id: number | null }>(sql`
    update connections set lease_until = ${new Date(now.getTime() + lease.durationMs)},
      cursor = ${JSON.stringify(cursor)}::jsonb, cursor_run = ${lease.runId}
    where id = ${lease.connectionId} and lease_token = ${lease.token}::uuid
    returning partner_id`);
  const row = rows[0];
  if (row === undefined)
    throw new LeaseLostError(`The lease of connection ${lease.connectionId} was taken over.`);
  return row.partner_id;
}

/** Holds the lease while a page is being fetched. Says nothing when it is lost: the next page will. */
export async function keepLease(db: Database, lease: Lease, now: Date): Promise<void> {
  await db.execute(sql`
    update connections set lease_until = ${new Date(now.getTime() + lease.durationMs)}
    where id = ${lease.connectionId} and lease_token = ${lease.token}::uuid`);
}

interface ComparedFact {
  fact: EvidenceFact;
  digest: string;
  partnerId: number | null;
  before: { id: number; partnerId: number | null; recordedAt: Date; runId: number | null } | undefined;
  changed: boolean;
}

/**
 * What is stored of the facts of a page, each looked up in evidence_current_key by itself: that is what LIMIT is for, which
 * Postgres may not turn into another join. A plain join is planned by the statistics, and a first sync has none yet: it then
 * reads every row of the source for every page (of 40,000 rows: 66 ms a page and growing, instead of 11 ms).
 */
async function compare(
  tx: Database,
  lease: Lease,
  facts: EvidenceFact[],
  owner: number | null,
): Promise<ComparedFact[]> {
  if (facts.length === 0) return [];
  const column = (value: (fact: EvidenceFact) => string | null) =>
    sql`${sql.param(facts.map(value))}::text[]`;
  const stored = await tx.execute<Record<string, unknown> & StoredFact>(sql`
    select page.position::int as position, identities.partner_id as identified,
      stored.id, stored.digest, stored.partner_id, stored.recorded_at, stored.run_id
    from unnest(${column((fact) => fact.externalId)}, ${column((fact) => fact.identity?.namespace ?? null)},
      ${column((fact) => fact.identity?.key ?? null)}) with ordinality as page (external_id, namespace, key, position)
    left join identities on identities.namespace = page.namespace and identities.key = page.key
    left join lateral (
      select id, digest, partner_id, recorded_at, run_id from evidence
      where source = ${lease.source} and external_id = page.external_id and superseded_at is null limit 1) as stored on true
    order by page.position`);
  return stored.map((row) => {
    const fact = facts[row.position - 1];
    if (fact === undefined) throw new Error(`No fact at position ${row.position} of the page.`);
    const digest = digestOf(fact);
    const partnerId = fact.identity === undefined ? owner : row.identified;
    const before =
      row.id === null || row.recorded_at === null
        ? undefined
        : { id: row.id, partnerId: row.partner_id, recordedAt: row.recorded_at, runId: row.run_id };
    const changed = before !== undefined && (row.digest !== digest || before.partnerId !== partnerId);
    return { fact, digest, partnerId, before, changed };
  });
}

/** Everything the source said of a fact, in a fixed order: two facts with one digest are the same fact. */
function digestOf(fact: EvidenceFact): string {
  const attributes = Object.entries(fact.attributes ?? {}).sort(([a], [b]) => (a < b ? -1 : 1));
  const said = [
    fact.kind,
    fact.occurredAt.getTime(),
    fact.endedAt?.getTime() ?? null,
    fact.quantity ?? 1,
    attributes,
    fact.title ?? null,
    fact.link ?? null,
    fact.identity === undefined ? null : [fact.identity.namespace, fact.identity.key],
  ];
  return createHash("sha256").update(JSON.stringify(said)).digest("hex").slice(0, 32);
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

async function insert(tx: Database, lease: Lease, rows: ComparedFact[], now: Date): Promise<void> {
  if (rows.length === 0) return;
  const column = (type: string, value: (row: ComparedFact) => string | number | null) =>
    sql`${sql.param(rows.map(value))}::${sql.raw(type)}[]`;
  // The successor begins where its predecessor ended, so that the known times of a fact leave no gap and never overlap.
  const knownFrom = (row: ComparedFact) =>
    new Date(Math.max(now.getTime(), row.before?.recordedAt.getTime() ?? 0)).toISOString();
  await tx.execute(sql`
    insert into evidence (source, connection_id, run_id, external_id, partner_id, namespace, identity_key, kind,
      occurred_at, ended_at, quantity, attributes, title, link, digest, recorded_at)
    select ${lease.source}, ${lease.connectionId}::bigint, ${lease.runId}::bigint, fresh.* from unnest(
      ${column("text", ({ fact }) => fact.externalId)}, ${column("bigint", ({ partnerId }) => partnerId)},
      ${column("text", ({ fact }) => fact.identity?.namespace ?? null)},
      ${column("text", ({ fact }) => fact.identity?.key ?? null)},
      ${column("text", ({ fact }) => fact.kind)},
      ${column("timestamptz", ({ fact }) => fact.occurredAt.toISOString())},
      ${column("timestamptz", ({ fact }) => fact.endedAt?.toISOString() ?? null)},
      ${column("numeric", ({ fact }) => quantityOf(fact))},
      ${column("jsonb", ({ fact }) => JSON.stringify(fact.attributes ?? {}))},
      ${column("text", ({ fact }) => fact.title ?? null)}, ${column("text", ({ fact }) => fact.link ?? null)},
      ${column("text", ({ digest }) => digest)}, ${column("timestamptz", knownFrom)}) as fresh
    on conflict (source, external_id) where superseded_at is null do nothing`);
}

/** NaN is a numeric to Postgres, and more than every threshold: one would award everything. Throws. */
function quantityOf({ externalId, quantity = 1 }: EvidenceFact): number {
  if (Number.isNaN(quantity)) throw new Error(`The quantity of ${externalId} is not a number.`);
  return quantity;
}

/**
 * Remembers what a complete listing has named, as far as the evidence does not say so itself: a row this run has recorded
 * bears its id. Returns how many facts it had not named before.
 */
async function list(tx: Database, lease: Lease, rows: ComparedFact[]): Promise<number> {
  const unchanged = rows.filter(
    (row) => row.before?.runId !== lease.runId && row.before !== undefined && !row.changed,
  );
  if (unchanged.length === 0) return 0;
  const inserted = await tx.execute(sql`
    with listed as (
      insert into listings (run_id, connection_id, external_id)
      select ${lease.runId}::bigint, ${lease.connectionId}::bigint,
        unnest(${sql.param(unchanged.map(({ fact }) => fact.externalId))}::text[])
      on conflict on constraint listings_pkey do nothing returning 1)
    select count(*)::int as listed from listed`);
  return Number(inserted[0]?.["listed"] ?? 0);
}
