// Messages of other systems at the door: who is let in, who is not, and that nobody is kept waiting.
import { execFile } from "node:child_process";
import { once } from "node:events";
import { readFile } from "node:fs/promises";
import { connect } from "node:net";
import { promisify } from "node:util";
import { gzipSync } from "node:zlib";
import { sql } from "drizzle-orm";
import { pino } from "pino";
import { afterEach, beforeEach, describe, expect, test } from "vitest";
import { openDatabase } from "../../db/client.ts";
import { openPublicKeys } from "../../src/connectors/inbox/public-keys.ts";
import { type SchemeName, schemeNames } from "../../src/connectors/inbox/schemes.ts";
import type { Signed } from "../connectors/inbox/signing.ts";
import { until } from "../e2e/deployment.ts";
import { type Inboxes, openInboxes, secrets } from "./inboxes.ts";

let open: Inboxes;
beforeEach(async () => {
  open = await openInboxes();
});
afterEach(async () => {
  await open.close();
});

const stored = () =>
  open.context.db.execute<{
    source: string;
    id: string;
    wakes: string;
    state: string;
    content: string | null;
  }>(sql`select source, message_id as id, wakes, state, content from inbox_messages order by id`);
const runs = () => open.context.db.execute(sql`select source, state from runs`);
const window = 300_000;
const later = (ms: number) => new Date(open.context.now().getTime() + ms);

async function answerTo(source: string, signed: Signed): Promise<{ status: number; body: unknown }> {
  const response = await open.post(source, signed);
  return { status: response.status, body: await response.json() };
}

/** What is said on a connection, byte by byte, and the answer until the connection ends. */
async function talk(port: number, ...parts: (string | Buffer)[]): Promise<string> {
  const socket = connect(port, "127.0.0.1");
  let answer = "";
  socket.setEncoding("utf8").on("data", (text: string) => {
    answer += text;
  });
  // The server may have enough before all is said.
  socket.on("error", () => undefined);
  await once(socket, "connect");
  for (const part of parts) socket.write(part);
  await once(socket, "close");
  return answer;
}

test("a message is taken from the sender that docs/connectors/inbox.md shows", async () => {
  const page = await readFile(new URL("../../docs/connectors/inbox.md", import.meta.url), "utf8");
  const [, script = ""] = /```js\n([\s\S]+?)```/.exec(page) ?? [];
  const url = `http://127.0.0.1:${open.port}/inbox/standard-webhooks`;
  const body = '{"type":"partner.won","data":{"partner":"1","won_at":"2026-01-02T00:00:00Z"}}';
  const args = ["--input-type=module", "--eval", script, "send.mjs", url, secrets["standard-webhooks"], body];
  const { stdout } = await promisify(execFile)(process.execPath, args);
  expect(stdout).toBe('202 {"state":"accepted"}\n');
});

describe.each(schemeNames)("from %s", (name: SchemeName) => {
  test("a message is accepted and stored, and nothing has begun when its sender has the answer", async () => {
    expect(await answerTo(name, await open.sign(name))).toEqual({ status: 202, body: { state: "accepted" } });
    const [message, ...more] = await stored();
    const isEvidence = name === "stripe" || name === "standard-webhooks";
    expect(more).toEqual([]);
    expect(message).toMatchObject({ source: name, wakes: isEvidence ? name : "list", state: "waiting" });
    // What is a hint at most is not kept.
    expect(message?.content === null).toBe(!isEvidence);
    // No worker is open: whatever a message leads to, the answer did not wait for it.
    expect(await runs()).toEqual([]);
    expect(open.server.asked).toEqual([]);
  });

  test("the same message sent again is known, as often as it comes, also all at once", async () => {
    const signed = await open.sign(name, { at: later(-2000) });
    const again = await open.sign(name, { at: later(-1000) });
    const all = await Promise.all(Array.from({ length: 12 }, () => answerTo(name, signed)));
    expect(all.map(({ status }) => status).sort()).toEqual([...Array<number>(11).fill(200), 202]);
    expect(await answerTo(name, again)).toEqual({ status: 200, body: { state: "known" } });
    expect(await stored()).toHaveLength(1);
  });

  test("a message of somebody else leaves no trace", async () => {
    const signed = await open.sign(name);
    const bare = { headers: { "content-type": "application/json" }, body: signed.body };
    expect(await answerTo(name, bare)).toMatchObject({
      status: 401,
      body: { error: { code: "not-proven" } },
    });
    if (name !== "url-secret") {
      const changed = { ...signed, body: signed.body.replace(/.$/, " }") };
      expect((await answerTo(name, changed)).status).toBe(401);
      for (const ms of [-window - 5000, window + 5000])
        expect((await answerTo(name, await open.sign(name, { at: later(ms) }))).status).toBe(401);
    }
    // As of another source: each has its own secret.
    const other = name === "ghost" ? "mailchimp" : "ghost";
    expect((await answerTo(other, signed)).status).toBe(401);
    expect(await stored()).toEqual([]);
  });
});

describe("a message is named", () => {
  test("by its sender's id where it has one, whatever else differs", async () => {
    const first = '{"id":"evt_7","pending_webhooks":2}';
    const second = '{"id":"evt_7","pending_webhooks":1}';
    expect((await answerTo("stripe", await open.sign("stripe", { body: first }))).status).toBe(202);
    expect((await answerTo("stripe", await open.sign("stripe", { body: second }))).status).toBe(200);
    const sign = (id: string) => open.sign("standard-webhooks", { id });
    expect((await answerTo("standard-webhooks", await sign("msg_a"))).status).toBe(202);
    expect((await answerTo("standard-webhooks", await sign("msg_b"))).status).toBe(202);
    const long = "m".repeat(5000);
    expect((await answerTo("standard-webhooks", await sign(long))).status).toBe(202);
    expect((await answerTo("standard-webhooks", await sign(long))).status).toBe(200);
    expect((await stored()).map(({ id }) => id)).toEqual([
      "evt_7",
      "msg_a",
      "msg_b",
      expect.stringMatching(/^sha256-[0-9a-f]{32}$/),
    ]);
  });

  test("within its source only", async () => {
    const body = '{"same":true}';
    expect((await answerTo("ghost", await open.sign("ghost", { body }))).status).toBe(202);
    expect((await answerTo("mailchimp", await open.sign("mailchimp", { body }))).status).toBe(202);
  });
});

describe("what is no message", () => {
  test.each(["nobody", "list", "LIST", "standings%2F..", "%00"])("to %s is answered 404", async (source) => {
    const response = await open.post(source, await open.sign("ghost"));
    expect(response.status).toBe(404);
    expect(await response.json()).toEqual({
      error: { code: "not-found", message: "There is nothing at this path." },
    });
  });

  test.each(["text/plain", "text/html", "multipart/form-data; boundary=x", ""])(
    "of the type %j is answered 415, however it is signed",
    async (type) => {
      const signed = await open.sign("ghost");
      const { status, body } = await answerTo("ghost", {
        ...signed,
        headers: { ...signed.headers, "content-type": type },
      });
      expect(status).toBe(415);
      expect(body).toMatchObject({ error: { code: "bad-type" } });
    },
  );

  test("compressed is answered 415", async () => {
    const signed = await open.sign("ghost");
    const response = await fetch(`http://127.0.0.1:${open.port}/inbox/ghost`, {
      method: "POST",
      headers: { ...signed.headers, "content-encoding": "gzip" },
      body: gzipSync(signed.body),
    });
    expect(response.status).toBe(415);
  });

  test.each([
    ["no JSON", "{"],
    ["nothing", ""],
    ["a form in the place of JSON", "a=1"],
  ])("with %s in it is answered 400, and 401 where the signature is wrong as well", async (_, body) => {
    const signed = await open.sign("standard-webhooks", { body });
    expect(await answerTo("standard-webhooks", signed)).toMatchObject({
      status: 400,
      body: { error: { code: "bad-content" } },
    });
    const wrong = { ...signed, headers: { ...signed.headers, "webhook-id": "other" } };
    expect((await answerTo("standard-webhooks", wrong)).status).toBe(401);
    expect(await stored()).toEqual([]);
  });

  test("that is no UTF-8 is answered 400", async () => {
    const response = await fetch(
      `http://127.0.0.1:${open.port}/inbox/url-secret?secret=${secrets["url-secret"]}`,
      {
        method: "POST",
        headers: { "content-type": "application/json" },
        body: Buffer.from('{"a":"\xff"}', "latin1"),
      },
    );
    expect(response.status).toBe(400);
  });

  test("larger than 256 KB is answered 413 before it is read, and one of 256 KB is taken", async () => {
    const fits = JSON.stringify("x".repeat(256 * 1024 - 2));
    expect((await answerTo("ghost", await open.sign("ghost", { body: fits }))).status).toBe(202);
    const head = "POST /inbox/ghost HTTP/1.1\r\nHost: a\r\nContent-Type: application/json\r\n";
    // Not one byte of it has come.
    const declared = await talk(open.port, `${head}Content-Length: 262145\r\n\r\n`);
    expect(declared).toMatch(/^HTTP\/1.1 413 /);
    const chunk = `10000\r\n${"x".repeat(65_536)}\r\n`;
    // It never ends.
    const chunked = await talk(
      open.port,
      `${head}Transfer-Encoding: chunked\r\n\r\n`,
      chunk.repeat(4),
      "1\r\nx\r\n",
    );
    expect(chunked).toMatch(/^HTTP\/1.1 413 /);
    expect(await stored()).toHaveLength(1);
  });

  test("that does not come to its end is answered 408, and does not stay", async () => {
    const { port } = await open.serve({ bodyWithinMs: 50 });
    const said =
      "POST /inbox/ghost HTTP/1.1\r\nHost: a\r\nContent-Type: application/json\r\nContent-Length: 100\r\n\r\n{";
    expect(await talk(port, said)).toMatch(/^HTTP\/1.1 408 /);
    const same = await fetch(`http://127.0.0.1:${port}/inbox/ghost`);
    expect(same.status).toBe(200);
  });

  test("after 64 that are still being read is answered 503 unread, and taken once one of them is over", async () => {
    const head =
      "POST /inbox/ghost HTTP/1.1\r\nHost: a\r\nContent-Type: application/json\r\nContent-Length: 100\r\n\r\n";
    const slow = Array.from({ length: 64 }, () =>
      connect(open.port, "127.0.0.1").on("error", () => undefined),
    );
    for (const socket of slow) socket.write(`${head}{`);
    const status = async () => (await answerTo("ghost", await open.sign("ghost"))).status;
    await until(async () => (await status()) === 503);
    // Not one byte of its body has come.
    const unread = await talk(open.port, head);
    expect(unread).toMatch(/^HTTP\/1.1 503 /);
    expect(unread).toMatch(/^retry-after: 30\r$/im);
    for (const socket of slow) socket.destroy();
    await until(async () => (await status()) !== 503);
    expect(await status()).toBe(200);
  });

  test("whose sender hangs up in the middle disturbs nobody", async () => {
    const socket = connect(open.port, "127.0.0.1");
    await once(socket, "connect");
    socket.end(
      "POST /inbox/ghost HTTP/1.1\r\nHost: a\r\nContent-Type: application/json\r\nContent-Length: 100\r\n\r\n{",
    );
    socket.resume();
    await once(socket, "close");
    expect((await answerTo("ghost", await open.sign("ghost"))).status).toBe(202);
  });

  test.each(["PUT", "PATCH", "DELETE", "OPTIONS"])("by %s is answered 405", async (method) => {
    const response = await fetch(`http://127.0.0.1:${open.port}/inbox/ghost`, { method });
    expect(response.status).toBe(405);
    expect(response.headers.get("allow")).toBe("GET, HEAD, POST");
  });
});

describe("who asks whether there is somebody at the address", () => {
  const look = (path: string, method = "GET") =>
    fetch(`http://127.0.0.1:${open.port}/inbox/${path}`, { method });

  test.each(["GET", "HEAD"])(
    "by %s is told so, as Mailchimp asks before it sends anything",
    async (method) => {
      expect((await look("mailchimp", method)).status).toBe(200);
      expect((await look("nobody", method)).status).toBe(404);
      expect((await look("list", method)).status).toBe(404);
    },
  );

  test("must know the secret where it is in the address", async () => {
    expect((await look(`url-secret?secret=${secrets["url-secret"]}`)).status).toBe(200);
    expect((await look("url-secret?secret=wrong")).status).toBe(401);
    expect((await look("url-secret")).status).toBe(401);
    expect(await stored()).toEqual([]);
  });
});

describe("a form", () => {
  test("of Mailchimp becomes the tree its names spell", async () => {
    const body =
      "type=campaign&fired_at=2026-11-25+11%3A00%3A00&data%5Bid%5D=5aa2&data%5Bmerges%5D%5BEMAIL%5D=a%40b.c";
    const type = { "content-type": "application/x-www-form-urlencoded" };
    const signed = await open.sign("mailchimp", { body });
    expect((await answerTo("mailchimp", { ...signed, headers: { ...signed.headers, ...type } })).status).toBe(
      202,
    );
    const hook = await open.sign("standard-webhooks", { body });
    const kept = { ...hook, headers: { ...hook.headers, ...type } };
    expect((await answerTo("standard-webhooks", kept)).status).toBe(202);
    expect((await stored()).map(({ content }) => content)).toEqual([
      null,
      '{"type":"campaign","fired_at":"2026-11-25 11:00:00","data":{"id":"5aa2","merges":{"EMAIL":"a@b.c"}}}',
    ]);
  });

  test.each(["__proto__[polluted]=yes&a=1", "constructor[prototype][polluted]=yes&a=1"])(
    "with the field %s is a form like any other",
    async (body) => {
      const signed = await open.sign("standard-webhooks", { body });
      const headers = { ...signed.headers, "content-type": "application/x-www-form-urlencoded" };
      expect((await answerTo("standard-webhooks", { ...signed, headers })).status).toBe(202);
      expect(({} as Record<string, unknown>)["polluted"]).toBeUndefined();
    },
  );
});

describe("when something is out of reach", () => {
  test("the database: the answer is 503 and says when to repeat it; repeated later it is accepted", async () => {
    const own = await openDatabase(open.database.url, { max: 1 });
    const { port } = await open.serve({ db: own.db });
    await own.close();
    const signed = await open.sign("ghost");
    const ask = (at: number) =>
      fetch(`http://127.0.0.1:${at}/inbox/ghost`, {
        method: "POST",
        headers: signed.headers,
        body: signed.body,
      });
    const refused = await ask(port);
    expect(refused.status).toBe(503);
    expect(refused.headers.get("retry-after")).toBe("30");
    expect((await ask(open.port)).status).toBe(202);
  });

  test("the queue: the sender does not wait for it, and the message is not lost", async () => {
    const { port } = await open.serve({ queues: { nudge: () => new Promise(() => undefined) } });
    const { headers, body } = await open.sign("ghost");
    const response = await fetch(`http://127.0.0.1:${port}/inbox/ghost`, { method: "POST", headers, body });
    expect(response.status).toBe(202);
    expect(await stored()).toMatchObject([{ source: "ghost", state: "waiting" }]);
  });

  test("the DNS that holds the sender's key: 503, for the message may well be genuine", async () => {
    const { port } = await open.serve({
      publicKeys: { find: () => Promise.reject(new Error("the DNS does not answer")) },
    });
    const { headers, body } = await open.sign("copernica");
    const response = await fetch(`http://127.0.0.1:${port}/inbox/copernica`, {
      method: "POST",
      headers,
      body,
    });
    expect(response.status).toBe(503);
    expect(await stored()).toEqual([]);
  });

  test("the DNS, for names that somebody makes up: messages of others do not wait for it", async () => {
    let answer = () => {};
    const silence = new Promise<void>((resolve) => {
      answer = resolve;
    });
    const resolveTxt = async () => {
      await silence;
      throw Object.assign(new Error("no such name"), { code: "ENOTFOUND" });
    };
    const { port } = await open.serve({ publicKeys: openPublicKeys({ resolveTxt }), storedWithinMs: 5000 });
    const ask = async (source: SchemeName, changes = {}) => {
      const { headers, body } = await open.sign(source, changes);
      return (await fetch(`http://127.0.0.1:${port}/inbox/${source}`, { method: "POST", headers, body }))
        .status;
    };
    let refused = () => {};
    const isRefused = new Promise<void>((resolve) => {
      refused = resolve;
    });
    const forged = Array.from({ length: 40 }, async (_, n) => {
      const status = await ask("copernica", { keyId: `k${n}.copernica.com` });
      if (status === 503) refused();
      return status;
    });
    await isRefused;
    expect(await ask("stripe")).toBe(202);
    answer();
    // Who came after the answer waited for nothing; who came before it was one of 32, or asked to come again.
    const refusals = (await Promise.all(forged)).filter((status) => status !== 401);
    expect(new Set(refusals)).toEqual(new Set([503]));
    expect(refusals.length).toBeLessThanOrEqual(8);
  });

  test.each([
    ["there is none", null],
    ["it does not open", "v1.AAAA.AAAA.AAAA"],
  ])("the secret, because %s: 503, so that messages come again once it is imported", async (_, secret) => {
    await open.context.db.execute(sql`update connections set secret = ${secret} where source = 'ghost'`);
    expect((await answerTo("ghost", await open.sign("ghost"))).status).toBe(503);
  });
});

test("no log line and no stored row holds a secret, a signature or what stands behind the ? of an address", async () => {
  const lines: string[] = [];
  const logger = pino({ level: "trace" }, { write: (line: string) => void lines.push(line) });
  const own = await openDatabase(open.database.url, { max: 1 });
  const { port } = await open.serve({ logger });
  const broken = await open.serve({ logger, db: own.db });
  await own.close();
  for (const name of schemeNames) {
    const { headers, body, search = "?token=in-the-query" } = await open.sign(name);
    for (const at of [port, broken.port])
      for (const address of [search, "?secret=wrong-but-secret", "?token=in-the-query"])
        for (const sent of [
          headers,
          { "content-type": "application/json", authorization: "Bearer hidden-too" },
        ])
          await fetch(`http://127.0.0.1:${at}/inbox/${name}${address}`, {
            method: "POST",
            headers: sent,
            body,
          });
  }
  const rows = JSON.stringify(await open.context.db.execute(sql`select * from inbox_messages`));
  const said = lines.join("");
  expect(said).toContain("A message was refused.");
  expect(said).toContain("could not be stored");
  for (const hidden of [
    ...Object.values(secrets),
    "in-the-query",
    "wrong-but-secret",
    "hidden-too",
    "v1=",
    "sha256=",
  ]) {
    expect(said).not.toContain(hidden);
    expect(rows).not.toContain(hidden);
  }
});
