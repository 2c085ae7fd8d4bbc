// standings publish: a new version, everybody scored under it, and what that changed.
import { sql } from "drizzle-orm";
import type { Context } from "../context.ts";
import { readScoreChanges } from "../ingest/runs/runs.ts";
import type { Output } from "../platform/terminal/output.ts";
import { toLocalText } from "../programme/calendar.ts";
import { type Published, publishProgramme } from "../programme/versions.ts";
import { followRuns } from "./follow.ts";
import { printChanges } from "./sync.ts";

/** Returns whether everybody was scored: false when the signal came before. */
export async function publish(
  context: Context,
  output: Output,
  document: { text: string; file: string },
  signal: AbortSignal,
): Promise<boolean> {
  const [last] = await context.db.execute<{ id: number }>(sql`select coalesce(max(id), 0) as id from ledger`);
  const now = context.now();
  const published = await publishProgramme(context.db, { ...document, publishedBy: "command line", now });
  const { versionId } = published;
  if (!published.inForce) {
    output.print(await toAnnouncement(context, published));
    return true;
  }
  if (!published.published) {
    output.print(`Version ${versionId} is this text already; nothing changed.`);
    return true;
  }
  await context.queues.nudge("score", {});
  await followRuns(context, output, [], signal);
  output.print(`Version ${versionId} is in force.`);
  if (signal.aborted) {
    output.note("Interrupted: the workers go on scoring.");
    return false;
  }
  printChanges(output, [], await readScoreChanges(context.db, { afterLine: last?.id ?? 0 }));
  return true;
}

/** Of a version that begins later: nobody's score changes until the clock brings it into force. */
async function toAnnouncement(
  { db, programmes, now }: Context,
  { versionId, published, effectiveFrom }: Published,
): Promise<string> {
  const timeZone = (await programmes.byId(db, versionId))?.programme.timeZone ?? "UTC";
  const inForce = await programmes.inForce(db, now());
  const until = inForce === undefined ? "nobody is scored" : `version ${inForce.id} is in force`;
  return [
    ...(published ? [] : [`Version ${versionId} is this text already; nothing changed.`]),
    `Version ${versionId} comes into force on ${toLocalText(effectiveFrom, timeZone)} (${timeZone}); until then ${until}.`,
  ].join("\n");
}
