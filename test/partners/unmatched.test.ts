import { sql } from "drizzle-orm";
import { afterEach, beforeEach, describe, expect, test } from "vitest";
import type { Database } from "../../db/client.ts";
import { addIdentities } from "../../src/evidence/match.ts";
import { readUnmatched } from "../../src/partners/unmatched.ts";
import { openProgrammeVersions, publishProgramme } from "../../src/programme/versions.ts";
import { scorePending } from "../../src/scoring/score.ts";
import { openTestDatabase, type TestDatabase } from "../database.ts";
import { addConnection, at, fact, openLease, record } from "../evidence/collecting.ts";

let database: TestDatabase;
let db: Database;
const programmes = openProgrammeVersions();

beforeEach(async () => {
  database = await openTestDatabase();
  db = database.db;
});
afterEach(async () => {
  await database.close();
});

const publish = async () =>
  publishProgramme(db, {
    text: `
programme: Test
time-zone: UTC
perfect: 15
evidence: { article: Article, certificate: Certificate }
achievements:
  articles: { title: Articles, hint: Write., evidence: article, measure: count, window: ever, award: { each: 2, cap: 10 } }
  certified: { title: Certified, hint: Learn., evidence: certificate, measure: count, window: in-force, award: { points: 5, at-least: 1 } }
`,
    file: "programme.yaml",
    publishedBy: "test",
    now: at(-100),
  });
const addPartner = async (slug: string, name: string, website: string | null = null) => {
  const [row] = await db.execute<{ id: number }>(
    sql`insert into partners (slug, name, website) values (${slug}, ${name}, ${website}) returning id`,
  );
  return row!.id;
};
const of = (key: string, id: string, more = {}) =>
  fact(id, { identity: { namespace: "domain", key }, ...more });
const collect = async (...evidence: ReturnType<typeof fact>[]) =>
  record(db, await openLease(db, await addConnection(db)), evidence);

describe("unmatched evidence", () => {
  test("is grouped by identity, with its kinds and what it alone would bring, the most points first", async () => {
    await publish();
    await collect(
      of("a.example", "1"),
      of("a.example", "2"),
      of("b.example", "3"),
      of("b.example", "4", { kind: "certificate" }),
      // It ended: it counts for nothing.
      of("c.example", "5", { kind: "certificate", endedAt: at(-1) }),
    );
    const { groups } = await readUnmatched(db, programmes, at(0));
    expect(groups).toMatchObject([
      { namespace: "domain", key: "b.example", count: 2, kinds: { article: 1, certificate: 1 }, points: 7 },
      { namespace: "domain", key: "a.example", count: 2, kinds: { article: 2 }, points: 4 },
      { namespace: "domain", key: "c.example", count: 1, points: 0, sources: ["crm"] },
    ]);
  });

  test("brings a partner that has nothing else exactly the points that waited", async () => {
    await publish();
    const partner = await addPartner("acme", "ACME");
    await collect(...Array.from({ length: 9 }, (_, n) => of("a.example", `${n}`)));
    const [group] = (await readUnmatched(db, programmes, at(0))).groups;
    await addIdentities(db, partner, [{ namespace: "domain", key: "a.example" }], at(0));
    await scorePending(db, programmes, { now: at(0), limit: 10 });
    const [score] = await db.execute(sql`select points from scores where partner_id = ${partner}`);
    expect(score).toEqual({ points: group?.points });
    expect((await readUnmatched(db, programmes, at(0))).groups).toEqual([]);
  });

  test("of a connection without a partner is listed under the connection, and without a programme without points", async () => {
    await collect(fact("1"));
    expect((await readUnmatched(db, programmes, at(0))).groups).toMatchObject([
      { namespace: null, key: "crm/main", count: 1, points: null },
    ]);
  });
});

describe("suggestions", () => {
  test("name whoever has the domain, or a name that is nearly the same, and apply nothing", async () => {
    await addPartner("blue-whale", "Blue Whale Digital", "https://www.bluewhale.example/en/");
    await addPartner("nordlicht", "Nordlicht Kommunikation GmbH");
    await addPartner("quite-other", "Quite Other");
    await collect(
      of("bluewhale.example", "1"),
      of("nordlicht-kommunikation.example", "2"),
      of("zzz.example", "3"),
    );
    const { groups, withoutSuggestions } = await readUnmatched(db, programmes, at(0));
    const suggested = Object.fromEntries(
      groups.map(({ key, suggestions }) => [
        key,
        suggestions.map(({ partner, because }) => [partner, because]),
      ]),
    );
    expect(withoutSuggestions).toBeNull();
    expect(suggested["bluewhale.example"]?.[0]).toEqual(["blue-whale", "domain"]);
    expect(suggested["nordlicht-kommunikation.example"]?.[0]).toEqual(["nordlicht", "name"]);
    expect(suggested["zzz.example"]).toEqual([]);
    expect(await db.execute(sql`select from identities`)).toEqual([]);
    expect(await db.execute(sql`select from evidence where partner_id is not null`)).toEqual([]);
  });

  test("say what is missing where Postgres has no pg_trgm, and still know domains", async () => {
    await db.execute(sql`drop extension pg_trgm`);
    await addPartner("blue-whale", "Blue Whale", "http://bluewhale.example");
    await collect(of("info@bluewhale.example", "1"));
    const { groups, withoutSuggestions } = await readUnmatched(db, programmes, at(0));
    expect(groups[0]?.suggestions).toMatchObject([{ partner: "blue-whale", because: "domain" }]);
    expect(withoutSuggestions).toContain("create extension pg_trgm");
  });
});
