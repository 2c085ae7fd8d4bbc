// standings partners merge and standings partners unmerge.
import type { Context } from "../context.ts";
import { merge, unmerge } from "../operations/partners.ts";
import type { Moved } from "../partners/merge.ts";
import type { Output } from "../platform/terminal/output.ts";
import { showScores } from "./adjust.ts";

/** Merges a partner into another and waits until the standings show it. Returns false when the signal came before. */
export async function mergeAndReport(
  context: Context,
  output: Output,
  request: { partner: string; into: string; by: string },
  signal: AbortSignal,
): Promise<boolean> {
  const { moved, into } = await merge(context, request);
  output.print(
    `${moved.from} was merged into ${moved.to}: ${toList(moved)} moved with it, and its slug leads there.`,
  );
  output.note(`Undo it with: standings partners unmerge ${moved.from}`);
  return showScores(context, output, [into.id], signal);
}

/** Undoes a merge and waits until the standings show it. Returns false when the signal came before. */
export async function unmergeAndReport(
  context: Context,
  output: Output,
  request: { partner: string; by: string },
  signal: AbortSignal,
): Promise<boolean> {
  const { moved, partners } = await unmerge(context, request);
  output.print(`${moved.to} is a separate partner again: ${toList(moved)} moved back from ${moved.from}.`);
  const [separate, other] = partners;
  return showScores(context, output, [separate.id, other.id], signal);
}

function toList({ evidence, identities, connections, adjustments }: Moved): string {
  const count = (number: number, one: string, many: string) => `${number} ${number === 1 ? one : many}`;
  return [
    count(evidence, "piece of evidence", "pieces of evidence"),
    count(identities, "identity", "identities"),
    count(connections, "connection", "connections"),
    count(adjustments, "adjustment", "adjustments"),
  ].join(", ");
}
