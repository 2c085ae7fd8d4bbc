// What messages lead to, once somebody works: one sync for many of them, or evidence, and in the end points. On both backends.
import { sql } from "drizzle-orm";
import { afterEach, beforeEach, describe, expect, test } from "vitest";
import { transaction } from "../../db/client.ts";
import { forgetMessages, readMessages, recordMessage } from "../../src/ingest/messages.ts";
import { readHinted, startHintedSync, toHint } from "../../src/ingest/runs/hints.ts";
import { readOpenConnections, startSync } from "../../src/ingest/runs/sync.ts";
import { registerSources } from "../../src/ingest/sources.ts";
import { forgetPartner } from "../../src/partners/forget.ts";
import { collect } from "../../workers/collect.ts";
import type { HandlerResult, Work } from "../../workers/handler.ts";
import { openWorkers, type Workers } from "../../workers/main.ts";
import { sweep } from "../../workers/sweep.ts";
import { sync } from "../../workers/sync.ts";
import { backends, until } from "../e2e/deployment.ts";
import { type Inboxes, openInboxes } from "../web/inboxes.ts";

let open: Inboxes;
let workers: Workers | undefined;
const DAY_MS = 86_400_000;

async function work(): Promise<void> {
  workers ??= await openWorkers(open.context, { schedules: false });
}
afterEach(async () => {
  await workers?.close();
  workers = undefined;
  await open.close();
});

const db = () => open.context.db;
const states = async () => {
  const rows = await db().execute<{ state: string }>(
    sql`select distinct state from inbox_messages order by 1`,
  );
  return rows.map(({ state }) => state);
};
const runs = () =>
  db().execute<{ source: string; state: string; asked_by: string }>(
    sql`select source, state, asked_by from runs order by id`,
  );
const isQuiet = async () => {
  const [row] = await db().execute<{ quiet: boolean }>(sql`
    select not exists (select from inbox_messages where state = 'waiting') and not exists (select from runs where state = 'running')
      and not exists (select from pending_partners) as quiet`);
  return row?.quiet === true;
};
const evidence = async () => {
  const rows = await db().execute<{ id: string }>(
    sql`select external_id as id from evidence where superseded_at is null order by 1`,
  );
  return rows.map(({ id }) => id);
};

/** A deal that its sender tells of. */
const deal = (partner: string, more: object = {}) =>
  JSON.stringify({ type: "partner.won", data: { partner, won_at: "2026-01-02T00:00:00Z", ...more } });

async function tell(id: string, body: string): Promise<number> {
  const signed = await open.sign("standard-webhooks", { id, body });
  return (await open.post("standard-webhooks", signed)).status;
}

/** The parts of a handler's work; `changes` stand in for what happens to a worker. */
const asWork = (changes: Partial<Work> = {}): Work => ({
  ...open.context,
  signal: new AbortController().signal,
  ...changes,
});

/** The log fields of a job that is done; a failed one throws its error. */
function loggedOf(result: HandlerResult): unknown {
  if (result.state === "failed") throw result.error;
  return result.log;
}

/** A pull of the source that is told of deals, by hand. */
async function pull({ full = false } = {}): Promise<unknown> {
  const request = { source: "standard-webhooks", full, askedBy: "test", now: open.context.now() };
  const { runId } = await startSync(db(), request);
  const [waiting] = await readOpenConnections(db(), runId);
  return loggedOf(await collect(waiting!.connection, asWork()));
}

describe.each(backends)("with the queue on %s", (backend) => {
  beforeEach(async () => {
    open = await openInboxes(backend);
  });

  test("fifty hints at once are one sync of the source they hint at, with its points", async () => {
    const statuses = await Promise.all(
      Array.from({ length: 50 }, async (_, n) => {
        const signed = await open.sign("ghost", { body: JSON.stringify({ post: { id: n } }) });
        return (await open.post("ghost", signed)).status;
      }),
    );
    expect(statuses).toEqual(Array<number>(50).fill(202));
    expect(await runs()).toEqual([]);
    await work();
    await until(isQuiet);
    expect(await runs()).toEqual([{ source: "list", state: "complete", asked_by: "inbox ghost" }]);
    expect(open.server.asked).toHaveLength(1);
    expect(await open.points()).toEqual({ one: 10 });
    // Late nudges of messages that are handled already begin nothing.
    for (let n = 0; n < 3; n++) expect(loggedOf(await sync(toHint("list"), asWork()))).toBeUndefined();
    expect(await runs()).toHaveLength(1);
  });

  test("messages become evidence and points, each once however often it is sent", async () => {
    const all = ["a", "b", "c"].flatMap((id) => [id, id, id]);
    await Promise.all(all.map((id) => tell(id, deal(id === "c" ? "2" : "1"))));
    await work();
    await until(isQuiet);
    expect(await evidence()).toEqual(["event/a", "event/b", "event/c"]);
    expect(await open.points()).toEqual({ one: 10, two: 5 });
    const paid = await open.sign("stripe");
    expect((await open.post("stripe", paid)).status).toBe(202);
    await until(isQuiet);
    expect(await open.points()).toEqual({ one: 10, two: 7 });
    expect((await open.post("stripe", paid)).status).toBe(200);
    expect((await runs()).every(({ state }) => state === "complete")).toBe(true);
    const [row] = await db().execute(
      sql`select kind, occurred_at, identity_key from evidence where kind = 'invoice'`,
    );
    expect(row).toEqual({ kind: "invoice", occurred_at: new Date(1_767_312_000_000), identity_key: "2" });
  });
});

describe("a message is not lost", () => {
  beforeEach(async () => {
    open = await openInboxes();
  });

  /** As a web server stores it that dies before it tells the queue. */
  async function storeUnheard(id: string, body = deal("1")): Promise<void> {
    const stored = { source: "standard-webhooks", wakes: "standard-webhooks", now: open.context.now() };
    expect(await recordMessage(db(), { ...stored, id, body: Buffer.from(body), content: body })).toBe("new");
  }

  test("when nobody tells the queue of it: the sweep does", async () => {
    await storeUnheard("a");
    expect(await readHinted(db(), open.context.now())).toEqual(["standard-webhooks"]);
    await work();
    await until(isQuiet);
    expect(await open.points()).toEqual({ one: 5 });
  });

  test("when the worker dies after it has begun the run", async () => {
    await storeUnheard("a");
    const deaf = { ...open.context.queues, nudge: () => Promise.resolve() };
    const begun = loggedOf(await sync(toHint("standard-webhooks"), asWork({ queues: deaf })));
    expect(begun).toMatchObject({ connections: 1 });
    expect(await states()).toEqual(["handled"]);
    await work();
    await until(isQuiet);
    expect(await evidence()).toEqual(["event/a"]);
  });

  test("when the worker dies between two pages: the next one goes on behind the last page that was recorded", async () => {
    for (let n = 0; n < 60; n++) await storeUnheard(`m${String(n).padStart(2, "0")}`);
    const source = "standard-webhooks";
    const { runId } = await startSync(db(), {
      source,
      full: false,
      askedBy: "test",
      now: open.context.now(),
    });
    const [waiting] = await readOpenConnections(db(), runId);
    const dying = new AbortController();
    const queues = {
      ...open.context.queues,
      // Told of the first page's points: it is recorded.
      nudge: () => {
        dying.abort(new Error("killed"));
        return Promise.resolve();
      },
    };
    const killed = await collect(waiting!.connection, asWork({ queues, signal: dying.signal }));
    expect(killed).toMatchObject({ state: "failed", error: { message: "killed" } });
    expect(await evidence()).toHaveLength(50);
    await db().execute(
      sql`update connections set lease_until = now() - interval '1 second' where source = ${source}`,
    );
    const read: number[] = [];
    const [{ id: last } = { id: 0 }] = await db().execute<{ id: number }>(sql`
      select (cursor ->> 'after')::bigint as id from connections where source = ${source}`);
    expect(loggedOf(await collect(waiting!.connection, asWork()))).toMatchObject({
      ended: "complete",
      seen: 10,
      added: 10,
    });
    for (const { position } of await readMessages(db(), source, { after: last, most: 100 }))
      read.push(position);
    expect(read).toHaveLength(10);
    expect(await evidence()).toHaveLength(60);
  });

  test("when it is stored while an earlier one still is: no position is read past", async () => {
    const order: string[] = [];
    let commit = () => {};
    let begun = () => {};
    const isBegun = new Promise<void>((resolve) => {
      begun = resolve;
    });
    // The first has its position and is not committed.
    const slow = transaction(db(), async (tx) => {
      const first = {
        source: "standard-webhooks",
        id: "slow",
        body: Buffer.from(deal("1")),
        wakes: "standard-webhooks",
      };
      await recordMessage(tx, { ...first, content: deal("1"), now: open.context.now() });
      begun();
      await new Promise<void>((resolve) => {
        commit = resolve;
      });
      order.push("stored");
    });
    await isBegun;
    await storeUnheard("fast");
    const reading = readMessages(db(), "standard-webhooks", { after: 0, most: 10 }).then((messages) => {
      order.push("read");
      return messages.map(({ id }) => id);
    });
    // The reader waits, as Postgres sees it.
    await until(async () => {
      const waiting = await db().execute(
        sql`select from pg_locks where locktype = 'advisory' and not granted
          and database = (select oid from pg_database where datname = current_database())`,
      );
      return waiting.length > 0;
    });
    commit();
    await slow;
    expect(await reading).toEqual(["slow", "fast"]);
    expect(order).toEqual(["stored", "read"]);
  });

  test("when it comes while a run is open: it waits for that one's end, then has its own", async () => {
    const { runId } = await startSync(db(), {
      ...{ source: "list", full: false, askedBy: "test", now: open.context.now() },
    });
    await open.post("ghost", await open.sign("ghost"));
    expect(await startHintedSync(db(), { source: "list", now: open.context.now() })).toBeUndefined();
    expect(await readHinted(db(), open.context.now())).toEqual([]);
    expect(await states()).toEqual(["waiting"]);
    const [waiting] = await readOpenConnections(db(), runId);
    await collect(waiting!.connection, asWork());
    expect(await readHinted(db(), open.context.now())).toEqual(["list"]);
    await sweep(open.context);
    await work();
    await until(isQuiet);
    expect((await runs()).map(({ asked_by }) => asked_by)).toEqual(["test", "inbox ghost"]);
  });
});

describe("a hint", () => {
  beforeEach(async () => {
    open = await openInboxes();
  });

  test("of two workers at once begins one run", async () => {
    await open.post("ghost", await open.sign("ghost"));
    const now = open.context.now();
    const begun = await Promise.all(
      Array.from({ length: 4 }, () => startHintedSync(db(), { source: "list", now })),
    );
    expect(begun.filter((run) => run !== undefined)).toHaveLength(1);
    expect(await runs()).toHaveLength(1);
  });

  test("that says the same as one before is one with it while that waits, and a new one once that is handled", async () => {
    const send = async () => (await open.post("ghost", await open.sign("ghost"))).status;
    expect([await send(), await send()]).toEqual([202, 200]);
    const now = open.context.now();
    const begun = await startHintedSync(db(), { source: "list", now });
    const [waiting] = await readOpenConnections(db(), begun!.runId);
    await collect(waiting!.connection, asWork());
    expect([await send(), await send()]).toEqual([202, 200]);
    const later = new Date(now.getTime() + DAY_MS);
    expect(await readHinted(db(), later)).toEqual(["list"]);
    expect(await startHintedSync(db(), { source: "list", now: later })).toBeDefined();
    // Evidence, and what its sender gives an id, stays known.
    expect([await tell("a", deal("1"))]).toEqual([202]);
    await db().execute(sql`update inbox_messages set state = 'handled'`);
    expect(await tell("a", deal("1"))).toBe(200);
  });

  test("waits as long as the last run took, after its end", async () => {
    const start = Date.UTC(2026, 10, 25);
    const at = (ms: number) => new Date(start + ms);
    const send = async (n: number) => open.post("ghost", await open.sign("ghost", { body: `{"n":${n}}` }));
    await send(1);
    const begun = await startHintedSync(db(), { source: "list", now: at(0) });
    const [waiting] = await readOpenConnections(db(), begun!.runId);
    await collect(waiting!.connection, asWork({ now: () => at(60_000) }));
    await send(2);
    expect(await readHinted(db(), at(119_999))).toEqual([]);
    expect(await startHintedSync(db(), { source: "list", now: at(119_999) })).toBeUndefined();
    expect(await readHinted(db(), at(120_000))).toEqual(["list"]);
    expect(await startHintedSync(db(), { source: "list", now: at(120_000) })).toBeDefined();
  });

  test("waits a while where the last one was a moment ago, so that a message each second is no run each second", async () => {
    const begin = async (ms: number) => {
      const now = new Date(Date.UTC(2026, 10, 25) + ms);
      const may = await readHinted(db(), now);
      const begun = await startHintedSync(db(), { source: "list", now });
      expect(may).toEqual(begun === undefined ? [] : ["list"]);
      if (begun === undefined) return false;
      const [waiting] = await readOpenConnections(db(), begun.runId);
      await collect(waiting!.connection, asWork({ now: () => now }));
      return true;
    };
    const send = async (n: number) => open.post("ghost", await open.sign("ghost", { body: `{"n":${n}}` }));
    await send(1);
    expect(await begin(0)).toBe(true);
    await send(2);
    expect(await begin(4999)).toBe(false);
    expect(await begin(5000)).toBe(true);
    expect(await begin(60_000)).toBe(false);
  });

  test("does not wait for a run that somebody else has asked for and that is over", async () => {
    const now = open.context.now();
    const { runId } = await startSync(db(), { source: "list", full: false, askedBy: "schedule", now });
    const [waiting] = await readOpenConnections(db(), runId);
    await collect(waiting!.connection, asWork());
    await open.post("ghost", await open.sign("ghost"));
    expect(await startHintedSync(db(), { source: "list", now })).toBeDefined();
  });

  test("does not call a source that rests", async () => {
    await db().execute(sql`
      update connections set failures = 9, rest_until = now() + interval '1 hour' where source = 'list'`);
    await open.post("ghost", await open.sign("ghost"));
    await work();
    await until(isQuiet);
    expect(open.server.asked).toEqual([]);
    expect(await states()).toEqual(["handled"]);
  });
});

describe("messages as evidence", () => {
  beforeEach(async () => {
    open = await openInboxes();
  });

  test("that break the schema are set aside, those that are not meant are passed by, and the rest counts", async () => {
    await tell("good", deal("1"));
    await tell("no-date", '{"type":"partner.won","data":{"partner":"1"}}');
    await tell("bad-date", deal("1", { won_at: "soon" }));
    await tell("another", '{"type":"partner.lost"}');
    await tell("hostile", deal("1", { title: "a\u0000b\ud800" }));
    await tell("text", '"partner.won"');
    await work();
    await until(isQuiet);
    expect(await evidence()).toEqual(["event/good", "event/hostile"]);
    const rows = await db().execute<{ external_id: string; reason: string }>(
      sql`select external_id, reason from quarantined_rows order by 1`,
    );
    expect(rows).toEqual([
      { external_id: "event/bad-date", reason: "event/bad-date: data.won_at is no date" },
      { external_id: "event/no-date", reason: "event/no-date: data.won_at is missing" },
    ]);
    expect(await open.points()).toEqual({ one: 10 });
  });

  test("are never called absent, whatever listing is asked for", async () => {
    await tell("a", deal("1"));
    await work();
    await until(isQuiet);
    await db().execute(sql`delete from inbox_messages`);
    expect(await pull({ full: true })).toMatchObject({ ended: "complete", absent: 0 });
    expect(await open.points()).toEqual({ one: 5 });
  });

  test("are read again when what they become is changed", async () => {
    await tell("a", deal("1"));
    await work();
    await until(isQuiet);
    const [source] = open.context.sources.sources.filter(({ key }) => key === "standard-webhooks");
    const settings = structuredClone(source!.settings) as { map: { evidence: { title?: string } } };
    settings.map.evidence.title = "type";
    await registerSources(db(), [{ ...source!, settings }]);
    source!.settings = settings;
    await tell("b", deal("1"));
    await pull();
    const titles = await db().execute(sql`
      select external_id, title from evidence where superseded_at is null order by 1`);
    expect(titles).toEqual([
      { external_id: "event/a", title: "partner.won" },
      { external_id: "event/b", title: "partner.won" },
    ]);
  });
});

describe("messages are forgotten", () => {
  beforeEach(async () => {
    open = await openInboxes();
  });

  test("as far as they name a partner that is: however they spell it, and only once they are evidence", async () => {
    await db().execute(sql`update partners set name = 'Bü"ro 100%' where slug = 'one'`);
    const unicode = deal("2", { title: 'of Bü"ro 100%' }).replace("ü", "\\u00fc");
    await tell("by-name", unicode);
    await tell("by-key", deal("1"));
    await tell("of-another", deal("2", { title: "of 1000 Bürro" }));
    await work();
    await until(isQuiet);
    await workers?.close();
    workers = undefined;
    await tell("later", deal("1"));
    await forgetPartner(db(), { partner: "one", by: "anna", now: open.context.now() });
    const left = await db().execute<{ id: string }>(
      sql`select message_id as id from inbox_messages where content is not null order by 1`,
    );
    expect(left.map(({ id }) => id)).toEqual(["later", "of-another"]);
  });

  const contents = async () => {
    const rows = await db().execute<{ id: string }>(
      sql`select message_id as id from inbox_messages where content is not null order by 1`,
    );
    return rows.map(({ id }) => id);
  };

  /** As a start does that finds other settings: all messages are to be read again. */
  async function changeSettings(changes: object): Promise<void> {
    const source = open.context.sources.sources.find(({ key }) => key === "standard-webhooks");
    source!.settings = { ...(source!.settings as object), ...changes };
    await registerSources(db(), [source!]);
  }

  test("also between a change of the settings and the next pull: none makes a forgotten partner known again", async () => {
    await tell("a", deal("1"));
    await tell("of-another", deal("2"));
    await work();
    await until(isQuiet);
    await workers?.close();
    workers = undefined;
    await changeSettings({ "replay-window": 600_000 });
    await tell("later", deal("1"));
    await forgetPartner(db(), { partner: "one", by: "anna", now: open.context.now() });
    expect(await contents()).toEqual(["later", "of-another"]);
    await db().execute(sql`delete from inbox_messages where message_id = 'later'`);
    await pull();
    expect(await evidence()).toEqual(["event/of-another"]);
    await changeSettings({ "replay-window": 300_000 });
    await forgetMessages(db(), new Date(open.context.now().getTime() + 31 * DAY_MS));
    expect(await contents()).toEqual([]);
  });

  test.each(["$message.id", "data.deal"])(
    "when the partner is a pseudonym in its evidence, known by %s",
    async (key) => {
      const [one] = await db().execute<{ id: number }>(sql`select id from partners where slug = 'one'`);
      await db().execute(sql`
        insert into identities (partner_id, namespace, key) values (${one!.id}, 'person', ${open.context.secrets.pseudonym("ada@una.example")})`);
      const source = open.context.sources.sources.find(({ key: name }) => name === "standard-webhooks");
      const { map } = structuredClone(source!.settings) as { map: { key: string; evidence: object } };
      const identity = { namespace: "person", key: { pseudonym: "data.person" } };
      await changeSettings({ map: { ...map, key, evidence: { ...map.evidence, identity } } });
      await tell("msg-of-ada", deal("x", { person: "ada@una.example", deal: 'deal "77001"' }));
      await tell("msg-of-ben", deal("x", { person: "ben@two.example", deal: 'deal "77002"' }));
      await work();
      await until(isQuiet);
      await workers?.close();
      workers = undefined;
      expect(await open.points()).toEqual({ one: 5 });
      await forgetPartner(db(), { partner: "one", by: "anna", now: open.context.now() });
      expect(await contents()).toEqual(["msg-of-ben"]);
    },
  );

  test("after thirty days: hints all, evidence once a pull has recorded what came later or at the same time", async () => {
    const stored = { source: "standard-webhooks", wakes: "standard-webhooks", body: Buffer.from("{}") };
    const old = new Date(open.context.now().getTime() - 30 * DAY_MS - 1000);
    await recordMessage(db(), { ...stored, id: "old", content: deal("1"), now: old });
    await recordMessage(db(), { ...stored, id: "new", content: deal("1"), now: open.context.now() });
    await recordMessage(db(), {
      ...stored,
      source: "ghost",
      wakes: "list",
      id: "hint",
      content: null,
      now: old,
    });
    const ids = async () =>
      (
        await db().execute<{ id: string }>(
          sql`select message_id as id from inbox_messages order by inbox_messages.id`,
        )
      ).map(({ id }) => id);
    await forgetMessages(db(), open.context.now());
    expect(await ids()).toEqual(["old", "new"]);
    await work();
    await until(isQuiet);
    await forgetMessages(db(), open.context.now());
    expect(await ids()).toEqual(["new"]);
    expect(await evidence()).toEqual(expect.arrayContaining(["event/new", "event/old"]));
  });
});
