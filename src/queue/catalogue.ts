// The job catalogue: payload, queue and limits of each job. A job carries ids, never state: the pending work is in Postgres, and
// a job is only a nudge to look there. Handlers are in workers/, where the compiler requires one for each name.
import { z } from "zod";

/** Payloads by job name; checked when enqueued and again when taken up. */
export const jobPayloads = {
  /** Begins a run of one source. `forMessages`: only if messages of the inbox still wait for one. */
  sync: z.strictObject({
    source: z.string(),
    full: z.boolean(),
    askedBy: z.string(),
    forMessages: z.literal(true).optional(),
  }),
  /** Pulls one connection for one run. */
  collect: z.strictObject({ source: z.string(), runId: z.int(), connectionId: z.int() }),
  /** Drains pending_partners. */
  score: z.strictObject({}),
  /** Drains pending_standings into the cache. */
  rank: z.strictObject({}),
  /** Evaluates one range of a rescore. */
  rescore: z.strictObject({ runId: z.int(), first: z.int() }),
  /** Begins a reconciliation (no run) or finishes one whose syncs have ended. */
  reconcile: z.strictObject({ askedBy: z.string(), runId: z.int().optional() }),
  /** Marks who changes by the passing of time. */
  clock: z.strictObject({}),
} as const;

export type JobName = keyof typeof jobPayloads;
export type JobPayload<Name extends JobName> = z.output<(typeof jobPayloads)[Name]>;

interface JobRules<Name extends JobName> {
  /** The queue it waits in; jobs of one queue share its workers. */
  queue(payload: JobPayload<Name>): string;
  /** Tries in all, the first included. */
  attempts: number;
  timeoutMs: number;
  /** Jobs of its queue at the same time in one process (the largest of the queue's jobs counts). */
  concurrency: number;
  /** Jobs with the same key are one while the first is waiting or, with `again`, one more after it. */
  deduplication(payload: JobPayload<Name>): { id: string; keepLastIfActive?: boolean };
}

/** A mark that is made while a job drains its list must not be lost: such jobs keep the last duplicate. */
export const jobRules: { [Name in JobName]: JobRules<Name> } = {
  sync: {
    queue: () => "control",
    attempts: 3,
    timeoutMs: 60_000,
    concurrency: 2,
    // A job for messages is one of its own: a delayed sync of the source may wait for hours.
    deduplication: ({ source, full, forMessages }) => ({
      id: `sync-${source}-${forMessages === true ? "messages" : full ? "full" : "changes"}`,
    }),
  },
  collect: {
    queue: ({ source }) => collectQueue(source),
    attempts: 5,
    timeoutMs: 900_000,
    concurrency: 4,
    deduplication: ({ runId, connectionId }) => ({ id: `collect-${runId}-${connectionId}` }),
  },
  score: {
    queue: () => "score",
    attempts: 5,
    timeoutMs: 300_000,
    concurrency: 1,
    deduplication: () => ({ id: "score", keepLastIfActive: true }),
  },
  rank: {
    queue: () => "rank",
    attempts: 5,
    timeoutMs: 300_000,
    concurrency: 1,
    deduplication: () => ({ id: "rank", keepLastIfActive: true }),
  },
  rescore: {
    queue: () => "rescore",
    attempts: 5,
    timeoutMs: 900_000,
    concurrency: 1,
    deduplication: ({ runId, first }) => ({ id: `rescore-${runId}-${first}` }),
  },
  reconcile: {
    queue: () => "control",
    attempts: 5,
    timeoutMs: 900_000,
    concurrency: 2,
    deduplication: ({ runId }) => ({ id: `reconcile-${runId ?? "begin"}` }),
  },
  clock: {
    queue: () => "control",
    attempts: 2,
    timeoutMs: 60_000,
    concurrency: 2,
    deduplication: () => ({ id: "clock" }),
  },
};

/** One queue a source, so that a slow or limited source never starves another. */
export function collectQueue(source: string): string {
  return `collect-${source}`;
}

/** All queues of a deployment with these sources. */
export function queueNames(sources: string[]): string[] {
  return ["control", "score", "rank", "rescore", ...sources.map(collectQueue)];
}

/** Options of a job. Another `epoch` makes it another job for the deduplication. */
export function jobOptions<Name extends JobName>(name: Name, payload: JobPayload<Name>, epoch = 0) {
  const rules: JobRules<Name> = jobRules[name];
  const { id, ...deduplication } = rules.deduplication(payload);
  return {
    attempts: rules.attempts,
    backoff: { type: "custom" },
    deduplication: { ...deduplication, id: `${id}-${epoch}` },
  };
}

/** The payload of a job that was taken up. Throws a ZodError when it is not what the catalogue says. */
export function payloadOf<Name extends JobName>(name: Name, job: { data: unknown }): JobPayload<Name> {
  return jobPayloads[name].parse(job.data) as JobPayload<Name>;
}
