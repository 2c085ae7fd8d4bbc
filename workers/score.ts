// Drains the to-do list of partners. Twice at once is harmless: each partner is claimed by one transaction.
import { drainPending } from "../src/scoring/drain.ts";
import { noting } from "./failing.ts";
import type { Handler } from "./handler.ts";

export const score: Handler<"score"> = async (_payload, work) => {
  const total = await noting("score", work, async () => {
    const { failure, ...drained } = await drainPending(work.db, work.programmes, {
      now: work.now,
      signal: work.signal,
      async onBatch({ changed }) {
        if (changed > 0) await work.queues.nudge("rank", {});
      },
    });
    if (failure !== undefined) throw failure;
    return drained;
  });
  return total.claimed === 0 ? undefined : { ...total };
};
