import { brotliCompressSync, deflateRawSync, deflateSync, gzipSync } from "node:zlib";
import { afterEach, beforeEach, describe, expect, test } from "vitest";
import { type Fetcher, type FetchRequest, openFetcher } from "../../src/connectors/fetcher.ts";
import { type Answer, type Asked, HTML, json, openServer, type TestServer } from "./server.ts";

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
  test.each([
    "http://127.0.0.1/",
    "http://127.1/",
    "http://2130706433/",
    "http://0x7f.1/",
    "http://0177.0.0.1/",
    "http://127.0.0.1./",
    "http://０x7f000001/",
    "http://0.0.0.0/",
    "http://10.0.0.1/",
    "http://172.31.255.255/",
    "http://192.168.1.1/",
    "http://169.254.169.254/latest/meta-data/",
    "http://100.64.0.1/",
    "http://198.18.0.1/",
    "http://224.0.0.1/",
    "http://255.255.255.255/",
    "http://[::1]/",
    "http://[::]/",
    "http://[::ffff:127.0.0.1]/",
    "http://[::ffff:7f00:1]/",
    "http://[::127.0.0.1]/",
    "http://[64:ff9b::7f00:1]/",
    "http://[2002:7f00:1::]/",
    "http://[fe80::1]/",
    "http://[fc00::1]/",
    "http://[fec0::1]/",
    "http://[2001:db8::1]/",
    "http://localhost/",
    "ftp://example.com/",
    "file:///etc/passwd",
    "http://user:secret@example.com/",
    "no address at all",
  ])("%s is not called", async (url) => {
    const error: unknown = await get(url).catch((thrown: unknown) => thrown);
    expect(error).toMatchObject({ name: "SourceError", class: "config" });
    expect(String(error)).not.toContain("secret");
    expect(server.asked).toHaveLength(0);
  });

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

  test("to a private address are refused at every hop", async () => {
    for (const to of ["http://169.254.169.254/latest", "http://[::1]:1/", "http://localhost:1/"]) {
      behave = () => redirect(to);
      await expect(get("/old")).rejects.toMatchObject({ class: "config" });
    }
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
    await get("/old", { method: "POST", body: "a=1" });
    await get("/keep", { method: "POST", body: "a=1" });
    const arrived = server.asked.filter(({ path }) => path === "/new");
    expect(arrived.map(({ method, body }) => [method, body])).toEqual([
      ["GET", ""],
      ["POST", "a=1"],
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
    ["identity", Buffer.from(text)],
    ["identity", Buffer.from(`\ufeff${text}`)],
  ])("in %s arrive as their text", async (encoding, body) => {
    behave = () => ({ headers: { "content-encoding": encoding }, body });
    expect((await get("/")).text).toBe(text);
  });

  test("that inflate beyond the limit are refused, however small they come", async () => {
    const bomb = gzipSync(Buffer.alloc(20 * 2 ** 20));
    expect(bomb.length).toBeLessThan(limits.maxBytes);
    behave = () => ({ headers: { "content-encoding": "gzip" }, body: bomb });
    await expect(get("/")).rejects.toMatchObject({
      class: "data",
      message: expect.stringContaining("more than 100000 bytes") as string,
    });
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
    ] as const) {
      behave = () => ({ headers: { "content-encoding": encoding }, body: body.subarray(0, body.length - 4) });
      await expect(get("/")).rejects.toMatchObject({ class: "transient" });
    }
    behave = () => ({ headers: { "content-encoding": "zstd" }, body: "x" });
    await expect(get("/")).rejects.toMatchObject({ class: "data" });
  });
});

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

  test("no answer in time is transient", async () => {
    server.breakFrom(1, () => undefined);
    await expect(get("/")).rejects.toMatchObject({
      class: "transient",
      message: expect.stringContaining("longer than 1.5 s") as string,
    });
  });
});
