// Who a slug stands for now.
import { sql } from "drizzle-orm";
import type { Database } from "../../db/client.ts";
import { UsageError } from "../platform/errors.ts";

export interface FoundPartner {
  id: number;
  /** Of the partner it is now: another than asked for where that one was merged. */
  slug: string;
  name: string;
}

/** The partner with this slug, or the one it was merged into, however often. undefined: there is none. */
export async function findPartner(db: Database, slug: string): Promise<FoundPartner | undefined> {
  // Postgres refuses NUL. The bound ends a circle of merges, which nothing should have made.
  if (slug.includes("\0")) return undefined;
  const [row] = await db.execute<Record<string, unknown> & FoundPartner>(sql`
    with recursive merges as (
      select id, merged_into, 0 as steps from partners where slug = ${slug}
      union all
      select next.id, next.merged_into, steps + 1
      from merges join partners next on next.id = merges.merged_into where steps < 100)
    select partners.id, slug, name from merges join partners using (id) where merges.merged_into is null`);
  return row;
}

/** As `findPartner`; throws a UsageError where there is none. */
export async function requirePartner(db: Database, slug: string): Promise<FoundPartner> {
  const partner = await findPartner(db, slug);
  if (partner === undefined) throw new UsageError(`there is no partner ${slug}; see: standings ranking`);
  return partner;
}
