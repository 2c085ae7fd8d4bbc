// Begins a run of one source and sets its connections to work. Twice is harmless: the second one joins the open run.
import { readOpenConnections, startSync } from "../src/runs/sync.ts";
import type { Handler } from "./handler.ts";

export const sync: Handler<"sync"> = async ({ source, full, askedBy }, work) => {
  const { runId, joined } = await startSync(work.db, { source, full, askedBy, now: work.now() });
  const open = await readOpenConnections(work.db, runId);
  for (const { connection, attempts } of open)
    await work.queues.nudge("collect", connection, { epoch: attempts });
  return { run: runId, joined, connections: open.length };
};
