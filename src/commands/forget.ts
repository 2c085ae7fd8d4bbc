// standings partners forget <partner> --yes: ends when the standings show nothing of it any more.
import type { Context } from "../context.ts";
import { requirePartner } from "../partners/find.ts";
import { forgetPartner } from "../partners/forget.ts";
import { UsageError } from "../platform/errors.ts";
import type { Output } from "../platform/terminal/output.ts";
import { formatCount } from "../platform/terminal/table.ts";
import { followRuns } from "./follow.ts";

export async function forget(
  context: Context,
  output: Output,
  request: { partner: string; yes: boolean; by: string },
  signal: AbortSignal,
): Promise<void> {
  const { name } = await requirePartner(context.db, request.partner);
  if (!request.yes) {
    throw new UsageError(
      `this erases everything that names ${name} and cannot be taken back; if it is meant, add --yes`,
    );
  }
  const forgotten = await forgetPartner(context.db, { ...request, now: context.now() });
  context.log.info({ partner: forgotten.partner, by: request.by }, "a partner was forgotten");
  await context.queues.nudge("score", {});
  await followRuns(context, output, [], signal);
  output.print(
    `Forgotten: it is ${forgotten.partner} now. Erased from ${formatCount(forgotten.evidence)} pieces of evidence, ${formatCount(forgotten.identities)} identities and ${formatCount(forgotten.connections)} connections.`,
  );
  output.print("Sources that still name it will name it again: have it removed there, too.");
}
