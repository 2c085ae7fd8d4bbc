// The queues that jobs wait in. src/queue/catalogue.ts lists the jobs; src/queue/bullmq.ts runs them on Redis or on Postgres.
import type { QueueOperations, QueueOptions } from "./contract.ts";

export interface Queues extends QueueOperations {
  kind: "redis" | "postgres";
  /** What the queues were opened with; workers open connections of their own with it. */
  options: QueueOptions;
}

/** Loads BullMQ and connects at the first use: a command that only reads never does. */
export function openQueues(options: QueueOptions): Queues {
  let opening: Promise<QueueOperations> | undefined;
  const open = () => {
    opening ??= import("./bullmq.ts").then(({ openBullQueues }) => openBullQueues(options));
    return opening;
  };
  return {
    kind: options.redisUrl === undefined ? "postgres" : "redis",
    options,
    nudge: async (...args) => (await open()).nudge(...args),
    schedule: async (...args) => (await open()).schedule(...args),
    schedules: async () => (await open()).schedules(),
    keepSchedules: async (ids) => (await open()).keepSchedules(ids),
    ping: async () => (await open()).ping(),
    close: async () => (await opening)?.close(),
  };
}
