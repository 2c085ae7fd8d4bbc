// Publishing a programme.
import type { Context } from "../context.ts";
import { type Published, publishProgramme } from "../programme/versions.ts";
import { readLastLine } from "../scoring/ledger.ts";

export interface Publication extends Published {
  /** Of the published version. */
  timeZone: string;
  /** The version in force now; null: none is. */
  versionInForce: number | null;
  /** The last ledger line before the publication: what it changed comes after. */
  afterLine: number;
}

/**
 * Checks and keeps a version, marks every partner pending where the version is in force, and enqueues their scoring. Throws
 * a UsageError that lists every problem of the document with its line.
 */
export async function publish(
  context: Context,
  document: { text: string; file: string; by: string },
): Promise<Publication> {
  const { db, programmes, queues } = context;
  const afterLine = await readLastLine(db);
  const { text, file, by } = document;
  const published = await publishProgramme(db, { text, file, publishedBy: by, now: context.now() });
  if (published.published && published.inForce) await queues.nudge("score", {});
  const version = await programmes.byId(db, published.versionId);
  const inForce = await programmes.inForce(db, context.now());
  return {
    ...published,
    timeZone: version?.programme.timeZone ?? "UTC",
    versionInForce: inForce?.id ?? null,
    afterLine,
  };
}
