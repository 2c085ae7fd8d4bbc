// Connections: the credentials of a source, imported from a list and stored encrypted.
import { sql } from "drizzle-orm";
import { type Database, transaction } from "../../db/client.ts";
import { findConnector } from "../connectors/catalogue.ts";
import { releasing } from "../evidence/lease.ts";
import { lockAgainstMerging } from "../evidence/match.ts";
import { markPending } from "../evidence/pending.ts";
import { supersede } from "../evidence/record.ts";
import { isTooLong, parseCsv, tooLong } from "../platform/csv.ts";
import { UsageError } from "../platform/errors.ts";
import type { SecretBox } from "../platform/secrets.ts";

export interface ConnectionsImport {
  added: number;
  changed: number;
  unchanged: number;
}

interface ConnectionRow {
  line: number;
  key: string;
  /** undefined: the list has no such column. */
  partner: string | null | undefined;
  use: string | null | undefined;
  secret: string | null;
}

interface StoredConnection {
  id: number;
  key: string;
  partner_id: number | null;
  secret: string | null;
  use: string | null;
}

/**
 * Imports a CSV of `key[,partner][,use][,secret]` into a source: the partner's slug, `own` or `client` use, the credential
 * in clear. An empty secret keeps the stored one, a column that is not there keeps what it would say. All or nothing; every problem is listed with its line, never with a
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
    // Before any other lock: the partners these slugs name keep what they are given.
    await lockAgainstMerging(tx);
    const [source] = await tx.execute<{ connector: string }>(
      sql`select connector from sources where key = ${list.source}`,
    );
    if (source === undefined) throw new UsageError(`there is no source ${list.source} in sources.yaml`);
    const slugs = await tx.execute<{ slug: string; id: number; into: string | null }>(sql`
      select slug, id, (select slug from partners as other where other.id = partners.merged_into) as into
      from partners where slug = any(${sql.param(rows.flatMap((row) => row.partner ?? []))}::text[])`);
    refuseWrong(rows, { ...list, connector: source.connector, partners: slugs });
    const partnerIds = new Map(slugs.map((row) => [row.slug, row.id]));
    // All of them before any evidence, and the partners last of all: a page that is being recorded holds its connection and
    // waits for its partners, so that in any other order the two could wait for each other.
    const known = await tx.execute<Record<string, unknown> & StoredConnection>(sql`
      select id, key, partner_id, secret, attributes ->> 'use' as use from connections
      where source = ${list.source} and key = any(${sql.param(rows.map((row) => row.key))}::text[])
      order by id for no key update`);
    const stored = new Map(known.map((row) => [row.key, row]));
    const result: ConnectionsImport = { added: 0, changed: 0, unchanged: 0 };
    const touched: number[] = [];
    for (const row of rows) {
      const before = stored.get(row.key);
      const partnerId =
        row.partner === undefined
          ? (before?.partner_id ?? null)
          : row.partner === null
            ? null
            : (partnerIds.get(row.partner) ?? null);
      const use = row.use === undefined ? (before?.use ?? null) : row.use;
      const outcome = await put(tx, secrets, list.source, { ...row, partnerId, use }, before);
      result[outcome] += 1;
      if (before !== undefined && before.partner_id !== partnerId)
        touched.push(...(await moveEvidence(tx, before.id, partnerId, list.now)));
    }
    await markPending(tx, touched, { cause: "identity", at: list.now });
    return result;
  });
}

/** What only the database knows: who there is, and whether the source has accounts. */
function refuseWrong(
  rows: ConnectionRow[],
  known: {
    file: string;
    source: string;
    connector: string;
    partners: { slug: string; into: string | null }[];
  },
): void {
  const { file, source, connector } = known;
  const partners = new Map(known.partners.map(({ slug, into }) => [slug, into]));
  // A connector that is not known by its name alone (`http`) has its document say so; here it may have accounts.
  const hasAccounts = findConnector(connector)?.perAccount ?? true;
  const problems = rows.flatMap(({ line, key, partner }) => {
    const into = typeof partner === "string" ? partners.get(partner) : null;
    return [
      ...(hasAccounts || key === "main"
        ? []
        : [`${file}:${line}: key: expected main, for source ${source} has no accounts, not "${key}"`]),
      ...(into === undefined ? [`${file}:${line}: partner: there is no partner ${String(partner)}`] : []),
      ...(typeof into === "string"
        ? [`${file}:${line}: partner: ${String(partner)} was merged into ${into}; name that one`]
        : []),
    ];
  });
  if (problems.length > 0) throw new UsageError(problems.join("\n"));
}

async function put(
  tx: Database,
  secrets: SecretBox,
  source: string,
  row: ConnectionRow & { partnerId: number | null; use: string | null },
  known: StoredConnection | undefined,
): Promise<"added" | "changed" | "unchanged"> {
  const owner = `${source}/${row.key}`;
  const sealed = row.secret === null ? null : secrets.seal(row.secret, owner);
  const attributes = JSON.stringify(row.use === null ? {} : { use: row.use });
  if (known === undefined) {
    await tx.execute(sql`
      insert into connections (source, key, partner_id, secret, attributes)
      values (${source}, ${row.key}, ${row.partnerId}::bigint, ${sealed}, ${attributes}::jsonb)`);
    return "added";
  }
  const sameSecret = row.secret === null || isSealed(secrets, known.secret, row.secret, owner);
  if (sameSecret && known.partner_id === row.partnerId && known.use === row.use) return "unchanged";
  // Another use changes what the connection's evidence says: the next pull begins anew and supersedes it.
  await tx.execute(sql`
    update connections set partner_id = ${row.partnerId}::bigint, attributes = ${attributes}::jsonb, active = true,
      secret = ${sameSecret ? known.secret : sealed}, retry_at = null, validators = null, refused = refused and ${sameSecret}::boolean,
      failures = case when ${sameSecret}::boolean then failures else 0 end,
      rest_until = case when ${sameSecret}::boolean then rest_until end
      -- A pull under way would overwrite the cursor, so it loses its lease.
      ${known.use === row.use ? sql`` : sql`, cursor = null, ${releasing}`}
    where id = ${known.id}`);
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

/**
 * Evidence that names no partner belongs to the partner of its connection. When that partner changes, the evidence moves. Returns
 * the partners to score again.
 */
async function moveEvidence(
  tx: Database,
  connectionId: number,
  partnerId: number | null,
  now: Date,
): Promise<number[]> {
  const rows = await tx.execute<{ id: number; partner_id: number | null }>(sql`
    select id, partner_id from evidence
    where connection_id = ${connectionId} and namespace is null and superseded_at is null`);
  const ids = rows.map((row) => row.id);
  await supersede(tx, ids, now);
  await tx.execute(sql`
    insert into evidence (source, connection_id, external_id, partner_id, kind, occurred_at, ended_at, quantity,
      attributes, title, link, digest, run_id, run_beginning, recorded_at)
    select source, connection_id, external_id, ${partnerId}::bigint, kind, occurred_at, ended_at, quantity,
      attributes, title, link, digest, run_id, run_beginning, superseded_at
    from evidence where id = any(${sql.param(ids)}::bigint[])`);
  return [partnerId, ...rows.map((row) => row.partner_id)].filter((id) => id !== null);
}

/** The credential of a connection, in clear. undefined: there is no such connection, or it is not used, or has none. */
export async function readSecret(
  db: Database,
  secrets: SecretBox,
  { source, key }: { source: string; key: string },
): Promise<string | undefined> {
  const [row] = await db.execute<{ secret: string | null }>(
    sql`select secret from connections where source = ${source} and key = ${key} and active`,
  );
  const sealed = row?.secret ?? null;
  return sealed === null ? undefined : secrets.open(sealed, `${source}/${key}`);
}

function readRows(text: string, file: string): ConnectionRow[] {
  const problems: string[] = [];
  const seen = new Map<string, number>();
  const rows = parseCsv(text, file, ["key"], ["partner", "use", "secret"]).map(
    ({ line, values }): ConnectionRow => {
      const { key = "", partner, use, secret = "" } = values;
      const refuse = (message: string) => problems.push(`${file}:${line}: ${message}`);
      if (key === "") refuse("key: expected the account's id, or main where the source has no accounts");
      if (isTooLong(key)) refuse(`key: ${tooLong(key)}`);
      if (!["", "own", "client"].includes(use ?? ""))
        refuse(`use: expected own or client, not "${use ?? ""}"`);
      const first = seen.get(key);
      if (first !== undefined) refuse(`key: ${key} is on line ${first} already`);
      seen.set(key, line);
      const given = <T extends string | undefined>(value: T) => (value === "" ? null : value);
      return { line, key, partner: given(partner), use: given(use), secret: secret === "" ? null : secret };
    },
  );
  if (problems.length > 0) throw new UsageError(problems.join("\n"));
  return rows;
}
