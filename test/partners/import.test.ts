import { sql } from "drizzle-orm";
import { afterEach, beforeEach, describe, expect, test } from "vitest";
import type { Database } from "../../db/client.ts";
import { importPartners } from "../../src/partners/import.ts";
import { UsageError } from "../../src/platform/errors.ts";
import { openProgrammeVersions } from "../../src/programme/versions.ts";
import { scorePending } from "../../src/scoring/score.ts";
import { openTestDatabase, type TestDatabase } from "../database.ts";
import {
  addConnection,
  at,
  factOf,
  holdOpen,
  openLease,
  readCurrent,
  readPendingPartners,
  record,
  untilBlocked,
} from "../evidence/collecting.ts";
import { publish, usual } from "../scoring/programmes.ts";

let database: TestDatabase;
let db: Database;

beforeEach(async () => {
  database = await openTestDatabase();
  db = database.db;
});
afterEach(async () => {
  await database.close();
});

const load = async (...lines: string[]) =>
  await importPartners(db, { text: lines.join("\n"), file: "partners.csv", now: at(0) });
const readPartners = async () =>
  await db.execute(sql`select slug, name, website, listed, xmin::text as xmin from partners order by id`);
const header = "slug,name,website,listed,identities";

describe("importing partners", () => {
  test("stores them with their identities, and matches the evidence that waited for these", async () => {
    const lease = await openLease(db, await addConnection(db));
    await record(db, lease, [factOf("4711", "a"), factOf("4711", "b"), factOf("other", "c")]);
    const outcome = await load(
      header,
      "alpha,Alpha & Co,https://alpha.example,yes,crm:4711; domain:alpha.example;blog:x:y",
      "beta,Beta,,no,",
    );
    expect(outcome).toEqual({ added: 2, changed: 0, unchanged: 0, matched: 2 });
    expect(await readPartners()).toMatchObject([
      { slug: "alpha", name: "Alpha & Co", website: "https://alpha.example", listed: true },
      { slug: "beta", name: "Beta", website: null, listed: false },
    ]);
    expect(await db.execute(sql`select namespace, key from identities order by 1`)).toEqual([
      { namespace: "blog", key: "x:y" },
      { namespace: "crm", key: "4711" },
      { namespace: "domain", key: "alpha.example" },
    ]);
    expect((await readCurrent(db)).filter((row) => row.partner_id !== null)).toHaveLength(2);
    expect(await readPendingPartners(db)).toHaveLength(1);
    expect(await db.execute(sql`select from pending_standings`)).toHaveLength(2);
  });

  test("a second time changes nothing", async () => {
    const lines = [header, "alpha,Alpha,https://alpha.example,no,crm:1;crm:2", "beta,Beta,,,"];
    await load(...lines);
    await db.execute(sql`delete from pending_standings`);
    const before = await readPartners();
    expect(await load(...lines)).toEqual({ added: 0, changed: 0, unchanged: 2, matched: 0 });
    expect(await readPartners()).toEqual(before);
    expect(await db.execute(sql`select from pending_standings`)).toEqual([]);
  });

  test("changes what is in the list and leaves what is not, columns as well as partners", async () => {
    await load(header, "alpha,Alpha,https://alpha.example,no,crm:1", "beta,Beta,https://beta.example,yes,");
    expect(await load("slug,name", "alpha,Alpha BV")).toMatchObject({ changed: 1, unchanged: 0 });
    expect(await readPartners()).toMatchObject([
      { slug: "alpha", name: "Alpha BV", website: "https://alpha.example", listed: false },
      { slug: "beta", name: "Beta" },
    ]);
    expect(await load(header, "alpha,Alpha BV,,,")).toMatchObject({ changed: 1 });
    expect((await readPartners())[0]).toMatchObject({ website: null, listed: true });
  });

  test("refuses the whole list with every problem and its line", async () => {
    const refused = load(
      header,
      "Alpha,Alpha,,,",
      "beta,,not a url,maybe,crm",
      "gamma,Gamma,javascript:alert(1),yes,:x;crm: ",
      "good,Good,,,",
      "good,Good,,,",
    );
    await expect(refused).rejects.toThrow(
      new UsageError(
        [
          'partners.csv:2: slug: expected lower-case letters, digits and single hyphens, not "Alpha"',
          "partners.csv:3: name: expected a name",
          'partners.csv:3: website: expected a URL that starts with https:// or http://, not "not a url"',
          'partners.csv:3: listed: expected yes or no, not "maybe"',
          'partners.csv:3: identities: expected namespace:key, not "crm"',
          'partners.csv:4: website: expected a URL that starts with https:// or http://, not "javascript:alert(1)"',
          'partners.csv:4: identities: expected namespace:key, not ":x"',
          'partners.csv:4: identities: expected namespace:key, not "crm:"',
          "partners.csv:6: slug: good is on line 5 already",
        ].join("\n"),
      ),
    );
    expect(await readPartners()).toEqual([]);
  });

  test("refuses the whole list for identities that are somebody else's, in the list or before", async () => {
    await load(header, "old,Old,,,crm:1");
    const refused = load(header, "b,B,,,crm:2", "c,C,,,crm:1", "old,Old,,,crm:3", "a,A,,,crm:9;crm:2");
    await expect(refused).rejects.toThrow(
      new UsageError(
        [
          "partners.csv:3: identity crm:1 belongs to partner old already",
          "partners.csv:5: identity crm:2 belongs to partner b already",
        ].join("\n"),
      ),
    );
    expect(await readPartners()).toHaveLength(1);
    expect(await db.execute(sql`select key from identities`)).toEqual([{ key: "1" }]);
  });

  test("neither keeps a page of its partners waiting in a circle nor is kept", async () => {
    const lines = [header, "zeta,Zeta,,,crm:z", "alpha,Alpha,,,crm:a"];
    await load(...lines);
    const lease = await openLease(db, await addConnection(db));
    await record(db, lease, [factOf("a", "a0")]);
    const scoring = await holdOpen(db, sql`delete from pending_partners`);
    // Has read the identities and refers to the partners; waits for the scoring.
    const page = record(db, lease, [factOf("a", "a1"), factOf("z", "z1")], { now: at(1) });
    await untilBlocked(db, 1);
    const again = load(...lines, "new,New,,,crm:n");
    await untilBlocked(db, 2);
    await scoring.release();
    expect(await page).toMatchObject({ added: 2 });
    expect(await again).toMatchObject({ added: 1, unchanged: 2 });
  });

  test("neither keeps a score job of its partners waiting in a circle nor is kept", async () => {
    await publish(db, usual, at(0));
    await load(header, "alpha,Alpha,,,crm:a");
    const lease = await openLease(db, await addConnection(db));
    await record(db, lease, [factOf("a", "a0"), factOf("later", "b0")]);
    const ranking = await holdOpen(db, sql`update pending_standings set mark = gen_random_uuid()`);
    const scoring = scorePending(db, openProgrammeVersions(), { now: at(1), limit: 10 });
    await untilBlocked(db, 1);
    const again = load(header, "alpha,Alpha,,,crm:a;crm:later");
    await untilBlocked(db, 2);
    await ranking.release();
    expect(await scoring).toMatchObject({ lines: 1 });
    expect(await again).toMatchObject({ unchanged: 1, matched: 1 });
    expect(await readPendingPartners(db)).toHaveLength(1);
  });

  test("never deadlocks with pages of the same partners, in whatever order", async () => {
    const rows = Array.from({ length: 30 }, (_, n) => `p-${n},P ${n},,,crm:${n}`);
    await load(header, ...rows);
    const lease = await openLease(db, await addConnection(db));
    for (let round = 0; round < 6; round++) {
      const changed = rows.map((row) => row.replace("P ", `P${round} `)).reverse();
      const facts = rows.map((_, n) => factOf(String(n), `${round}-${n}`));
      await Promise.all([
        load(header, ...changed),
        record(db, lease, facts),
        load(header, ...changed.toReversed()),
      ]);
    }
    expect(await readCurrent(db)).toHaveLength(180);
  });
});
