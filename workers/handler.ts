// What a job handler is: a function of payload and context. Retry, time limits and drain are the runtime's.
import type { Logger } from "pino";
import type { Context } from "../src/context.ts";
import type { JobName, JobPayload } from "../src/queue/catalogue.ts";
import type { RetryDecision } from "./retry.ts";

export interface Failure {
  error: unknown;
  /** What it says, fit for Postgres: without NUL and half surrogates, 1000 characters at most. */
  reason: string;
  decision: RetryDecision;
}

export interface Work extends Context {
  log: Logger;
  /** Aborts at the job's time limit, when its lock is lost and when the process drains. */
  signal: AbortSignal;
  /** This attempt is the only one: what fails now is not tried again for the same job. */
  tryOnce(): void;
  /** Called when the attempt fails, with what the runtime has decided: for writing it into the run. */
  onFailure(write: (failure: Failure) => Promise<void>): void;
}

/** Returns what the log line should show; nothing when there was nothing to do. */
export type Handler<Name extends JobName> = (
  payload: JobPayload<Name>,
  work: Work,
) => Promise<Record<string, unknown> | undefined>;
