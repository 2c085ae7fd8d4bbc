// Lets time pass. Twice is harmless: the second tick begins where the first ended.
import { tick } from "../src/scoring/clock.ts";
import type { Handler } from "./handler.ts";

export const clock: Handler<"clock"> = async (_payload, work) => {
  const { marked } = await tick(work.db, work.programmes, work.now());
  if (marked === 0) return undefined;
  await work.queues.nudge("score", {});
  return { marked };
};
