// BullMQ's queues, on Redis or on Postgres. Only queues.ts, migrate.ts and workers/runtime.ts load this module.
import { createPostgresBackend, createRedisBackend, type Queue, runMigrations, withBackend } from "bullmq";
import { Redis } from "ioredis";
import pg from "pg";
import { IDLE_IN_TRANSACTION_MS } from "../../db/client.ts";
import { sessionName } from "../../db/waiting.ts";
import { jobOptions, jobPayloads, jobRules, queueNames } from "./catalogue.ts";
import type { QueueOperations, QueueOptions } from "./contract.ts";

/** What BullMQ runs on: chosen here and nowhere else. */
export type QueueBackend =
  | { kind: "redis"; url: string; prefix: string }
  | { kind: "postgres"; url: string; pool: pg.Pool; prefix: string };

const onRedis = withBackend(createRedisBackend);
const onPostgres = withBackend(createPostgresBackend);

/** The worker classes, for workers/runtime.ts. */
export const workerClasses = { redis: onRedis.Worker, postgres: onPostgres.Worker };

/**
 * Redis where there is one, Postgres otherwise. `connections`: the size of the pool on Postgres. Each worker pins one, and
 * BullMQ waits for ever on a pool without a free one.
 */
export function openQueueBackend(
  { redisUrl, databaseUrl, prefix }: QueueOptions,
  connections: number,
): QueueBackend {
  if (redisUrl !== undefined) return { kind: "redis", url: redisUrl, prefix };
  const pool = new pg.Pool({
    connectionString: databaseUrl,
    max: connections,
    keepAlive: true,
    application_name: sessionName("standings queue"),
    // BullMQ's statements name its tables without a schema. Postgres releases what a stopped process has locked.
    options: `-c search_path=bullmq -c idle_in_transaction_session_timeout=${IDLE_IN_TRANSACTION_MS}`,
  });
  // One listener a worker and queue: more than Node's warning limit, and none of them a leak.
  pool.setMaxListeners(0);
  return { kind: "postgres", url: databaseUrl, pool, prefix };
}

/** Applies BullMQ's own migrations (schema bullmq). */
export async function applyQueueMigrations(databaseUrl: string): Promise<void> {
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
export function openBullQueues(options: QueueOptions): QueueOperations {
  const { sources, log } = options;
  // A registration of a schedule needs two: one holds the lock, another writes.
  const backend = openQueueBackend(options, queueNames(sources).length + 6);
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
    const queueOptions = {
      prefix: backend.prefix,
      defaultJobOptions: {
        removeOnComplete: { age: 3600, count: 1000 },
        removeOnFail: { age: 86_400, count: 1000 },
      },
    };
    const queue =
      backend.kind === "postgres"
        ? (new onPostgres.Queue(name, {
            ...queueOptions,
            connection: backend.pool as never,
          }) as unknown as Queue)
        : new onRedis.Queue(name, { ...queueOptions, connection: redis as never });
    queue.on("error", complain);
    queues.set(name, queue);
  }
  const queueOf = (name: string) => {
    const queue = queues.get(name);
    if (queue === undefined) throw new Error(`There is no queue ${name}.`);
    return queue;
  };
  return {
    async nudge(name, payload, { delayMs, epoch } = {}) {
      const data = jobPayloads[name].parse(payload) as never;
      const queue = queues.get(jobRules[name].queue(data));
      if (queue === undefined) {
        log.warn({ job: name, payload }, "not enqueued: its source is not in sources.yaml");
        return;
      }
      try {
        const delay = delayMs === undefined ? {} : { delay: Math.ceil(delayMs) };
        await answered(queue.add(name, data, { ...jobOptions(name, data, epoch), ...delay }));
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
      await closeQueueBackend(backend);
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

/** Ends what `openQueueBackend` opened; after the workers, because a BullMQ worker on an ended pool never stops retrying. */
export async function closeQueueBackend(backend: QueueBackend): Promise<void> {
  if (backend.kind === "postgres" && !backend.pool.ending) await backend.pool.end();
}

/**
 * On Postgres, upserts of one scheduler from several processes collide; there they take turns. The lock ends with its
 * transaction, which Postgres ends when this process is stopped meanwhile.
 */
async function withScheduleLock(backend: QueueBackend, work: () => Promise<unknown>): Promise<void> {
  if (backend.kind === "redis") {
    await work();
    return;
  }
  const client = await backend.pool.connect();
  // A client that is out of the pool reports the end of its session here; unheard, that would end the process.
  let lost: Error | undefined;
  const onError = (error: Error) => {
    lost = error;
  };
  client.on("error", onError);
  try {
    await client.query("begin");
    await client.query("select pg_advisory_xact_lock(hashtextextended('standings schedules', 0))");
    await work();
  } finally {
    await client.query("commit").catch((error: unknown) => {
      lost ??= error as Error;
    });
    client.off("error", onError);
    client.release(lost);
  }
}
