// Drains the pending partners. Twice at once is harmless: each partner is claimed by one transaction.
import { drainPending } from "../src/scoring/drain.ts";
import { trackFailures } from "./failures.ts";
import type { Handler } from "./handler.ts";

export const score: Handler<"score"> = (_payload, work) =>
  trackFailures("score", work, async () => {
    const { failure, ...drained } = await drainPending(work.db, work.programmes, {
      now: work.now,
      signal: work.signal,
      async onBatch({ changed }) {
        if (changed > 0) await work.queues.nudge("rank", {});
      },
    });
    if (failure !== undefined) throw failure;
    return drained.claimed === 0 ? undefined : drained;
  });
