// Whose identity may it be? Guesses for a person to look at; nothing applies them by itself.
//
// A domain (of an e-mail address, of a link) is compared with the partners' websites and their other domains: the same
// registered name is a strong hint. Everything is compared with names and slugs by trigrams (pg_trgm): "acme-digital" is
// near "ACME Digital GmbH".
import { sql } from "drizzle-orm";
import type { Database } from "../../db/client.ts";

export interface Suggestion {
  /** A slug. */
  partner: string;
  name: string;
  because: "domain" | "name";
  /** 0 to 1: how near the names are; 1 for a domain. */
  similarity: number;
}

/** Of each identity; names this much alike are worth a look. */
const MOST = 3;
const LEAST_SIMILARITY = 0.35;

/** Suggestions for each of the identities, in their order, the likeliest first. `missing`: why names were not compared. */
export async function suggestPartners(
  db: Database,
  identities: readonly { key: string }[],
): Promise<{ suggestions: Suggestion[][]; missing: string | null }> {
  const suggestions: Suggestion[][] = identities.map(() => []);
  if (identities.length === 0) return { suggestions, missing: null };
  const missing = await whyNoSimilarity(db);
  const keys = identities.map(({ key }) => key.toLowerCase());
  const named = sql`unnest(${sql.param(keys)}::text[]) with ordinality as named (key, place)`;
  const host = (url: string) =>
    sql.raw(`regexp_replace(lower(${url}), '^https?://(www[.])?([^/:?#]+).*$', '\\2')`);
  // What comes after @ in an address; without www, as in a website.
  const domain = sql.raw(`regexp_replace(regexp_replace(named.key, '^.*@', ''), '^www[.]', '')`);
  const byDomain = sql`
    select place::int, slug as partner, name, 'domain' as because, 1::float8 as similarity
    from ${named} join partners on ${host("website")} = ${domain} and named.key like '%.%'
    where status = 'active'
    union
    select place::int, slug, name, 'domain', 1::float8
    from ${named} join identities on lower(identities.key) = ${domain} and named.key like '%.%'
    join partners on partners.id = identities.partner_id where status = 'active'`;
  // The first label of a domain is the name in it; separators are spaces.
  const words = sql.raw(
    `translate(regexp_replace(regexp_replace(named.key, '^.*@', ''), '[.][a-z.]+$', ''), '-_./', '    ')`,
  );
  const byName =
    missing === null
      ? sql`union all
    select place::int, slug, name, 'name', greatest(similarity(${words}, lower(name)), similarity(${words}, translate(slug, '-', ' ')))::float8
    from ${named} join partners on status = 'active'
      and greatest(similarity(${words}, lower(name)), similarity(${words}, translate(slug, '-', ' '))) >= ${LEAST_SIMILARITY}`
      : sql``;
  const rows = await db.execute<Record<string, unknown> & Suggestion & { place: number }>(sql`
    select place, partner, name, because, similarity from (
      select *, row_number() over (partition by place order by similarity desc, because, partner) as nth from (
        select distinct on (place, partner) * from (${byDomain} ${byName}) as found
        order by place, partner, similarity desc, because) as best) as ordered
    where nth <= ${MOST} order by place, nth`);
  for (const { place, partner, name, because, similarity } of rows) {
    suggestions[place - 1]?.push({ partner, name, because, similarity: Math.round(similarity * 100) / 100 });
  }
  return { suggestions, missing };
}

async function whyNoSimilarity(db: Database): Promise<string | null> {
  const found = await db.execute(sql`select from pg_extension where extname = 'pg_trgm'`);
  if (found.length > 0) return null;
  return "Names are not compared: Postgres has no pg_trgm; have it created by: create extension pg_trgm";
}
