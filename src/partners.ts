// Partners and their identities, imported from a list.
import { sql } from "drizzle-orm";
import { type Database, transaction } from "../db/client.ts";
import { parseCsv } from "./csv.ts";
import { UsageError } from "./errors.ts";
import { addIdentitiesWithin, type Identity } from "./evidence/match.ts";
import { markStandingsPending } from "./standings/refresh.ts";

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
  website: string | null;
  listed: boolean;
  identities: Identity[];
}

const SLUG = /^[a-z0-9]+(-[a-z0-9]+)*$/;

/**
 * Imports a CSV of `slug,name[,website][,listed][,identities]`; identities are `namespace:key` separated by semicolons.
 * A partner that is not in the list stays as it is. All or nothing: any problem throws a UsageError that lists every one of
 * them with its line. Importing the same list again changes nothing.
 */
export async function importPartners(
  db: Database,
  list: { text: string; file: string; now: Date },
): Promise<PartnersImport> {
  const rows = readRows(list.text, list.file);
  return transaction(db, async (tx) => {
    const result: PartnersImport = { added: 0, changed: 0, unchanged: 0, matched: 0 };
    for (const row of rows) {
      const put = await putPartner(tx, row);
      result[put.outcome] += 1;
      if (put.outcome !== "unchanged") await markStandingsPending(tx, [put.id]);
      try {
        const { matched } = await addIdentitiesWithin(tx, put.id, row.identities, list.now);
        result.matched += matched;
      } catch (error) {
        if (error instanceof UsageError) throw new UsageError(`${list.file}:${row.line}: ${error.message}`);
        throw error;
      }
    }
    return result;
  });
}

async function putPartner(
  tx: Database,
  row: PartnerRow,
): Promise<{ id: number; outcome: "added" | "changed" | "unchanged" }> {
  const [known] = await tx.execute<{ id: number; same: boolean }>(sql`
    select id, (name, website, listed) is not distinct from (${row.name}, ${row.website}::text, ${row.listed}::boolean) as same
    from partners where slug = ${row.slug} for update`);
  if (known?.same === true) return { id: known.id, outcome: "unchanged" };
  const [put] = await tx.execute<{ id: number }>(sql`
    insert into partners (slug, name, website, listed) values (${row.slug}, ${row.name}, ${row.website}, ${row.listed})
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
      const { slug = "", name = "", website = "", listed = "", identities = "" } = values;
      const refuse = (message: string) => problems.push(`${file}:${line}: ${message}`);
      if (!SLUG.test(slug))
        refuse(`slug: expected lower-case letters, digits and single hyphens, not "${slug}"`);
      if (name === "") refuse("name: expected a name");
      if (website !== "" && !URL.canParse(website)) refuse(`website: expected a URL, not "${website}"`);
      if (!["", "yes", "no"].includes(listed)) refuse(`listed: expected yes or no, not "${listed}"`);
      const first = seen.get(slug);
      if (first !== undefined) refuse(`slug: ${slug} is on line ${first} already`);
      seen.set(slug, line);
      return {
        line,
        slug,
        name,
        website: website === "" ? null : website,
        listed: listed !== "no",
        identities: identities
          .split(";")
          .filter((entry) => entry.trim() !== "")
          .map((entry) => {
            const [namespace = "", ...key] = entry.trim().split(":");
            if (namespace === "" || key.join(":") === "") {
              refuse(`identities: expected namespace:key, not "${entry.trim()}"`);
            }
            return { namespace, key: key.join(":") };
          }),
      };
    },
  );
  if (problems.length > 0) throw new UsageError(problems.join("\n"));
  return rows;
}
