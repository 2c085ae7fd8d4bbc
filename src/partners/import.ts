// Partners and their identities, imported from a list.
import { sql } from "drizzle-orm";
import { type Database, transaction } from "../../db/client.ts";
import { addIdentitiesWithin, type Identity, lockForMatching } from "../evidence/match.ts";
import { isTooLong, parseCsv, shortened, tooLong } from "../platform/csv.ts";
import { UsageError } from "../platform/errors.ts";
import { markStandingsPending } from "../standings/refresh.ts";

export interface PartnersImport {
  added: number;
  changed: number;
  unchanged: number;
  /** Evidence that waited for one of the identities. */
  matched: number;
}

interface PartnerRow {
  line: number;
  slug: string;
  name: string;
  /** undefined: the list has no such column. */
  website: string | null | undefined;
  listed: boolean | undefined;
  identities: Identity[];
}

const SLUG = /^[a-z0-9]+(-[a-z0-9]+)*$/;
const LONGEST_SLUG = 200;

/**
 * Imports a CSV of `slug,name[,website][,listed][,identities]`; identities are `namespace:key` separated by semicolons.
 * A partner or a column that is not in the list stays as it is. All or nothing: any problem throws a UsageError that lists every one of
 * them with its line; a partner that was merged into another is one, for the list would revive it. Importing the same list
 * again changes nothing.
 */
export async function importPartners(
  db: Database,
  list: { text: string; file: string; now: Date },
): Promise<PartnersImport> {
  const rows = readRows(list.text, list.file);
  return transaction(db, async (tx) => {
    // Locks in everybody's order, so that a sync or a score job at work never waits for this in a circle: identities,
    // partners, pending partners (in partner order), pending standings.
    await lockForMatching(tx);
    await refuseMerged(tx, rows, list.file);
    const result: PartnersImport = { added: 0, changed: 0, unchanged: 0, matched: 0 };
    const partners: { id: number; row: PartnerRow }[] = [];
    const changed: number[] = [];
    for (const row of rows) {
      const { id, outcome } = await putPartner(tx, row);
      result[outcome] += 1;
      if (outcome !== "unchanged") changed.push(id);
      partners.push({ id, row });
    }
    const problems: { line: number; message: string }[] = [];
    for (const { id, row } of partners.sort((a, b) => a.id - b.id)) {
      try {
        const { matched } = await addIdentitiesWithin(tx, id, row.identities, list.now);
        result.matched += matched;
      } catch (error) {
        if (!(error instanceof UsageError)) throw error;
        problems.push({ line: row.line, message: error.message });
      }
    }
    if (problems.length > 0) {
      const inOrder = problems.sort((a, b) => a.line - b.line);
      throw new UsageError(inOrder.map(({ line, message }) => `${list.file}:${line}: ${message}`).join("\n"));
    }
    await markStandingsPending(tx, changed);
    return result;
  });
}

async function refuseMerged(tx: Database, rows: PartnerRow[], file: string): Promise<void> {
  const merged = await tx.execute<{ slug: string; into: string }>(sql`
    select merged.slug, other.slug as into
    from partners as merged join partners as other on other.id = merged.merged_into
    where merged.slug = any(${sql.param(rows.map(({ slug }) => slug))}::text[])`);
  if (merged.length === 0) return;
  const into = new Map(merged.map((row) => [row.slug, row.into]));
  const problems = rows.flatMap(({ line, slug }) =>
    into.has(slug)
      ? `${file}:${line}: slug: ${slug} was merged into ${into.get(slug) ?? ""}; leave it out of the list, or undo that with: standings partners unmerge ${slug}`
      : [],
  );
  throw new UsageError(problems.join("\n"));
}

async function putPartner(
  tx: Database,
  row: PartnerRow,
): Promise<{ id: number; outcome: "added" | "changed" | "unchanged" }> {
  // Not "for update": that would keep everybody waiting who writes a row that refers to the partner.
  const [known] = await tx.execute<{
    id: number;
    name: string;
    website: string | null;
    listed: boolean;
  }>(sql`select id, name, website, listed from partners where slug = ${row.slug} for no key update`);
  const website = row.website === undefined ? (known?.website ?? null) : row.website;
  const listed = row.listed ?? known?.listed ?? true;
  if (known?.name === row.name && known.website === website && known.listed === listed) {
    return { id: known.id, outcome: "unchanged" };
  }
  const [put] = await tx.execute<{ id: number }>(sql`
    insert into partners (slug, name, website, listed) values (${row.slug}, ${row.name}, ${website}, ${listed})
    on conflict (slug) do update set name = excluded.name, website = excluded.website, listed = excluded.listed
    returning id`);
  if (put === undefined) throw new Error(`Partner ${row.slug} was not stored.`);
  return { id: put.id, outcome: known === undefined ? "added" : "changed" };
}

function readRows(text: string, file: string): PartnerRow[] {
  const problems: string[] = [];
  const seen = new Map<string, number>();
  const rows = parseCsv(text, file, ["slug", "name"], ["website", "listed", "identities"]).map(
    ({ line, values }): PartnerRow => {
      const { slug = "", name = "", website, listed, identities = "" } = values;
      const refuse = (message: string) => problems.push(`${file}:${line}: ${message}`);
      if (!SLUG.test(slug))
        refuse(`slug: expected lower-case letters, digits and single hyphens, not "${shortened(slug)}"`);
      if (slug.length > LONGEST_SLUG)
        refuse(`slug: expected at most ${LONGEST_SLUG} characters, not ${slug.length}`);
      if (name === "") refuse("name: expected a name");
      if (website !== undefined && website !== "" && !isWebAddress(website))
        refuse(`website: expected a URL that starts with https:// or http://, not "${website}"`);
      if (!["", "yes", "no"].includes(listed ?? "")) refuse(`listed: expected yes or no, not "${listed}"`);
      const first = seen.get(slug);
      if (first !== undefined) refuse(`slug: ${slug} is on line ${first} already`);
      seen.set(slug, line);
      return {
        line,
        slug,
        name,
        website: website === "" ? null : website,
        listed: listed === undefined ? undefined : listed !== "no",
        identities: identities
          .split(";")
          .filter((entry) => entry.trim() !== "")
          .map((entry) => {
            const [namespace = "", ...rest] = entry.split(":");
            const identity = { namespace: namespace.trim(), key: rest.join(":").trim() };
            if (identity.namespace === "" || identity.key === "") {
              refuse(`identities: expected namespace:key, not "${shortened(entry.trim())}"`);
            }
            for (const part of [identity.namespace, identity.key]) {
              if (isTooLong(part)) refuse(`identities: ${tooLong(part)}`);
            }
            return identity;
          }),
      };
    },
  );
  if (problems.length > 0) throw new UsageError(problems.join("\n"));
  return rows;
}

/** It becomes a link on a page: another scheme could be a script. */
function isWebAddress(text: string): boolean {
  return URL.canParse(text) && /^https?:$/.test(new URL(text).protocol);
}
