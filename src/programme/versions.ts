// Published versions of the programme: every one is kept, and every score says under which it was given.
import { createHash } from "node:crypto";
import { sql } from "drizzle-orm";
import { type Database, transaction } from "../../db/client.ts";
import { markPendingWhere } from "../evidence/pending.ts";
import { UsageError } from "../platform/errors.ts";
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
  /** A version by its id, in force or not; undefined: there is none. */
  byId(db: Database, id: number): Promise<ProgrammeVersion | undefined>;
}

/** Keeps compiled versions: a published version never changes, so each is compiled once in a process. */
export function openProgrammeVersions(): ProgrammeVersions {
  const compiled = new Map<number, ProgrammeVersion>();
  const byId = async (db: Database, id: number) => {
    const known = compiled.get(id);
    if (known !== undefined) return known;
    const [row] = await db.execute<{ document: string; effective_from: Date }>(sql`
      select document, effective_from from programme_versions where id = ${id}`);
    if (row === undefined) return undefined;
    const programme = parseProgramme(row.document, `programme version ${id}`);
    const version = {
      id,
      programme,
      compiled: compileProgramme(programme),
      effectiveFrom: row.effective_from,
    };
    compiled.set(id, version);
    return version;
  };
  return {
    byId,
    async inForce(db, at) {
      const [latest] = await db.execute<{ id: number }>(sql`
        select id from programme_versions where effective_from <= ${at}
        order by effective_from desc, id desc limit 1`);
      return latest === undefined ? undefined : byId(db, latest.id);
    },
  };
}

/** Whether a version is in force at an instant, without loading it. */
export async function hasProgramme(db: Database, at: Date): Promise<boolean> {
  const [row] = await db.execute<{ there: boolean }>(sql`
    select exists (select from programme_versions where effective_from <= ${at}) as there`);
  return row?.there === true;
}

export interface Published {
  versionId: number;
  /** false: the version that is (or will be) in force then has this very text, so there is no new one. */
  published: boolean;
  effectiveFrom: Date;
  /** It is in force already: everybody is pending. Otherwise the clock brings it into force. */
  inForce: boolean;
}

/**
 * Publishes a programme: stores its text as a version and, unless its `effective-from` lies in the future, makes every
 * partner pending, in one transaction. A version is in force from its `effective-from`, but never from before it was published
 * or before the instant that scores have been evaluated up to. Throws a UsageError that names `file` and line when the
 * programme is not valid.
 */
export async function publishProgramme(
  db: Database,
  document: { text: string; file: string; publishedBy: string; now: Date },
): Promise<Published> {
  const programme = parseProgramme(document.text, document.file);
  const digest = createHash("sha256").update(document.text).digest("hex");
  return transaction(db, async (tx) => {
    await tx.execute(sql`lock table programme_versions in share row exclusive mode`);
    // The clock is locked until commit. Otherwise a tick could pass the beginning of a version that it cannot see yet: no
    // partner would be marked, and the next tick would find the version in force already.
    await tx.execute(sql`select from clock for share`);
    const { publishedAt, effectiveFrom, inForce } = await readBeginning(tx, programme, document.now);
    const [latest] = await tx.execute<{ id: number; digest: string; effective_from: Date }>(sql`
      select id, digest, effective_from from programme_versions where effective_from <= ${effectiveFrom}
      order by effective_from desc, id desc limit 1`);
    if (latest?.digest === digest) {
      return { versionId: latest.id, published: false, effectiveFrom: latest.effective_from, inForce };
    }
    const [row] = await tx.execute<{ id: number }>(sql`
      insert into programme_versions (document, digest, effective_from, published_at, published_by)
      values (${document.text}, ${digest}, ${effectiveFrom}, ${publishedAt}, ${document.publishedBy}) returning id`);
    if (row === undefined) throw new Error("The programme version was not stored.");
    await refuseUnlessEvaluable(tx, programme, document.file, effectiveFrom);
    if (inForce) {
      await markPendingWhere(tx, sql`select id from partners`, { cause: "programme", at: publishedAt });
    }
    return { versionId: row.id, published: true, effectiveFrom, inForce };
  });
}

/** When a programme would be in force if it were published now; `inForce`: at once. */
export async function readBeginning(
  db: Database,
  { effectiveFrom: wanted }: Programme,
  now: Date,
): Promise<{ publishedAt: Date; effectiveFrom: Date; inForce: boolean }> {
  const [instants] = await db.execute<{ published_at: Date }>(sql`
    select greatest(${now}::timestamptz, (select max(published_at) from programme_versions),
      (select ticked_at from clock)) as published_at`);
  const publishedAt = instants?.published_at ?? now;
  const inForce = wanted === undefined || wanted <= publishedAt;
  return { publishedAt, effectiveFrom: inForce ? publishedAt : wanted, inForce };
}

/**
 * Throws a UsageError where Postgres refuses to evaluate a programme (a NUL in a value, a year before its calendar): it would
 * do so in every evaluation.
 */
export async function refuseUnlessEvaluable(
  db: Database,
  programme: Programme,
  file: string,
  at: Date,
): Promise<CompiledProgramme> {
  const compiled = compileProgramme(programme);
  await db.execute(compiled.evaluation({ scope: { partners: [] }, at })).catch((error: unknown) => {
    const message = error instanceof Error ? error.message : String(error);
    throw new UsageError(`${file}: Postgres refuses to evaluate it: ${message}`);
  });
  return compiled;
}
