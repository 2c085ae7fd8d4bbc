// What a person does with partners: import, merge, unmerge, forget. Each enqueues the scoring that follows.
import type { Context } from "../context.ts";
import { type FoundPartner, requirePartner } from "../partners/find.ts";
import { forgetPartner } from "../partners/forget.ts";
import { importPartners } from "../partners/import.ts";
import { type Moved, mergePartners, unmergePartner } from "../partners/merge.ts";

type Imported = Awaited<ReturnType<typeof importPartners>>;

/** Imports a CSV of partners. Throws a UsageError that lists every problem with its line; then nothing is imported. */
export async function importPartnerList(
  { db, queues, now }: Context,
  list: { text: string; file: string },
): Promise<Imported> {
  const imported = await importPartners(db, { ...list, now: now() });
  await queues.nudge("score", {});
  return imported;
}

/** Merges a partner into another. Returns what moved, and the partner that stays. */
export async function merge(
  { db, queues, now }: Context,
  request: { partner: string; into: string; by: string },
): Promise<{ moved: Moved; into: FoundPartner }> {
  const moved = await mergePartners(db, { ...request, now: now() });
  await queues.nudge("score", {});
  return { moved, into: await requirePartner(db, moved.to) };
}

/** Undoes a merge. Returns what moved back, and both partners: the one that is separate again first. */
export async function unmerge(
  { db, queues, now }: Context,
  request: { partner: string; by: string },
): Promise<{ moved: Moved; partners: [FoundPartner, FoundPartner] }> {
  const moved = await unmergePartner(db, { ...request, now: now() });
  await queues.nudge("score", {});
  return { moved, partners: [await requirePartner(db, moved.to), await requirePartner(db, moved.from)] };
}

type Forgotten = Awaited<ReturnType<typeof forgetPartner>>;

/** Erases everything that names a partner, for good. Logs who asked, without the name. */
export async function forget(
  { db, queues, log, now }: Context,
  request: { partner: string; by: string },
): Promise<Forgotten> {
  const forgotten = await forgetPartner(db, { ...request, now: now() });
  log.info({ partner: forgotten.partner, by: request.by }, "a partner was forgotten");
  await queues.nudge("score", {});
  return forgotten;
}
