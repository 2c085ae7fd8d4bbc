// What every implementation of Standings must do.
import { sql } from "drizzle-orm";
import fc from "fast-check";
import { afterAll, beforeAll, beforeEach, describe, expect, test } from "vitest";
import type { Database } from "../../db/client.ts";
import type { Standings } from "../../src/standings/standings.ts";
import { openTestDatabase, type TestDatabase } from "../database.ts";
import { addPartners, changePartner, type NewPartner, readNaively, setPoints } from "./partners.ts";

export interface StandingsUnderTest {
  standings: Standings;
  /** Resolves when every change marked pending before the call can be read. */
  settle(): Promise<void>;
  close(): Promise<unknown>;
}

const names = [
  "Zebra",
  "zebra",
  "Äpfel",
  "äpfel",
  "a",
  "A",
  "ab",
  "a b",
  "a\u0001",
  "İ",
  "i",
  "ß",
  "ẞ",
  "Ω",
  "\uFEFFa",
  "😀",
  "",
];
const instants = [
  "1965-03-01T00:00:00.001Z",
  "1970-01-01T00:00:00Z",
  "2026-01-01T00:00:00Z",
  "2026-01-01T00:00:00.001Z",
];
const points = fc.oneof(fc.integer({ min: -2, max: 3 }), fc.constantFrom(2_147_483_647, -2_147_483_648));
const instant = fc.constantFrom(...instants).map((text) => new Date(text));
const anyName = fc.string({ unit: "binary" }).map((text) => text.replaceAll("\0", ""));
const name = fc.oneof(fc.constantFrom(...names), anyName);
const partner: fc.Arbitrary<NewPartner> = fc.record({
  name,
  createdAt: instant,
  status: fc.constantFrom("active", "active", "active", "suspended"),
  listed: fc.constantFrom(true, true, true, false),
  score: fc.option(fc.record({ points, reachedAt: instant }), { nil: undefined }),
});
const change = fc.oneof(
  fc.record({ points, reachedAt: instant }),
  fc.record({ name }),
  fc.record({ listed: fc.boolean() }),
  fc.record({ status: fc.constantFrom("active" as const, "suspended" as const) }),
);

export function describeStandings(
  implementation: string,
  open: (db: Database) => Promise<StandingsUnderTest>,
): void {
  describe(`standings from ${implementation}`, () => {
    let database: TestDatabase;
    let db: Database;
    let under: StandingsUnderTest;

    beforeAll(async () => {
      database = await openTestDatabase();
      db = database.db;
    });
    afterAll(() => database.close());

    beforeEach(async () => {
      await db.execute(sql`truncate partners restart identity cascade`);
      under = await open(db);
      return () => under.close();
    });

    const readAll = () => under.standings.page({ offset: 0, limit: 1000 });

    test("nobody there is an empty page, not an error", async () => {
      await under.settle();
      expect(await readAll()).toEqual({ standings: [], total: 0 });
      expect(await under.standings.of(1)).toBeUndefined();
    });

    test("equal points share a rank, and the next rank counts them all", async () => {
      const reachedAt = new Date("2026-05-01T00:00:00Z");
      await addPartners(
        db,
        [30, 20, 20, 10].map((value) => ({ name: "Any", score: { points: value, reachedAt } })),
      );
      await under.settle();
      const { standings } = await readAll();
      expect(standings.map(({ rank }) => rank)).toEqual([1, 2, 2, 4]);
      const second = await under.standings.page({ offset: 2, limit: 2 });
      expect(second.standings.map(({ rank }) => rank)).toEqual([2, 4]);
    });

    test("among equal points who reached them first is first, then the name whatever its case, then the id", async () => {
      const early = new Date("2026-05-01T00:00:00.000Z");
      const late = new Date("2026-05-01T00:00:00.001Z");
      await addPartners(db, [
        { name: "first but late", score: { points: 5, reachedAt: late } },
        { name: "Same", score: { points: 5, reachedAt: early } },
        { name: "same", score: { points: 5, reachedAt: early } },
        { name: "Zoë", score: { points: 5, reachedAt: early } },
        { name: "éclair", score: { points: 5, reachedAt: early } },
        { name: "anna", score: { points: 5, reachedAt: early } },
      ]);
      await under.settle();
      const { standings } = await readAll();
      expect(standings.map((one) => one.name)).toEqual([
        "anna",
        "Same",
        "same",
        "Zoë",
        "éclair",
        "first but late",
      ]);
    });

    test("a partner never scored has 0 points at version 0, reached when it was created", async () => {
      const createdAt = new Date("2026-02-03T04:05:06.789Z");
      const [id] = await addPartners(db, [{ name: "New", createdAt }]);
      await under.settle();
      const expected = { partnerId: id, slug: "partner-1", name: "New", rank: 1, points: 0, scoreVersion: 0 };
      expect(await under.standings.of(id!)).toEqual({ ...expected, reachedAt: createdAt });
    });

    test("every page at every offset is the same part of one order", async () => {
      const reachedAt = new Date("2026-05-01T00:00:00Z");
      const partners = Array.from({ length: 23 }, (_, at) => ({
        name: `Partner ${at % 3}`,
        score: at % 5 === 0 ? undefined : { points: (at % 4) - 1, reachedAt },
      }));
      await addPartners(db, partners);
      await under.settle();
      const all = await readNaively(db);
      for (const limit of [1, 4, 23, 40]) {
        for (let offset = 0; offset <= 24; offset += 1) {
          const expected = { standings: all.slice(offset, offset + limit), total: 23 };
          expect(await under.standings.page({ offset, limit })).toEqual(expected);
        }
      }
      expect(await under.standings.page({ offset: 3, limit: 0 })).toEqual({ standings: [], total: 23 });
    });

    test("suspended and unlisted partners are absent, are counted by nobody, and can come back", async () => {
      const reachedAt = new Date("2026-05-01T00:00:00Z");
      const [top, middle, low] = await addPartners(
        db,
        [30, 20, 10].map((value) => ({ name: `With ${value}`, score: { points: value, reachedAt } })),
      );
      await under.settle();
      await changePartner(db, top!, { status: "suspended" });
      await changePartner(db, middle!, { listed: false });
      await under.settle();
      expect(await under.standings.of(top!)).toBeUndefined();
      expect(await under.standings.of(middle!)).toBeUndefined();
      expect(await readAll()).toMatchObject({ standings: [{ partnerId: low, rank: 1 }], total: 1 });
      await changePartner(db, top!, { status: "active" });
      await under.settle();
      expect(await readAll()).toMatchObject({ standings: [{ partnerId: top }, { partnerId: low, rank: 2 }] });
    });

    test("a partner is shown under its new name although its score version is the old one", async () => {
      const score = { points: 5, reachedAt: new Date("2026-05-01T00:00:00Z") };
      const [id] = await addPartners(db, [
        { name: "Aaa", score },
        { name: "Bbb", score },
      ]);
      await under.settle();
      await changePartner(db, id!, { name: "Ccc" });
      await under.settle();
      const { standings } = await readAll();
      expect(standings.map((one) => one.name)).toEqual(["Bbb", "Ccc"]);
    });

    test("whatever the partners and whatever changes, the order is that of a plain sort", async () => {
      await fc.assert(
        fc.asyncProperty(
          fc.array(partner, { maxLength: 12 }),
          fc.array(fc.tuple(fc.nat(), change), { maxLength: 8 }),
          async (partners, changes) => {
            await db.execute(sql`truncate partners restart identity cascade`);
            await under.close();
            under = await open(db);
            const ids = await addPartners(db, partners);
            await under.settle();
            expect((await readAll()).standings).toEqual(await readNaively(db));
            for (const [pick, what] of ids.length > 0 ? changes : []) {
              const id = ids[pick % ids.length]!;
              if ("points" in what) await setPoints(db, id, what.points, what.reachedAt);
              else await changePartner(db, id, what);
            }
            await under.settle();
            const expected = await readNaively(db);
            expect(await readAll()).toEqual({ standings: expected, total: expected.length });
            for (const id of ids) {
              expect(await under.standings.of(id)).toEqual(expected.find((one) => one.partnerId === id));
            }
          },
        ),
        { numRuns: 50 },
      );
    });
  });
}
