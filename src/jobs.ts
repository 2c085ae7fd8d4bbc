// The job catalogue: what work there is, with which payload and which limits. A job carries ids, never state: enqueuing one
// is a nudge, the to-do lists are in Postgres. Handlers are in workers/, where the compiler demands one for each name here.
import {
  createPostgresBackend,
  createRedisBackend,
  type Job,
  type Queue,
  runMigrations,
  withBackend,
} from "bullmq";
import { Redis } from "ioredis";
import pg from "pg";
import type { Logger } from "pino";
import { z } from "zod";

/** Payloads by job name; checked when enqueued and again when taken up. */
export const jobPayloads = {
  /** Begins a run of one source. */
  sync: z.strictObject({ source: z.string(), full: z.boolean(), askedBy: z.string() }),
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

/** One line of rules a job. A mark made while a job drains its list must not be lost: those keep the last. */
export const jobRules: { [Name in JobName]: JobRules<Name> } = {
  sync: {
    queue: () => "control",
    attempts: 3,
    timeoutMs: 60_000,
    concurrency: 2,
    deduplication: ({ source, full }) => ({ id: `sync-${source}-${full ? "full" : "changes"}` }),
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

/** A repeated job: every so many milliseconds, or by a cron pattern in a time zone. */
interface Schedule {
  id: string;
  repeat: { every: number } | { pattern: string; tz: string };
}

export interface Queues {
  backend: QueueBackend;
  /**
   * Nudges. Never throws because of the queue: what is not enqueued now is found by the next sweep; a failure is logged.
   * So is work of a source that is not configured here: the sweep knows what to do about it. Throws when the payload is
   * not the job's (a mistake in the code). `epoch` sets the nudge apart from earlier ones of the same work: a job that died
   * with its worker stays active for half a minute, and must not keep its successor out.
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

/** What BullMQ runs on: chosen here and nowhere else. */
export type QueueBackend =
  | { kind: "redis"; url: string; prefix: string }
  | { kind: "postgres"; url: string; pool: pg.Pool; prefix: string };

const onRedis = withBackend(createRedisBackend);
const onPostgres = withBackend(createPostgresBackend);

/** The worker classes, for workers/runtime.ts. */
export const workerClasses = { redis: onRedis.Worker, postgres: onPostgres.Worker };

/**
 * Redis where there is one, Postgres otherwise. `connections`: how many this process needs of Postgres for its workers
 * and queues: each worker pins one, and a pool without a free one hangs for ever.
 */
export function openQueueBackend(options: {
  redisUrl: string | undefined;
  databaseUrl: string;
  prefix: string;
  connections: number;
}): QueueBackend {
  if (options.redisUrl !== undefined) return { kind: "redis", url: options.redisUrl, prefix: options.prefix };
  const pool = new pg.Pool({
    connectionString: options.databaseUrl,
    max: options.connections,
    keepAlive: true,
    application_name: "standings queue",
    // BullMQ's statements name its tables without a schema.
    options: "-c search_path=bullmq",
  });
  // One listener a worker and queue: more than Node's warning limit, and none of them a leak.
  pool.setMaxListeners(0);
  return { kind: "postgres", url: options.databaseUrl, pool, prefix: options.prefix };
}

/** BullMQ's own tables (schema bullmq), for db/migrate.ts to create under its lock. */
export async function migrateQueue(databaseUrl: string): Promise<void> {
  const client = new pg.Client({ connectionString: databaseUrl, application_name: "standings migrate" });
  await client.connect();
  try {
    await runMigrations(client);
  } finally {
    await client.end();
  }
}

/** The backend's connection as a worker wants it: without a limit on retries, for it waits out an outage. */
export function workerConnection(backend: QueueBackend): Redis | pg.Pool {
  if (backend.kind === "postgres") return backend.pool;
  const redis = new Redis(backend.url, { maxRetriesPerRequest: null });
  // The worker reports its errors; unheard, they would be printed once more.
  redis.on("error", () => undefined);
  return redis;
}

/** Opens the queues this process may enqueue into. */
export function openQueues(backend: QueueBackend, sources: string[], log: Logger): Queues {
  // A producer fails fast: the caller's effect is in Postgres already, and the sweep repeats the nudge.
  const redis =
    backend.kind === "redis"
      ? new Redis(backend.url, { maxRetriesPerRequest: 1, enableOfflineQueue: true, commandTimeout: 5000 })
      : undefined;
  let lastComplaint = "";
  const complain = (error: Error) => {
    if (error.message !== lastComplaint)
      log.warn({ err: error }, "the queue is out of reach; the sweep will repeat");
    lastComplaint = error.message;
  };
  redis?.on("error", complain);
  const queues = new Map<string, Queue>();
  for (const name of queueNames(sources)) {
    const options = {
      prefix: backend.prefix,
      defaultJobOptions: {
        removeOnComplete: { age: 3600, count: 1000 },
        removeOnFail: { age: 86_400, count: 1000 },
      },
    };
    const queue =
      backend.kind === "postgres"
        ? (new onPostgres.Queue(name, { ...options, connection: backend.pool as never }) as unknown as Queue)
        : new onRedis.Queue(name, { ...options, connection: redis as never });
    queue.on("error", complain);
    queues.set(name, queue);
  }
  const queueOf = (name: string) => {
    const queue = queues.get(name);
    if (queue === undefined) throw new Error(`There is no queue ${name}.`);
    return queue;
  };
  return {
    backend,
    async nudge(name, payload, options) {
      const data = jobPayloads[name].parse(payload) as never;
      const queue = queues.get(jobRules[name].queue(data));
      if (queue === undefined) {
        log.warn({ job: name, payload }, "not enqueued: its source is not in sources.yaml");
        return;
      }
      try {
        const delay = options?.delayMs === undefined ? {} : { delay: Math.ceil(options.delayMs) };
        await answered(queue.add(name, data, { ...jobOptions(name, data, options?.epoch), ...delay }));
        lastComplaint = "";
      } catch (error) {
        complain(error as Error);
      }
    },
    async schedule(schedule, name, payload) {
      const data = jobPayloads[name].parse(payload) as never;
      const { deduplication: _, ...options } = jobOptions(name, data);
      await withScheduleLock(backend, () =>
        queueOf("control").upsertJobScheduler(schedule.id, schedule.repeat, { name, data, opts: options }),
      );
    },
    async schedules() {
      return (await queueOf("control").getJobSchedulers()).map((scheduler) => scheduler.key);
    },
    async keepSchedules(ids) {
      for (const scheduler of await queueOf("control").getJobSchedulers()) {
        if (!ids.includes(scheduler.key)) await queueOf("control").removeJobScheduler(scheduler.key);
      }
    },
    async ping() {
      await answered(queueOf("control").getJobCounts("waiting"));
    },
    async close() {
      await answered(Promise.all([...queues.values()].map((queue) => queue.close()))).catch(complain);
      redis?.disconnect();
    },
  };
}

/** BullMQ waits for ever for a server it has never reached. */
const ANSWER_MS = 5000;

async function answered(work: Promise<unknown>): Promise<void> {
  const late = new Promise<never>((_, reject) => {
    setTimeout(reject, ANSWER_MS, new Error("the queue has not answered in time")).unref();
  });
  await Promise.race([work, late]);
}

/** Ends what `openQueueBackend` opened; after the queues and the workers. */
export async function closeQueueBackend(backend: QueueBackend): Promise<void> {
  if (backend.kind === "postgres") await backend.pool.end();
}

function jobOptions<Name extends JobName>(name: Name, payload: JobPayload<Name>, epoch = 0) {
  const rules: JobRules<Name> = jobRules[name];
  const { id, ...deduplication } = rules.deduplication(payload);
  return {
    attempts: rules.attempts,
    backoff: { type: "custom" },
    deduplication: { ...deduplication, id: `${id}-${epoch}` },
  };
}

/**
 * On Postgres, upserts of one scheduler from several processes collide; there they take turns. Held by a session of its
 * own, given back when the session ends whatever happens.
 */
async function withScheduleLock(backend: QueueBackend, work: () => Promise<unknown>): Promise<void> {
  if (backend.kind === "redis") {
    await work();
    return;
  }
  const client = await backend.pool.connect();
  // A client that is out of the pool reports the end of its session here; unheard, that would end the process.
  const onError = () => undefined;
  client.on("error", onError);
  try {
    await client.query("select pg_advisory_lock(hashtextextended('standings schedules', 0))");
    await work();
  } finally {
    await client
      .query("select pg_advisory_unlock(hashtextextended('standings schedules', 0))")
      .catch(() => undefined);
    client.off("error", onError);
    client.release();
  }
}

/** The payload of a job that was taken up. Throws a ZodError when it is not what the catalogue says. */
export function payloadOf<Name extends JobName>(name: Name, job: Pick<Job, "data">): JobPayload<Name> {
  return jobPayloads[name].parse(job.data) as JobPayload<Name>;
}
