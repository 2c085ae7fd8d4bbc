// What is done about a failed attempt: a pure function of the error, the attempt and a number from 0 up to 1.
import fc from "fast-check";
import { describe, expect, test } from "vitest";
import { SourceError, type SourceErrorClass } from "../../src/platform/errors.ts";
import { BACKOFF, decideRetry } from "../../workers/retry.ts";

const first = { attempt: 1, attempts: 5, started: 1, random: 0.5, backoff: BACKOFF };
const last = { ...first, attempt: 5, started: 5 };

const refused = (errorClass: SourceErrorClass, retryAfterMs?: number) =>
  new SourceError(errorClass, "GET source.example/posts answered 500", { retryAfterMs });

describe("what cannot get better by itself", () => {
  test.each(["auth", "config", "data"] as const)("is not tried again: %s", (errorClass) => {
    expect(decideRetry(refused(errorClass), first)).toEqual({ action: "give-up" });
  });

  test.each(["auth", "config", "data"] as const)(
    "is not tried again either when the answer to %s names a time",
    (errorClass) => {
      expect(decideRetry(refused(errorClass, 2000), first)).toEqual({ action: "give-up" });
      expect(decideRetry(refused(errorClass, 3_600_000), first)).toEqual({ action: "give-up" });
    },
  );
});

describe("what may get better", () => {
  const errors = [
    ["a source out of order", refused("transient")],
    ["a source that does not say how long to wait", refused("quota")],
    ["any other error", new Error("the connection to Postgres was lost")],
    ["something that is no error", "a text"],
    ["nothing", undefined],
  ] as const;

  test.each(errors)("is tried again: %s", (_, error) => {
    expect(decideRetry(error, first)).toEqual({ action: "retry", delayMs: 1500 });
  });

  test.each(errors)("is given up after the last attempt: %s", (_, error) => {
    expect(decideRetry(error, { ...last, attempt: 4 })).toMatchObject({ action: "retry" });
    expect(decideRetry(error, last)).toEqual({ action: "give-up" });
    expect(decideRetry(error, { ...last, attempt: 6 })).toEqual({ action: "give-up" });
    expect(decideRetry(error, { ...first, attempts: 1 })).toEqual({ action: "give-up" });
  });

  test("waits twice as long each time, five minutes at the most", () => {
    const delays = [1, 2, 3, 4, 8, 9, 2000].map((attempt) => {
      const decision = decideRetry(refused("transient"), { ...first, attempt, attempts: 9999, random: 1 });
      return decision.action === "retry" ? decision.delayMs : undefined;
    });
    expect(delays).toEqual([2000, 4000, 8000, 16_000, 256_000, 300_000, 300_000]);
  });
});

describe("our own budget", () => {
  const used = (retryAfterMs?: number) =>
    new SourceError("quota", "the budget of source.example is used up", { retryAfterMs, ownBudget: true });

  test("is waited for however long it takes and however often, and the waiting ones come back one by one", () => {
    const patient = { ...last, attempt: 5, started: 1000 };
    expect(decideRetry(used(3_600_000), { ...patient, random: 0 })).toEqual({
      action: "wait",
      delayMs: 3_600_000,
    });
    expect(decideRetry(used(3_600_000), { ...patient, random: 1 })).toEqual({
      action: "wait",
      delayMs: 5_400_000,
    });
    expect(decideRetry(used(), { ...patient, random: 0 })).toEqual({ action: "wait", delayMs: 1000 });
  });
});

describe.each(["quota", "transient"] as const)("a time the source names (%s)", (errorClass) => {
  const decide = (retryAfterMs: number, attempt = first) =>
    decideRetry(refused(errorClass, retryAfterMs), attempt);

  test("is waited for when it is a minute or less, and does not count as an attempt", () => {
    expect(decide(5000)).toEqual({ action: "wait", delayMs: 5000 });
    expect(decide(60_000)).toEqual({ action: "wait", delayMs: 60_000 });
    expect(decide(5000, last)).toEqual({ action: "wait", delayMs: 5000 });
  });

  test("puts the pull off when it is longer, whatever the attempt", () => {
    expect(decide(60_001)).toEqual({ action: "put-off", delayMs: 60_001 });
    expect(decide(3_600_000, last)).toEqual({ action: "put-off", delayMs: 3_600_000 });
  });

  test("is a second when it is now or over already", () => {
    expect(decide(0)).toEqual({ action: "wait", delayMs: 1000 });
    expect(decide(-86_400_000)).toEqual({ action: "wait", delayMs: 1000 });
  });

  test("is never cut short by a fraction", () => {
    expect(decide(1000.2)).toEqual({ action: "wait", delayMs: 1001 });
    expect(decide(60_000.5)).toEqual({ action: "put-off", delayMs: 60_001 });
  });

  test("counts as a failed attempt once it was asked for twenty times", () => {
    expect(decide(5000, { ...first, started: 19 })).toEqual({ action: "wait", delayMs: 5000 });
    expect(decide(5000, { ...first, started: 20 })).toEqual({ action: "retry", delayMs: 1500 });
    expect(decide(5000, { ...last, started: 20 })).toEqual({ action: "give-up" });
  });
});

test("no delay is under a second or a fraction of a millisecond, and back-off keeps between half and all of it", () => {
  const errors = fc.oneof(
    fc.constant(new Error("lost")),
    fc
      .tuple(
        fc.constantFrom<SourceErrorClass>("auth", "config", "quota", "transient", "data"),
        fc.option(fc.double({ min: -1e9, max: 1e9, noNaN: true }), { nil: undefined }),
      )
      .map(([errorClass, retryAfterMs]) => refused(errorClass, retryAfterMs)),
  );
  const attempts = fc.record({
    attempt: fc.integer({ min: 1, max: 5000 }),
    attempts: fc.integer({ min: 1, max: 5000 }),
    started: fc.integer({ min: 1, max: 5000 }),
    random: fc.double({ min: 0, max: 1, maxExcluded: true, noNaN: true }),
    backoff: fc.record({
      firstMs: fc.integer({ min: 1, max: 10_000 }),
      mostMs: fc.integer({ min: 0, max: 1_000_000 }),
    }),
  });
  fc.assert(
    fc.property(errors, attempts, (error, failed) => {
      const decision = decideRetry(error, failed);
      if (decision.action === "give-up") return;
      expect(Number.isInteger(decision.delayMs)).toBe(true);
      expect(decision.delayMs).toBeGreaterThanOrEqual(1000);
      if (decision.action !== "retry") return;
      const full = Math.min(failed.backoff.mostMs, failed.backoff.firstMs * 2 ** (failed.attempt - 1));
      expect(decision.delayMs).toBeGreaterThanOrEqual(full / 2);
      expect(decision.delayMs).toBeLessThanOrEqual(Math.max(1000, Math.ceil(full)));
    }),
    { numRuns: 1000 },
  );
});
