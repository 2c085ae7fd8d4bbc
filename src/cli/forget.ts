// standings partners forget <partner> --yes: ends when the standings no longer show the partner.
import type { Context } from "../context.ts";
import { forget } from "../operations/partners.ts";
import { requirePartner } from "../partners/find.ts";
import { UsageError } from "../platform/errors.ts";
import type { Output } from "../platform/terminal/output.ts";
import { formatCount } from "../platform/terminal/table.ts";
import { followRuns } from "./follow.ts";

export async function forgetAndReport(
  context: Context,
  output: Output,
  request: { partner: string; yes: boolean; by: string },
  signal: AbortSignal,
): Promise<void> {
  const { name } = await requirePartner(context.db, request.partner);
  if (!request.yes) {
    throw new UsageError(
      `this erases everything that names ${name} and cannot be undone; add --yes to confirm`,
    );
  }
  const forgotten = await forget(context, request);
  await followRuns(context, output, [], signal);
  output.print(
    `Forgotten: the partner is now ${forgotten.partner}. Erased from ${formatCount(forgotten.evidence)} pieces of evidence, ${formatCount(forgotten.identities)} identities and ${formatCount(forgotten.connections)} connections.`,
  );
  output.print("A source that still lists this partner will bring it back: remove it there, too.");
}
