// Begins a reconciliation, or finishes one whose syncs have ended. Twice is harmless: a second beginning joins the open
// run, a second finishing finds it ended.
import { finishReconcile, startReconcile } from "../src/ingest/runs/reconcile.ts";
import { readOpenConnections } from "../src/ingest/runs/sync.ts";
import { compareStandings, refreshStandings } from "../src/standings/refresh.ts";
import { recountStandings } from "../src/standings/size.ts";
import type { Handler, Work } from "./handler.ts";

export const reconcile: Handler<"reconcile"> = async ({ askedBy, runId }, work) => {
  if (runId === undefined) return begin(askedBy, work);
  const finished = await finishReconcile(
    work.db,
    work.programmes,
    {
      async compare() {
        const isSizeWrong = (await recountStandings(work.db)) !== 0;
        const cached =
          work.cache === undefined ? 0 : (await compareStandings(work.db, work.cache)).differing.length;
        return cached + Number(isSizeWrong);
      },
      async rebuild() {
        await refreshStandings(work.db, work.cache, { rebuild: work.cache !== undefined });
      },
    },
    { runId, now: work.now },
  );
  return finished === undefined ? undefined : { run: runId, ...finished };
};

async function begin(askedBy: string, work: Work): Promise<Record<string, unknown>> {
  const sources = work.sources.sources.map((source) => source.key);
  const { runId, joined } = await startReconcile(work.db, { sources, askedBy, now: work.now() });
  for (const { connection, attempts } of await readOpenConnections(work.db, { parentId: runId })) {
    await work.queues.nudge("collect", connection, { epoch: attempts });
  }
  return { run: runId, joined };
}
