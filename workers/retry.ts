// What to do about a failed attempt. Retry lives here and only here.
//
// Our own budget is no failure: the job comes back when there is room. A source's own wish (Retry-After) goes first: a short
// one delays the job, a long one ends it and leaves the connection alone until then. What cannot get better by itself (a refused credential, wrong settings) is not retried. Everything else
// is tried again with a delay that doubles, spread by half so that a hundred connections do not come back at once; never
// under a second, because BullMQ on Postgres runs finished jobs twice when delays are shorter than its lock rounds.
import { SourceError } from "../src/platform/errors.ts";

export type RetryDecision =
  /** Try again; counts as an attempt. */
  | { action: "retry"; delayMs: number }
  /** The source asked for it; does not count as an attempt. */
  | { action: "wait"; delayMs: number }
  /** The source asked for more than we wait: over for now. */
  | { action: "put-off"; delayMs: number }
  | { action: "give-up" };

/** The first delay, and the longest. */
export interface Backoff {
  firstMs: number;
  mostMs: number;
}

export const BACKOFF: Backoff = { firstMs: 2000, mostMs: 300_000 };
/** A longer Retry-After than this ends the attempt instead of keeping a run open. */
const LONGEST_WAIT_MS = 60_000;
/** So often a source may ask to wait before it counts as a failure. */
const MOST_STARTS = 20;

interface Attempt {
  /** From 1. */
  attempt: number;
  attempts: number;
  /** How often the job was begun in all, waits included. */
  started: number;
  /** 0 up to 1. */
  random: number;
  backoff: Backoff;
}

export function decideRetry(error: unknown, failed: Attempt): RetryDecision {
  const { attempt, attempts, started, random, backoff } = failed;
  if (error instanceof SourceError) {
    // Spread, or all that wait for one budget would come back at once. The run stays open and goes on where it is.
    if (error.ownBudget) {
      return { action: "wait", delayMs: Math.ceil((error.retryAfterMs ?? 1000) * (1 + random / 2)) };
    }
    if (error.retryAfterMs !== undefined && (error.class === "quota" || error.class === "transient")) {
      const delayMs = Math.ceil(Math.max(1000, error.retryAfterMs));
      if (delayMs > LONGEST_WAIT_MS) return { action: "put-off", delayMs };
      if (started < MOST_STARTS) return { action: "wait", delayMs };
    }
    if (error.class === "auth" || error.class === "config" || error.class === "data")
      return { action: "give-up" };
  }
  if (attempt >= attempts) return { action: "give-up" };
  const full = Math.min(backoff.mostMs, backoff.firstMs * 2 ** (attempt - 1));
  return { action: "retry", delayMs: Math.max(1000, Math.ceil(full * (0.5 + random / 2))) };
}
