// standings adjust, adjustments and adjustments revoke: points beside the rules, with the name of a person.
import type { Context } from "../context.ts";
import { adjustPartner, revoke } from "../operations/adjust.ts";
import { requirePartner } from "../partners/find.ts";
import type { Output } from "../platform/terminal/output.ts";
import { toTable } from "../platform/terminal/table.ts";
import { type Adjustment, readAdjustments } from "../scoring/adjustments.ts";
import { followScores } from "./follow.ts";

/** Makes an adjustment and waits until the standings show it. Returns false when the signal came before. */
export async function adjustAndReport(
  context: Context,
  output: Output,
  request: { partner: string; points: number; reason: string; until?: string | undefined; by: string },
  signal: AbortSignal,
): Promise<boolean> {
  const { adjustment, partnerId } = await adjustPartner(context, request);
  output.print(`Adjustment ${adjustment.id}: ${toSentence(adjustment)}.`);
  return showScores(context, output, [partnerId], signal);
}

/** Revokes an adjustment and waits until the standings show it. Returns false when the signal came before. */
export async function revokeAndReport(
  context: Context,
  output: Output,
  request: { id: number; by: string },
  signal: AbortSignal,
): Promise<boolean> {
  const { adjustment, partnerId } = await revoke(context, request);
  output.print(`Adjustment ${adjustment.id} is revoked: ${toSentence(adjustment)}.`);
  return showScores(context, output, [partnerId], signal);
}

export async function printAdjustments(
  context: Context,
  output: Output,
  options: { partner: string | undefined; json: boolean },
): Promise<void> {
  const partner =
    options.partner === undefined ? undefined : await requirePartner(context.db, options.partner);
  const adjustments = await readAdjustments(context.db, { partnerId: partner?.id, now: context.now() });
  if (options.json) {
    output.print(JSON.stringify(adjustments, null, 2));
    return;
  }
  output.print(
    toTable(
      [
        { title: "id", align: "right", cell: (row) => row.id },
        { title: "partner", cell: (row) => row.name },
        { title: "points", align: "right", cell: (row) => signed(row.points) },
        { title: "reason", cell: (row) => row.reason },
        { title: "by", cell: (row) => row.by },
        { title: "made (UTC)", cell: (row) => toMinute(row.createdAt) },
        { title: "until (UTC)", cell: (row) => (row.until === null ? "" : toMinute(row.until)) },
        {
          title: "state",
          cell: (row) => (row.revokedBy === null ? row.state : `${row.state} by ${row.revokedBy}`),
        },
      ],
      adjustments,
    ),
  );
}

/** Waits until the standings show the new scores of some partners, and prints them. */
export async function showScores(
  context: Context,
  output: Output,
  partnerIds: number[],
  signal: AbortSignal,
): Promise<boolean> {
  const shown = await followScores(context, output, signal);
  if (!shown) {
    output.note("Interrupted: the workers continue scoring.");
    return false;
  }
  for (const partnerId of partnerIds) {
    const standing = await context.standings.of(partnerId);
    if (standing === undefined) continue;
    output.print(`${standing.name} has ${standing.points} points now, rank ${standing.rank}.`);
  }
  return true;
}

function toSentence({ name, points, reason, by, until }: Adjustment): string {
  const end = until === null ? "" : ` until ${toMinute(until)} UTC`;
  const amount = Math.abs(points) === 1 ? "point" : "points";
  return `${signed(points)} ${amount} for ${name}${end}, by ${by}: ${reason}`;
}

function signed(points: number): string {
  return points > 0 ? `+${points}` : String(points);
}

function toMinute(instant: Date): string {
  return instant.toISOString().slice(0, 16).replace("T", " ");
}
