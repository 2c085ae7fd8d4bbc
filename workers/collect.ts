// Pulls one connection, page by page. Twice is harmless: the second delivery finds the lease taken or the work done, and a
// page that is recorded again changes nothing.

import { finishListing, restartListing } from "../src/evidence/absence.ts";
import { isSpoilt, readRows } from "../src/evidence/quarantine.ts";
import { dropListing, keepLease, type Lease, LeaseLostError, recordPage } from "../src/evidence/record.ts";
import { openPull } from "../src/ingest/runs/pull.ts";
import { readFinishableReconciles } from "../src/ingest/runs/reconcile.ts";
import { claimCollection, type Settlement, settleCollection } from "../src/ingest/runs/sync.ts";
import { SourceError } from "../src/platform/errors.ts";
import type { Failure, Handler, Work } from "./handler.ts";

export const collect: Handler<"collect"> = async ({ runId, connectionId }, work) => {
  const { db, now } = work;
  const { leaseMs } = work.config;
  const collection = await claimCollection(db, { runId, connectionId }, { leaseMs, now: now() });
  if (collection === undefined) return undefined;
  const lease: Lease = { ...collection, token: collection.lease.token, durationMs: leaseMs };
  if (collection.once) work.tryOnce();
  work.onFailure(async (failure) => {
    if (failure.error instanceof LeaseLostError) return;
    await settleCollection(db, lease, toSettlement(failure, now()), now());
    await nudgeReconciles(work);
  });

  using _ = heartbeat(work, lease);
  const { listing, begins, pages, validators } = openPull(work, collection);
  const counts = { seen: 0, added: 0, changed: 0, absent: 0, quarantined: 0 };
  let unchanged = false;
  let first = begins;
  for await (const page of pages) {
    work.signal.throwIfAborted();
    unchanged = page.unchanged === true;
    const outcome = await recordPage(db, lease, page, {
      listing: listing && !unchanged,
      begins: first,
      now: now(),
    });
    first = false;
    counts.quarantined += outcome.quarantined;
    counts.seen += outcome.seen;
    counts.added += outcome.added;
    counts.changed += outcome.changed;
    if (outcome.added + outcome.changed > 0) await work.queues.nudge("score", {});
    if (outcome.quarantined > 0) await stopWhereSpoilt(work, lease, false);
  }
  if (counts.quarantined > 0) await stopWhereSpoilt(work, lease, true);
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
  }, lease.durationMs / 3);
  return {
    [Symbol.dispose]() {
      clearInterval(timer);
    },
  };
}

/** Throws a SourceError (data) where too many of the run's rows cannot be read: what the rest says is not to be relied on. */
async function stopWhereSpoilt({ db }: Work, lease: Lease, isOver: boolean): Promise<void> {
  const rows = await readRows(db, lease);
  if (!isSpoilt(rows, isOver)) return;
  throw new SourceError(
    "data",
    `${rows.quarantined} of ${rows.read + rows.quarantined} rows cannot be read; see: standings evidence quarantined`,
  );
}

async function concludeListing(work: Work, lease: Lease, counts: { absent: number }): Promise<Settlement> {
  const end = await finishListing(work.db, lease, work.now());
  if (end.outcome === "incomplete") {
    await restartListing(work.db, lease);
    throw new SourceError("transient", "the listing was lost in a crash of the database and begins again");
  }
  await dropListing(work.db, lease);
  if (end.outcome === "unclear") {
    const reason = `${end.unidentified} rows have no readable id and may be anything, so nothing is called absent; see: standings evidence quarantined`;
    return { state: "partial", errorClass: "data", reason };
  }
  if (end.outcome === "held") {
    const where = end.of === "source" ? "of the source " : "";
    const reason = `${end.missing} of ${end.known} pieces of evidence ${where}are gone at once; look at them with: standings runs held ${lease.runId}; believe it with: standings runs approve ${lease.runId}`;
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
