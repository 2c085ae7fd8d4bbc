// A partner programme of some years: partners and their evidence, made by the server itself.
import { sql } from "drizzle-orm";
import { type Database, transaction } from "../db/client.ts";

interface Share {
  kind: string;
  source: string;
  /** Rows for each partner on average. */
  each: number;
  /** At most one for each partner; otherwise some partners have several times as many as others. */
  single?: true;
  /** SQL over the row's random number r in [0, 1) and its number i. */
  occurredAt: string;
  endedAt?: string;
  quantity?: string;
  attributes?: string;
}

const DAYS_AGO = (days: number) => `now() - r * interval '${days} days'`;

/** About 50 rows a partner, over the kinds of examples/copernica/programme.yaml. Every row is current. */
const MIX: Share[] = [
  { kind: "registration", source: "crm", each: 0.9, single: true, occurredAt: DAYS_AGO(2000) },
  { kind: "profile-complete", source: "crm", each: 0.6, single: true, occurredAt: DAYS_AGO(1000) },
  {
    kind: "emails-sent",
    source: "copernica",
    each: 16,
    occurredAt: "date_trunc('month', now()) - (i % 13) * interval '1 month'",
    quantity: "floor(r * 4000)",
    attributes: `case when i % 5 < 3 then '{"use":"own"}' else '{"use":"client"}' end`,
  },
  {
    kind: "newsletter",
    source: "copernica",
    each: 26,
    occurredAt: DAYS_AGO(400),
    quantity: "1 + floor(r * r * 9000)",
    attributes: `case when i % 5 < 3 then '{"use":"own"}' else '{"use":"client"}' end`,
  },
  {
    kind: "client-account",
    source: "crm",
    each: 3,
    occurredAt: DAYS_AGO(1500),
    endedAt: "case when i % 5 = 0 then now() - r * interval '10 days' end",
  },
  { kind: "joint-article", source: "blog", each: 1, occurredAt: DAYS_AGO(900) },
  {
    kind: "certification",
    source: "academy",
    each: 2,
    occurredAt: DAYS_AGO(1100),
    endedAt: `${DAYS_AGO(1100)} + interval '2 years'`,
    attributes: `jsonb_build_object('holder', 'Holder ' || i % 1000003, 'level', case when i % 3 = 0 then 'basic' else 'advanced' end)`,
  },
  {
    kind: "trade-fair",
    source: "fairs",
    each: 0.5,
    occurredAt: DAYS_AGO(900),
    attributes: `'{"city":"Utrecht"}'`,
  },
];

/** Writes the partners 1 to `partners`, one source and connection each way, and about `rows` pieces of evidence; then vacuums. */
export async function writeHistory(
  db: Database,
  size: { partners: number; rows: number },
): Promise<{ rows: number }> {
  const sources = [...new Set(MIX.map((share) => share.source))];
  await db.execute(sql`
    insert into partners (slug, name) select 'partner-' || i, 'Partner ' || i from generate_series(1, ${size.partners}::int) i`);
  await db.execute(sql`
    insert into sources (key, connector, settings_digest)
    select key, 'table', '' from unnest(${sql.param(sources)}::text[]) key`);
  await db.execute(sql`insert into connections (source, key) select key, 'main' from sources order by key`);
  const perPartner = MIX.reduce((sum, share) => sum + share.each, 0);
  await transaction(db, async (tx) => {
    await tx.execute(sql`select setseed(0.42)`);
    const restore = await dropIndexes(tx);
    for (const share of MIX) {
      await writeShare(tx, share, size.partners, Math.round((size.rows * share.each) / perPartner));
    }
    await tx.execute(sql.raw(restore.join(";\n")));
  });
  await db.execute(sql`vacuum (analyze) evidence`);
  await db.execute(sql`vacuum (analyze) partners`);
  const [row] = await db.execute<{ rows: number }>(sql`select count(*) as rows from evidence`);
  return { rows: row?.rows ?? 0 };
}

/** Rows come in the order of time, not of partners, as they do in life. */
async function writeShare(tx: Database, share: Share, partners: number, rows: number): Promise<void> {
  const raw = sql.raw;
  // Multiplied by a prime, so that busy partners are spread over all ranges of ids.
  const place = share.single ? sql`i` : sql`floor(${partners}::bigint * power(random(), 1.5))::bigint`;
  await tx.execute(sql`
    insert into evidence (source, connection_id, external_id, partner_id, kind, occurred_at, ended_at, quantity,
      attributes, title, digest, recorded_at)
    select ${share.source}, connections.id, ${share.kind} || '/' || i, made.partner_id, ${share.kind},
      ${raw(share.occurredAt)}, greatest(${raw(share.endedAt ?? "null::timestamptz")}, ${raw(share.endedAt === undefined ? "null::timestamptz" : share.occurredAt)}),
      ${raw(share.quantity ?? "1")}, (${raw(share.attributes ?? "'{}'")})::jsonb,
      ${share.kind} || ' number ' || i, md5(${share.kind} || i), now()
    from (
      select i, random() as r, 1 + (${place} * 48271) % ${partners}::bigint as partner_id
      from generate_series(1, ${rows}::bigint) i) as made, connections
    where connections.source = ${share.source}`);
}

/** Rows of millions are written first and indexed afterwards. Returns what makes indexes and foreign keys anew. */
async function dropIndexes(tx: Database): Promise<string[]> {
  const keys = await tx.execute<{ name: string; definition: string }>(sql`
    select conname as name, pg_get_constraintdef(oid) as definition from pg_constraint
    where conrelid = 'evidence'::regclass and contype = 'f'`);
  const indexes = await tx.execute<{ name: string; definition: string }>(sql`
    select indexrelid::regclass::text as name, pg_get_indexdef(indexrelid) as definition from pg_index
    where indrelid = 'evidence'::regclass and not indisprimary`);
  for (const { name } of keys)
    await tx.execute(sql`alter table evidence drop constraint ${sql.identifier(name)}`);
  for (const { name } of indexes) await tx.execute(sql`drop index ${sql.identifier(name)}`);
  return [
    ...indexes.map(({ definition }) => definition),
    ...keys.map(({ name, definition }) => `alter table evidence add constraint "${name}" ${definition}`),
  ];
}
