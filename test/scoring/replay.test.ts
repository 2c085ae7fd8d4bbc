// Replay: what the ledger says of any past instant is what the evaluation gives as known at that instant, under the version that
// was in force.
import { sql } from "drizzle-orm";
import fc from "fast-check";
import { afterAll, beforeAll, expect, test } from "vitest";
import type { Database } from "../../db/client.ts";
import { explain } from "../../src/insight/explain.ts";
import { openProgrammeVersions } from "../../src/programme/versions.ts";
import { evaluation } from "../../src/scoring/evaluation.ts";
import { verify } from "../../src/scoring/verify.ts";
import { numRuns, timeFor } from "../cases.ts";
import { openTestDatabase, type TestDatabase } from "../database.ts";
import { begins, play, steps } from "./replaying.ts";

let database: TestDatabase;
let db: Database;

beforeAll(async () => {
  database = await openTestDatabase({ max: 2 });
  db = database.db;
});
afterAll(async () => {
  await database.close();
});

/** Points of each partner, by what a query of (partner_id, points) says. */
async function read(query: ReturnType<typeof sql>, partners: number[]): Promise<number[]> {
  const rows = await db.execute<{ partner_id: number; points: number }>(sql`
    select partner_id, sum(points)::int as points from (${query}) as named group by 1`);
  return partners.map((id) => rows.find((row) => row.partner_id === id)?.points ?? 0);
}

test(
  "the ledger's balance at an instant is the evaluation as known then",
  async () => {
    const property = fc.asyncProperty(begins, steps, async (first, history) => {
      const programmes = openProgrammeVersions();
      const { partners, settled } = await play(db, programmes, { first, steps: history });
      for (const at of settled) {
        const version = await programmes.inForce(db, at);
        const replayed = evaluation(version!.compiled, { scope: "all", at, knownAt: at });
        const balance = sql`select partner_id, delta as points from ledger where at <= ${at}`;
        expect(await read(balance, partners)).toEqual(await read(replayed, partners));
        // Achievement by achievement, too: no two errors cancel each other out.
        const differing = await db.execute(sql`
          select partner_id, achievement, sum(points) from (
            select partner_id, achievement, points from (${replayed}) as replayed
            union all select partner_id, achievement, -delta from ledger where at <= ${at}) as lines
          group by 1, 2 having sum(points) <> 0`);
        expect(differing).toEqual([]);
      }
      const last = settled.at(-1)!;
      expect(await verify(db, programmes, last)).toMatchObject({ pending: 0, drift: 0 });
      // What is explained of then says the same, and its parts add up to it; so do those of the stored score.
      for (const partnerId of partners) {
        const of = { partnerId, now: last, freshWithin: () => undefined };
        for (const at of [settled[Math.floor(settled.length / 2)]!]) {
          const then = await explain(db, programmes, { ...of, replay: { at, knownAt: at } });
          expect(then?.points).toBe(then?.scoredThen);
          expect(sumOf(then)).toBe(then?.points);
        }
        const stored = await explain(db, programmes, of);
        const replayed = await explain(db, programmes, { ...of, replay: { at: last } });
        expect(sumOf(stored)).toBe(stored?.points);
        expect(stored?.achievements).toEqual(
          replayed?.achievements.map((one, index) => ({
            ...one,
            since: stored?.achievements[index]?.since,
          })),
        );
      }
    });
    await fc.assert(property, { numRuns });
  },
  timeFor(5000),
);

function sumOf(explanation: Awaited<ReturnType<typeof explain>>): number {
  const parts = [
    ...(explanation?.achievements ?? []),
    ...(explanation?.adjustments ?? []),
    ...(explanation?.retired ?? []),
  ];
  return parts.reduce((sum, { points }) => sum + points, 0);
}
