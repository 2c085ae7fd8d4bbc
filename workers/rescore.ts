// Evaluates one range of a rescore and writes the differences. Twice is harmless: a range is done once, and a second
// evaluation finds no difference.
import { rescoreRange } from "../src/ingest/runs/range.ts";
import { trackFailures } from "./failures.ts";
import type { Handler } from "./handler.ts";

export const rescore: Handler<"rescore"> = (range, work) =>
  trackFailures("rescore", work, async () => {
    const { changed } = await rescoreRange(work.db, work.programmes, range, work.now);
    if (changed > 0) await work.queues.nudge("rank", {});
    return { changed };
  });
