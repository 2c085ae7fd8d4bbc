// What a job handler is: a function of payload and context. Retry, time limits and drain are the runtime's.
import type { Logger } from "pino";
import type { Context } from "../src/context.ts";
import type { JobName, JobPayload } from "../src/queue/catalogue.ts";
import type { RetryDecision } from "./retry.ts";

export interface Failure {
  error: unknown;
  /** The error's message, fit for Postgres (src/platform/text.ts), 1000 characters at most. */
  reason: string;
  decision: RetryDecision;
}

export interface Work extends Context {
  log: Logger;
  /** Aborts at the job's time limit, when its lock is lost and when the process drains. */
  signal: AbortSignal;
}

export type HandlerResult =
  /** `log`: fields of the log line; undefined when there was nothing to do. */
  | { state: "done"; log: Record<string, unknown> | undefined }
  | {
      state: "failed";
      error: unknown;
      /** The job has no further attempts, whatever its rule says. */
      isLastAttempt?: boolean;
      /** Writes the failure, with what the runtime has decided. */
      write: (failure: Failure) => Promise<void>;
    };

/** An error that a handler throws is retried as a failed result is, and written nowhere but in the log. */
export type Handler<Name extends JobName> = (payload: JobPayload<Name>, work: Work) => Promise<HandlerResult>;

export function done(log: Record<string, unknown> | undefined): HandlerResult {
  return { state: "done", log };
}
