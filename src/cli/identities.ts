// standings identities add, remove and list. Adding and removing end when the standings show the result.
import type { Context } from "../context.ts";
import { type Identity, readIdentities } from "../evidence/match.ts";
import { addIdentity, type IdentityChange, removeIdentity } from "../operations/identities.ts";
import { requirePartner } from "../partners/find.ts";
import type { Output } from "../platform/terminal/output.ts";
import { formatCount, toTable } from "../platform/terminal/table.ts";
import { readPoints } from "../scoring/ledger.ts";
import { followRuns } from "./follow.ts";

interface Request {
  /** A slug. */
  partner: string;
  identity: Identity;
}

/** Gives a partner an identity and prints the effect on its points. Ends early when the signal aborts. */
export async function addAndReport(
  context: Context,
  output: Output,
  request: Request,
  signal: AbortSignal,
): Promise<void> {
  const change = await addIdentity(context, request);
  const { evidence, partner } = change;
  const effect = `${toPieces(evidence)} evidence now ${evidence === 1 ? "belongs" : "belong"} to ${partner.name}`;
  await report(context, output, change, effect, signal);
}

/** Takes an identity from a partner and prints the effect on its points. */
export async function removeAndReport(
  context: Context,
  output: Output,
  request: Request,
  signal: AbortSignal,
): Promise<void> {
  const change = await removeIdentity(context, request);
  const { evidence } = change;
  const effect = `${toPieces(evidence)} evidence ${evidence === 1 ? "is" : "are"} unmatched again`;
  await report(context, output, change, effect, signal);
}

async function report(
  context: Context,
  output: Output,
  { partner, pointsBefore }: IdentityChange,
  effect: string,
  signal: AbortSignal,
): Promise<void> {
  await followRuns(context, output, [], signal);
  const after = await readPoints(context.db, partner.id);
  const points = pointsBefore === after ? `still ${after}` : `${pointsBefore} → ${after}`;
  output.print(`${effect}: ${points} points.`);
  if (signal.aborted) output.note("Interrupted: the workers continue scoring.");
}

const toPieces = (count: number) => `${formatCount(count)} ${count === 1 ? "piece" : "pieces"} of`;

export async function printIdentities(
  context: Context,
  output: Output,
  options: { partner: string; json: boolean },
): Promise<void> {
  const partner = await requirePartner(context.db, options.partner);
  const identities = await readIdentities(context.db, partner.id);
  if (options.json) {
    output.print(JSON.stringify(identities, null, 2));
    return;
  }
  if (identities.length === 0) {
    output.print(`${partner.name} has no identity.`);
    return;
  }
  output.print(
    toTable(
      [
        { title: "namespace", cell: (identity) => identity.namespace },
        { title: "key", cell: (identity) => identity.key },
        { title: "evidence", align: "right", cell: (identity) => formatCount(identity.evidence) },
      ],
      identities,
    ),
  );
}
