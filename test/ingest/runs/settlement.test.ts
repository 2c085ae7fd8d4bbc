// The end of a connection's part of a run, as a table.
import { expect, test } from "vitest";
import {
  type BeforeSettlement,
  type Settled,
  type Settlement,
  settle,
} from "../../../src/ingest/runs/settlement.ts";

const now = new Date("2026-03-01T12:00:00Z");
const startedAt = new Date("2026-03-01T11:59:00Z");
const later = new Date("2026-03-01T13:00:00Z");
const lastCompleteAt = new Date("2026-02-28T00:00:00Z");
const inFiveMinutes = new Date("2026-03-01T12:05:00Z");
const before: BeforeSettlement = {
  pages: 0,
  startedAt,
  state: "failed",
  lastCompleteAt,
  failures: 4,
  refused: false,
  hasSecret: true,
  hasHeldLosses: false,
};
const error = { errorClass: "transient", reason: "500" } as const;
const validators = { "https://a.example/": { etag: '"1"' } } as never;

interface Row {
  title: string;
  before?: Partial<BeforeSettlement>;
  settlement: Settlement;
  part: Partial<Settled["part"]>;
  connection: Partial<Settled["connection"]>;
}

const rows: Row[] = [
  {
    title: "complete resets the breaker and confirms as of the run's beginning",
    before: { refused: true },
    settlement: { state: "complete", validators },
    part: { state: "complete", errorClass: null, reason: null, dueAt: now },
    connection: {
      state: "complete",
      reason: null,
      failures: 0,
      refused: false,
      restUntil: null,
      lastCompleteAt: startedAt,
      validators,
    },
  },
  {
    title: "complete without validators keeps the stored ones",
    settlement: { state: "complete" },
    part: { state: "complete" },
    connection: { validators: "keep" },
  },
  {
    title: "complete with held losses clears the validators",
    before: { hasHeldLosses: true },
    settlement: { state: "complete", validators },
    part: { state: "complete" },
    connection: { validators: "clear" },
  },
  {
    title: "the fifth failure in a row begins the backoff",
    settlement: { state: "failed", ...error },
    part: { state: "failed", errorClass: "transient", reason: "500" },
    connection: {
      state: "failed",
      failures: 5,
      restUntil: inFiveMinutes,
      lastCompleteAt,
      validators: "keep",
    },
  },
  {
    title: "a failure after recorded pages is partial, and counts as a failure",
    before: { pages: 3 },
    settlement: { state: "failed", ...error },
    part: { state: "partial" },
    connection: { state: "partial", failures: 5, restUntil: inFiveMinutes },
  },
  {
    title: "a listing that ended with unreadable rows is partial, and resets the counter",
    before: { pages: 3, failures: 9 },
    settlement: { state: "partial", errorClass: "data", reason: "2 rows cannot be read" },
    part: { state: "partial", errorClass: "data" },
    connection: { state: "partial", failures: 0, restUntil: null, lastCompleteAt },
  },
  {
    title: "a held loss resets the counter",
    settlement: { state: "held", errorClass: "data", reason: "9 of 9 are gone" },
    part: { state: "held" },
    connection: { state: "held", failures: 0, lastCompleteAt, validators: "keep" },
  },
  {
    title: "a refused credential stops calls and is no further failure",
    settlement: { state: "failed", errorClass: "auth", reason: "401" },
    part: { state: "failed" },
    connection: { refused: true, failures: 4, restUntil: null },
  },
  {
    title: "401 without a stored credential counts like any failure",
    before: { hasSecret: false },
    settlement: { state: "failed", errorClass: "auth", reason: "401" },
    part: { state: "failed" },
    connection: { refused: false, failures: 5 },
  },
  {
    title: "a retry changes neither state nor counter",
    before: { refused: true },
    settlement: { state: "queued", ...error, dueAt: later },
    part: { state: "queued", dueAt: later, reason: "500" },
    connection: { state: "failed", failures: 4, refused: true, retryAt: null, reason: "500" },
  },
  {
    title: "Retry-After of hours defers the connection",
    settlement: { state: "deferred", errorClass: "quota", reason: "429", retryAt: later },
    part: { state: "deferred", dueAt: now },
    connection: { state: "partial", failures: 4, retryAt: later, lastCompleteAt },
  },
];

test.each(rows)("$title", (row) => {
  const settled = settle({ ...before, ...row.before }, row.settlement, now);
  expect(settled.part).toMatchObject(row.part);
  expect(settled.connection).toMatchObject(row.connection);
});
