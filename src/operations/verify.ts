// Checks what is stored: every score against its evidence, and the known times of the evidence itself.
import type { Context } from "../context.ts";
import { readOverlapping } from "../evidence/known-times.ts";
import { type Verification, verify } from "../scoring/verify.ts";

export interface FullVerification extends Verification {
  /** Facts with two versions known at the same instant ("source external-id"), at most 100. */
  overlapping: string[];
}

/** Writes nothing. Everything is right when `drift` is 0 and `overlapping` is empty. */
export async function verifyStored(context: Context): Promise<FullVerification> {
  const verification = await verify(context.db, context.programmes, context.now());
  return { ...verification, overlapping: await readOverlapping(context.db) };
}
