// standings start: everything in one process. The first sync with its progress, the standings as a table, then a line for
// every change of points, and the JSON API.
import { setTimeout as delay } from "node:timers/promises";
import { openPublicKeys } from "../connectors/inbox/public-keys.ts";
import type { Context } from "../context.ts";
import { readScoreChanges } from "../ingest/runs/runs.ts";
import { beginSync } from "../operations/sync.ts";
import type { Output } from "../platform/terminal/output.ts";
import { readLastLine, readLinesAfter } from "../scoring/ledger.ts";
import { createApp } from "../web/app.ts";
import { openWeb } from "../web/server.ts";
import { followRuns, printTrouble } from "./follow.ts";
import { printRanking } from "./ranking.ts";
import { printChanges } from "./sync.ts";

/** Between two looks at the ledger for the live lines. */
const LOOK_MS = 1000;

/** The first complete sync and its result. Returns whether every source is complete. */
export async function runFirstSync(context: Context, output: Output, signal: AbortSignal): Promise<boolean> {
  const before = await readLastLine(context.db);
  output.note("Syncing every source …");
  const runIds = await beginSync(context, { sources: [], full: true, askedBy: "start", respect: "all" });
  const runs = await followRuns(context, output, runIds, signal);
  if (signal.aborted) return false;
  await printRanking(context, output, { json: false });
  output.print("");
  printChanges(output, runs, await readScoreChanges(context.db, { afterLine: before }));
  await printTrouble(context, output, runs);
  return runs.every((run) => run.state === "complete");
}

/** Says where the API is and prints a line for each change of points, until the signal aborts. */
export async function watch(
  context: Context,
  output: Output,
  web: { port: number },
  signal: AbortSignal,
): Promise<void> {
  output.note(`\nThe API is on http://${context.config.host}:${web.port}/api/standings; stop with Ctrl-C.\n`);
  let after = await readLastLine(context.db);
  while (!signal.aborted) {
    for (const line of await readLinesAfter(context.db, after)) {
      after = line.id;
      const delta = line.delta > 0 ? `+${line.delta}` : String(line.delta);
      const time = line.at.toISOString().slice(11, 19);
      output.print(
        `${time}  ${delta.padStart(4)}  ${line.name}: ${line.achievement} (${line.cause}), now ${line.points}`,
      );
    }
    await delay(LOOK_MS, undefined, { signal }).catch(() => undefined);
  }
}

/** The JSON API over this context. */
export async function serve(context: Context): Promise<{ port: number; close(): Promise<void> }> {
  const app = createApp({
    db: context.db,
    standings: context.standings,
    programme: async () => (await context.programmes.inForce(context.db, context.now()))?.programme,
    programmes: context.programmes,
    sources: context.sources.sources.map(({ key, freshWithinMs }) => ({ key, freshWithinMs })),
    inbox: {
      sources: context.sources.sources,
      secrets: context.secrets,
      queues: context.queues,
      publicKeys: openPublicKeys(),
    },
    now: context.now,
    logger: context.log,
  });
  return openWeb(app, { port: context.config.port, host: context.config.host });
}
