// Beginning runs: a sync of sources, or a reconciliation of all of them.
import type { Context } from "../context.ts";
import type { RespectedReasons } from "../ingest/runs/circuit.ts";
import { startReconcile } from "../ingest/runs/reconcile.ts";
import { startSync } from "../ingest/runs/sync.ts";
import { UsageError } from "../platform/errors.ts";
import { enqueueCollects } from "./collect.ts";

/**
 * Begins a sync of some sources (of all where none is named) and enqueues its work. Returns the runs. `respect`: by
 * default "waits", as by hand: connections in backoff are called, those with a Retry-After are not. Throws a UsageError
 * for a source that is not configured.
 */
export async function beginSync(
  context: Context,
  request: { sources: string[]; full: boolean; askedBy: string; respect?: RespectedReasons },
): Promise<number[]> {
  const known = context.sources.sources.map((source) => source.key);
  const unknown = request.sources.filter((source) => !known.includes(source));
  if (unknown.length > 0) {
    throw new UsageError(`there is no source ${unknown.join(", ")}; expected one of ${known.join(", ")}`);
  }
  const runIds: number[] = [];
  for (const source of request.sources.length > 0 ? request.sources : known) {
    const { runId } = await startSync(context.db, {
      respect: "waits",
      ...request,
      source,
      now: context.now(),
    });
    runIds.push(runId);
    await enqueueCollects(context, runId);
  }
  return runIds;
}

/** Begins a reconciliation, or joins the open one, and enqueues its work. */
export async function beginReconcile(
  context: Pick<Context, "db" | "queues" | "sources" | "now">,
  askedBy: string,
): Promise<{ runId: number; joined: boolean }> {
  const sources = context.sources.sources.map((source) => source.key);
  const begun = await startReconcile(context.db, { sources, askedBy, now: context.now() });
  await enqueueCollects(context, { parentId: begun.runId });
  return begun;
}
