// Which losses of a complete listing are too large to believe: they are held until an administrator has decided.
import { type SQL, sql } from "drizzle-orm";
import type { Database } from "../../db/client.ts";
import type { Lease } from "./lease.ts";

/** Which losses are held. Shares are of what was known before the run, 0 to 1. */
export interface LossLimits {
  /** Of what the connection, or its source, had. */
  share: number;
  /** Of what the connection had of one partner, whatever the others lose. */
  partnerShare: number;
  /** A rejected loss is held again after this time. */
  askAgainMs: number;
}

/** Fewer pieces of evidence than this are no sudden loss. */
const HELD_LEAST = 5;

/** Evidence that vanished under one identity and appeared under another, which no partner has. */
export interface Rename {
  partner: string;
  from: string;
  to: string;
  count: number;
}

/** Current evidence that the listing did not name. */
export interface MissingRow {
  id: number;
  external_id: string;
  partner_id: number | null;
  decision: "approved" | "rejected" | null;
  decided_at: Date | null;
  /** Already in held_losses. */
  held: boolean;
  /** Before this run began. */
  known: boolean;
}

/** Condition on `evidence`: it was known before the run, though perhaps in another version. */
export function wasKnown(runId: number): SQL {
  return sql`(evidence.run_id is distinct from ${runId}::bigint or exists (
    select from evidence as earlier where earlier.source = evidence.source
      and earlier.external_id = evidence.external_id and earlier.superseded_at is not null))`;
}

/** Held by an earlier run and not decided about, or rejected so long ago that the rejection has expired. */
export function isWaiting(
  { held, decision, decided_at: decidedAt }: MissingRow,
  now: Date,
  limits: LossLimits,
): boolean {
  if (decision === "rejected")
    return decidedAt !== null && now.getTime() - decidedAt.getTime() >= limits.askAgainMs;
  return held && decision === null;
}

export interface Sudden {
  rows: MissingRow[];
  missing: number;
  known: number;
  of: "connection" | "source" | "partner";
}

/**
 * Which undecided losses are above the limit: those of the connection, or of its source together with what this run has removed
 * already (ninety accounts that lose four of four each are one large loss), or those of single partners. Compared with what was
 * known before the run: new evidence does not make a loss smaller. Removals before the sum passed the limit stay; from then on
 * each further loss of the run is held.
 */
export async function judge(
  tx: Database,
  lease: Lease,
  rows: MissingRow[],
  { known, limits }: { known: number; limits: LossLimits },
): Promise<Sudden | undefined> {
  if (rows.length === 0) return undefined;
  if (isSudden(rows.length, known, limits.share))
    return { rows, missing: rows.length, known, of: "connection" };
  const ofSource = await judgeSource(tx, lease, rows.length, limits);
  if (ofSource !== undefined) return { rows, ...ofSource, of: "source" };
  return judgePartners(tx, lease, rows, limits);
}

async function judgeSource(
  tx: Database,
  lease: Lease,
  missing: number,
  limits: LossLimits,
): Promise<{ missing: number; known: number } | undefined> {
  const [run] = await tx.execute<{ before: number; taken: number; added: number }>(sql`
    select coalesce(sum(missing) filter (where loss in ('believed', 'source')), 0)::int as before,
      coalesce(sum(absent), 0)::int as taken, coalesce(sum(added), 0)::int as added
    from run_connections where run_id = ${lease.runId}`);
  const inAll = missing + (run?.before ?? 0);
  if (inAll < HELD_LEAST) return undefined;
  const [source] = await tx.execute<{ known: number }>(sql`
    select count(*)::int as known from evidence where source = ${lease.source} and superseded_at is null`);
  const before = (source?.known ?? 0) + (run?.taken ?? 0) - (run?.added ?? 0);
  return isSudden(inAll, before, limits.share) ? { missing: inAll, known: before } : undefined;
}

/** What single partners lose: all or most of what the connection had of them. */
async function judgePartners(
  tx: Database,
  lease: Lease,
  rows: MissingRow[],
  limits: LossLimits,
): Promise<Sudden | undefined> {
  const byPartner = new Map<number, MissingRow[]>();
  for (const row of rows) {
    if (row.partner_id === null) continue;
    byPartner.set(row.partner_id, [...(byPartner.get(row.partner_id) ?? []), row]);
  }
  const suspects = [...byPartner].filter(([, lost]) => lost.length >= HELD_LEAST).map(([id]) => id);
  if (suspects.length === 0) return undefined;
  const counts = await tx.execute<{ partner_id: number; known: number }>(sql`
    select partner_id, count(*)::int as known from evidence
    where connection_id = ${lease.connectionId} and superseded_at is null
      and partner_id = any(${sql.param(suspects)}::bigint[])
      and ${wasKnown(lease.runId)}
    group by partner_id`);
  const lost = counts.filter(({ partner_id: id, known }) =>
    isSudden(byPartner.get(id)?.length ?? 0, known, limits.partnerShare),
  );
  const held = lost.flatMap(({ partner_id: id }) => byPartner.get(id) ?? []);
  if (held.length === 0) return undefined;
  return {
    rows: held,
    missing: held.length,
    known: lost.reduce((sum, row) => sum + row.known, 0),
    of: "partner",
  };
}

function isSudden(missing: number, known: number, share: number): boolean {
  return missing >= HELD_LEAST && missing > share * known;
}

/** Which held losses look like renamed identities: evidence of this run that no partner has is otherwise the same. */
export async function readRenames(tx: Database, lease: Lease, held: MissingRow[]): Promise<Rename[]> {
  const ids = held.map((row) => row.id);
  return tx.execute<Record<string, unknown> & Rename>(sql`
    select slug as partner, gone.namespace || ':' || gone.identity_key as "from",
      come.namespace || ':' || come.identity_key as "to", count(*)::int as count
    from evidence as gone join partners on partners.id = gone.partner_id
    join evidence as come on come.connection_id = gone.connection_id and come.superseded_at is null
      and come.partner_id is null and come.run_id = ${lease.runId}::bigint and come.namespace = gone.namespace
      and come.kind = gone.kind and come.occurred_at = gone.occurred_at
      and come.title is not distinct from gone.title and come.link is not distinct from gone.link
    where gone.id = any(${sql.param(ids)}::bigint[])
    group by 1, 2, 3 having count(*) >= ${HELD_LEAST} order by 4 desc limit 10`);
}
