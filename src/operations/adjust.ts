// Points beside the rules, given or taken by a person with a reason, and taken back.
import type { Context } from "../context.ts";
import { requirePartner } from "../partners/find.ts";
import { type Adjustment, adjust, readUntil, revokeAdjustment } from "../scoring/adjustments.ts";

/**
 * Adjusts a partner's points and enqueues its scoring. `points`: an integer, may be negative. `until`: the last local day, or
 * an instant. Throws a UsageError for an unknown partner or a wrong `until`.
 */
export async function adjustPartner(
  { db, programmes, queues, now }: Context,
  request: { partner: string; points: number; reason: string; until?: string | undefined; by: string },
): Promise<{ adjustment: Adjustment; partnerId: number }> {
  const { partner: slug, until, ...rest } = request;
  const partner = await requirePartner(db, slug);
  const version = await programmes.inForce(db, now());
  const timeZone = version?.programme.timeZone ?? "UTC";
  const adjustment = await adjust(db, {
    ...rest,
    partnerId: partner.id,
    until: until === undefined ? undefined : readUntil(until, timeZone),
    now: now(),
  });
  await queues.nudge("score", {});
  return { adjustment, partnerId: partner.id };
}

/** Revokes an adjustment and enqueues the scoring. Throws a UsageError where there is none or it is revoked already. */
export async function revoke(
  { db, queues, now }: Context,
  request: { id: number; by: string },
): Promise<{ adjustment: Adjustment; partnerId: number }> {
  const adjustment = await revokeAdjustment(db, { ...request, now: now() });
  await queues.nudge("score", {});
  const partner = await requirePartner(db, adjustment.partner);
  return { adjustment, partnerId: partner.id };
}
