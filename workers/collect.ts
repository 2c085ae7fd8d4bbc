// Pulls one connection, page by page. Twice is harmless: the second delivery finds the lease taken or the work done, and a
// page that is recorded again changes nothing.

import { finishListing, type ListingOutcome, restartListing } from "../src/evidence/absence.ts";
import { keepLease, type Lease, LeaseLostError } from "../src/evidence/lease.ts";
import { exceedsErrorRate, readRows } from "../src/evidence/quarantine.ts";
import { dropListing, recordPage } from "../src/evidence/record.ts";
import { openPull } from "../src/ingest/runs/pull.ts";
import { readFinishableReconciles } from "../src/ingest/runs/reconcile.ts";
import type { Settlement } from "../src/ingest/runs/settlement.ts";
import { type Collection, claimCollection, settleCollection } from "../src/ingest/runs/sync.ts";
import { SourceError } from "../src/platform/errors.ts";
import { done, type Failure, type Handler, type Work } from "./handler.ts";

export const collect: Handler<"collect"> = async ({ runId, connectionId }, work) => {
  const { db, now } = work;
  const { leaseMs } = work.config;
  const collection = await claimCollection(db, { runId, connectionId }, { leaseMs, now: now() });
  if (collection === undefined) return done(undefined);
  const lease: Lease = { ...collection, token: collection.lease.token, durationMs: leaseMs };
  try {
    using _ = heartbeat(work, lease);
    const recorded = await recordPages(work, collection, lease);
    const { settlement, absent } = await concludeListing(work, lease, recorded);
    await settleCollection(db, lease, settlement, now());
    await enqueueReconciles(work);
    const { unchanged, counts } = recorded;
    return done({
      connection: collection.key,
      ended: settlement.state,
      ...(unchanged && { unchanged }),
      ...counts,
      absent,
    });
  } catch (error) {
    return {
      state: "failed",
      error,
      isLastAttempt: collection.once,
      async write(failure) {
        if (error instanceof LeaseLostError) return;
        await settleCollection(db, lease, toSettlement(failure, now()), now());
        await enqueueReconciles(work);
      },
    };
  }
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

interface Recorded {
  /** The pull listed everything there is, and its pages were recorded as a listing. */
  listed: boolean;
  /** The source answered that nothing has changed (304). */
  unchanged: boolean;
  validators: ReturnType<typeof openPull>["validators"];
  counts: { seen: number; added: number; changed: number; quarantined: number };
}

/** Records every page of the pull, each in a transaction of its own. */
async function recordPages(work: Work, collection: Collection, lease: Lease): Promise<Recorded> {
  const { listing, begins, pages, validators } = openPull(work, collection);
  const counts = { seen: 0, added: 0, changed: 0, quarantined: 0 };
  let unchanged = false;
  let first = begins;
  for await (const page of pages) {
    work.signal.throwIfAborted();
    unchanged = page.unchanged === true;
    const recorded = await recordPage(work.db, lease, page, {
      listing: listing && !unchanged,
      begins: first,
      now: work.now,
    });
    first = false;
    counts.seen += recorded.seen;
    counts.added += recorded.added;
    counts.changed += recorded.changed;
    counts.quarantined += recorded.quarantined;
    if (recorded.added + recorded.changed > 0) await work.queues.nudge("score", {});
    if (recorded.quarantined > 0) await checkErrorRate(work, lease, false);
  }
  if (counts.quarantined > 0) await checkErrorRate(work, lease, true);
  return { listed: listing && !unchanged, unchanged, validators, counts };
}

/** Throws a SourceError (data) when too many rows of the run cannot be read: the others are then not reliable either. */
async function checkErrorRate({ db }: Work, lease: Lease, isOver: boolean): Promise<void> {
  const rows = await readRows(db, lease);
  if (!exceedsErrorRate(rows, isOver)) return;
  throw new SourceError(
    "data",
    `${rows.quarantined} of ${rows.read + rows.quarantined} rows cannot be read; see: standings evidence quarantined`,
  );
}

/** Removes the evidence that a complete listing no longer names. An unchanged source names nothing, so nothing is absent. */
async function concludeListing(
  work: Work,
  lease: Lease,
  { listed, validators }: Recorded,
): Promise<{ settlement: Settlement; absent: number }> {
  if (!listed) return { settlement: { state: "complete", validators: validators() }, absent: 0 };
  const source = work.sources.sources.find(({ key }) => key === lease.source);
  if (source === undefined) throw new SourceError("config", `source ${lease.source} is configured no more`);
  const end = await finishListing(work.db, lease, { now: work.now, losses: source.losses });
  if (end.outcome === "incomplete") {
    await restartListing(work.db, lease);
    throw new SourceError("transient", "the listing was lost in a crash of the database and begins again");
  }
  await dropListing(work.db, lease);
  if (end.outcome === "unclear") {
    const reason = `${end.unidentified} rows have no readable id and may be anything, so nothing is called absent; see: standings evidence quarantined`;
    return { settlement: { state: "partial", errorClass: "data", reason }, absent: 0 };
  }
  if (end.absent > 0) await work.queues.nudge("score", {});
  if (end.outcome === "held") {
    const reason = sayHeld(end, lease.runId);
    return { settlement: { state: "held", errorClass: "data", reason }, absent: end.absent };
  }
  return { settlement: { state: "complete", validators: validators() }, absent: end.absent };
}

function sayHeld(end: ListingOutcome & { outcome: "held" }, runId: number): string {
  const counts = `${end.missing} of ${end.known} pieces of evidence`;
  const what = {
    connection: `${counts} are gone at once`,
    source: `${counts} of the source are gone at once`,
    partner: `${counts} of single partners are gone at once`,
    waiting: `${end.missing} pieces of evidence whose loss waits for a decision are still gone`,
  }[end.of];
  const renames = end.renames.map(
    ({ partner, from, to, count }) =>
      `; ${count} of them came back under ${to} instead of ${from}: if that is ${partner}, then: standings identities add ${partner} ${to}`,
  );
  return `${what}; look at them with: standings runs held ${runId}; believe it with: standings runs approve ${runId}${renames.join("")}`;
}

/** The last sync of a reconciliation lets it go on. */
async function enqueueReconciles(work: Work): Promise<void> {
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
