// Known times of evidence: at each instant a fact has at most one version, or a replay would count it twice.
import { sql } from "drizzle-orm";
import type { Database } from "../../db/client.ts";

/** Facts with two versions that are known at the same instant, as "source external-id", at most 100 of them. */
export async function readOverlapping(db: Database): Promise<string[]> {
  const rows = await db.execute<{ name: string }>(sql`
    select distinct earlier.source || ' ' || earlier.external_id as name
    from evidence as earlier join evidence as later on later.source = earlier.source
      and later.external_id = earlier.external_id and later.id > earlier.id
    where earlier.superseded_at > earlier.recorded_at and later.recorded_at < earlier.superseded_at
      and coalesce(later.superseded_at, 'infinity') > greatest(later.recorded_at, earlier.recorded_at)
    order by 1 limit 100`);
  return rows.map((row) => row.name);
}
