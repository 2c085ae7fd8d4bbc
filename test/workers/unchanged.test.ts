// A source that says "nothing has changed" is believed as far as the evidence is what it held then, and no further.
import { sql } from "drizzle-orm";
import { afterEach, beforeEach, describe, expect, test } from "vitest";
import { type Asked, send } from "../../src/conformance/server.ts";
import { importConnections } from "../../src/ingest/connections.ts";
import { decideLoss } from "../../src/ingest/runs/losses.ts";
import { readOpenConnections, startSync } from "../../src/ingest/runs/sync.ts";
import { registerSources } from "../../src/ingest/sources.ts";
import { SourceError } from "../../src/platform/errors.ts";
import { collect } from "../../workers/collect.ts";
import type { RetryDecision } from "../../workers/retry.ts";
import { type OneSource, openOneSource } from "./source.ts";

let open: OneSource;
let rows: string[];
let etag: string;
/** As X-Total-Count; undefined: not. */
let announced: string | undefined;
/** What the pulls have asked with, oldest first. */
let conditions: (string | undefined)[];
const DAY_MS = 86_400_000;
const start = Date.UTC(2026, 10, 1);
let day: number;

beforeEach(async () => {
  open = await openOneSource();
  rows = ["a,1,2026-01-01", "b,2,2026-01-02"];
  etag = '"first"';
  announced = undefined;
  conditions = [];
  day = 0;
  answer();
});
afterEach(async () => {
  await open.close();
});

/** The table as a server answers that knows its ETag. */
function answer(): void {
  open.server.breakFrom(1, (response, asked: Asked) => {
    const condition = asked.headers["if-none-match"];
    conditions.push(condition === undefined ? undefined : String(condition));
    if (condition === etag) send(response, { status: 304, headers: { etag }, body: "" });
    else
      send(response, {
        headers: { etag, ...(announced !== undefined && { "x-total-count": announced }) },
        body: `id,crm,on\n${rows.join("\n")}\n`,
      });
  });
}

/** One attempt at the source's only connection; how it ended, or why it failed. */
async function pull({
  full = false,
  decision = { action: "give-up" },
}: {
  full?: boolean;
  decision?: RetryDecision;
} = {}): Promise<unknown> {
  const { context } = open;
  const now = () => new Date(start + day * DAY_MS);
  const { runId } = await startSync(context.db, { source: "list", full, askedBy: "test", now: now() });
  const [waiting] = await readOpenConnections(context.db, runId);
  const result = await collect(waiting!.connection, {
    ...context,
    now,
    signal: new AbortController().signal,
  });
  if (result.state === "done") return result.log;
  const { error } = result;
  if (!(error instanceof SourceError)) throw error;
  await result.write({ error, reason: error.message, decision });
  return error.class;
}

const evidenceIds = async () =>
  (
    await open.context.db.execute<{ external_id: string }>(
      sql`select external_id from evidence where superseded_at is null order by 1`,
    )
  ).map((row) => row.external_id);

describe("a table that has not changed", () => {
  test("is not read again, and nothing of it is absent: in a sync and in a complete listing", async () => {
    expect(await pull()).toMatchObject({ ended: "complete", added: 2 });
    const before = await open.context.db.execute(sql`select id, xmin::text from evidence order by id`);
    day = 1;
    expect(await pull()).toMatchObject({ ended: "complete", unchanged: true, seen: 2, absent: 0 });
    day = 2;
    expect(await pull({ full: true })).toMatchObject({ ended: "complete", unchanged: true, absent: 0 });
    expect(conditions).toEqual([undefined, '"first"', '"first"']);
    expect(await open.context.db.execute(sql`select id, xmin::text from evidence order by id`)).toEqual(
      before,
    );
    expect(await open.context.db.execute(sql`select state, last_complete_at from connections`)).toEqual([
      { state: "complete", last_complete_at: new Date(start + 2 * DAY_MS) },
    ]);
    const runs = await open.context.db.execute(sql`select state from runs order by id`);
    expect(runs).toEqual([{ state: "complete" }, { state: "complete" }, { state: "complete" }]);
  });

  test("is read as soon as it has, and what it lacks is absent", async () => {
    await pull();
    rows = ["b,2,2026-01-02"];
    etag = '"second"';
    expect(await pull()).toMatchObject({ ended: "complete", absent: 1 });
    expect(await evidenceIds()).toEqual(["b"]);
    expect(await pull()).toMatchObject({ unchanged: true });
    expect(conditions).toEqual([undefined, '"first"', '"second"']);
  });

  test("is read in full after a week all the same", async () => {
    await pull();
    day = 6;
    expect(await pull()).toMatchObject({ unchanged: true });
    day = 7;
    expect(await pull()).not.toHaveProperty("unchanged");
    day = 8;
    expect(await pull()).toMatchObject({ unchanged: true });
  });

  test("is remembered without its address", async () => {
    await pull();
    const [row] = await open.context.db.execute<{ validators: object }>(
      sql`select validators from connections`,
    );
    expect(row?.validators).toMatchObject({ etag: '"first"' });
    expect(JSON.stringify(row)).not.toMatch(/127\.0\.0\.1|list\.csv/);
  });
});

describe("what was known of a table is forgotten", () => {
  /** A table whose first page is recorded before it turns out to be shorter than announced. */
  function breakAfterAPage(): void {
    rows = Array.from({ length: 500 }, (_, n) => `new${n},1,2026-01-01`);
    announced = "501";
    etag = '"broken"';
  }

  test("by a run that failed half-way, even if the table is again what it was", async () => {
    await pull();
    const first = { rows, etag };
    breakAfterAPage();
    expect(await pull()).toBe("transient");
    ({ rows, etag } = first);
    announced = undefined;
    expect(await pull()).not.toHaveProperty("unchanged");
    expect(conditions).toEqual([undefined, '"first"', undefined]);
    // Held: the half-read rows are gone at once. Nothing was taken, so nothing is known.
    expect(await evidenceIds()).toHaveLength(502);
    await pull();
    expect(conditions.at(-1)).toBeUndefined();
  });

  test("by a run that goes on after a failure: an earlier attempt has seen another table", async () => {
    breakAfterAPage();
    expect(await pull({ decision: { action: "retry", delayMs: 0 } })).toBe("transient");
    rows = rows.slice(10);
    announced = undefined;
    etag = '"mended"';
    expect(await pull()).toMatchObject({ ended: "complete" });
    await pull();
    expect(conditions).toEqual([undefined, undefined, undefined]);
    expect(await evidenceIds()).toHaveLength(490);
  });

  test("as long as a loss is not believed, so that it can be approved later", async () => {
    const { db } = open.context;
    rows = Array.from({ length: 10 }, (_, n) => `row${n},1,2026-01-01`);
    await pull();
    rows = rows.slice(0, 5);
    etag = '"half"';
    const held = await pull();
    expect(held).toMatchObject({ ended: "held" });
    const [run] = await db.execute<{ id: number }>(sql`select max(id) as id from runs`);
    const decide = (decision: "approved" | "rejected") =>
      decideLoss(db, { runId: run!.id, decision, by: "ann", now: new Date(start) });
    await decide("rejected");
    expect(await pull()).toMatchObject({ ended: "complete", absent: 0 });
    await decide("approved");
    expect(await pull()).toMatchObject({ ended: "complete", absent: 5 });
    expect(conditions).toEqual([undefined, '"first"', undefined, undefined]);
    expect(await pull()).toMatchObject({ unchanged: true, seen: 5 });
  });

  test("by other settings, and by another credential", async () => {
    const { context } = open;
    await pull();
    const [source] = context.sources.sources;
    await registerSources(context.db, [{ ...source!, settings: { other: true } }]);
    await pull();
    const list = { source: "list", text: "key,secret\nmain,another", file: "list.csv", now: context.now() };
    await importConnections(context.db, context.secrets, list);
    await pull();
    expect(conditions).toEqual([undefined, undefined, undefined]);
    expect(await pull()).toMatchObject({ unchanged: true });
  });

  test("not by a run that failed before it had read anything", async () => {
    await pull();
    open.server.breakFrom(1, (response) => {
      send(response, { status: 500, body: "" });
    });
    expect(await pull()).toBe("transient");
    answer();
    expect(await pull()).toMatchObject({ unchanged: true });
  });
});

test("a table of several documents is asked for anew each time", async () => {
  await open.close();
  open = await openOneSource({ format: "json" });
  const seen: unknown[] = [];
  open.server.breakFrom(1, (response, { query, headers }) => {
    seen.push(headers["if-none-match"]);
    const isFirst = query.get("page") === null;
    const body = JSON.stringify([{ id: isFirst ? "a" : "b", crm: 1, on: "2026-01-01" }]);
    send(response, { headers: { etag, ...(isFirst && { link: '<?page=2>; rel="next"' }) }, body });
  });
  expect(await pull()).toMatchObject({ ended: "complete", added: 2 });
  expect(await pull()).toMatchObject({ ended: "complete", seen: 2 });
  expect(seen).toEqual([undefined, undefined, undefined, undefined]);
});
