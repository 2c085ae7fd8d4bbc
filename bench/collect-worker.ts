// The worker of the collect and isolation benches: a process of its own, so that its memory is a worker's and nothing else's. It does what
// its parent says, a message at a time.
import { setTimeout as delay } from "node:timers/promises";
import { sql } from "drizzle-orm";
import { type Context, openContext } from "../src/context.ts";
import { parseSources } from "../src/ingest/sources.ts";
import { beginSync } from "../src/operations/sync.ts";
import { loadConfig } from "../src/platform/config.ts";
import { openLog } from "../src/platform/log.ts";
import { openWorkers } from "../workers/main.ts";

/** What the parent asks for: a sync of a source, or the end. */
export type Order = { sync: string; full: boolean } | { end: true };
/** What it is told: that the worker is ready, or how long the sync took, and the most memory so far. */
export type Report = { ready: true } | { seconds: number; peakRssMb: number } | { failed: string };

const POLL_MS = 10;
const [url = "", sources = "", redisUrl = ""] = process.argv.slice(2);

async function syncAndScore(context: Context, order: { sync: string; full: boolean }): Promise<void> {
  const request = { sources: [order.sync], full: order.full, askedBy: "bench" };
  const [runId] = await beginSync(context, request);
  for (;;) {
    const [row] = await context.db.execute<{ state: string; reason: string | null; pending: boolean }>(sql`
      select state, reason, exists (select from pending_partners) as pending from runs where id = ${runId}`);
    if (row?.state === "complete" && !row.pending) return;
    if (row?.state !== "complete" && row?.state !== "running") {
      throw new Error(`The sync ended ${String(row?.state)}: ${String(row?.reason)}`);
    }
    await delay(POLL_MS);
  }
}

const config = loadConfig({
  DATABASE_URL: url,
  REDIS_URL: redisUrl,
  STANDINGS_SECRET_KEY: Buffer.alloc(32).toString("base64"),
});
const context = await openContext(config, parseSources(sources, "sources.yaml"), openLog("error"));
const workers = await openWorkers(context, { schedules: false });
const tell = (report: Report) => process.send?.(report);

async function obey(order: Order): Promise<void> {
  if ("end" in order) {
    await workers.close();
    await context.close();
    process.disconnect();
    return;
  }
  const startedAt = performance.now();
  await syncAndScore(context, order);
  const seconds = (performance.now() - startedAt) / 1000;
  tell({ seconds, peakRssMb: Math.round(process.resourceUsage().maxRSS / 1024) });
}

process.on("message", (order: Order) => {
  obey(order).catch((error: unknown) => {
    tell({ failed: error instanceof Error ? error.message : String(error) });
  });
});
tell({ ready: true });
