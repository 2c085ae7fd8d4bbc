// Published versions of the programme: every one is kept, and every score says under which it was given.
import { createHash } from "node:crypto";
import { sql } from "drizzle-orm";
import { type Database, transaction } from "../../db/client.ts";
import { UsageError } from "../errors.ts";
import { markPendingWhere } from "../evidence/pending.ts";
import { type CompiledProgramme, compileProgramme } from "./compile.ts";
import { type Programme, parseProgramme } from "./document.ts";

export interface ProgrammeVersion {
  id: number;
  programme: Programme;
  compiled: CompiledProgramme;
  effectiveFrom: Date;
}

export interface ProgrammeVersions {
  /**
   * The version in force at an instant: the latest of those that have begun. undefined: nothing was published yet. Asked
   * within the transaction that evaluates, so that a version published meanwhile is never missed.
   */
  inForce(db: Database, at: Date): Promise<ProgrammeVersion | undefined>;
}

/** Keeps compiled versions: a published version never changes, so each is compiled once in a process. */
export function openProgrammeVersions(): ProgrammeVersions {
  const compiled = new Map<number, ProgrammeVersion>();
  return {
    async inForce(db, at) {
      const rows = await db.execute<{ id: number; effective_from: Date }>(sql`
        select id, effective_from from programme_versions where effective_from <= ${at}
        order by effective_from desc, id desc limit 1`);
      const latest = rows[0];
      if (latest === undefined) return undefined;
      const known = compiled.get(latest.id);
      if (known !== undefined) return known;
      const [row] = await db.execute<{ document: string }>(sql`
        select document from programme_versions where id = ${latest.id}`);
      if (row === undefined) throw new Error(`Programme version ${latest.id} has no document.`);
      const programme = parseProgramme(row.document, `programme version ${latest.id}`);
      const version = {
        id: latest.id,
        programme,
        compiled: compileProgramme(programme),
        effectiveFrom: latest.effective_from,
      };
      compiled.set(latest.id, version);
      return version;
    },
  };
}

/**
 * Publishes a programme: stores its text as a version in force from `now` (or from the version before, where a clock is behind) and makes every partner pending, in one
 * transaction. The text of the version in force is not published again. Throws a UsageError that names `file` and line
 * when the programme is not valid.
 */
export async function publishProgramme(
  db: Database,
  document: { text: string; file: string; publishedBy: string; now: Date },
): Promise<{ versionId: number; published: boolean }> {
  const programme = parseProgramme(document.text, document.file);
  const digest = createHash("sha256").update(document.text).digest("hex");
  return transaction(db, async (tx) => {
    await tx.execute(sql`lock table programme_versions in share row exclusive mode`);
    const [latest] = await tx.execute<{ id: number; digest: string }>(sql`
      select id, digest from programme_versions order by effective_from desc, id desc limit 1`);
    if (latest?.digest === digest) return { versionId: latest.id, published: false };
    const [row] = await tx.execute<{ id: number }>(sql`
      insert into programme_versions (document, digest, effective_from, published_at, published_by)
      values (${document.text}, ${digest},
        greatest(${document.now}, (select max(effective_from) from programme_versions)), ${document.now},
        ${document.publishedBy}) returning id`);
    if (row === undefined) throw new Error("The programme version was not stored.");
    // What Postgres would refuse in every evaluation (a NUL in a value, a year before its calendar) is refused here.
    await tx
      .execute(compileProgramme(programme).evaluation({ scope: { partners: [] }, at: document.now }))
      .catch((error: unknown) => {
        const said = error instanceof Error ? error.message : String(error);
        throw new UsageError(`${document.file}: Postgres refuses to evaluate it: ${said}`);
      });
    await markPendingWhere(tx, sql`select id from partners`, { cause: "programme", at: document.now });
    return { versionId: row.id, published: true };
  });
}
