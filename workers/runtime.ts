// Runs handlers: the only place that knows BullMQ's Worker. Child logger, time limit, error translation, back-off, drain.
// Delivery is at least once (a lost lock, a killed process, and on Postgres even a deadlock at the very end of a job all
// deliver it again), which is why every handler says why running twice is harmless.
import { DelayedError, type Job, UnrecoverableError, type Worker } from "bullmq";
import type { Logger } from "pino";
import type { Context } from "../src/context.ts";
import { SourceError } from "../src/platform/errors.ts";
import { storable } from "../src/platform/text.ts";
import { closeQueueBackend, openQueueBackend, workerClasses, workerConnection } from "../src/queue/bullmq.ts";
import {
  collectQueue,
  type JobName,
  type JobPayload,
  jobPayloads,
  jobRules,
  payloadOf,
  queueNames,
} from "../src/queue/catalogue.ts";
import { clock } from "./clock.ts";
import { collect } from "./collect.ts";
import type { Handler, HandlerResult } from "./handler.ts";
import { rank } from "./rank.ts";
import { reconcile } from "./reconcile.ts";
import { rescore } from "./rescore.ts";
import { BACKOFF, type Backoff, decideRetry, type RetryDecision } from "./retry.ts";
import { score } from "./score.ts";
import { sync } from "./sync.ts";

/** A handler for every job of the catalogue, or it does not compile. */
const handlers: { [Name in JobName]: Handler<Name> } = {
  clock,
  collect,
  rank,
  reconcile,
  rescore,
  score,
  sync,
};

/** How long running jobs may go on once the process was asked to stop; then their signal aborts. */
const DRAIN_MS = 10_000;

/** What an aborted job may still need to hand itself back. A queue that is out of reach would never let a worker go. */
const LAST_MS = 5000;

/** Characters of a reason that is kept. */
const MOST_REASON = 1000;

async function closeWithin(worker: Worker, ms: number): Promise<void> {
  let timer: NodeJS.Timeout | undefined;
  const late = new Promise<"late">((resolve) => {
    timer = setTimeout(resolve, ms, "late");
  });
  const ended = await Promise.race([worker.close(), late]);
  clearTimeout(timer);
  // By force: what it held is taken up again elsewhere, once its lock has ended.
  if (ended === "late") void worker.close(true).catch(() => undefined);
}

/** Carries the delay the retry decision chose to BullMQ's back-off, which computes none of its own. */
class RetryError extends Error {
  override readonly name = "RetryError";
  readonly delayMs: number;
  constructor(message: string, delayMs: number) {
    super(message);
    this.delayMs = delayMs;
  }
}

export interface Runtime {
  /** Takes no more jobs, lets those running finish for a while, then aborts them: they are taken up again elsewhere. */
  close(): Promise<void>;
}

export async function openRuntime(context: Context, backoff: Backoff = BACKOFF): Promise<Runtime> {
  const stopping = new AbortController();
  const keys = context.sources.sources.map((source) => source.key);
  const concurrencies = new Map<string, number>(queueNames(keys).map((name) => [name, 1]));
  for (const source of context.sources.sources)
    concurrencies.set(collectQueue(source.key), source.concurrency);
  concurrencies.set("control", jobRules.sync.concurrency);

  // A pool of the workers alone: it ends after them, whatever else of the process is closed before.
  const backend = openQueueBackend(context.queues.options, concurrencies.size + 6);
  // Every worker reports an outage again and again: each message is logged once until a job starts.
  const complaints = new Set<string>();
  const connections = [...concurrencies].map(() => workerConnection(backend));
  const workers = [...concurrencies].map(([queue, concurrency], index): Worker => {
    const WorkerClass = workerClasses[backend.kind] as unknown as typeof Worker;
    const source = context.sources.sources.find((candidate) => collectQueue(candidate.key) === queue);
    const worker = new WorkerClass(
      queue,
      (job: Job, token?: string, signal?: AbortSignal) =>
        perform(context, backoff, job, token, signal, stopping.signal),
      {
        connection: connections[index] as never,
        prefix: backend.prefix,
        concurrency,
        lockDuration: 30_000,
        stalledInterval: 15_000,
        // A job that is delivered again is no poison here: the run's own attempts end it.
        maxStalledCount: 10,
        ...(source?.limit === undefined
          ? {}
          : { limiter: { max: source.limit.max, duration: source.limit.perMs } }),
        settings: {
          backoffStrategy: (_made, _type, error) => (error instanceof RetryError ? error.delayMs : 2000),
        },
      },
    );
    worker.on("error", (error) => {
      if (!complaints.has(error.message)) context.log.warn({ err: error, queue }, "worker error");
      complaints.add(error.message);
    });
    worker.on("active", () => {
      complaints.clear();
    });
    worker.on("lockRenewalFailed", (jobIds: string[]) => {
      for (const id of jobIds) worker.cancelJob(id, "its lock was lost");
    });
    return worker;
  });
  const close = async () => {
    const deadline = setTimeout(() => {
      stopping.abort(new Error("the process is stopping"));
    }, DRAIN_MS);
    await Promise.all(workers.map((worker) => closeWithin(worker, DRAIN_MS + LAST_MS)));
    clearTimeout(deadline);
    for (const connection of connections) if ("disconnect" in connection) connection.disconnect();
    await closeQueueBackend(backend);
  };
  try {
    await Promise.all(workers.map((worker) => worker.waitUntilReady()));
  } catch (error) {
    await close();
    throw error;
  }
  return { close };
}

async function perform(
  context: Context,
  backoff: Backoff,
  job: Job,
  token: string | undefined,
  cancelled: AbortSignal | undefined,
  stopping: AbortSignal,
): Promise<void> {
  if (!Object.hasOwn(handlers, job.name)) throw new UnrecoverableError(`There is no job ${job.name}.`);
  const name = job.name as JobName;
  const data = payload(name, job);
  const log = context.log.child({ job: name, ...data });
  const limit = AbortSignal.timeout(jobRules[name].timeoutMs);
  const signal = AbortSignal.any([limit, stopping, ...(cancelled === undefined ? [] : [cancelled])]);
  const startedAt = performance.now();
  const handler = handlers[name] as Handler<JobName>;
  const result = await handler(data, { ...context, log, signal }).catch(
    (error: unknown): HandlerResult => ({ state: "failed", error, write: () => Promise.resolve() }),
  );
  if (result.state === "done") {
    const ms = Math.round(performance.now() - startedAt);
    if (result.log !== undefined) log.info({ ...result.log, ms }, "done");
    return;
  }
  const { error } = result;
  const decision = stopping.aborted
    ? ({ action: "wait", delayMs: 1000 } as const)
    : decideRetry(error, {
        attempt: job.attemptsMade + 1,
        attempts: result.isLastAttempt === true ? 1 : (job.opts.attempts ?? 1),
        started: job.attemptsStarted,
        random: Math.random(),
        backoff,
      });
  const reason = storable(error instanceof Error ? error.message : String(error), MOST_REASON);
  await result.write({ error, reason, decision });
  logFailure(log, error, decision);
  if (decision.action === "give-up") throw new UnrecoverableError(reason);
  if (decision.action === "retry") throw new RetryError(reason, decision.delayMs);
  if (decision.action === "wait") {
    await job.moveToDelayed(Date.now() + decision.delayMs, token);
    throw new DelayedError(reason);
  }
  await resumeLater(context, name, job, decision.delayMs);
}

/** What will be tried again is news, what was given up a warning. A source's failure needs no stack: it is not the code's. */
function logFailure(log: Logger, error: unknown, decision: RetryDecision): void {
  const cause = error instanceof SourceError ? { class: error.class, reason: error.message } : { err: error };
  if (decision.action === "give-up") log.warn({ ...cause, decision }, "failed");
  else log.info({ ...cause, decision }, "failed; it is tried again");
}

function payload<Name extends JobName>(name: Name, job: Job): JobPayload<Name> {
  const checked = jobPayloads[name].safeParse(job.data);
  if (!checked.success)
    throw new UnrecoverableError(`The payload of ${name} is not what the catalogue says.`);
  return payloadOf(name, job);
}

/** A source that asked for a long wait gets a run of its own when the wait is over, if its schedule brings none before. */
async function resumeLater(context: Context, name: JobName, job: Job, delayMs: number): Promise<void> {
  if (name !== "collect") return;
  const { source } = payload("collect", job);
  await context.queues.nudge("sync", { source, full: false, askedBy: "after a wait" }, { delayMs });
}
