// What any backend of the queues can do.
import type { Logger } from "pino";
import type { JobName, JobPayload } from "./catalogue.ts";

/** A repeated job: every so many milliseconds, or by a cron pattern in a time zone. */
interface Schedule {
  id: string;
  repeat: { every: number } | { pattern: string; tz: string };
}

export interface QueueOperations {
  /**
   * Enqueues a job. Never throws because of the queue: a failure is logged, and the next sweep enqueues it again. A job of a
   * source that is not configured here is logged and left to the sweep. Throws when the payload is not the job's (a mistake in
   * the code). `epoch` makes it another job for the deduplication: a job whose worker died stays active for half a minute,
   * and must not block its successor.
   */
  nudge<Name extends JobName>(
    name: Name,
    payload: JobPayload<Name>,
    options?: { delayMs?: number; epoch?: number },
  ): Promise<void>;
  /** Registers a schedule; any number of processes may, again and again. Throws when the queue is out of reach. */
  schedule<Name extends JobName>(schedule: Schedule, name: Name, payload: JobPayload<Name>): Promise<void>;
  /** The ids of the registered schedules. */
  schedules(): Promise<string[]>;
  /** Removes schedules that are not in the list (a source that is gone). */
  keepSchedules(ids: string[]): Promise<void>;
  /** Throws when the queue is out of reach. */
  ping(): Promise<void>;
  close(): Promise<void>;
}

export interface QueueOptions {
  /** undefined: the queues are on Postgres. */
  redisUrl: string | undefined;
  databaseUrl: string;
  prefix: string;
  /** Keys of sources.yaml: each has a queue of its own. */
  sources: string[];
  log: Logger;
}
