// What /healthz says: whether the scores keep themselves, and if not, where they are stuck.
import { setTimeout as after } from "node:timers/promises";
import type { Database } from "../../../db/client.ts";
import { type FreshnessFacts, readFreshness, type SourceFacts } from "../../ingest/state.ts";
import type { CacheState } from "../../standings/reading.ts";

/** A configured source and how old its last complete success may become. */
export interface SourceFreshness {
  key: string;
  freshWithinMs: number;
}

interface SourceHealth extends SourceFreshness {
  /** `never-ran`: its first run has not ended yet. `stale`: older than promised, or the first runs did not succeed. */
  state: "never-ran" | "fresh" | "stale";
  /** The evidence is at least as fresh as this; null: no run was ever complete. */
  lastCompleteAt: Date | null;
  /** How its last run ended, `new` before the first: a failure is seen here before the evidence is older than promised. */
  lastRun: string;
  /** Pieces of evidence that its listings lack and that count on, because their loss waits for a decision, … */
  heldLosses: number;
  /** … or was rejected. */
  rejectedLosses: number;
}

export interface Health {
  /** false: somebody must act. A source that never ran yet, and Redis in any state, are no reason. */
  healthy: boolean;
  /** The worst of what follows. `stuck`: a partner waits for its score for too long, so no worker works. */
  state: "database-unreachable" | "stuck" | "stale" | "never-ran" | "fresh";
  database: "reachable" | "unreachable";
  /** Standings come from Postgres unless this is `built`. */
  redis: CacheState;
  /** Since when the partner that waits longest for its score has waited; null: no partner waits. */
  oldestPendingSince: Date | null;
  sources: SourceHealth[];
}

/** Scoring a full programme of 100,000 partners takes less. */
const stuckAfterMs = 600_000;
const databaseWithinMs = 3000;

interface HealthQuestion {
  db: Database;
  sources: SourceFreshness[];
  cacheState: () => Promise<CacheState>;
  now: Date;
}

/** Never throws and answers within some seconds, whatever is down. */
export async function readHealth({ db, sources, cacheState, now }: HealthQuestion): Promise<Health> {
  const [facts, redis] = await Promise.all([readFacts(db), cacheState()]);
  if (facts === undefined) {
    const state = "database-unreachable";
    return { healthy: false, state, database: "unreachable", redis, oldestPendingSince: null, sources: [] };
  }
  const checked = sources.map((source) => toSourceHealth(source, facts.sources.get(source.key), now));
  const waitedMs = facts.oldestPendingSince === null ? 0 : now.getTime() - facts.oldestPendingSince.getTime();
  const state = waitedMs > stuckAfterMs ? "stuck" : toState(checked);
  return {
    healthy: state === "fresh" || state === "never-ran",
    state,
    database: "reachable",
    redis,
    oldestPendingSince: facts.oldestPendingSince,
    sources: checked,
  };
}

function toState(sources: SourceHealth[]): "stale" | "never-ran" | "fresh" {
  if (sources.some(({ state }) => state === "stale")) return "stale";
  return sources.length > 0 && sources.every(({ state }) => state === "fresh") ? "fresh" : "never-ran";
}

function toSourceHealth({ key, freshWithinMs }: SourceFreshness, facts: SourceFacts | undefined, now: Date) {
  const lastCompleteAt = facts?.lastCompleteAt ?? null;
  const state = toSourceState();
  const { heldLosses = 0, rejectedLosses = 0 } = facts ?? {};
  return {
    key,
    freshWithinMs,
    state,
    lastCompleteAt,
    lastRun: facts?.state ?? "new",
    heldLosses,
    rejectedLosses,
  };

  function toSourceState(): SourceHealth["state"] {
    if (lastCompleteAt !== null)
      return now.getTime() - lastCompleteAt.getTime() > freshWithinMs ? "stale" : "fresh";
    return facts === undefined || facts.state === "new" ? "never-ran" : "stale";
  }
}

/** undefined: the database did not answer. The driver would wait for a connection much longer than a health check may. */
async function readFacts(db: Database): Promise<FreshnessFacts | undefined> {
  const answered = new AbortController();
  try {
    return await Promise.race([
      readFreshness(db),
      after(databaseWithinMs, undefined, { signal: answered.signal }),
    ]);
  } catch {
    return undefined;
  } finally {
    answered.abort();
  }
}
