// A worker: handlers on every queue, a sweep every ten seconds, and schedules where they are wanted.
import { setTimeout as delay } from "node:timers/promises";
import type { Context } from "../src/context.ts";
import { recountStandings } from "../src/standings/size.ts";
import type { Backoff } from "./retry.ts";
import { openRuntime } from "./runtime.ts";
import { registerSchedules, SWEEP_MS, sweep } from "./sweep.ts";

/** Schedules are looked after once a minute, and whenever the queue was lost. */
const SWEEPS_PER_REGISTRATION = 6;

export interface Workers {
  /** Drains: no new jobs, running ones finish (or are handed back), then nothing of this process is left in the queue. */
  close(): Promise<void>;
}

/**
 * `schedules`: whether this process keeps the schedules registered (a command that runs one sync does not).
 * `backoff`: how patient retries are.
 */
export async function openWorkers(
  context: Context,
  options: { schedules: boolean; backoff?: Backoff },
): Promise<Workers> {
  const runtime = await openRuntime(context, options.backoff);
  const stopping = new AbortController();
  const sweeping = sweepUntil(stopping.signal, context, options.schedules);
  return {
    async close() {
      stopping.abort();
      // A sweep that waits for a queue out of reach would wait for ever.
      await Promise.race([sweeping, delay(SWEEP_MS, undefined, { ref: false })]);
      await runtime.close();
    },
  };
}

async function sweepUntil(signal: AbortSignal, context: Context, schedules: boolean): Promise<void> {
  for (let round = 0; !signal.aborted; round += 1) {
    try {
      // A restored database may have counted its partners twice: the rows of the backup, and those its own triggers wrote.
      if (round === 0) await recountStandings(context.db);
      if (schedules && round % SWEEPS_PER_REGISTRATION === 0) await registerSchedules(context);
      await sweep(context);
    } catch (error) {
      context.log.warn({ err: error }, "the sweep failed; the next one is in ten seconds");
    }
    await delay(SWEEP_MS, undefined, { signal }).catch(() => undefined);
  }
}
