// Begins a run of one source and sets its connections to work. Running twice is harmless: the second run joins the open one, or
// finds no message that waits.
import { startHintedSync } from "../src/ingest/runs/hints.ts";
import { startSync } from "../src/ingest/runs/sync.ts";
import { enqueueCollects } from "../src/operations/collect.ts";
import { done, type Handler } from "./handler.ts";

export const sync: Handler<"sync"> = async (payload, work) => {
  const request = { ...payload, now: work.now() };
  const begun = await (payload.forMessages === true
    ? startHintedSync(work.db, request)
    : startSync(work.db, request));
  if (begun === undefined) return done(undefined);
  const connections = await enqueueCollects(work, begun.runId);
  return done({ run: begun.runId, joined: begun.joined, connections });
};
