// One partner whose score cannot be stored keeps nobody else waiting, and does not go unnoticed.
import { sql } from "drizzle-orm";
import { afterEach, beforeEach, describe, expect, test } from "vitest";
import type { Database } from "../../db/client.ts";
import { finishReconcile, startReconcile } from "../../src/ingest/runs/reconcile.ts";
import { openProgrammeVersions, type ProgrammeVersions } from "../../src/programme/versions.ts";
import { drainPending } from "../../src/scoring/drain.ts";
import { openTestDatabase, type TestDatabase } from "../database.ts";
import { addConnection, addPartners, at, fact, list, readPendingPartners } from "../evidence/collecting.ts";
import { publish, readScores, usual } from "./programmes.ts";

const PARTNERS = 60;

let database: TestDatabase;
let db: Database;
let programmes: ProgrammeVersions;
let partners: number[];

beforeEach(async () => {
  database = await openTestDatabase();
  db = database.db;
  programmes = openProgrammeVersions();
  partners = await addPartners(db, PARTNERS);
  await publish(db, usual, at(0));
  for (const partnerId of partners) {
    const connection = await addConnection(db, { source: `source-${partnerId}`, partnerId });
    await list(db, connection, [fact(`a${partnerId}`)], at(1));
  }
});
afterEach(async () => {
  await database.close();
});

/** More points than a score can hold; no command lets it come to that. */
async function poison(partnerId: number): Promise<void> {
  await db.execute(sql`
    insert into adjustments (partner_id, points, reason, author, created_at)
    select ${partnerId}, 1000000, 'Part ' || part, 'Ada', ${at(0)} from generate_series(1, 2200) as part`);
}

const now = () => at(2);

describe("draining the list of pending partners", () => {
  test("scores everybody but the partners whose score cannot be stored, and names those", async () => {
    const [first, , , , , , , eighth] = partners;
    const last = partners.at(-1)!;
    for (const id of [first!, eighth!, last]) await poison(id);
    const { failure, ...drained } = await drainPending(db, programmes, { now });
    expect(failure?.message).toBe(
      "The score of partner-1, partner-8, partner-60 cannot be stored: integer out of range. Other partners do not wait for it.",
    );
    expect(drained).toEqual({ claimed: PARTNERS - 3, changed: PARTNERS - 3, lines: PARTNERS - 3 });
    expect(await readPendingPartners(db)).toEqual([first, eighth, last]);
    const scores = await readScores(db);
    expect(scores).toHaveLength(PARTNERS - 3);
    expect(new Set(scores.map(({ points }) => points))).toEqual(new Set([5]));
  });

  test("scores them as soon as they can be, and nobody twice", async () => {
    await poison(partners[3]!);
    expect((await drainPending(db, programmes, { now })).failure?.message).toContain("partner-4");
    await db.execute(sql`delete from adjustments`);
    expect(await drainPending(db, programmes, { now })).toEqual({
      ...{ claimed: 1, changed: 1, lines: 1 },
      failure: undefined,
    });
    expect(await readPendingPartners(db)).toEqual([]);
  });

  test("a reconciliation goes on without them, ends, and says who they are", async () => {
    await poison(partners[3]!);
    await db.execute(sql`update achievements_held set points = 0`);
    const { runId } = await startReconcile(db, { sources: [], askedBy: "test", now: now() });
    const cached = { compare: () => Promise.resolve(0), rebuild: () => Promise.resolve() };
    expect(await finishReconcile(db, programmes, cached, { runId, now })).toEqual({ drift: 0 });
    const [run] = await db.execute<{ state: string; reason: string }>(
      sql`select state, reason from runs where id = ${runId}`,
    );
    expect(run).toMatchObject({ state: "partial" });
    expect(run!.reason).toContain("The score of partner-4 cannot be stored");
    expect(await startReconcile(db, { sources: [], askedBy: "test", now: now() })).toMatchObject({
      joined: false,
    });
  });

  test("fails at once where everybody is concerned", async () => {
    await db.execute(sql`alter table ledger rename to ledger_elsewhere`);
    await expect(drainPending(db, programmes, { now })).rejects.toThrow();
    expect(await readPendingPartners(db)).toHaveLength(PARTNERS);
  });

  test("tells of each batch, and ends between two of them when it is asked to", async () => {
    const stopping = new AbortController();
    const batches: number[] = [];
    await drainPending(db, programmes, {
      now,
      signal: stopping.signal,
      onBatch({ claimed }) {
        batches.push(claimed);
        stopping.abort();
        return Promise.resolve();
      },
    });
    expect(batches).toEqual([PARTNERS]);
  });
});
