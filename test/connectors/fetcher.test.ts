import { brotliCompressSync, deflateRawSync, deflateSync, gzipSync } from "node:zlib";
import { afterEach, beforeEach, describe, expect, test } from "vitest";
import {
  type Answer,
  type Asked,
  HTML,
  json,
  openServer,
  send,
  type TestServer,
} from "../../src/conformance/server.ts";
import {
  type Fetcher,
  type FetchLimits,
  type FetchRequest,
  openFetcher,
} from "../../src/connectors/client/fetcher.ts";
import type { Resolve } from "../../src/connectors/client/guard.ts";
import type { ValidatorMemory, Validators } from "../../src/connectors/client/validators.ts";

let server: TestServer;
let other: TestServer;
let behave: (asked: Asked) => Answer;
let fetcher: Fetcher;
const limits = { connectMs: 1000, wholeMs: 1500, maxBytes: 100_000 };

beforeEach(async () => {
  behave = () => json({ ok: true });
  server = await openServer((asked) => behave(asked));
  other = await openServer(() => json({ other: true }));
  fetcher = openFetcher({ allowPrivate: [server.host, other.host], userAgent: "standings-test/1", limits });
});

afterEach(async () => {
  await fetcher.close();
  await server.close();
  await other.close();
});

const forever = () => new AbortController().signal;

function get(path: string, request: Partial<FetchRequest> = {}, from = fetcher) {
  return from.fetchFor(forever())({
    url: path.includes("://") ? path : `${server.url}${path}`,
    expect: "json",
    ...request,
  });
}

const redirect = (to: string, status = 302): Answer => ({ status, headers: { location: to }, body: "" });

describe("addresses", () => {
  test("a private host is called where it is allowed: by name, by address, by range, at its port only", async () => {
    const { port } = new URL(server.url);
    const attempts: [string[], string, boolean][] = [
      [["localhost"], `http://localhost:${port}/`, true],
      [[`localhost:${port}`], `http://localhost:${port}/`, true],
      [[`LOCALHOST:${port}`], `http://LocalHost:${port}/`, true],
      [["127.0.0.0/8"], `http://localhost:${port}/`, true],
      [["127.0.0.0/8"], `http://127.0.0.1:${port}/`, true],
      [["127.0.0.1"], `http://2130706433:${port}/`, true],
      [["127.0.0.0/8"], `http://[::ffff:127.0.0.1]:${port}/`, true],
      [["127.0.0.1:1"], `http://127.0.0.1:${port}/`, false],
      [["localhost:1"], `http://localhost:${port}/`, false],
      [["10.0.0.0/8", "fc00::/7"], `http://127.0.0.1:${port}/`, false],
      [["localhost"], `http://127.0.0.1:${port}/`, false],
    ];
    for (const [allowPrivate, url, allowed] of attempts) {
      const open = openFetcher({ allowPrivate, userAgent: "standings-test", limits });
      const outcome = await get(url, {}, open).then(
        () => true,
        (error: unknown) => ((error as { class?: string }).class === "config" ? false : error),
      );
      expect([allowPrivate, url, outcome]).toEqual([allowPrivate, url, allowed]);
      await open.close();
    }
  });

  test("an exception that is none is refused when the fetcher opens", () => {
    for (const text of ["http://intranet/", "10.0.0.0/99", "a b", ""]) {
      expect(() => openFetcher({ allowPrivate: [text], userAgent: "x" })).toThrow(/allow-private/);
    }
  });
});

describe("redirects", () => {
  test("are followed within an origin with their credentials", async () => {
    behave = ({ path }) => (path === "/new" ? json({ ok: true }) : redirect("/new", 301));
    await get("/old", { headers: { authorization: "Bearer s3cret" } });
    expect(server.asked.map(({ path, headers }) => [path, headers["authorization"]])).toEqual([
      ["/old", "Bearer s3cret"],
      ["/new", "Bearer s3cret"],
    ]);
  });

  test("to another origin lose every credential", async () => {
    behave = () => redirect(`${other.url}/x`);
    await get("/old", {
      headers: { authorization: "Bearer s3cret", "api-key": "s3cret", accept: "application/json" },
    });
    expect(other.asked).toHaveLength(1);
    expect(JSON.stringify(other.asked[0])).not.toContain("s3cret");
  });

  test("never carry a body to another origin", async () => {
    behave = () => redirect(`${other.url}/x`, 307);
    const posted = get("/old", { method: "POST", body: "access_token=s3cret" });
    await expect(posted).rejects.toMatchObject({
      class: "config",
      message: expect.stringContaining("set that address") as string,
    });
    expect(other.asked).toHaveLength(0);
  });

  test("of a POST become a GET, except where the status forbids it", async () => {
    behave = ({ path }) => (path === "/new" ? json({}) : redirect("/new", path === "/keep" ? 308 : 303));
    const headers = { "content-type": "application/x-www-form-urlencoded" };
    await get("/old", { method: "POST", body: "a=1", headers });
    await get("/keep", { method: "POST", body: "a=1", headers });
    const arrived = server.asked.filter(({ path }) => path === "/new");
    expect(arrived.map((asked) => [asked.method, asked.body, asked.headers["content-type"]])).toEqual([
      ["GET", "", undefined],
      ["POST", "a=1", "application/x-www-form-urlencoded"],
    ]);
  });

  test("end after five, and need somewhere to go", async () => {
    behave = () => redirect("/again");
    await expect(get("/old")).rejects.toMatchObject({
      class: "config",
      message: expect.stringContaining("more than 5 times") as string,
    });
    expect(server.asked).toHaveLength(6);
    behave = () => ({ status: 302, body: "" });
    await expect(get("/old")).rejects.toMatchObject({
      class: "config",
      message: expect.stringContaining("nowhere") as string,
    });
  });
});

describe("bodies", () => {
  const text = JSON.stringify({ name: "Café", filler: "x".repeat(5000) });

  test.each([
    ["gzip", gzipSync(text)],
    ["x-gzip", gzipSync(text)],
    ["br", brotliCompressSync(text)],
    ["deflate", deflateSync(text)],
    ["deflate", deflateRawSync(text)],
    ["deflate, gzip", gzipSync(deflateSync(text))],
    ["zstd", rawZstd(text)],
    ["gzip, zstd", rawZstd(gzipSync(text))],
    ["identity", Buffer.from(text)],
    ["identity", Buffer.from(`\ufeff${text}`)],
  ])("in %s arrive as their text", async (encoding, body) => {
    behave = () => ({ headers: { "content-encoding": encoding }, body });
    expect((await get("/")).text).toBe(text);
  });

  test("in zstd arrive as their text, as the tool of that name packs them", async () => {
    const packed = Buffer.from(
      "KLUv/SRcHQIAlAN7Im5hbWUiOiJDYWbDqSIsInJvd3MiOlsxLDIsMyw0LDUsNiw3LDgsOSwxMCxdLCJhZ2FpbiI6fX0CAE7oUJGeZSCF3ok=",
      "base64",
    );
    const name = { name: "Café" };
    const rows = [1, 2, 3, 4, 5, 6, 7, 8, 9, 10];
    const once = JSON.stringify({ ...name, rows: [...rows, ...rows], again: name });
    // Frames, and what is to be skipped, one after the other are one body.
    const skipped = Buffer.from([0x53, 0x2a, 0x4d, 0x18, 3, 0, 0, 0, 1, 2, 3]);
    behave = () => ({
      headers: { "content-encoding": "zstd" },
      body: Buffer.concat([packed, skipped, packed]),
    });
    expect((await get("/")).text).toBe(once + once);
    expect(server.asked[0]?.headers["accept-encoding"]).toBe("gzip, deflate, br, zstd");
  });

  test.each<[string, () => Buffer]>([
    ["gzip", () => gzipSync(Buffer.alloc(BOMB))],
    ["br", () => brotliCompressSync(Buffer.alloc(BOMB))],
    ["deflate", () => deflateSync(Buffer.alloc(BOMB))],
    ["deflate", () => deflateRawSync(Buffer.alloc(BOMB))],
    ["zstd", () => zstd(window(17), ...rle(128 * 1024, BOMB / (128 * 1024)))],
    // Within the limit once, beyond it the second time.
    ["gzip, gzip", () => gzipSync(gzipSync(Buffer.alloc(BOMB)))],
    ["br, zstd", () => rawZstd(brotliCompressSync(Buffer.alloc(BOMB)))],
  ])("in %s that inflate beyond the limit are refused while they inflate", async (encoding, make) => {
    const bomb = make();
    expect(bomb.length).toBeLessThan(limits.maxBytes);
    behave = () => ({ headers: { "content-encoding": encoding }, body: bomb });
    const before = process.memoryUsage().rss;
    await expect(get("/")).rejects.toMatchObject({
      class: "data",
      message: expect.stringContaining("more than 100000 bytes") as string,
    });
    expect(process.memoryUsage().rss - before).toBeLessThan(BOMB / 2);
  });

  test.each<[string, Buffer]>([
    ["a window of 16 MB", zstd(window(24), ...rle(1, 1))],
    ["a window of 2 GB", zstd(window(30), ...rle(1, 1))],
    ["a whole size of 4 GB", zstd(Buffer.from([0b10100000, 0xff, 0xff, 0xff, 0xff]), ...rle(1, 1))],
    [
      "a whole size of 2 to the 64",
      zstd(Buffer.from([0b11100000, ...Array<number>(8).fill(0xff)]), ...rle(1, 1)),
    ],
    ["a great window that every byte would move", zstd(window(23), ...rle(1, 3000))],
    [
      "a thousand empty frames and more",
      Buffer.concat(Array<Buffer>(1001).fill(zstd(window(10), raw(Buffer.alloc(0), true)))),
    ],
  ])("in zstd with %s are refused before they inflate", async (_, body) => {
    behave = () => ({ headers: { "content-encoding": "zstd" }, body });
    const before = process.memoryUsage().rss;
    await expect(get("/")).rejects.toMatchObject({
      class: "data",
      message: expect.stringContaining("more than 100000 bytes") as string,
    });
    expect(process.memoryUsage().rss - before).toBeLessThan(BOMB / 2);
  });

  test.each<[string, Buffer]>([
    ["no frame", Buffer.from("no frame at all")],
    ["a reserved type of block", zstd(window(17), Buffer.from([0b111, 0, 0]))],
    ["a block larger than its window", zstd(window(10), ...rle(2000, 1))],
    ["a dictionary", zstd(Buffer.from([1, 0x38, 7]), ...rle(1, 1))],
    ["no last block", zstd(window(17), raw(Buffer.from("{}"), false))],
    ["a skipped frame beyond its end", Buffer.from([0x50, 0x2a, 0x4d, 0x18, 255, 255, 255, 255])],
    [
      "a block that holds nonsense",
      zstd(window(17), Buffer.from([(9 << 3) | 0b101, 0, 0, ...Array<number>(9).fill(0xff)])),
    ],
  ])("in zstd with %s are broken", async (_, body) => {
    behave = () => ({ headers: { "content-encoding": "zstd" }, body });
    await expect(get("/")).rejects.toMatchObject({
      class: "transient",
      message: expect.stringContaining("broken or incomplete zstd body") as string,
    });
  });

  test("in an encoding that was not requested, or in too many, are refused", async () => {
    for (const encoding of ["compress", "gzip, gzip, gzip, gzip"]) {
      behave = () => ({ headers: { "content-encoding": encoding }, body: "x" });
      await expect(get("/")).rejects.toMatchObject({ class: "data" });
    }
  });

  test("larger than the limit are refused, announced or not", async () => {
    behave = () => ({ body: Buffer.alloc(limits.maxBytes + 1, "1") });
    await expect(get("/")).rejects.toMatchObject({ class: "data" });
    server.breakFrom(1, (response) => {
      response.write(Buffer.alloc(limits.maxBytes, "1"));
      response.end("1");
    });
    await expect(get("/")).rejects.toMatchObject({ class: "data" });
  });

  test("that are cut off inside their encoding are broken, not short", async () => {
    for (const [encoding, body] of [
      ["gzip", gzipSync(text)],
      ["br", brotliCompressSync(text)],
      ["deflate", deflateSync(text)],
      ["zstd", rawZstd(text)],
    ] as const) {
      behave = () => ({ headers: { "content-encoding": encoding }, body: body.subarray(0, body.length - 4) });
      await expect(get("/")).rejects.toMatchObject({ class: "transient" });
    }
  });
});

const BOMB = 64 * 2 ** 20;

/** A frame of zstd: its header after the magic number, and its blocks (RFC 8878). */
function zstd(header: Buffer, ...blocks: Buffer[]): Buffer {
  return Buffer.concat([Buffer.from([0x28, 0xb5, 0x2f, 0xfd]), header, ...blocks]);
}

/** The header of a frame with a window of 2 to the power of `log`. */
const window = (log: number) => Buffer.from([0, (log - 10) << 3]);

function blockHeader(size: number, type: number, isLast: boolean): Buffer {
  const header = Buffer.alloc(3);
  header.writeUIntLE((size << 3) | (type << 1) | (isLast ? 1 : 0), 0, 3);
  return header;
}

const raw = (bytes: Buffer, isLast: boolean) => Buffer.concat([blockHeader(bytes.length, 0, isLast), bytes]);

/** So many blocks, each one byte repeated. */
const rle = (size: number, count: number) =>
  Array.from({ length: count }, (_, index) =>
    Buffer.concat([blockHeader(size, 1, index === count - 1), Buffer.from("1")]),
  );

const rawZstd = (text: string | Buffer) => zstd(window(17), raw(Buffer.from(text), true));

describe("answers", () => {
  test.each([
    [401, "auth"],
    [403, "auth"],
    [400, "config"],
    [404, "config"],
    [410, "config"],
    [304, "config"],
    [429, "quota"],
    [408, "transient"],
    [425, "transient"],
    [500, "transient"],
    [502, "transient"],
    [599, "transient"],
  ])("%i is %s", async (status, errorClass) => {
    behave = () => ({ status, body: "" });
    await expect(get("/path?key=s3cret")).rejects.toMatchObject({
      class: errorClass,
      status,
      message: `GET ${server.host}/path answered ${status}`,
    });
  });

  test.each([
    ["120", 120_000],
    ["3600", 3_600_000],
    ["0", 0],
    ["1.5", 1500],
    ["99999999", 24 * 3_600_000],
    ["Wed, 28 Oct 2026 12:01:30 GMT", 90_000],
    ["Wed, 28 Oct 2026 11:00:00 GMT", 0],
    ["soon", undefined],
  ])("Retry-After: %s", async (value, retryAfterMs) => {
    for (const status of [429, 503]) {
      // The date is the source's own clock, which may be far from ours.
      behave = () => ({
        status,
        headers: { "retry-after": value, date: "Wed, 28 Oct 2026 12:00:00 GMT" },
        body: "",
      });
      const error: unknown = await get("/").catch((thrown: unknown) => thrown);
      expect((error as { retryAfterMs?: number }).retryAfterMs).toBe(retryAfterMs);
    }
  });

  test("a web page is transient where data was expected, and welcome where text was", async () => {
    behave = () => ({ body: `\n ${HTML}` });
    await expect(get("/")).rejects.toMatchObject({
      class: "transient",
      message: expect.stringContaining("web page") as string,
    });
    await expect(get("/", { expect: "csv" })).rejects.toMatchObject({ class: "transient" });
    expect((await get("/", { expect: "text" })).text).toContain("Loadbalancer");
  });

  const FEED = '<?xml version="1.0"?>\n<!-- made by hand -->\n<rss></rss>';
  const XHTML = `<?xml version="1.0"?>\n<!-- ${"x".repeat(100)} -->\n${HTML}`;
  test.each<[FetchRequest["expect"], string, string | undefined]>([
    ["xml", FEED, undefined],
    ["xml", HTML, "a web page where XML was expected"],
    ["xml", XHTML, "a web page where XML was expected"],
    ["xml", "{}", "something else where XML was expected"],
    ["xml", "", "something else where XML was expected"],
    ["calendar", "\r\nBEGIN:VCALENDAR\r\nEND:VCALENDAR", undefined],
    ["calendar", HTML, "a web page where a calendar was expected"],
    ["calendar", "", "something else where a calendar was expected"],
    ["html", HTML, undefined],
    ["html", "<p>no doctype", undefined],
    ["html", " \n", "something else where a web page was expected"],
    ["json", FEED, "something else where JSON was expected"],
    ["json", XHTML, "a web page where JSON was expected"],
    ["text", "", undefined],
  ])("where %s was expected, %j is what it is", async (expected, body, reason) => {
    behave = () => ({ body });
    if (reason === undefined) {
      expect((await get("/", { expect: expected })).text).toBe(body);
      return;
    }
    await expect(get("/", { expect: expected })).rejects.toMatchObject({
      class: "transient",
      message: expect.stringContaining(reason) as string,
    });
  });

  test("a source may say in its own way how long to wait", async () => {
    behave = () => ({
      status: 429,
      headers: { "x-sib-ratelimit-reset": "12", "retry-after": "99" },
      body: "",
    });
    const waitMs: FetchRequest["waitMs"] = ({ headers }) => {
      const seconds = headers["x-sib-ratelimit-reset"];
      return seconds === undefined ? undefined : Number(seconds) * 1000;
    };
    await expect(get("/", { waitMs })).rejects.toMatchObject({ class: "quota", retryAfterMs: 12_000 });
    behave = () => ({ status: 429, headers: { "retry-after": "99" }, body: "" });
    await expect(get("/", { waitMs })).rejects.toMatchObject({ retryAfterMs: 99_000 });
  });

  test("`accept` lets a refused answer through with its body", async () => {
    behave = () => ({ status: 400, headers: { "X-Reason": "why" }, body: "{}" });
    const answer = await fetcher.fetchFor(forever())({
      url: server.url,
      expect: "json",
      accept: ({ status }) => status === 400,
    });
    expect(answer).toMatchObject({ status: 400, text: "{}", headers: { "x-reason": "why" } });
  });

  test("a source that cannot be reached is transient and named", async () => {
    await other.close();
    const error: unknown = await get(`${other.url}/a?b=s3cret`).catch((thrown: unknown) => thrown);
    expect(error).toMatchObject({
      class: "transient",
      message: `GET ${other.host}/a failed: the connection was refused`,
    });
    other = await openServer(() => json({}));
  });

  test("a credential that cannot be a header is named without being shown", async () => {
    const error: unknown = await get("/", { headers: { authorization: "Bearer s3\ncret" } }).catch(
      (thrown: unknown) => thrown,
    );
    expect(error).toMatchObject({ class: "auth" });
    expect(String(error)).not.toContain("cret");
  });

  test("a secret that is a part of the address is no part of the message", async () => {
    behave = () => ({ status: 404, body: "" });
    const fetch = fetcher.fetchFor(forever(), { secret: "private+s3cret/x" });
    for (const path of ["/cal/private%2Bs3cret%2Fx/basic.ics", "/cal/private+s3cret/x/basic.ics?k=s3cret"]) {
      await expect(fetch({ url: server.url + path, expect: "calendar" })).rejects.toMatchObject({
        message: `GET ${server.host}/cal/***/basic.ics answered 404`,
      });
    }
  });
});

describe("limits of time", () => {
  const quick = (changes: Partial<FetchLimits>) =>
    openFetcher({
      allowPrivate: [server.host],
      userAgent: "standings-test",
      limits: { ...limits, wholeMs: 20_000, ...changes },
    });

  async function failure(open: Fetcher): Promise<unknown> {
    const error: unknown = await get("/slow?key=s3cret", {}, open).catch((thrown: unknown) => thrown);
    await open.close();
    return error;
  }

  const timedOut = (why: string) => ({ class: "transient", message: `GET ${server.host}/slow ${why}` });

  test("a host that is not connected to in time", async () => {
    const never: Resolve = () => undefined;
    const open = openFetcher({
      allowPrivate: [],
      userAgent: "x",
      limits: { ...limits, connectMs: 200 },
      resolve: never,
    });
    await expect(get("http://slow.example/a?key=s3cret", {}, open)).rejects.toMatchObject({
      class: "transient",
      message: "GET slow.example/a failed: no connection in time",
    });
    await open.close();
  });

  test("an answer that does not begin", async () => {
    server.breakFrom(1, () => undefined);
    expect(await failure(quick({ headersMs: 300 }))).toMatchObject(timedOut("failed: no answer in time"));
  });

  test("a body that stops", async () => {
    server.breakFrom(1, (response) => {
      response.write('{"begun":');
    });
    expect(await failure(quick({ bodyMs: 300 }))).toMatchObject(
      timedOut("failed: the answer stopped half-way"),
    );
  });

  test("a body that comes byte by byte, each in time", async () => {
    server.breakFrom(1, (response) => {
      const drip = setInterval(() => response.write(" "), 20);
      response.on("close", () => {
        clearInterval(drip);
      });
    });
    expect(await failure(quick({ bodyMs: 500, wholeMs: 1000 }))).toMatchObject(
      timedOut("took longer than 1 s"),
    );
  });

  test("redirects that each take a while", async () => {
    server.breakFrom(1, (response) => {
      const late = setTimeout(() => {
        send(response, redirect("/slow"));
      }, 300);
      response.on("close", () => {
        clearTimeout(late);
      });
    });
    expect(await failure(quick({ wholeMs: 1000 }))).toMatchObject(timedOut("took longer than 1 s"));
  });

  test("headers that never end", async () => {
    behave = () => ({ headers: { "x-long": "x".repeat(20_000) }, body: "{}" });
    expect(await failure(quick({}))).toMatchObject({
      class: "transient",
      message: `GET ${server.host}/slow failed: the headers of the answer are too large`,
    });
  });

  test("no answer at all", async () => {
    server.breakFrom(1, () => undefined);
    expect(await failure(quick({ wholeMs: 700 }))).toMatchObject(timedOut("took longer than 0.7 s"));
  });
});

describe("a document that is wanted only if it has changed", () => {
  function memory(kept: Validators | undefined) {
    const noted: [string, Validators | undefined][] = [];
    const validators: ValidatorMemory = {
      read: (url) => (url === `${server.url}/list?key=1` ? kept : undefined),
      note: (...note) => noted.push(note),
    };
    return { noted, fetch: fetcher.fetchFor(forever(), { validators }) };
  }
  const conditional = (path: string): FetchRequest => ({
    url: server.url + path,
    expect: "json",
    conditional: true,
  });

  test("is asked for with what is known of it, and the 304 is the connector's", async () => {
    behave = () => ({ status: 304, headers: { etag: '"a"' }, body: "" });
    const { noted, fetch } = memory({ etag: '"a"', lastModified: "Wed, 28 Oct 2026 12:00:00 GMT" });
    expect(await fetch(conditional("/list?key=1"))).toMatchObject({ status: 304, text: "" });
    expect(server.asked[0]?.headers).toMatchObject({
      "if-none-match": '"a"',
      "if-modified-since": "Wed, 28 Oct 2026 12:00:00 GMT",
    });
    expect(noted).toEqual([]);
  });

  test("is asked for as ever where nothing is known of it, of a POST, and of what is not conditional", async () => {
    behave = () => ({ status: 304, body: "" });
    const { fetch } = memory({ etag: '"a"' });
    const requests: FetchRequest[] = [
      conditional("/list?key=2"),
      { ...conditional("/list?key=1"), method: "POST", body: "a=1" },
      { url: `${server.url}/list?key=1`, expect: "json" },
    ];
    for (const request of requests) {
      // Nobody asked for it: it is no answer.
      await expect(fetch(request)).rejects.toMatchObject({ class: "config", status: 304 });
      expect(server.asked.at(-1)?.headers).not.toHaveProperty("if-none-match");
    }
  });

  test("is asked for by what the last hop said, and only there", async () => {
    behave = ({ path, headers }) => {
      if (path === "/old") return redirect("/list?key=1", 302);
      return headers["if-none-match"] === '"a"' ? { status: 304, body: "" } : json({}, { etag: '"a"' });
    };
    const first = memory(undefined);
    await first.fetch(conditional("/old"));
    expect(first.noted).toEqual([[`${server.url}/list?key=1`, { etag: '"a"' }]]);
    const second = memory({ etag: '"a"' });
    expect((await second.fetch(conditional("/old"))).status).toBe(304);
    expect(
      server.asked.filter(({ path }) => path === "/old").map(({ headers }) => headers["if-none-match"]),
    ).toEqual([undefined, undefined]);
  });

  test.each<[string, Record<string, string>, Validators | undefined]>([
    ["nothing", {}, undefined],
    ["an ETag", { etag: '"a-b"' }, { etag: '"a-b"' }],
    ["a weak ETag", { etag: 'W/"a"' }, { etag: 'W/"a"' }],
    ["an ETag without quotes", { etag: "a" }, undefined],
    ["an ETag too long to keep", { etag: `"${"a".repeat(600)}"` }, undefined],
    [
      "a date some time ago",
      { date: "Wed, 28 Oct 2026 12:01:00 GMT", "last-modified": "Wed, 28 Oct 2026 12:00:00 GMT" },
      { lastModified: "Wed, 28 Oct 2026 12:00:00 GMT" },
    ],
    [
      "a date so near that it may have changed again",
      { date: "Wed, 28 Oct 2026 12:00:59 GMT", "last-modified": "Wed, 28 Oct 2026 12:00:00 GMT" },
      undefined,
    ],
    ["a date that is none", { "last-modified": "yesterday" }, undefined],
  ])("is known by %s", async (_, headers, known) => {
    behave = () => json({}, headers);
    const { noted, fetch } = memory(undefined);
    await fetch(conditional("/list"));
    expect(noted).toEqual([[`${server.url}/list`, known]]);
  });
});
