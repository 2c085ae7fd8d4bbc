// Random programmes as published versions: the rows that ledger and clock need, and the parsed programmes beside them.
import { sql } from "drizzle-orm";
import type { Database } from "../../db/client.ts";
import { compileProgramme } from "../../src/programme/compile.ts";
import type { Programme } from "../../src/programme/document.ts";
import type { ProgrammeVersion, ProgrammeVersions } from "../../src/programme/versions.ts";

/** Versions in force from their instants on. Replaces all there are. */
export async function openVersionsOf(
  db: Database,
  programmes: { programme: Programme; effectiveFrom: Date }[],
): Promise<ProgrammeVersions> {
  await db.execute(sql`delete from programme_versions`);
  const versions = new Map<number, ProgrammeVersion>();
  for (const { programme, effectiveFrom } of programmes) {
    const [row] = await db.execute<{ id: number }>(sql`
      insert into programme_versions (document, digest, effective_from, published_at, published_by)
      values ('', '', ${effectiveFrom}, ${effectiveFrom}, 'test') returning id`);
    const id = row!.id;
    versions.set(id, { id, programme, compiled: compileProgramme(programme), effectiveFrom });
  }
  const byId = (_: Database, id: number) => Promise.resolve(versions.get(id));
  return {
    byId,
    async inForce(tx, at) {
      const [latest] = await tx.execute<{ id: number }>(sql`
        select id from programme_versions where effective_from <= ${at}
        order by effective_from desc, id desc limit 1`);
      return latest && versions.get(latest.id);
    },
  };
}
