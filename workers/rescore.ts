// Evaluates one range of a rescore and writes what differs. Twice is harmless: a range is done once, and a second
// evaluation finds no difference.
import { rescoreRange } from "../src/ingest/runs/range.ts";
import { noting } from "./failing.ts";
import type { Handler } from "./handler.ts";

export const rescore: Handler<"rescore"> = async (range, work) => {
  const { changed } = await noting("rescore", work, () =>
    rescoreRange(work.db, work.programmes, range, work.now),
  );
  if (changed > 0) await work.queues.nudge("rank", {});
  return { changed };
};
