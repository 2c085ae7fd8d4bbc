// What a sync is made of, without a source: partners, connections, leases and the facts a connector would have yielded.
import { type SQL, sql } from "drizzle-orm";
import { type Database, transaction } from "../../db/client.ts";
import type { EvidenceFact, Json, QuarantinedRow } from "../../src/connectors/connector.ts";
import { finishListing, type ListingOutcome } from "../../src/evidence/absence.ts";
import type { Lease } from "../../src/evidence/lease.ts";
import { dropListing, type PageOutcome, recordPage } from "../../src/evidence/record.ts";
import type { LossLimits } from "../../src/evidence/sudden-loss.ts";
import { claimCollection, settleCollection, startSync } from "../../src/ingest/runs/sync.ts";

const MINUTE_MS = 60_000;
const noon = Date.UTC(2026, 5, 1, 12);

/** Noon UTC of 1 June 2026 and so many minutes. */
export const at = (minutes: number): Date => new Date(noon + minutes * MINUTE_MS);

/** Slugs `partner-1` and so on; returns the ids in that order. */
export async function addPartners(db: Database, count: number): Promise<number[]> {
  const rows = await db.execute<{ id: number }>(sql`
    insert into partners (slug, name) select 'partner-' || n, 'Partner ' || n from generate_series(1, ${count}::int) as n
    returning id`);
  return rows.map(({ id }) => id);
}

/** A connection, and its source where there is none yet. */
export async function addConnection(
  db: Database,
  { source = "crm", key = "main", partnerId }: { source?: string; key?: string; partnerId?: number } = {},
): Promise<{ source: string; connectionId: number }> {
  await db.execute(sql`
    insert into sources (key, connector, settings_digest) values (${source}, 'table', '') on conflict do nothing`);
  const [row] = await db.execute<{ id: number }>(sql`
    insert into connections (source, key, partner_id) values (${source}, ${key}, ${partnerId ?? null}::bigint) returning id`);
  return { source, connectionId: row!.id };
}

/** The lease on a connection within a run of its own (or the open one it joins). */
export async function openLease(
  db: Database,
  connection: { source: string; connectionId: number },
  { full = false, now = at(0) }: { full?: boolean; now?: Date } = {},
): Promise<Lease> {
  const { runId } = await startSync(db, { source: connection.source, full, askedBy: "test", now });
  const collection = await claimCollection(
    db,
    { runId, connectionId: connection.connectionId },
    { leaseMs: 60_000, now },
  );
  if (collection === undefined) throw new Error("The connection is being collected by somebody else.");
  return { ...connection, runId, token: collection.lease.token, durationMs: 60_000 };
}

export function fact(externalId: string, more: Partial<EvidenceFact> = {}): EvidenceFact {
  return { externalId, kind: "article", occurredAt: at(-60), ...more };
}

/** A fact that names its partner by the identity `crm:<key>`. */
export function factOf(key: string, externalId: string, more: Partial<EvidenceFact> = {}): EvidenceFact {
  return fact(externalId, { identity: { namespace: "crm", key }, ...more });
}

export async function record(
  db: Database,
  lease: Lease,
  evidence: EvidenceFact[],
  {
    now = at(0),
    listing = false,
    begins = false,
    cursor = {},
    quarantined,
  }: {
    now?: Date;
    listing?: boolean;
    begins?: boolean;
    cursor?: Json;
    quarantined?: QuarantinedRow[];
  } = {},
): Promise<PageOutcome> {
  return recordPage(db, lease, { evidence, quarantined, cursor }, { listing, begins, now: () => now });
}

/** How a listing ends: at an instant, with the limits of losses that sources.yaml has by default. */
export function ending(now: Date): { now: () => Date; losses: LossLimits } {
  return { now: () => now, losses: { share: 0.2, partnerShare: 0.5, askAgainMs: 30 * 86_400_000 } };
}

/** A complete listing from its beginning to its end, in one page, as the collect job does it. */
export async function list(
  db: Database,
  connection: { source: string; connectionId: number },
  evidence: EvidenceFact[],
  now: Date,
  quarantined?: QuarantinedRow[],
): Promise<ListingOutcome> {
  const lease = await openLease(db, connection, { full: true, now });
  await record(db, lease, evidence, { now, listing: true, ...(quarantined && { quarantined }) });
  const outcome = await finishListing(db, lease, ending(now));
  await dropListing(db, lease);
  await settleCollection(
    db,
    lease,
    outcome.outcome === "taken"
      ? { state: "complete" }
      : { state: "held", errorClass: "data", reason: outcome.outcome },
    now,
  );
  return outcome;
}

export interface StoredEvidence {
  id: number;
  external_id: string;
  partner_id: number | null;
  kind: string;
  quantity: number;
  title: string | null;
  recorded_at: Date;
  superseded_at: Date | null;
  xmin: string;
}

/** Every row there ever was, in the order it was written. */
export async function readEvidence(db: Database): Promise<StoredEvidence[]> {
  return db.execute<Record<string, unknown> & StoredEvidence>(sql`
    select id, external_id, partner_id, kind, quantity::float8 as quantity, title, recorded_at, superseded_at,
      xmin::text as xmin
    from evidence order by id`);
}

export async function readCurrent(db: Database): Promise<StoredEvidence[]> {
  return (await readEvidence(db)).filter((row) => row.superseded_at === null);
}

/** Ids of the pending partners, in order. */
export async function readPendingPartners(db: Database): Promise<number[]> {
  const rows = await db.execute<{ partner_id: number }>(
    sql`select partner_id from pending_partners order by 1`,
  );
  return rows.map((row) => row.partner_id);
}

const BLOCKED_WITHIN_MS = 20_000;

/** Waits until so many sessions of this database wait for a lock. */
export async function untilBlocked(db: Database, sessions: number): Promise<void> {
  const deadline = performance.now() + BLOCKED_WITHIN_MS;
  for (;;) {
    if (performance.now() > deadline)
      throw new Error(`Fewer than ${sessions} sessions waited for a lock within ${BLOCKED_WITHIN_MS} ms.`);
    const [row] = await db.execute<{ blocked: number }>(sql`
      select count(*)::int as blocked from pg_stat_activity
      where datname = current_database() and wait_event_type = 'Lock'`);
    if (row!.blocked >= sessions) return;
  }
}

/** Runs a statement in a transaction that stays open, with its locks, until it is released. */
export async function holdOpen(db: Database, statement: SQL): Promise<{ release: () => Promise<void> }> {
  let end: () => void = () => undefined;
  const ended = new Promise<void>((resolve) => {
    end = resolve;
  });
  let holding: () => void = () => undefined;
  const held = new Promise<void>((resolve) => {
    holding = resolve;
  });
  const over = transaction(db, async (tx) => {
    await tx.execute(statement);
    holding();
    await ended;
  });
  await Promise.race([held, over]);
  return {
    release: async () => {
      end();
      await over;
    },
  };
}
