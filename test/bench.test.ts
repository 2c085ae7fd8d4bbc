// The benches at their small size: that they run and what they print. Their ratios mean something at the full size only.
import { spawn } from "node:child_process";
import { once } from "node:events";
import { text } from "node:stream/consumers";
import { fileURLToPath } from "node:url";
import { expect, inject, test } from "vitest";

const root = fileURLToPath(new URL("..", import.meta.url));

const aNumber: unknown = expect.any(Number);
const aBoolean: unknown = expect.any(Boolean);
const anAggregate: unknown = expect.stringContaining("Aggregate");

async function bench(...args: string[]) {
  const child = spawn(process.execPath, ["--import", "tsx", "bench/main.ts", ...args], {
    cwd: root,
    env: { ...process.env, DATABASE_URL: inject("databaseUrl") },
  });
  const [stdout, stderr, [code]] = await Promise.all([
    text(child.stdout),
    text(child.stderr),
    once(child, "exit") as Promise<[number | null]>,
  ]);
  return { code, stdout, stderr };
}

test("every bench prints one JSON line with its ratio, its limit and whether it keeps it", async () => {
  const { code, stdout, stderr } = await bench("--size", "small");
  expect(code, stderr).toBe(0);
  const lines = stdout
    .trim()
    .split("\n")
    .map((line) => JSON.parse(line) as Record<string, unknown>);
  expect(lines).toEqual([
    expect.objectContaining({
      bench: "collect",
      ratio: aNumber,
      limit: { atLeast: 0.5 },
      ok: aBoolean,
      rows: 8000,
      page: 1000,
      pipelinePerSecond: aNumber,
      barePerSecond: aNumber,
      secondSpeedup: aNumber,
      completeAgainSpeedup: aNumber,
    }),
    expect.objectContaining({
      bench: "commands",
      ratio: aNumber,
      limit: { atMost: 16 },
      ok: aBoolean,
      emptySeconds: aNumber,
      describesRatio: aNumber,
      describesLimit: { atMost: 5 },
    }),
    expect.objectContaining({
      bench: "isolation",
      ratio: aNumber,
      limit: { atMost: 1.2 },
      ok: aBoolean,
      sources: 8,
      workers: 2,
      postgres: expect.objectContaining({
        ratio: aNumber,
        quietMs: aNumber,
        disturbedMs: aNumber,
      }) as unknown,
    }),
    expect.objectContaining({
      bench: "rescore",
      ratio: aNumber,
      limit: { atMost: 2 },
      ok: aBoolean,
      oneWorkerRatio: aNumber,
      everybodyRatio: aNumber,
      partners: 1000,
      rows: 50_000,
      // Whoever has any points has twice as many under the second programme.
      changed: 1000,
      barePlan: anAggregate,
      peakRssMb: aNumber,
      naiveTimes: aNumber,
    }),
    expect.objectContaining({
      bench: "rescore-sizes",
      limit: { atMost: 1.5 },
      ok: aBoolean,
      everybodyRatio: aNumber,
      peakRssMb: aNumber,
    }),
    expect.objectContaining({
      bench: "rescore-under-read",
      limit: { atMost: 1.5 },
      ok: aBoolean,
      lockWaits: 0,
    }),
  ]);
}, 300_000);

test("an unknown bench or size is a mistake of whoever asked", async () => {
  const { code, stdout, stderr } = await bench("colect");
  expect({ code, stdout }).toEqual({ code: 2, stdout: "" });
  expect(stderr).toContain(
    "usage: npm run bench -- [collect] [commands] [isolation] [rescore] [rescore-sizes] [rescore-under-read]",
  );
});
