// Begins a run of one source and sets its connections to work. Twice is harmless: the second one joins the open run, or finds
// that no message waits any more.
import { isHint, startHintedSync } from "../src/ingest/runs/hints.ts";
import { readOpenConnections, startSync } from "../src/ingest/runs/sync.ts";
import type { Handler } from "./handler.ts";

export const sync: Handler<"sync"> = async (payload, work) => {
  const request = { ...payload, now: work.now() };
  const begun = await (isHint(payload) ? startHintedSync(work.db, request) : startSync(work.db, request));
  if (begun === undefined) return undefined;
  const open = await readOpenConnections(work.db, begun.runId);
  for (const { connection, attempts } of open)
    await work.queues.nudge("collect", connection, { epoch: attempts });
  return { run: begun.runId, joined: begun.joined, connections: open.length };
};
