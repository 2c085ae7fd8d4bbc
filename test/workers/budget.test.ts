// A budget that is used up delays a pull, and fails nothing.
import { afterEach, beforeEach, expect, test } from "vitest";
import { readRuns } from "../../src/ingest/runs/runs.ts";
import { beginSync } from "../../src/operations/sync.ts";
import { openRuntime, type Runtime } from "../../workers/runtime.ts";
import { until } from "../e2e/deployment.ts";
import { type OneSource, openOneSource, readStates, readTrouble } from "./source.ts";

let open: OneSource;
let runtime: Runtime;
let ms: number;
beforeEach(async () => {
  open = await openOneSource({ more: "budget: { requests: 1, per: 4 seconds, at-once: 1 }," });
  // A clock that stands until the test moves it: a slow machine must not make room by itself.
  ms = Date.now();
  runtime = await openRuntime({ ...open.context, now: () => new Date(ms) }, { firstMs: 1000, mostMs: 1000 });
});
afterEach(async () => {
  await runtime.close();
  await open.close();
});

const untilStates = (...states: string[]) =>
  until(async () => JSON.stringify(await readStates(open.context)) === JSON.stringify(states));

test("a pull whose budget is used up frees its worker, says so, and ends complete when there is room", async () => {
  const begin = () => beginSync(open.context, { sources: [], full: false, askedBy: "test" });
  await begin();
  await untilStates("complete");
  await begin();
  await until(async () => (await readTrouble(open.context))?.errorClass === "quota");
  expect(await readTrouble(open.context)).toMatchObject({
    state: "queued",
    reason: `the budget of ${open.server.host} is used up (1 in 4 s, 1 at once)`,
  });
  expect(open.server.asked).toHaveLength(1);
  ms += 10_000;
  await untilStates("complete", "complete");
  expect(open.server.asked).toHaveLength(2);
  expect(await readRuns(open.context.db, { limit: 1 })).toMatchObject([{ reason: null, seen: 2 }]);
});
