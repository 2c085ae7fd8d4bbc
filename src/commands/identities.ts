// standings identities add, remove and list. Adding and removing end when the standings show the result.
import { sql } from "drizzle-orm";
import { type Database, transaction } from "../../db/client.ts";
import type { Context } from "../context.ts";
import {
  addIdentitiesWithin,
  type Identity,
  lockAgainstMerging,
  readIdentities,
  removeIdentityWithin,
} from "../evidence/match.ts";
import { type FoundPartner, requirePartner } from "../partners/find.ts";
import { isTooLong, tooLong } from "../platform/csv.ts";
import { UsageError } from "../platform/errors.ts";
import type { Output } from "../platform/terminal/output.ts";
import { formatCount, toTable } from "../platform/terminal/table.ts";
import { followRuns } from "./follow.ts";

interface Request {
  /** A slug. */
  partner: string;
  identity: Identity;
}

/** Gives a partner an identity and says what that brought. Ends early when the signal aborts. */
export async function addIdentity(
  context: Context,
  output: Output,
  { partner: slug, identity }: Request,
  signal: AbortSignal,
): Promise<void> {
  const refused = [identity.namespace, identity.key].find((part) => part === "" || isTooLong(part));
  if (refused !== undefined) throw new UsageError(refused === "" ? "expected a name" : tooLong(refused));
  await change(context, output, slug, signal, async (tx, partner) => {
    const { matched } = await addIdentitiesWithin(tx, partner.id, [identity], context.now());
    return `${toPieces(matched)} evidence ${matched === 1 ? "is" : "are"} ${partner.name}'s now`;
  });
}

/** Takes an identity from a partner and says what that cost. */
export async function removeIdentity(
  context: Context,
  output: Output,
  { partner: slug, identity }: Request,
  signal: AbortSignal,
): Promise<void> {
  await change(context, output, slug, signal, async (tx, partner) => {
    const { unmatched } = await removeIdentityWithin(tx, partner, identity, context.now());
    return `${toPieces(unmatched)} evidence ${unmatched === 1 ? "waits" : "wait"} for a partner again`;
  });
}

async function change(
  context: Context,
  output: Output,
  slug: string,
  signal: AbortSignal,
  work: (tx: Database, partner: FoundPartner) => Promise<string>,
): Promise<void> {
  const { partner, before, said } = await transaction(context.db, async (tx) => {
    // Before any other lock: the partner this slug names keeps what it is given.
    await lockAgainstMerging(tx);
    const found = await requirePartner(tx, slug);
    return { partner: found, before: await readPoints(tx, found), said: await work(tx, found) };
  });
  await context.queues.nudge("score", {});
  await followRuns(context, output, [], signal);
  const after = await readPoints(context.db, partner);
  output.print(`${said}: ${before === after ? `still ${after}` : `${before} → ${after}`} points.`);
  if (signal.aborted) output.note("Interrupted: the workers go on scoring.");
}

async function readPoints(db: Database, partner: FoundPartner): Promise<number> {
  const [row] = await db.execute<{ points: number }>(
    sql`select points from scores where partner_id = ${partner.id}`,
  );
  return row?.points ?? 0;
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
