// Whether jobs can run.
import type { Context } from "../context.ts";

/** Throws, with the remedy, where the queue does not answer. BullMQ itself would wait for it without a message. */
export async function requireQueue(context: Context): Promise<void> {
  await context.queues.ping().catch((cause: unknown) => {
    const where = context.queues.kind === "redis" ? "REDIS_URL" : "DATABASE_URL";
    throw new Error(`the queue does not answer; check ${where} and that the server runs`, { cause });
  });
}
