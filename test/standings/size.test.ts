// The number of partners in the standings is kept, not counted: whatever is written to partners, it is what counting would give.
import { sql } from "drizzle-orm";
import fc from "fast-check";
import { afterAll, beforeAll, expect, test } from "vitest";
import type { Database } from "../../db/client.ts";
import { keepSizeShort, partnersShown, recountStandings } from "../../src/standings/size.ts";
import { numRuns, timeFor } from "../cases.ts";
import { openTestDatabase, type TestDatabase } from "../database.ts";
import { holdOpen } from "../evidence/collecting.ts";

let database: TestDatabase;
let db: Database;

beforeAll(async () => {
  database = await openTestDatabase();
  db = database.db;
});
afterAll(() => database.close());

async function read(): Promise<{ kept: number; counted: number; rows: number }> {
  const [row] = await db.execute<{ kept: number; counted: number; rows: number }>(sql`
    select ${partnersShown} as kept, (select count(*)::int from partners where status = 'active' and listed) as counted,
      (select count(*)::int from standings_size) as rows`);
  return row!;
}

let slugs = 0;
const add = (count: number, listed: boolean) => sql`
  insert into partners (slug, name, listed)
  select 'partner-' || (${slugs}::int + number), 'Partner', ${listed} from generate_series(1, ${count}::int) as number`;
/** Every third partner of those there are, beginning somewhere. */
const some = (from: number) => sql`(id + ${from}) % 3 = 0`;
const changes = fc.oneof(
  fc.record({
    type: fc.constant("add" as const),
    count: fc.integer({ min: 0, max: 5 }),
    listed: fc.boolean(),
  }),
  fc.record({ type: fc.constant("list" as const), from: fc.nat(2), listed: fc.boolean() }),
  fc.record({ type: fc.constant("suspend" as const), from: fc.nat(2) }),
  fc.record({ type: fc.constant("merge" as const), from: fc.nat(2) }),
  fc.record({ type: fc.constant("rename" as const), from: fc.nat(2) }),
  fc.record({ type: fc.constant("delete" as const), from: fc.nat(2) }),
  fc.record({ type: fc.constantFrom("recount" as const, "truncate" as const) }),
);

test(
  "the kept number is the counted one, whatever was done to the partners",
  async () => {
    const property = fc.asyncProperty(fc.array(changes, { maxLength: 12 }), async (list) => {
      await db.execute(sql`truncate partners cascade`);
      for (const change of list) {
        switch (change.type) {
          case "add":
            await db.execute(add(change.count, change.listed));
            slugs += change.count;
            break;
          case "list":
            await db.execute(sql`update partners set listed = ${change.listed} where ${some(change.from)}`);
            break;
          case "suspend":
            await db.execute(
              sql`update partners set status = 'suspended' where status = 'active' and ${some(change.from)}`,
            );
            break;
          case "merge":
            await db.execute(sql`
              update partners set status = 'merged', merged_into = (select min(id) from partners)
              where ${some(change.from)} and id > (select min(id) from partners)`);
            break;
          case "rename":
            await db.execute(sql`update partners set name = 'Another' where ${some(change.from)}`);
            break;
          case "delete":
            await db.execute(sql`
              delete from partners where ${some(change.from)} and id not in (
                select merged_into from partners where merged_into is not null)`);
            break;
          case "recount":
            expect(await recountStandings(db)).toBe(0);
            break;
          case "truncate":
            await db.execute(sql`truncate partners cascade`);
        }
        const { kept, counted } = await read();
        expect(kept).toBe(counted);
      }
    });
    await fc.assert(property, { numRuns });
  },
  timeFor(1000),
);

test("partners that are being added while it is counted are counted once, and nobody waits", async () => {
  const before = (await read()).counted;
  const adding = await holdOpen(db, add(3, true));
  slugs += 3;
  const recounts = await Promise.all([recountStandings(db), recountStandings(db)]);
  await adding.release();
  expect(recounts).toEqual([0, 0]);
  const { kept, counted } = await read();
  expect([kept, counted]).toEqual([before + 3, before + 3]);
});

test("what was written past the triggers is found and set right", async () => {
  const { counted } = await read();
  await db.execute(sql`insert into standings_size (change) values (7)`);
  expect(await recountStandings(db)).toBe(-7);
  expect(await read()).toMatchObject({ kept: counted, rows: 1 });
});

test("many changes become one, a few are left alone", async () => {
  await recountStandings(db);
  for (const many of [false, true]) {
    const count = many ? 300 : 3;
    for (let number = 0; number < count; number += 1) {
      await db.execute(add(1, true));
      slugs += 1;
    }
    await keepSizeShort(db);
    const { kept, counted, rows } = await read();
    expect(kept).toBe(counted);
    expect(rows === 1).toBe(many);
  }
});
