// Pulls one connection, page by page. Twice is harmless: the second delivery finds the lease taken or the work done, and a
// page that is recorded again changes nothing.
import { SourceError } from "../src/errors.ts";
import { dropListing, finishListing, restartListing } from "../src/evidence/absence.ts";
import { keepLease, type Lease, LeaseLostError, recordPage } from "../src/evidence/record.ts";
import { openPull } from "../src/runs/pull.ts";
import { readFinishableReconciles } from "../src/runs/reconcile.ts";
import { claimCollection, type Settlement, settleCollection } from "../src/runs/sync.ts";
import type { Failure, Handler, Work } from "./handler.ts";

/** How long a worker that has died keeps a connection. One that lives extends it with every page, and a third of it apart. */
const LEASE_MS = 15_000;

export const collect: Handler<"collect"> = async ({ runId, connectionId }, work) => {
  const { db, now } = work;
  const collection = await claimCollection(db, { runId, connectionId }, { leaseMs: LEASE_MS, now: now() });
  if (collection === undefined) return undefined;
  const lease: Lease = { ...collection, token: collection.lease.token, durationMs: LEASE_MS };
  work.onFailure(async (failure) => {
    if (failure.error instanceof LeaseLostError) return;
    await settleCollection(db, lease, toSettlement(failure, now()), now());
    await nudgeReconciles(work);
  });

  using _ = heartbeat(work, lease);
  const { listing, pages, validators } = openPull(work, collection);
  let unchanged = false;
  const counts = { seen: 0, added: 0, changed: 0, absent: 0 };
  for await (const page of pages) {
    work.signal.throwIfAborted();
    unchanged = page.unchanged === true;
    const outcome = await recordPage(db, lease, page, { listing: listing && !unchanged, now: now() });
    counts.seen += outcome.seen;
    counts.added += outcome.added;
    counts.changed += outcome.changed;
    if (outcome.added + outcome.changed > 0) await work.queues.nudge("score", {});
  }
  // An unchanged source has named nothing, and nothing is absent for that.
  const isListed = listing && !unchanged;
  const settlement = isListed ? await concludeListing(work, lease, counts) : { state: "complete" as const };
  const isComplete = settlement.state === "complete";
  await settleCollection(
    db,
    lease,
    isComplete ? { ...settlement, validators: validators() } : settlement,
    now(),
  );
  await nudgeReconciles(work);
  return { connection: collection.key, ended: settlement.state, ...(unchanged && { unchanged }), ...counts };
};

/** Extends the lease until it is disposed of. */
function heartbeat(work: Work, lease: Lease): Disposable {
  const timer = setInterval(() => {
    keepLease(work.db, lease, work.now()).catch((error: unknown) => {
      work.log.debug({ err: error }, "the lease was not extended");
    });
  }, LEASE_MS / 3);
  return {
    [Symbol.dispose]() {
      clearInterval(timer);
    },
  };
}

async function concludeListing(work: Work, lease: Lease, counts: { absent: number }): Promise<Settlement> {
  const end = await finishListing(work.db, lease, work.now());
  if (end.outcome === "incomplete") {
    await restartListing(work.db, lease);
    throw new SourceError("transient", "the listing was lost in a crash of the database and begins again");
  }
  await dropListing(work.db, lease);
  if (end.outcome === "held") {
    const reason = `${end.missing} of ${end.known} pieces of evidence are gone at once; approve the loss with: standings runs approve ${lease.runId}`;
    return { state: "held", errorClass: "data", reason };
  }
  counts.absent = end.absent;
  if (end.absent > 0) await work.queues.nudge("score", {});
  return { state: "complete" };
}

/** The last sync of a reconciliation lets it go on. */
async function nudgeReconciles(work: Work): Promise<void> {
  for (const runId of await readFinishableReconciles(work.db)) {
    await work.queues.nudge("reconcile", { askedBy: "sync", runId });
  }
}

function toSettlement({ error, reason, decision }: Failure, now: Date): Settlement {
  const errorClass = error instanceof SourceError ? error.class : "transient";
  if (decision.action === "give-up") return { state: "failed", errorClass, reason };
  const later = new Date(now.getTime() + decision.delayMs);
  return decision.action === "put-off"
    ? { state: "deferred", errorClass, reason, retryAt: later }
    : { state: "queued", errorClass, reason, dueAt: later };
}
