// Begins a reconciliation, or finishes one whose syncs have ended. Running twice is harmless: a second begin joins the open run,
// a second finish finds it ended.
import { finishReconcile } from "../src/ingest/runs/reconcile.ts";
import { beginReconcile } from "../src/operations/sync.ts";
import { compareStandings, refreshStandings } from "../src/standings/refresh.ts";
import { recountStandings } from "../src/standings/size.ts";
import { done, type Handler } from "./handler.ts";

export const reconcile: Handler<"reconcile"> = async ({ askedBy, runId }, work) => {
  if (runId === undefined) {
    const begun = await beginReconcile(work, askedBy);
    return done({ run: begun.runId, joined: begun.joined });
  }
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
  return done(finished === undefined ? undefined : { run: runId, ...finished });
};
