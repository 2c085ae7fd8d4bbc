// Drains the to-do list of partners. Twice at once is harmless: each partner is claimed by one transaction.
import { scorePending } from "../src/scoring/score.ts";
import { noting } from "./failing.ts";
import type { Handler, Work } from "./handler.ts";

/** Partners in one transaction: long enough to spread its fixed cost, short enough to hold its locks. */
const BATCH = 500;

export const score: Handler<"score"> = (_payload, work) => noting("score", work, () => drain(work));

async function drain(work: Work): Promise<Record<string, unknown> | undefined> {
  const total = { claimed: 0, changed: 0, lines: 0 };
  while (!work.signal.aborted) {
    const batch = await scorePending(work.db, work.programmes, { now: work.now(), limit: BATCH });
    if (batch.claimed === 0) break;
    total.claimed += batch.claimed;
    total.changed += batch.changed;
    total.lines += batch.lines;
    if (batch.changed > 0) await work.queues.nudge("rank", {});
  }
  return total.claimed === 0 ? undefined : total;
}
