// A partner that is to be forgotten: everything that names it is erased, wherever it stands, in one transaction. What stays is
// its number, its ledger (whose sum goes on being its score) and that somebody asked for this.
//
// Erasing is the one thing that rewrites what was known; nothing else does. Sources that still name the partner will name it
// again: its evidence is then unmatched, as that of any unknown partner.
import { type SQL, sql } from "drizzle-orm";
import { type Database, transaction } from "../../db/client.ts";
import { releasing } from "../evidence/lease.ts";
import { lockForMatching, lockForMerging } from "../evidence/match.ts";
import { markPending } from "../evidence/pending.ts";
import { eraseMessages, eraseMessagesOf } from "../ingest/messages.ts";
import { UsageError } from "../platform/errors.ts";
import { readAuthor } from "../scoring/adjustments.ts";
import { markStandingsPending } from "../standings/refresh.ts";

export interface Forgotten {
  /** The slug the partner has now. */
  partner: string;
  evidence: number;
  identities: number;
  connections: number;
}

/** What is written where a reason named the partner. */
const ERASED = "erased: it named a partner that was forgotten";

/**
 * Forgets a partner and those that were merged into it. Its evidence ends now, so its score goes to 0 by ordinary ledger
 * lines; its connections are closed and lose their credentials. Throws a UsageError where there is no such partner, or it was
 * merged into another.
 */
export async function forgetPartner(
  db: Database,
  request: { partner: string; by: string; now: Date },
): Promise<Forgotten> {
  const by = readAuthor(request.by);
  return transaction(db, async (tx) => {
    await lockForMerging(tx);
    const [partner] = await tx.execute<{ id: number; into: string | null; forgotten: boolean }>(sql`
      select id, forgotten_at is not null as forgotten, (select slug from partners as other where other.id = partners.merged_into) as into
      from partners where slug = ${request.partner}`);
    if (partner === undefined)
      throw new UsageError(`there is no partner ${request.partner}; see: standings ranking`);
    if (partner.forgotten) throw new UsageError(`partner ${request.partner} is forgotten already`);
    if (partner.into !== null) {
      throw new UsageError(
        `partner ${request.partner} was merged into ${partner.into}; forget that one, or undo it first with: standings partners unmerge ${request.partner}`,
      );
    }
    const merged = await tx.execute<{ id: number }>(sql`
      with recursive merged as (
        select id from partners where id = ${partner.id}
        union select partners.id from merged join partners on partners.merged_into = merged.id)
      select id from merged order by id`);
    const ids = sql`any(${sql.param(merged.map(({ id }) => id))}::bigint[])`;
    // In everybody's order: the connections, the identities, the partners, the evidence.
    const connections = await tx.execute<{ id: number; key: string }>(sql`
      select id, key from connections where partner_id = ${ids} order by id for no key update`);
    await lockForMatching(tx);
    const named = await tx.execute<{ slug: string; name: string }>(sql`
      select slug, name from partners where id = ${ids} order by id for no key update`);
    const identities = await tx.execute<{ namespace: string; key: string }>(sql`
      select namespace, key from identities where partner_id = ${ids}
      union
      select one.namespace, one.key from partner_merges cross join lateral
        jsonb_to_recordset(identities) as one (namespace text, key text)
      where partner_id = ${ids} or into_id = ${ids}`);
    const words = [
      ...named.flatMap(({ slug, name }) => [slug, name]),
      ...identities.map(({ key }) => key),
      ...connections.map(({ key }) => key),
    ];
    const evidence = await eraseEvidence(tx, ids, identities, connections, request.now);
    await eraseConnections(
      tx,
      connections.map(({ id }) => id),
    );
    await eraseReasons(
      tx,
      words,
      named.map(({ slug }) => slug),
    );
    await eraseMessages(tx, words);
    await tx.execute(sql`delete from identities where partner_id = ${ids}`);
    await tx.execute(sql`
      update partner_merges set identities = '[]' where partner_id = ${ids} or into_id = ${ids}`);
    await tx.execute(sql`
      update adjustments set reason = ${ERASED},
        revoked_at = coalesce(revoked_at, greatest(${request.now}::timestamptz, created_at)), revoked_by = coalesce(revoked_by, 'forget')
      where partner_id = ${ids}`);
    await tx.execute(sql`
      update partners set slug = 'forgotten-' || id, name = 'Forgotten partner ' || id, website = null, profile = '{}',
        listed = false, status = case when status = 'merged' then 'merged' else 'suspended' end,
        forgotten_at = ${request.now}, forgotten_by = ${by}
      where id = ${ids}`);
    await markPending(
      tx,
      merged.map(({ id }) => id),
      { cause: "identity", at: request.now },
    );
    await markStandingsPending(
      tx,
      merged.map(({ id }) => id),
    );
    return {
      partner: `forgotten-${partner.id}`,
      evidence,
      identities: identities.length,
      connections: connections.length,
    };
  });
}

/**
 * Every row that ever was the partner's or named one of its identities: its own numbers, kind and instants stay, for the
 * ledger refers to them; what the source called it goes. Current rows end now.
 */
async function eraseEvidence(
  tx: Database,
  ids: SQL,
  identities: { namespace: string; key: string }[],
  connections: { id: number }[],
  now: Date,
): Promise<number> {
  const column = (values: string[]) => sql`${sql.param(values)}::text[]`;
  const rows = sql`
    select id from evidence where partner_id = ${ids}
      or (namespace is null and connection_id = any(${sql.param(connections.map(({ id }) => id))}::bigint[]))
      or (namespace, identity_key) in (select * from unnest(
        ${column(identities.map(({ namespace }) => namespace))}, ${column(identities.map(({ key }) => key))}))`;
  for (const table of [sql`quarantined_rows`, sql`held_losses`, sql`listings`]) {
    await tx.execute(sql`
      delete from ${table} using evidence
      where evidence.id in (${rows}) and ${table}.connection_id = evidence.connection_id and ${table}.external_id = evidence.external_id`);
    await tx.execute(sql`
      delete from ${table} where connection_id = any(${sql.param(connections.map(({ id }) => id))}::bigint[])`);
  }
  await eraseMessagesOf(tx, rows);
  const erased = await tx.execute(sql`
    with locked as (select id from evidence where id in (${rows}) order by id for update)
    update evidence set external_id = 'forgotten/' || evidence.id, namespace = null, identity_key = null, title = null, link = null,
      attributes = '{}', digest = '', superseded_at = coalesce(superseded_at, greatest(${now}::timestamptz, recorded_at))
    from locked where evidence.id = locked.id returning 1`);
  return erased.length;
}

async function eraseConnections(tx: Database, ids: number[]): Promise<void> {
  const mine = sql`any(${sql.param(ids)}::bigint[])`;
  await tx.execute(sql`
    update connections set key = 'forgotten-' || id, secret = null, attributes = '{}', active = false, cursor = null,
      cursor_run = null, validators = null, reason = null, ${releasing}
    where id = ${mine}`);
  await tx.execute(sql`update run_connections set reason = null where connection_id = ${mine}`);
}

/** Reasons are sentences that name accounts, rows and partners. */
async function eraseReasons(tx: Database, words: string[], slugs: string[]): Promise<void> {
  const patterns = sql`any(${sql.param(words.filter((word) => word.length > 2).map(toPattern))}::text[])`;
  for (const table of [
    sql`runs`,
    sql`sources`,
    sql`connections`,
    sql`run_connections`,
    sql`quarantined_rows`,
  ]) {
    await tx.execute(sql`update ${table} set reason = ${ERASED} where reason ilike ${patterns}`);
  }
  await tx.execute(sql`
    update runs set scope = scope - 'partner' || '{"partner": "forgotten"}'
    where scope ->> 'partner' = any(${sql.param(slugs)}::text[])`);
}

const toPattern = (word: string) => `%${word.replaceAll(/[\\%_]/g, "\\$&")}%`;
