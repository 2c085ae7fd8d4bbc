// standings partners merge and standings partners unmerge.
import type { Context } from "../context.ts";
import { requirePartner } from "../partners/find.ts";
import { type Moved, mergePartners, unmergePartner } from "../partners/merge.ts";
import type { Output } from "../platform/terminal/output.ts";
import { showScores } from "./adjust.ts";

/** Merges a partner into another and waits until the standings show it. Returns false when the signal came before. */
export async function merge(
  context: Context,
  output: Output,
  request: { partner: string; into: string; by: string },
  signal: AbortSignal,
): Promise<boolean> {
  const moved = await mergePartners(context.db, { ...request, now: context.now() });
  output.print(`${moved.from} is ${moved.to} now: ${toList(moved)} went with it, and its slug leads there.`);
  output.note(`Undo it with: standings partners unmerge ${moved.from}`);
  const into = await requirePartner(context.db, moved.to);
  return showScores(context, output, [into.id], signal);
}

/** Undoes a merge and waits until the standings show it. Returns false when the signal came before. */
export async function unmerge(
  context: Context,
  output: Output,
  request: { partner: string; by: string },
  signal: AbortSignal,
): Promise<boolean> {
  const moved = await unmergePartner(context.db, { ...request, now: context.now() });
  output.print(`${moved.to} is a partner of its own again: ${toList(moved)} went back from ${moved.from}.`);
  const [back, other] = [
    await requirePartner(context.db, moved.to),
    await requirePartner(context.db, moved.from),
  ];
  return showScores(context, output, [back.id, other.id], signal);
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
