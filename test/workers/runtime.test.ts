// What the runtime does with jobs that cannot be done, fail, or are cut short.
import { createPostgresBackend, type Job, type Queue, withBackend } from "bullmq";
import { afterEach, beforeEach, describe, expect, test } from "vitest";
import { send } from "../../src/conformance/server.ts";
import type { Context } from "../../src/context.ts";
import { readRuns } from "../../src/ingest/runs/runs.ts";
import { beginSync } from "../../src/operations/sync.ts";
import { closeQueueBackend, openQueueBackend } from "../../src/queue/bullmq.ts";
import { openRuntime, type Runtime } from "../../workers/runtime.ts";
import { until } from "../e2e/deployment.ts";
import { type OneSource, openOneSource, readStates, readTrouble } from "./source.ts";

let open: OneSource;
const runtimes: Runtime[] = [];

beforeEach(async () => {
  open = await openOneSource();
});
afterEach(async () => {
  await Promise.all(runtimes.splice(0).map((runtime) => runtime.close()));
  await open.close();
});

async function work(context: Context = open.context): Promise<Runtime> {
  const runtime = await openRuntime(context, { firstMs: 1000, mostMs: 1000 });
  runtimes.push(runtime);
  return runtime;
}

async function beginPull(): Promise<void> {
  await beginSync(open.context, { sources: [], full: false, askedBy: "test" });
}

const untilStates = (...states: string[]) =>
  until(async () => JSON.stringify(await readStates(open.context)) === JSON.stringify(states));

/** A queue as somebody else would open it, past the catalogue. */
async function withQueue<T>(name: string, use: (queue: Queue) => Promise<T>): Promise<T> {
  const backend = openQueueBackend(open.context.queues.options, 2);
  if (backend.kind !== "postgres") throw new Error("the queue is expected on Postgres");
  const { Queue: PostgresQueue } = withBackend(createPostgresBackend);
  const queue = new PostgresQueue(name, { connection: backend.pool as never, prefix: backend.prefix });
  // The test's database is gone before the last of its connections notices.
  queue.on("error", () => undefined);
  try {
    return await use(queue as unknown as Queue);
  } finally {
    await queue.close();
    await closeQueueBackend(backend);
  }
}

describe("a job that is none of the catalogue's", () => {
  test.each([
    ["collect", { source: "list" }, "The payload of collect is not what the catalogue says."],
    ["collect", { source: "list", runId: 1, connectionId: 1, more: 1 }, "The payload of collect is not what"],
    ["gather", {}, "There is no job gather."],
    ["toString", {}, "There is no job toString."],
  ])("fails at once and is not tried again: %s %j", async (name, payload, reason) => {
    await work();
    await withQueue("collect-list", async (queue) => {
      const { id = "" } = await queue.add(name, payload, { attempts: 5, backoff: { type: "custom" } });
      const read = async () => (await queue.getJob(id)) as Job;
      await until(async () => (await read()).finishedOn !== undefined);
      const job = await read();
      expect(await job.getState()).toBe("failed");
      expect(job.attemptsMade).toBe(1);
      expect(job.failedReason).toContain(reason);
    });
  });
});

describe("a pull that fails", () => {
  test("is written into the run with its class and reason, and tried again", async () => {
    open.server.breakFrom(1, (response) => {
      send(response, { status: 500, body: "" });
    });
    await beginPull();
    await work();
    await until(async () => (await readTrouble(open.context))?.reason != null);
    expect(await readTrouble(open.context)).toMatchObject({
      state: expect.stringMatching(/^(queued|running)$/) as string,
      errorClass: "transient",
      reason: `GET ${open.server.host}/list.csv answered 500`,
    });
    open.server.mend();
    await untilStates("complete");
    expect(await readRuns(open.context.db, { limit: 1 })).toMatchObject([
      { reason: null, seen: 2, added: 2 },
    ]);
  });

  test("with a refused credential ends its run at once", async () => {
    open.server.breakFrom(1, (response) => {
      send(response, { status: 403, body: "" });
    });
    await beginPull();
    await work();
    await untilStates("failed");
    expect(await readTrouble(open.context)).toMatchObject({
      state: "failed",
      errorClass: "auth",
      reason: `GET ${open.server.host}/list.csv answered 403`,
      attempts: 1,
    });
    expect(open.server.asked).toHaveLength(1);
  });

  test("with a message Postgres cannot store ends all the same", async () => {
    const fetch = () => Promise.reject(new Error("half \ud800 and \u0000 NUL"));
    const broken = { ...open.context, fetcher: { ...open.context.fetcher, fetchFor: () => fetch } };
    await beginPull();
    await work(broken);
    await until(async () => (await readTrouble(open.context))?.reason != null);
    expect(await readTrouble(open.context)).toMatchObject({
      errorClass: "transient",
      reason: "half \ufffd and  NUL",
    });
  });

  test("because the source asks for a moment is not counted, and goes on after it", async () => {
    let refusals = 0;
    open.server.breakFrom(1, (response, _, proceed) => {
      refusals += 1;
      // One more than the attempts a job has.
      if (refusals > 6) send(response, proceed());
      else send(response, { status: 429, headers: { "retry-after": "0" }, body: "" });
    });
    await beginPull();
    await work();
    await untilStates("complete");
    expect(refusals).toBe(7);
  });

  test("because the source asks for an hour is over, and comes back when the hour is", async () => {
    open.server.breakFrom(1, (response) => {
      send(response, { status: 429, headers: { "retry-after": "3600" }, body: "" });
    });
    await beginPull();
    await work();
    await untilStates("partial");
    expect(await readTrouble(open.context)).toMatchObject({ state: "deferred", errorClass: "quota" });
    await withQueue("control", async (queue) => {
      await until(async () => (await queue.getDelayedCount()) > 0);
      const delayed = await queue.getDelayed();
      expect(
        delayed.map(({ name, data, opts }) => ({ name, data: data as unknown, delay: opts.delay })),
      ).toEqual([
        { name: "sync", data: { source: "list", full: false, askedBy: "after a wait" }, delay: 3_600_000 },
      ]);
    });
  });
});

describe("closing", () => {
  test("lets a running job finish, and leaves what comes afterwards to another worker", async () => {
    let answer: (() => void) | undefined;
    const asked = new Promise<void>((resolve) => {
      open.server.breakFrom(1, (response, _, proceed) => {
        answer = () => {
          send(response, proceed());
        };
        resolve();
      });
    });
    await beginPull();
    const runtime = await work();
    await asked;
    const closing = runtime.close();
    answer?.();
    await closing;
    expect(await readStates(open.context)).toEqual(["complete"]);
    expect(open.server.asked).toHaveLength(1);
    open.server.mend();
    await open.context.queues.nudge("sync", { source: "list", full: true, askedBy: "test" });
    expect(await readStates(open.context)).toEqual(["complete"]);
    await work();
    await untilStates("complete", "complete");
  });

  test("hands a job that does not end back, and another worker ends it", async () => {
    const asked = new Promise<void>((resolve) => {
      open.server.breakFrom(1, () => {
        resolve();
      });
    });
    await beginPull();
    const runtime = await work();
    await asked;
    await runtime.close();
    expect(await readTrouble(open.context)).toMatchObject({ state: "queued", errorClass: "transient" });
    open.server.mend();
    await work();
    await untilStates("complete");
  });
});
