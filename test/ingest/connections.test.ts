import { randomBytes } from "node:crypto";
import { sql } from "drizzle-orm";
import { afterEach, beforeEach, describe, expect, test } from "vitest";
import type { Database } from "../../db/client.ts";
import { addIdentities } from "../../src/evidence/match.ts";
import { importConnections } from "../../src/ingest/connections.ts";
import { UsageError } from "../../src/platform/errors.ts";
import { secretBox } from "../../src/platform/secrets.ts";
import { openTestDatabase, type TestDatabase } from "../database.ts";
import {
  addPartners,
  at,
  fact,
  factOf,
  openLease,
  readCurrent,
  readEvidence,
  readPendingPartners,
  record,
} from "../evidence/collecting.ts";

let database: TestDatabase;
let db: Database;
let partners: number[];
const secrets = secretBox(randomBytes(32).toString("base64"));

beforeEach(async () => {
  database = await openTestDatabase();
  db = database.db;
  partners = await addPartners(db, 4);
  await db.execute(
    sql`insert into sources (key, connector, settings_digest) values ('copernica', 'copernica', '')`,
  );
});
afterEach(async () => {
  await database.close();
});

const load = async (...lines: string[]) =>
  await importConnections(db, secrets, {
    source: "copernica",
    text: lines.join("\n"),
    file: "c.csv",
    now: at(10),
  });
const header = "key,partner,use,secret";
interface Stored extends Record<string, unknown> {
  id: number;
  key: string;
  partner_id: number | null;
  secret: string | null;
  attributes: unknown;
  cursor: unknown;
}
const readConnections = async () =>
  await db.execute<Stored>(
    sql`select id, key, partner_id, secret, attributes, cursor from connections order by id`,
  );
/** A source's connection that has recorded two facts of its own partner and one that names another. */
async function collect(connectionId: number): Promise<void> {
  await addIdentities(db, partners[3]!, [{ namespace: "crm", key: "x" }], at(0));
  const lease = await openLease(db, { source: "copernica", connectionId });
  await record(db, lease, [fact("a"), fact("b"), factOf("x", "c")], { cursor: { page: 2 } });
  await db.execute(sql`delete from pending_partners`);
}

describe("importing connections", () => {
  test("stores the secret so that it is nowhere in the table, and opens for its own connection only", async () => {
    const secret = "token-of-4711";
    expect(await load(header, `4711,partner-1,own,${secret}`, "4712,partner-1,client,", "4713,,,")).toEqual({
      added: 3,
      changed: 0,
      unchanged: 0,
    });
    const [first, second, third] = await readConnections();
    expect(first).toMatchObject({ key: "4711", partner_id: partners[0], attributes: { use: "own" } });
    expect(second).toMatchObject({ secret: null, attributes: { use: "client" } });
    expect(third).toMatchObject({ partner_id: null, attributes: {} });
    expect(secrets.open(first!.secret!, "copernica/4711")).toBe(secret);
    expect(() => secrets.open(first!.secret!, "copernica/4712")).toThrow();
    const [row] = await db.execute<{ text: string }>(
      sql`select string_agg(connections::text, ' ') as text from connections`,
    );
    for (const form of [
      secret,
      Buffer.from(secret).toString("base64url").slice(0, -1),
      Buffer.from(secret).toString("hex"),
    ]) {
      expect(row!.text).not.toContain(form);
    }
  });

  test("a second time changes nothing, not even how the secret is sealed", async () => {
    const lines = [header, "4711,partner-1,own,token", "4712,partner-2,,"];
    await load(...lines);
    const before = await readConnections();
    expect(await load(...lines)).toEqual({ added: 0, changed: 0, unchanged: 2 });
    expect(await readConnections()).toEqual(before);
  });

  test("keeps what an empty secret or a missing column does not say", async () => {
    await load(header, "4711,partner-1,own,old");
    expect(await load("key,secret", "4711,new")).toEqual({ added: 0, changed: 1, unchanged: 0 });
    expect(await load(header, "4711,partner-1,own,")).toEqual({ added: 0, changed: 0, unchanged: 1 });
    const [connection] = await readConnections();
    expect(connection).toMatchObject({ partner_id: partners[0], attributes: { use: "own" } });
    expect(secrets.open(connection!.secret!, "copernica/4711")).toBe("new");
  });

  test("a new secret lets a connection be called again at once, and goes on where it was", async () => {
    await load(header, "4711,partner-1,own,old");
    const [connection] = await readConnections();
    await collect(connection!.id);
    await db.execute(sql`update connections set retry_at = ${at(99)}`);
    await load(header, "4711,partner-1,own,new");
    expect(await db.execute(sql`select retry_at, cursor from connections`)).toEqual([
      { retry_at: null, cursor: { page: 2 } },
    ]);
  });

  test("another use begins the next pull anew", async () => {
    await load(header, "4711,partner-1,own,");
    const [connection] = await readConnections();
    await collect(connection!.id);
    expect(await load(header, "4711,partner-1,client,")).toMatchObject({ changed: 1 });
    expect((await readConnections())[0]).toMatchObject({ attributes: { use: "client" }, cursor: null });
    expect(await readPendingPartners(db)).toEqual([]);
  });

  test("evidence of a connection that gets another partner goes with it, except what names a partner itself", async () => {
    await load(header, "4711,partner-1,own,");
    const [connection] = await readConnections();
    await collect(connection!.id);
    await load(header, "4711,partner-3,own,");
    expect(await readCurrent(db)).toMatchObject([
      { external_id: "c", partner_id: partners[3] },
      { external_id: "a", partner_id: partners[2], recorded_at: at(10) },
      { external_id: "b", partner_id: partners[2], recorded_at: at(10) },
    ]);
    const before = (await readEvidence(db)).filter((row) => row.superseded_at !== null);
    expect(before.map((row) => [row.partner_id, row.superseded_at])).toEqual([
      [partners[0], at(10)],
      [partners[0], at(10)],
    ]);
    expect(await readPendingPartners(db)).toEqual([partners[0], partners[2]]);
    // The source says the same again: it is the new partner's already.
    const lease = await openLease(db, { source: "copernica", connectionId: connection!.id }, { now: at(20) });
    expect(await record(db, lease, [fact("a")], { now: at(20) })).toMatchObject({ added: 0, changed: 0 });

    await load(header, "4711,,own,");
    expect((await readCurrent(db)).map((row) => row.partner_id)).toEqual([partners[3], null, null]);
    expect(await readPendingPartners(db)).toEqual([partners[0], partners[2]]);
  });

  test("never deadlocks with pages of the connections it moves", async () => {
    const keys = ["1", "2", "3", "4"];
    const lines = (shift: number) => keys.map((key, n) => `${key},partner-${1 + ((n + shift) % 4)},own,`);
    await load(header, ...lines(0));
    const connections = await readConnections();
    const leases = [];
    for (const { id } of connections)
      leases.push(await openLease(db, { source: "copernica", connectionId: id }));
    for (let round = 0; round < 6; round++) {
      await Promise.all([
        load(header, ...lines(round + 1)),
        ...leases.map((lease, n) => record(db, lease, [fact(`${round}-${n}`)], { now: at(round) })),
        load(header, ...lines(round + 1).reverse()),
      ]);
    }
    const current = await db.execute(sql`
      select from evidence join connections on connections.id = connection_id
      where superseded_at is null and evidence.partner_id = connections.partner_id`);
    expect(current).toHaveLength(24);
  });

  test("refuses the whole list with every problem and its line, and shows no secret", async () => {
    const refused = load(header, "4711,partner-1,mine,hunter2", ",partner-1,own,hunter2", "4711,,,hunter2");
    await expect(refused).rejects.toThrow(
      new UsageError(
        [
          'c.csv:2: use: expected own or client, not "mine"',
          "c.csv:3: key: expected the account's id, or main where the source has no accounts",
          "c.csv:4: key: 4711 is on line 2 already",
        ].join("\n"),
      ),
    );
    const unknown = load(header, "1,nobody,own,hunter2", "2,partner-1,own,", "3,neither,own,");
    await expect(unknown).rejects.toThrow(
      new UsageError(
        "c.csv:2: partner: there is no partner nobody\nc.csv:4: partner: there is no partner neither",
      ),
    );
    await expect(load(header, '1,partner-1,own,"hunter2')).rejects.toThrow(/^c\.csv:2: (?!.*hunter2)/);
    await expect(load(`${header},password`, "1,partner-1,own,,hunter2")).rejects.toThrow(
      new UsageError("c.csv:1: column password is unknown; expected key, partner, use, secret"),
    );
    expect(await readConnections()).toEqual([]);
  });

  test("refuses a source that is not configured", async () => {
    const list = { source: "nowhere", text: `${header}\n1,,,`, file: "c.csv", now: at(0) };
    await expect(importConnections(db, secrets, list)).rejects.toThrow(
      new UsageError("there is no source nowhere in sources.yaml"),
    );
  });
});
