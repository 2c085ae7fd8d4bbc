// The sweep makes a lost job harmless: all pending work is in Postgres, and each process enqueues it again every ten seconds.
// It also registers the schedules, so an emptied Redis is complete again after one sweep.
import type { Context } from "../src/context.ts";
import { isCollected } from "../src/evidence/lease.ts";
import { hasPendingPartners } from "../src/evidence/pending.ts";
import { forgetMessages } from "../src/ingest/messages.ts";
import { readHinted, toHint } from "../src/ingest/runs/hints.ts";
import { readFinishableReconciles } from "../src/ingest/runs/reconcile.ts";
import { readOpenRanges } from "../src/ingest/runs/rescore.ts";
import { claimCollection, readForgottenConnections, settleCollection } from "../src/ingest/runs/sync.ts";
import { hasPendingStandings, isCacheCurrent } from "../src/standings/refresh.ts";
import { keepSizeShort } from "../src/standings/size.ts";

/** Between two sweeps of a process: the longest delay that a lost job causes. */
export const SWEEP_MS = 10_000;

/** How long a run waits for a source that this process does not know: another process may have a newer sources.yaml. */
const UNKNOWN_MS = 600_000;

type Duty = (context: Context) => Promise<void>;

/** Independent of each other: one that fails does not stop the others. */
const duties: Record<string, Duty> = {
  async score({ db, queues, now }) {
    if (await hasPendingPartners(db)) await queues.nudge("score", {}, { epoch: epochOf(now()) });
  },
  async rank(context) {
    const { db, queues, now } = context;
    if ((await hasPendingStandings(db)) || (await isCacheMissing(context)))
      await queues.nudge("rank", {}, { epoch: epochOf(now()) });
  },
  async collect({ db, queues, now, sources }) {
    for (const { connection, attempts } of await readForgottenConnections(db, now())) {
      if (isKnown(sources, connection.source)) await queues.nudge("collect", connection, { epoch: attempts });
    }
  },
  async hints({ db, queues, now, sources }) {
    for (const source of await readHinted(db, now())) {
      if (isKnown(sources, source)) await queues.nudge("sync", toHint(source), { epoch: epochOf(now()) });
    }
  },
  "unknown sources": giveUpUnknown,
  async rescore({ db, queues }) {
    for (const range of await readOpenRanges(db)) await queues.nudge("rescore", range);
  },
  async reconcile({ db, queues }) {
    for (const runId of await readFinishableReconciles(db)) {
      await queues.nudge("reconcile", { askedBy: "sweep", runId });
    }
  },
  size: ({ db }) => keepSizeShort(db),
  messages: ({ db, now }) => forgetMessages(db, now()),
};

/**
 * Enqueues all pending work. Work that is queued already is deduplicated by the queue. Throws an AggregateError of the duties
 * that failed, after all of them have had their turn.
 */
export async function sweep(context: Context): Promise<void> {
  const errors: Error[] = [];
  for (const [name, duty] of Object.entries(duties)) {
    await duty(context).catch((cause: unknown) => {
      errors.push(new Error(`the sweep's duty ${name} failed`, { cause }));
    });
  }
  if (errors.length > 0) throw new AggregateError(errors, errors.map((error) => error.message).join("; "));
}

/** The worker that drained a list may have died at it: the epoch of a sweep makes a new job. */
function epochOf(now: Date): number {
  return Math.floor(now.getTime() / SWEEP_MS);
}

function isKnown({ sources }: Context["sources"], key: string): boolean {
  return sources.some((source) => source.key === key);
}

/**
 * Ends the open parts of runs whose source is gone from sources.yaml; otherwise these runs and their reconciliation would stay
 * open. Not while a worker collects from that source. Twice is harmless: only the holder of a lease settles.
 */
async function giveUpUnknown(context: Context): Promise<void> {
  const { db, log } = context;
  const now = context.now();
  const waiting = await readForgottenConnections(db, new Date(now.getTime() - UNKNOWN_MS));
  for (const { connection } of waiting) {
    if (isKnown(context.sources, connection.source) || (await isCollected(db, connection.source, now)))
      continue;
    const claimed = await claimCollection(db, connection, { leaseMs: SWEEP_MS, now });
    if (claimed === undefined) continue;
    const reason = `source ${connection.source} is not in ${context.sources.file}`;
    const failed = { state: "failed", errorClass: "config", reason } as const;
    await settleCollection(db, { ...connection, token: claimed.lease.token }, failed, now);
    log.warn({ ...connection, reason }, "given up");
  }
}

/** Redis was emptied, or restored from an older file. Unreachable Redis is not missing: there is nothing to rebuild into. */
async function isCacheMissing({ cache, db, standings }: Context): Promise<boolean> {
  if (cache === undefined) return false;
  const state = await standings.cacheState();
  if (state === "not built") return true;
  return state === "built" && !(await isCacheCurrent(db, cache));
}

/** Registers the schedules of this configuration and removes those of sources that are gone. */
export async function registerSchedules(context: Context): Promise<void> {
  const { queues, sources } = context;
  await queues.schedule({ id: "clock", repeat: { every: 60_000 } }, "clock", {});
  await queues.schedule(
    { id: "reconcile", repeat: { pattern: sources.reconcile.pattern, tz: sources.reconcile.timeZone } },
    "reconcile",
    { askedBy: "schedule" },
  );
  for (const source of sources.sources) {
    await queues.schedule({ id: `sync-${source.key}`, repeat: { every: source.everyMs } }, "sync", {
      source: source.key,
      full: false,
      askedBy: "schedule",
    });
  }
  await queues.keepSchedules([
    "clock",
    "reconcile",
    ...sources.sources.map((source) => `sync-${source.key}`),
  ]);
}
