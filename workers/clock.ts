// Lets time pass. Twice is harmless: the second tick begins where the first ended.
import { clockLead, tick } from "../src/scoring/clock.ts";
import { done, type Handler } from "./handler.ts";

/** A tick by a clock that is wrong would let all evaluations jump into its future, from which there is no way back. */
const MOST_AHEAD_MS = 60_000;

export const clock: Handler<"clock"> = async (_payload, work) => {
  const now = work.now();
  const aheadMs = await clockLead(work.db, now);
  if (aheadMs > MOST_AHEAD_MS) {
    throw new Error(
      `The clock of this machine is ${Math.round(aheadMs / 1000)} s ahead of the database's; set it right, time does not pass here until then.`,
    );
  }
  const { marked } = await tick(work.db, work.programmes, now);
  if (marked === 0) return done(undefined);
  await work.queues.nudge("score", {});
  return done({ marked });
};
