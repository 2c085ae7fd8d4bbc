// standings publish: a new version, every partner scored under it, and what that changed.
import type { Context } from "../context.ts";
import { readScoreChanges } from "../ingest/runs/runs.ts";
import { type Publication, publish } from "../operations/publish.ts";
import type { Output } from "../platform/terminal/output.ts";
import { toLocalText } from "../programme/calendar.ts";
import { followRuns } from "./follow.ts";
import { printChanges } from "./sync.ts";

/** Returns whether every partner was scored: false when the signal came before. */
export async function publishAndReport(
  context: Context,
  output: Output,
  document: { text: string; file: string },
  signal: AbortSignal,
): Promise<boolean> {
  const publication = await publish(context, { ...document, by: "command line" });
  const { versionId, published, inForce } = publication;
  if (!published) output.print(`Version ${versionId} already has this text; nothing changed.`);
  if (!inForce) output.print(toAnnouncement(publication));
  if (!inForce || !published) return true;
  await followRuns(context, output, [], signal);
  output.print(`Version ${versionId} is in force.`);
  if (signal.aborted) {
    output.note("Interrupted: the workers continue scoring.");
    return false;
  }
  printChanges(output, [], await readScoreChanges(context.db, { afterLine: publication.afterLine }));
  return true;
}

/** Of a version that begins later: no score changes until the clock brings it into force. */
function toAnnouncement({ versionId, effectiveFrom, timeZone, versionInForce }: Publication): string {
  const until = versionInForce === null ? "no partner is scored" : `version ${versionInForce} is in force`;
  return `Version ${versionId} comes into force on ${toLocalText(effectiveFrom, timeZone)} (${timeZone}); until then ${until}.`;
}
