// The suite's Redis. Tests share it and keep apart by prefix.
import { randomBytes } from "node:crypto";
import { inject } from "vitest";

/** undefined where no redis-server could be had: leave the tests against it out (`describe.runIf`), as services.ts says. */
export function redisUrl(): string | undefined {
  return inject("redisUrl");
}

/** A key prefix nobody else uses, fit for queues as well. */
export function testPrefix(): string {
  return `test-${randomBytes(8).toString("hex")}`;
}
