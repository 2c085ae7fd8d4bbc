// A budget holds however many workers ask, in whatever order and at whatever time.

import { sql } from "drizzle-orm";
import fc from "fast-check";
import { afterEach, beforeEach, describe, expect, test } from "vitest";
import { json, openServer, type TestServer } from "../../../src/conformance/server.ts";
import { openFetcher } from "../../../src/connectors/client/fetcher.ts";
import { type Budget, openGate, takePermit } from "../../../src/ingest/requests/budgets.ts";
import { openTestDatabase, type TestDatabase } from "../../database.ts";

/** DEEP=500 npx vitest run test/ingest/requests/budgets.test.ts looks longer. */
const numRuns = Number(process.env["DEEP"] ?? 25);

let database: TestDatabase;
beforeEach(async () => {
  database = await openTestDatabase({ max: 8 });
});
afterEach(async () => {
  await database.close();
});

const at = (ms: number) => new Date(Date.UTC(2026, 5, 1) + ms);
let keys = 0;
const newKey = () => `key ${++keys}`;
const take = (key: string, budget: Budget, ms: number) =>
  takePermit(database.db, { key, id: crypto.randomUUID(), budget, now: at(ms) });

/** The most of these instants that lie in one span, half-open, wherever it begins. */
function mostIn(spanMs: number, instants: number[]): number {
  return Math.max(
    0,
    ...instants.map((first) => instants.filter((other) => other >= first && other < first + spanMs).length),
  );
}

describe("a budget of requests", () => {
  test("is never exceeded in any span, whatever the workers' order and clocks, and is used up", async () => {
    const asking = fc.array(
      fc.record({ afterMs: fc.integer({ min: 0, max: 400 }), workers: fc.integer({ min: 1, max: 8 }) }),
      {
        minLength: 1,
        maxLength: 12,
      },
    );
    await fc.assert(
      fc.asyncProperty(
        fc.integer({ min: 1, max: 10 }),
        fc.integer({ min: 1, max: 1000 }),
        asking,
        fc.integer({ min: 0, max: 300 }),
        async (requests, perMs, rounds, skewMs) => {
          const key = newKey();
          const budget: Budget = { requests, perMs, atOnce: undefined };
          const granted: number[] = [];
          let clock = 0;
          for (const { afterMs, workers } of rounds) {
            clock += afterMs;
            // Every other worker's clock runs behind.
            const asked = Array.from({ length: workers }, (_, n) =>
              take(key, budget, clock - (n % 2) * skewMs),
            );
            for (const permit of await Promise.all(asked)) {
              if (permit.granted) granted.push(permit.at - at(0).getTime());
            }
            expect(mostIn(perMs, granted)).toBeLessThanOrEqual(requests);
          }
          // Nobody was sent away while there was room: the next is let through when the wait it is told is over.
          const last = await take(key, budget, clock);
          if (last.granted) return;
          expect(mostIn(perMs, [...granted, clock])).toBeGreaterThan(requests);
          expect(await take(key, budget, clock + Math.max(last.waitMs, 100))).toMatchObject({
            granted: true,
          });
        },
      ),
      { numRuns },
    );
  });

  test("of many requests is counted in shorter spans, and lets no more through in the whole one", async () => {
    const budget: Budget = { requests: 250, perMs: 86_400_000, atOnce: undefined };
    const key = newKey();
    const granted: number[] = [];
    let ms = 0;
    while (ms < 1.5 * budget.perMs) {
      const permit = await take(key, budget, ms);
      if (permit.granted) granted.push(ms);
      else ms += permit.waitMs;
    }
    expect(mostIn(budget.perMs, granted)).toBeGreaterThan(245);
    expect(mostIn(budget.perMs, granted)).toBeLessThanOrEqual(250);
    const [row] = await database.db.execute<{ kept: number }>(
      sql`select cardinality(taken) as kept from request_budgets where key = ${key}`,
    );
    expect(row?.kept).toBeLessThanOrEqual(120);
  });

  test("costs one statement a permit, hardly more than the smallest one there is", async () => {
    const budget: Budget = { requests: 100_000, perMs: 60_000, atOnce: 50 };
    const key = newKey();
    for (let n = 0; n < 150; n++) await take(key, budget, n * 10_000);
    const spans: { permit: number[]; least: number[] } = { permit: [], least: [] };
    for (let n = 150; n < 300; n++) {
      const begun = performance.now();
      expect(await take(key, budget, n * 10_000)).toMatchObject({ granted: true });
      const between = performance.now();
      await database.db.execute(sql`update request_budgets set used_at = used_at where key = ${key}`);
      spans.permit.push(between - begun);
      spans.least.push(performance.now() - between);
    }
    const median = (of: number[]) => of.sort((a, b) => a - b)[75] ?? 0;
    // Seen on a machine with other work: 1.7 ms beside 1.4 ms.
    expect(median(spans.permit)).toBeLessThan(5 * median(spans.least));
  });

  test("forgets credentials nobody uses any more", async () => {
    const budget: Budget = { requests: 1, perMs: 1000, atOnce: undefined };
    await take("old", budget, 0);
    await take("new", budget, 31 * 86_400_000);
    expect(await database.db.execute(sql`select key from request_budgets`)).toEqual([{ key: "new" }]);
  });
});

describe("the gate of a fetcher", () => {
  let server: TestServer;
  beforeEach(async () => {
    server = await openServer(() => json({}));
  });
  afterEach(async () => {
    await server.close();
  });

  /** As many fetches as there are workers, each with a gate of its own; time is the machine's. */
  function openWorkers(budget: Budget, count: number, secret = "s3cret", now = () => new Date()) {
    const fetcher = openFetcher({ allowPrivate: [server.host], userAgent: "standings-test" });
    const { signal } = new AbortController();
    const parts = { db: database.db, pseudonym: (text: string) => `hash of ${text.length}`, now };
    return {
      fetches: Array.from({ length: count }, () => {
        const fetch = fetcher.fetchFor(signal, { gate: openGate(parts, budget, secret) });
        return () => fetch({ url: `${server.url}/list?key=s3cret`, expect: "json" });
      }),
      close: () => fetcher.close(),
    };
  }

  test("lets so many requests go on at once over all workers, and a waiting one as soon as one ends", async () => {
    let now = 0;
    let most = 0;
    const ends: (() => void)[] = [];
    server.breakFrom(1, (response) => {
      now += 1;
      most = Math.max(most, now);
      ends.push(() => {
        now -= 1;
        response.end("{}");
      });
      // Two are under way: a third would have come by now, had it been let through.
      if (ends.length < 2) return;
      setTimeout(() => {
        for (const end of ends.splice(0)) end();
      }, 150);
    });
    const { fetches, close } = openWorkers({ requests: 1000, perMs: 1000, atOnce: 2 }, 6);
    const answers = await Promise.all(fetches.map((fetch) => fetch()));
    expect(answers).toHaveLength(6);
    expect(most).toBe(2);
    await close();
  });

  test("waits a little, and throws the job's way out when it would be long", async () => {
    const { fetches, close } = openWorkers({ requests: 2, perMs: 500, atOnce: undefined }, 3);
    await Promise.all(fetches.map((fetch) => fetch()));
    expect(server.asked).toHaveLength(3);
    await close();
    const long = openWorkers({ requests: 1, perMs: 3_600_000, atOnce: undefined }, 2, "another secret");
    await long.fetches[0]?.();
    const error: unknown = await long.fetches[1]?.().catch((thrown: unknown) => thrown);
    expect(error).toMatchObject({
      class: "quota",
      ownBudget: true,
      message: `the budget of ${server.host} is used up (1 in 1 h)`,
    });
    expect((error as { retryAfterMs: number }).retryAfterMs).toBeGreaterThan(3_500_000);
    expect(server.asked).toHaveLength(4);
    await long.close();
  });

  test("keeps everybody away when the host asks one of them to wait, and says whose wish that is", async () => {
    let ms = 0;
    const { fetches, close } = openWorkers(
      { requests: 100, perMs: 1000, atOnce: undefined },
      2,
      "s3cret",
      () => at(ms),
    );
    server.breakFrom(1, (response) => {
      response.writeHead(429, { "retry-after": "3600" }).end();
    });
    await expect(fetches[0]?.()).rejects.toMatchObject({ class: "quota", status: 429, ownBudget: false });
    server.mend();
    await expect(fetches[1]?.()).rejects.toMatchObject({
      class: "quota",
      ownBudget: false,
      retryAfterMs: 3_600_000,
      message: `${server.host} asked this credential to wait, 1 h from now`,
    });
    expect(server.asked).toHaveLength(1);
    ms = 3_600_000;
    expect((await fetches[1]?.())?.status).toBe(200);
    await close();
  });

  test("counts hosts and credentials apart, and stores neither", async () => {
    const budget: Budget = { requests: 1, perMs: 3_600_000, atOnce: undefined };
    const one = openWorkers(budget, 1, "a");
    const other = openWorkers(budget, 1, "another");
    await one.fetches[0]?.();
    await other.fetches[0]?.();
    const rows = await database.db.execute(sql`select * from request_budgets`);
    expect(rows).toHaveLength(2);
    expect(JSON.stringify(rows)).not.toContain(server.host);
    await one.close();
    await other.close();
  });

  test("does not count a request for ever whose worker has died", async () => {
    const budget: Budget = { requests: 100, perMs: 1000, atOnce: 1 };
    const key = newKey();
    expect(await take(key, budget, 0)).toMatchObject({ granted: true });
    expect(await take(key, budget, 149_999)).toMatchObject({ granted: false });
    expect(await take(key, budget, 150_000)).toMatchObject({ granted: true });
  });

  test("stops waiting with its signal", async () => {
    const parts = { db: database.db, pseudonym: (text: string) => text, now: () => new Date() };
    const gate = openGate(parts, { requests: 1, perMs: 1500, atOnce: undefined }, undefined);
    await gate.enter("example.com", new AbortController().signal);
    const stopping = new AbortController();
    const entering = gate.enter("example.com", stopping.signal);
    const reason = new Error("the process is stopping");
    stopping.abort(reason);
    await expect(entering).rejects.toBe(reason);
  });
});
