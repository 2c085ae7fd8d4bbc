import { randomBytes } from "node:crypto";
import { sql } from "drizzle-orm";
import { afterEach, beforeEach, describe, expect, test } from "vitest";
import type { Database } from "../../../db/client.ts";
import { importConnections } from "../../../src/ingest/connections.ts";
import { FAILURES, type RespectedReasons, readResting, restMs } from "../../../src/ingest/runs/circuit.ts";
import { readRuns, readTroubledConnections } from "../../../src/ingest/runs/runs.ts";
import type { Settlement } from "../../../src/ingest/runs/settlement.ts";
import {
  claimCollection,
  readOpenConnections,
  settleCollection,
  startSync,
} from "../../../src/ingest/runs/sync.ts";
import { secretBox } from "../../../src/platform/secrets.ts";
import { openTestDatabase, type TestDatabase } from "../../database.ts";
import { addConnection, at } from "../../evidence/collecting.ts";

let database: TestDatabase;
let db: Database;

beforeEach(async () => {
  database = await openTestDatabase();
  db = database.db;
});
afterEach(async () => {
  await database.close();
});

const failed: Settlement = { state: "failed", errorClass: "transient", reason: "crm.example answered 503" };
const refused: Settlement = { state: "failed", errorClass: "auth", reason: "crm.example answered 401" };
const complete: Settlement = { state: "complete" };

/** A run at a minute: whom it calls, each ending as told. Returns the keys of those called. */
async function run(
  minute: number,
  ending: Settlement | ((key: string) => Settlement),
  respect: RespectedReasons = "all",
): Promise<string[]> {
  const now = at(minute);
  const { runId } = await startSync(db, { source: "crm", full: false, askedBy: "test", respect, now });
  const called: string[] = [];
  for (const { connection } of await readOpenConnections(db, runId)) {
    const claimed = await claimCollection(db, connection, { leaseMs: 60_000, now });
    if (claimed === undefined) throw new Error("somebody else collects it");
    called.push(claimed.key);
    const settlement = typeof ending === "function" ? ending(claimed.key) : ending;
    await settleCollection(db, { ...connection, token: claimed.lease.token }, settlement, now);
  }
  return called;
}

/** Fails until it rests; returns the minute of the last failure. */
async function tire(ending: Settlement | ((key: string) => Settlement) = failed): Promise<number> {
  for (let minute = 1; minute <= FAILURES; minute++) await run(minute, ending);
  return FAILURES;
}

test("rests grow from five minutes to six hours", () => {
  expect([0, 4, 5, 6, 7, 11, 12, 99].map((failures) => restMs(failures) / 60_000)).toEqual([
    0, 0, 5, 10, 20, 320, 360, 360,
  ]);
});

describe("a source that fails again and again", () => {
  test("is left alone by schedules, says so, and is tried once when its rest is over", async () => {
    await addConnection(db);
    const last = await tire();
    expect(await run(last + 1, failed)).toEqual([]);
    const [skipped] = await readRuns(db, { limit: 1 });
    expect(skipped).toMatchObject({ state: "partial" });
    expect(await readTroubledConnections(db, skipped!.id)).toMatchObject([
      {
        state: "deferred",
        errorClass: "transient",
        reason: "failed 5 times in a row; tried again after 2026-06-01 12:10:00 UTC",
      },
    ]);
    const { runId } = await startSync(db, { source: "crm", full: false, askedBy: "test", now: at(last + 5) });
    const [open] = await readOpenConnections(db, runId);
    const probe = await claimCollection(db, open!.connection, { leaseMs: 60_000, now: at(last + 5) });
    expect(probe).toMatchObject({ once: true });
    await settleCollection(db, { ...open!.connection, token: probe!.lease.token }, failed, at(last + 5));
    expect(await run(last + 14, failed)).toEqual([]);
    expect(await run(last + 15, failed)).toEqual(["main"]);
  });

  test("recovers by itself at its first success", async () => {
    await addConnection(db);
    const last = await tire();
    expect(await run(last + 5, complete)).toEqual(["main"]);
    expect(await run(last + 6, failed)).toEqual(["main"]);
    expect(await run(last + 7, complete)).toEqual(["main"]);
    expect(await readResting(db, "crm")).toEqual([]);
  });

  test("is called by whoever asks by hand, at any time", async () => {
    await addConnection(db);
    const last = await tire();
    expect(await run(last + 1, complete, "waits")).toEqual(["main"]);
    expect(await run(last + 2, complete)).toEqual(["main"]);
  });

  test("with many connections is tried with one of them, and its success wakes the others", async () => {
    for (const key of ["a", "b", "c"]) await addConnection(db, { key });
    const last = await tire();
    expect(await run(last + 10, failed)).toEqual(["a"]);
    // "a" rests again: the next one is tried.
    expect(await run(last + 11, complete)).toEqual(["b"]);
    expect(await run(last + 12, complete)).toEqual(["a", "b", "c"]);
  });

  test("in one connection only leaves the others as they are", async () => {
    for (const key of ["a", "b"]) await addConnection(db, { key });
    const last = await tire((key) => (key === "a" ? failed : complete));
    expect(await run(last + 1, complete)).toEqual(["b"]);
    expect(await run(last + 5, complete)).toEqual(["a", "b"]);
  });

  test("by a failure that is interrupted by a success never rests", async () => {
    await addConnection(db);
    for (let minute = 0; minute < 20; minute++) {
      expect(await run(minute, minute % FAILURES === 0 ? complete : failed)).toEqual(["main"]);
    }
  });
});

describe("a refused credential", () => {
  const secrets = secretBox(randomBytes(32).toString("base64"));
  const give = async (secret: string) =>
    importConnections(db, secrets, {
      source: "crm",
      text: `key,secret\nmain,${secret}`,
      file: "connections.csv",
      now: at(0),
    });

  test("is not used again until there is another one", async () => {
    await addConnection(db);
    await give("old");
    expect(await run(1, refused)).toEqual(["main"]);
    expect(await run(2, refused)).toEqual([]);
    expect(await run(10_000, refused)).toEqual([]);
    expect(await readResting(db, "crm")).toMatchObject([{ key: "main", refused: true }]);
    await give("old");
    expect(await run(10_001, refused)).toEqual([]);
    await give("new");
    expect(await run(10_002, complete)).toEqual(["main"]);
    expect(await readResting(db, "crm")).toEqual([]);
  });

  test("is tried by hand, and its success ends it", async () => {
    await addConnection(db);
    await give("old");
    await run(1, refused);
    expect(await run(2, refused, "waits")).toEqual(["main"]);
    expect(await run(3, complete)).toEqual([]);
    expect(await run(4, complete, "waits")).toEqual(["main"]);
    expect(await run(5, complete)).toEqual(["main"]);
  });

  test("where none is stored is a failure like any other", async () => {
    await addConnection(db);
    expect(await run(1, refused)).toEqual(["main"]);
    expect(await run(2, refused)).toEqual(["main"]);
  });
});

describe("a source that asked to be left alone", () => {
  const asked: Settlement = { state: "deferred", errorClass: "quota", reason: "429", retryAt: at(60) };

  test("is, also by hand, until somebody knows better", async () => {
    await addConnection(db);
    await run(1, asked);
    expect(await run(2, complete, "waits")).toEqual([]);
    expect(await run(3, complete, "nothing")).toEqual(["main"]);
    expect(await run(4, complete)).toEqual(["main"]);
  });

  test("is called by a run that is open already, too", async () => {
    const waiting = await addConnection(db, { key: "waiting" });
    await addConnection(db, { key: "ready" });
    await db.execute(sql`update connections set retry_at = ${at(60)} where id = ${waiting.connectionId}`);
    const request = { source: "crm", full: false, askedBy: "test", now: at(0) };
    const { runId } = await startSync(db, request);
    expect(await readOpenConnections(db, runId)).toHaveLength(1);
    expect(await startSync(db, { ...request, respect: "nothing" })).toEqual({ runId, joined: true });
    expect(await readOpenConnections(db, runId)).toHaveLength(2);
  });
});
