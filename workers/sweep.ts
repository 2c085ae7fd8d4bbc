// What makes a lost nudge harmless: every to-do list is in Postgres, and each process looks at all of them now and then.
// It also keeps the schedules registered, so that an emptied Redis is as good as new after one sweep.
import { sql } from "drizzle-orm";
import type { Context } from "../src/context.ts";
import { forgetMessages } from "../src/ingest/messages.ts";
import { readHinted, toHint } from "../src/ingest/runs/hints.ts";
import { readFinishableReconciles } from "../src/ingest/runs/reconcile.ts";
import { readOpenRanges } from "../src/ingest/runs/rescore.ts";
import { claimCollection, readForgottenConnections, settleCollection } from "../src/ingest/runs/sync.ts";
import { isCacheCurrent } from "../src/standings/refresh.ts";
import { keepSizeShort } from "../src/standings/size.ts";

/** Between two sweeps of a process: what a lost nudge costs at the most. */
export const SWEEP_MS = 10_000;

/** So long a run waits for a source this process does not know: where sources.yaml is being changed, another one may. */
const UNKNOWN_MS = 600_000;

/** Nudges everything that waits. Nudging what is queued already is one deduplicated call. */
export async function sweep(context: Context): Promise<void> {
  const { db, queues } = context;
  const [waiting] = await db.execute<{ partners: boolean; standings: boolean }>(sql`
    select exists (select from pending_partners) as partners, exists (select from pending_standings) as standings`);
  // Whoever drains these lists may have died at it: every sweep has an epoch of its own.
  const epoch = Math.floor(context.now().getTime() / SWEEP_MS);
  if (waiting?.partners === true) await queues.nudge("score", {}, { epoch });
  if (waiting?.standings === true || (await isCacheMissing(context))) {
    await queues.nudge("rank", {}, { epoch });
  }
  const known = new Set(context.sources.sources.map((source) => source.key));
  for (const { connection, attempts } of await readForgottenConnections(db, context.now())) {
    if (known.has(connection.source)) await queues.nudge("collect", connection, { epoch: attempts });
  }
  for (const source of await readHinted(db, context.now())) {
    if (known.has(source)) await queues.nudge("sync", toHint(source), { epoch });
  }
  await giveUpUnknown(context, known);
  for (const range of await readOpenRanges(db)) await queues.nudge("rescore", range);
  for (const runId of await readFinishableReconciles(db)) {
    await queues.nudge("reconcile", { askedBy: "sweep", runId });
  }
  await keepSizeShort(db);
  await forgetMessages(db, context.now());
}

/**
 * Ends what is left of runs whose source is gone from sources.yaml, or they would stay open, and the reconciliation above
 * them with them. Not while anybody collects from that source. Twice is harmless: only the holder of a lease settles.
 */
async function giveUpUnknown(context: Context, known: Set<string>): Promise<void> {
  const { db, log } = context;
  const now = context.now();
  const waiting = await readForgottenConnections(db, new Date(now.getTime() - UNKNOWN_MS));
  for (const { connection } of waiting) {
    if (known.has(connection.source) || (await isCollected(context, connection.source, now))) continue;
    const claimed = await claimCollection(db, connection, { leaseMs: SWEEP_MS, now });
    if (claimed === undefined) continue;
    const reason = `source ${connection.source} is not in ${context.sources.file}`;
    const failed = { state: "failed", errorClass: "config", reason } as const;
    await settleCollection(db, { ...connection, token: claimed.lease.token }, failed, now);
    log.warn({ ...connection, reason }, "given up");
  }
}

async function isCollected(context: Context, source: string, now: Date): Promise<boolean> {
  const leased = await context.db.execute(
    sql`select from connections where source = ${source} and lease_until > ${now} limit 1`,
  );
  return leased.length > 0;
}

/** It was emptied, or has come back with an older state. With Redis out of reach there is nothing to do about it. */
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
