// The evidence an achievement counts for one partner, as people are shown it.
import type { Database } from "../../db/client.ts";
import type { CompiledProgramme } from "../programme/compile.ts";

export interface EvidenceShown {
  id: number;
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
  connectionId: number;
  recordedAt: Date;
  /** Of a growth: it is in the window before, which this one is measured against. */
  before: boolean;
}

export interface EvidenceRow {
  id: number;
  source: string;
  external_id: string;
  kind: string;
  occurred_at: Date;
  ended_at: Date | null;
  quantity: string;
  attributes: Record<string, string>;
  title: string | null;
  link: string | null;
  connection_id: number;
  recorded_at: Date;
  before: boolean;
}

/** Latest first. */
export async function readEvidenceBehind(
  db: Database,
  compiled: CompiledProgramme,
  achievement: string,
  question: { partnerId: number; at: Date; knownAt?: Date | undefined; every?: boolean | undefined },
): Promise<EvidenceShown[]> {
  const rows = await db.execute<Record<string, unknown> & EvidenceRow>(
    compiled.evidenceBehind(achievement, question),
  );
  return rows.map(toShown);
}

export function toShown(row: EvidenceRow): EvidenceShown {
  return {
    id: row.id,
    source: row.source,
    externalId: row.external_id,
    kind: row.kind,
    occurredAt: row.occurred_at,
    endedAt: row.ended_at,
    quantity: Number(row.quantity),
    attributes: row.attributes,
    title: row.title,
    link: row.link,
    connectionId: row.connection_id,
    recordedAt: row.recorded_at,
    before: row.before,
  };
}
