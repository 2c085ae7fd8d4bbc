// A worker of the rescore benches: a process of its own, with all that `standings worker` opens, so that its memory is a
// worker's and nothing else's. Ranges are handed to it by its parent instead of the queue, whose latency would be most of a
// small rescore. Its clock stands at one instant, or windows that slide meanwhile would change scores.

import { openContext } from "../src/context.ts";
import { parseSources } from "../src/ingest/sources.ts";
import { loadConfig } from "../src/platform/config.ts";
import { openLog } from "../src/platform/log.ts";
import type { Work } from "../workers/handler.ts";
import { rank } from "../workers/rank.ts";
import { rescore } from "../workers/rescore.ts";
import { openRuntime } from "../workers/runtime.ts";

/** What the parent asks for: a range of a run, or the end. */
export type Order = { runId: number; first: number } | { end: true };
/** What it is told: that the worker is ready; that the range is in the standings; and last, the most memory that was needed. */
export type Report = { ready: true } | { done: true } | { failed: string } | { peakRssMb: number };

const [url = "", instant = "", redisUrl = ""] = process.argv.slice(2);
const config = loadConfig({
  DATABASE_URL: url,
  REDIS_URL: redisUrl,
  STANDINGS_SECRET_KEY: Buffer.alloc(32).toString("base64"),
});
const context = await openContext(config, parseSources("sources: {}\n", "sources.yaml"), openLog("error"));
// Without its sweep, which would take up the same ranges.
const runtime = await openRuntime(context);
const work: Work = {
  ...context,
  now: () => new Date(instant),
  queues: { ...context.queues, nudge: () => Promise.resolve() },
  signal: new AbortController().signal,
};
const tell = (report: Report) => process.send?.(report);

async function obey(order: Order): Promise<void> {
  if ("end" in order) {
    await runtime.close();
    await context.close();
    tell({ peakRssMb: Math.round(process.resourceUsage().maxRSS / 1024) });
    process.disconnect();
    return;
  }
  for (const result of [await rescore(order, work), await rank({}, work)]) {
    if (result.state === "failed") throw result.error;
  }
  tell({ done: true });
}

process.on("message", (order: Order) => {
  obey(order).catch((error: unknown) => {
    tell({ failed: error instanceof Error ? error.message : String(error) });
  });
});
tell({ ready: true });
