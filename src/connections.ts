// Connections: the credentials of a source, imported from a list and stored encrypted.
import { sql } from "drizzle-orm";
import { type Database, transaction } from "../db/client.ts";
import { parseCsv } from "./csv.ts";
import { UsageError } from "./errors.ts";
import { markPending } from "./evidence/pending.ts";
import { supersede } from "./evidence/record.ts";
import type { SecretBox } from "./secrets.ts";

export interface ConnectionsImport {
  added: number;
  changed: number;
  unchanged: number;
}

interface ConnectionRow {
  line: number;
  key: string;
  partner: string | null;
  use: string | null;
  secret: string | null;
}

interface StoredConnection {
  id: number;
  partner_id: number | null;
  secret: string | null;
  use: string | null;
}

/**
 * Imports a CSV of `key[,partner][,use][,secret]` into a source: the partner's slug, `own` or `client` use, the credential
 * in clear. An empty secret keeps the stored one. All or nothing; every problem is listed with its line, never with a
 * secret. When a connection gets another partner its evidence goes with it, as superseding rows. The same list again
 * changes nothing.
 */
export async function importConnections(
  db: Database,
  secrets: SecretBox,
  list: { source: string; text: string; file: string; now: Date },
): Promise<ConnectionsImport> {
  const rows = readRows(list.text, list.file);
  return transaction(db, async (tx) => {
    const [source] = await tx.execute(sql`select from sources where key = ${list.source}`);
    if (source === undefined) throw new UsageError(`there is no source ${list.source} in sources.yaml`);
    const slugs = await tx.execute<{ slug: string; id: number }>(sql`
      select slug, id from partners where slug = any(${sql.param(rows.flatMap((row) => row.partner ?? []))}::text[])`);
    const partnerIds = new Map(slugs.map((row) => [row.slug, row.id]));
    const unknown = rows.filter((row) => row.partner !== null && !partnerIds.has(row.partner));
    if (unknown.length > 0) {
      throw new UsageError(
        unknown
          .map((row) => `${list.file}:${row.line}: partner: there is no partner ${String(row.partner)}`)
          .join("\n"),
      );
    }
    const result: ConnectionsImport = { added: 0, changed: 0, unchanged: 0 };
    for (const row of rows) {
      const partnerId = row.partner === null ? null : (partnerIds.get(row.partner) ?? null);
      result[await put(tx, secrets, list, { ...row, partnerId })] += 1;
    }
    return result;
  });
}

async function put(
  tx: Database,
  secrets: SecretBox,
  list: { source: string; now: Date },
  row: ConnectionRow & { partnerId: number | null },
): Promise<"added" | "changed" | "unchanged"> {
  const owner = `${list.source}/${row.key}`;
  const sealed = row.secret === null ? null : secrets.seal(row.secret, owner);
  const attributes = JSON.stringify(row.use === null ? {} : { use: row.use });
  const [known] = await tx.execute<Record<string, unknown> & StoredConnection>(sql`
    select id, partner_id, secret, attributes ->> 'use' as use from connections
    where source = ${list.source} and key = ${row.key} for update`);
  if (known === undefined) {
    await tx.execute(sql`
      insert into connections (source, key, partner_id, secret, attributes)
      values (${list.source}, ${row.key}, ${row.partnerId}::bigint, ${sealed}, ${attributes}::jsonb)`);
    return "added";
  }
  const sameSecret = row.secret === null || isSealed(secrets, known.secret, row.secret, owner);
  if (sameSecret && known.partner_id === row.partnerId && known.use === row.use) return "unchanged";
  // Another use changes what the connection's evidence says: the next pull begins anew and supersedes it.
  await tx.execute(sql`
    update connections set partner_id = ${row.partnerId}::bigint, attributes = ${attributes}::jsonb, active = true,
      secret = ${sameSecret ? known.secret : sealed}, retry_at = null,
      cursor = case when ${known.use === row.use} then cursor end
    where id = ${known.id}`);
  if (known.partner_id !== row.partnerId) await moveEvidence(tx, known.id, row.partnerId, list.now);
  return "changed";
}

/** A sealed text differs every time; what it opens to tells whether the secret is the same. */
function isSealed(secrets: SecretBox, sealed: string | null, secret: string, owner: string): boolean {
  if (sealed === null) return false;
  try {
    return secrets.open(sealed, owner) === secret;
  } catch {
    return false;
  }
}

/** Evidence that named nobody is its connection's partner's: with another partner it becomes theirs from now on. */
async function moveEvidence(
  tx: Database,
  connectionId: number,
  partnerId: number | null,
  now: Date,
): Promise<void> {
  const rows = await tx.execute<{ id: number; partner_id: number | null }>(sql`
    select id, partner_id from evidence
    where connection_id = ${connectionId} and namespace is null and superseded_at is null`);
  const ids = rows.map((row) => row.id);
  await supersede(tx, ids, now);
  await tx.execute(sql`
    insert into evidence (source, connection_id, external_id, partner_id, kind, occurred_at, ended_at, quantity,
      attributes, title, link, digest, run_id, recorded_at)
    select source, connection_id, external_id, ${partnerId}::bigint, kind, occurred_at, ended_at, quantity,
      attributes, title, link, digest, run_id, superseded_at
    from evidence where id = any(${sql.param(ids)}::bigint[])`);
  const partners = [partnerId, ...rows.map((row) => row.partner_id)].filter((id) => id !== null);
  await markPending(tx, partners, { cause: "identity", at: now });
}

function readRows(text: string, file: string): ConnectionRow[] {
  const problems: string[] = [];
  const seen = new Map<string, number>();
  const rows = parseCsv(text, file, ["key"], ["partner", "use", "secret"]).map(
    ({ line, values }): ConnectionRow => {
      const { key = "", partner = "", use = "", secret = "" } = values;
      const refuse = (message: string) => problems.push(`${file}:${line}: ${message}`);
      if (key === "") refuse("key: expected the account's id, or main where the source has no accounts");
      if (!["", "own", "client"].includes(use)) refuse(`use: expected own or client, not "${use}"`);
      const first = seen.get(key);
      if (first !== undefined) refuse(`key: ${key} is on line ${first} already`);
      seen.set(key, line);
      const given = (value: string) => (value === "" ? null : value);
      return { line, key, partner: given(partner), use: given(use), secret: given(secret) };
    },
  );
  if (problems.length > 0) throw new UsageError(problems.join("\n"));
  return rows;
}
