// The history of a partner: each line of the ledger with the cause that was found for it.

import { sql } from "drizzle-orm";
import fc from "fast-check";
import { afterAll, beforeAll, expect, test } from "vitest";
import type { Database } from "../../db/client.ts";
import { openProgrammeVersions } from "../../src/programme/versions.ts";
import { readHistory } from "../../src/scoring/history.ts";
import { openTestDatabase, type TestDatabase } from "../database.ts";
import { type EvidenceRow, evaluate, isKnown } from "../programme/reference.ts";
import { begins, play, steps } from "./replaying.ts";

const numRuns = Number(process.env["DEEP"] ?? 25);

let database: TestDatabase;
let db: Database;

beforeAll(async () => {
  database = await openTestDatabase();
  db = database.db;
});
afterAll(async () => {
  await database.close();
});

test(
  "each line's causes explain it: with what was found undone, the evaluation gives the points before",
  async () => {
    const seen = new Set<string>();
    const property = fc.asyncProperty(begins, steps, async (first, history) => {
      const programmes = openProgrammeVersions();
      const { partners } = await play(db, programmes, { first, steps: history });
      const rows = await readRows();
      for (const partnerId of partners) {
        const found = await readHistory(db, programmes, { partnerId, timeZone: "Europe/Amsterdam" });
        expect(found?.lines.at(-1)?.total ?? 0).toBe(found?.points);
        for (const line of found?.lines ?? []) {
          expect(line).toMatchObject({ unexplained: 0 });
          expect(line.causes.reduce((sum, { delta }) => sum + delta, 0)).toBe(line.delta);
          const version = await programmes.byId(db, line.programmeVersion);
          const position = version!.programme.achievements.findIndex(({ key }) => key === line.achievement);
          let known = rows.filter((row) => isKnown(row, line.at));
          const pointsNow = () =>
            position === -1 ? 0 : evaluate(version!.programme, known, partnerId, line.at)[position]!.points;
          for (const cause of line.causes) seen.add(cause.type);
          if (line.causes[0]?.type === "adjustment") continue;
          expect(pointsNow()).toBe(line.points);
          for (const cause of line.causes) {
            expect(cause.delta).not.toBe(0);
            if (cause.type !== "evidence") continue;
            expect(cause.evidence).not.toEqual([]);
            for (const { how, rows: changed } of cause.evidence) {
              seen.add(how);
              known = known.filter(({ id }) => id !== changed.since);
              known.push(...rows.filter(({ id }) => id === changed.before));
            }
            expect(pointsNow()).toBe(line.points - cause.delta);
          }
          for (const cause of line.causes) {
            if (cause.type === "time") for (const { how } of cause.evidence) seen.add(how);
          }
        }
      }
    });
    await fc.assert(property, { numRuns });
    // The histories are rich enough to mean something.
    expect([...seen].sort()).toEqual(
      expect.arrayContaining(["adjustment", "appeared", "evidence", "rules", "time", "vanished"]),
    );
    if (process.env["DEEP"] !== undefined) console.log([...seen].sort().join(" "));
  },
  60_000 + numRuns * 5000,
);

/** All evidence there ever was, in the words of the reference. */
async function readRows(): Promise<EvidenceRow[]> {
  return db.execute<Record<string, unknown> & EvidenceRow>(sql`
    select id, partner_id as "partnerId", kind, occurred_at as "occurredAt", ended_at as "endedAt",
      (quantity * 100)::int as hundredths, attributes, recorded_at as "recordedAt", superseded_at as "supersededAt"
    from evidence order by id`);
}
