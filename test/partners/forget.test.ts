import { sql } from "drizzle-orm";
import { afterEach, beforeEach, describe, expect, test } from "vitest";
import type { Database } from "../../db/client.ts";
import { addIdentities } from "../../src/evidence/match.ts";
import { recordPage } from "../../src/evidence/record.ts";
import { forgetPartner } from "../../src/partners/forget.ts";
import { mergePartners } from "../../src/partners/merge.ts";
import { secretBox } from "../../src/platform/secrets.ts";
import { openProgrammeVersions, publishProgramme } from "../../src/programme/versions.ts";
import { adjust } from "../../src/scoring/adjustments.ts";
import { scorePending } from "../../src/scoring/score.ts";
import { verify } from "../../src/scoring/verify.ts";
import { openTestDatabase, type TestDatabase } from "../database.ts";
import { addConnection, at, fact, openLease } from "../evidence/collecting.ts";

let database: TestDatabase;
let db: Database;
const programmes = openProgrammeVersions();

beforeEach(async () => {
  database = await openTestDatabase();
  db = database.db;
  await publishProgramme(db, {
    text: `
programme: Articles
time-zone: UTC
perfect: 10
evidence: { article: Article }
achievements:
  articles: { title: Articles, hint: Write., evidence: article, measure: count, window: ever, award: { each: 1, cap: 10 } }
`,
    file: "programme.yaml",
    publishedBy: "test",
    now: at(-100),
  });
});
afterEach(async () => {
  await database.close();
});

const addPartner = async (slug: string, name: string) => {
  const [row] = await db.execute<{ id: number }>(sql`
    insert into partners (slug, name, website, profile)
    values (${slug}, ${name}, ${`https://${slug}.example`}, ${JSON.stringify({ city: `${name} city` })}::jsonb) returning id`);
  return row!.id;
};
const drain = async (now: Date) => {
  while ((await scorePending(db, programmes, { now, limit: 100 })).claimed > 0);
};

/** Every place of the database, whatever its type, whose text holds one of these words. */
async function placesOf(words: string[]): Promise<string[]> {
  const columns = await db.execute<{ table_name: string; column_name: string }>(sql`
    select table_name, column_name from information_schema.columns
    where table_schema = 'public' and data_type in ('text', 'character varying', 'jsonb', 'json', 'ARRAY', 'uuid') order by 1, 2`);
  const places: string[] = [];
  for (const { table_name: table, column_name: column } of columns) {
    const found = await db.execute(sql`
      select from ${sql.identifier(table)}
      where ${sql.identifier(column)}::text ilike any(${sql.param(words.map((word) => `%${word}%`))}::text[]) limit 1`);
    if (found.length > 0) places.push(`${table}.${column}`);
  }
  return places;
}

/** Zebra has everything a partner can have, and another that was found to be it; Other has what must stay. */
async function arrange() {
  const zebra = await addPartner("zebra", "Zebra Works");
  await addPartner("zebra-old", "Zebra Formerly");
  const other = await addPartner("other", "Other");
  await addIdentities(db, zebra, [{ namespace: "domain", key: "zebra.example" }], at(-50));
  await addIdentities(db, other, [{ namespace: "domain", key: "other.example" }], at(-50));
  await adjust(db, { partnerId: zebra, points: 3, reason: "Zebra was kind", by: "ann", now: at(-40) });
  await mergePartners(db, { partner: "zebra-old", into: "zebra", by: "ann", now: at(-30) });
  const own = await addConnection(db, { key: "zebra-account", partnerId: zebra });
  const shared = await addConnection(db, { source: "blog" });
  const sealed = secretBox(Buffer.alloc(32).toString("base64")).seal("x", "y");
  await db.execute(sql`update connections set secret = ${sealed}, reason = 'account zebra-account is full',
    attributes = '{"use": "zebra"}' where id = ${own.connectionId}`);
  const ofZebra = { namespace: "domain", key: "zebra.example" };
  const leases = [await openLease(db, own), await openLease(db, shared)] as const;
  await recordPage(
    db,
    leases[0],
    {
      evidence: [fact("zebra-account/1", { title: "Zebra's letter", attributes: { of: "zebra" } })],
      quarantined: [{ externalId: "zebra-account/2", reason: "zebra-account/2: no date" }],
      cursor: { at: "zebra" },
    },
    { listing: false, now: () => at(-20) },
  );
  for (const title of ["By Zebra", "By Zebra, again"]) {
    const evidence = [
      fact("post/1/zebra", { title, link: "https://x.example/zebra", identity: ofZebra }),
      fact("post/2", { title: "Not by her", identity: { namespace: "domain", key: "other.example" } }),
    ];
    await recordPage(db, leases[1], { evidence, cursor: {} }, { listing: true, now: () => at(-10) });
  }
  await db.execute(sql`
    insert into held_losses (connection_id, external_id, run_id) values (${shared.connectionId}, 'post/1/zebra', ${leases[1].runId})`);
  await db.execute(sql`update runs set reason = 'data: zebra.example is gone'`);
  await db.execute(sql`
    insert into runs (kind, scope, asked_by, started_at) values ('rescore', '{"partner": "zebra"}', 'test', ${at(-5)})`);
  await drain(at(-5));
  return { zebra, other };
}

describe("forgetting a partner", () => {
  test("leaves no word of it in any text of any table", async () => {
    await arrange();
    expect(await placesOf(["zebra"])).toEqual(
      expect.arrayContaining([
        "adjustments.reason",
        "connections.attributes",
        "connections.cursor",
        "connections.key",
        "connections.reason",
        "evidence.attributes",
        "evidence.external_id",
        "evidence.identity_key",
        "evidence.link",
        "evidence.title",
        "held_losses.external_id",
        "identities.key",
        "partners.name",
        "partners.profile",
        "partners.slug",
        "partners.website",
        "quarantined_rows.external_id",
        "quarantined_rows.reason",
        "runs.reason",
        "runs.scope",
      ]),
    );
    await forgetPartner(db, { partner: "zebra", by: "ann", now: at(0) });
    expect(await placesOf(["zebra"])).toEqual([]);
  });

  test("keeps the sums: its ledger is what it was, with lines to 0 after it, and nothing drifts", async () => {
    const { zebra } = await arrange();
    const before = await db.execute(sql`select * from ledger where partner_id = ${zebra} order by id`);
    await forgetPartner(db, { partner: "zebra", by: "ann", now: at(0) });
    await drain(at(1));
    const after = await db.execute(sql`select * from ledger where partner_id = ${zebra} order by id`);
    expect(after.slice(0, before.length)).toEqual(before);
    const [score] = await db.execute(sql`
      select points, (select sum(delta)::int from ledger where partner_id = ${zebra}) as sum from scores where partner_id = ${zebra}`);
    expect(score).toEqual({ points: 0, sum: 0 });
    expect(await verify(db, programmes, at(1))).toMatchObject({ drift: 0, pending: 0 });
  });

  test("takes it, and who was merged into it, out of the standings, and says who asked", async () => {
    const { other } = await arrange();
    await forgetPartner(db, { partner: "zebra", by: "ann", now: at(0) });
    const shown = await db.execute(sql`select id from partners where status = 'active' and listed`);
    expect(shown).toEqual([{ id: other }]);
    expect(
      await db.execute(
        sql`select distinct forgotten_by, forgotten_at from partners where forgotten_at is not null`,
      ),
    ).toEqual([{ forgotten_by: "ann", forgotten_at: at(0) }]);
  });

  test("leaves everybody else's evidence as it is", async () => {
    const { other } = await arrange();
    const rows = sql`select * from evidence where partner_id = ${other} order by id`;
    const before = await db.execute(rows);
    expect(before.length).toBeGreaterThan(0);
    await forgetPartner(db, { partner: "zebra", by: "ann", now: at(0) });
    expect(await db.execute(rows)).toEqual(before);
  });

  test("what a source says of it later belongs to nobody", async () => {
    await arrange();
    await forgetPartner(db, { partner: "zebra", by: "ann", now: at(0) });
    const lease = await openLease(
      db,
      { source: "blog", connectionId: await connectionOf("blog") },
      { now: at(60) },
    );
    const evidence = [fact("post/3", { identity: { namespace: "domain", key: "zebra.example" } })];
    expect(
      await recordPage(db, lease, { evidence, cursor: {} }, { listing: false, now: () => at(60) }),
    ).toMatchObject({
      added: 1,
      unmatched: 1,
    });
  });

  test("is refused for whom nobody knows, for whom was merged into another, and twice", async () => {
    await arrange();
    const forget = async (partner: string) => forgetPartner(db, { partner, by: "ann", now: at(0) });
    await expect(forget("nobody")).rejects.toThrow("there is no partner nobody");
    await expect(forget("zebra-old")).rejects.toThrow("was merged into zebra");
    const { partner } = await forget("zebra");
    await expect(forget(partner)).rejects.toThrow("is forgotten already");
  });
});

async function connectionOf(source: string): Promise<number> {
  const [row] = await db.execute<{ id: number }>(sql`select id from connections where source = ${source}`);
  return row!.id;
}
