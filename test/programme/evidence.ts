// Puts evidence of the reference into a database.
import { sql } from "drizzle-orm";
import type { Database } from "../../db/client.ts";
import type { EvidenceRow } from "./reference.ts";

/** A source with one connection and so many partners. Returns the partners' ids. */
export async function seedPartners(db: Database, count: number): Promise<number[]> {
  await db.execute(sql`insert into sources (key, connector, settings_digest) values ('table', 'table', '')`);
  await db.execute(sql`insert into connections (source, key) values ('table', 'main')`);
  const rows = await db.execute<{ id: number }>(sql`
    insert into partners (slug, name) select 'partner-' || n, 'Partner ' || n from generate_series(1, ${count}::int) as n
    returning id`);
  return rows.map((row) => row.id);
}

/** Replaces all evidence; `partnerId` of the rows is a position in `partners`. */
export async function replaceEvidence(db: Database, partners: number[], rows: EvidenceRow[]): Promise<void> {
  await db.execute(sql`delete from evidence`);
  const document = rows.map((row) => ({
    id: row.id,
    partner_id: row.partnerId === null ? null : partners[row.partnerId],
    kind: row.kind,
    occurred_at: row.occurredAt,
    ended_at: row.endedAt,
    quantity: row.hundredths / 100,
    attributes: row.attributes,
    recorded_at: row.recordedAt,
    superseded_at: row.supersededAt,
  }));
  await db.execute(sql`
    insert into evidence (id, source, connection_id, external_id, digest, partner_id, kind, occurred_at, ended_at, quantity,
      attributes, recorded_at, superseded_at) overriding system value
    select id, 'table', (select id from connections where source = 'table'), 'row-' || id, '', partner_id, kind, occurred_at, ended_at, quantity,
      attributes, recorded_at, superseded_at
    from jsonb_to_recordset(${JSON.stringify(document)}::jsonb) as (id int8, partner_id int8, kind text,
      occurred_at timestamptz, ended_at timestamptz, quantity numeric, attributes jsonb, recorded_at timestamptz,
      superseded_at timestamptz)`);
}
