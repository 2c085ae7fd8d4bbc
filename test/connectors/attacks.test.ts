// Ways into the network this process stands in: every notation of an address, every trick of a redirect, each refused for
// its own reason, and nothing of it ever arriving at the servers that listen there.

import type { AddressInfo } from "node:net";
import { createServer } from "node:net";
import { afterAll, beforeAll, beforeEach, describe, expect, test } from "vitest";
import { type Answer, type Asked, json, openServer, type TestServer } from "../../src/conformance/server.ts";
import { type Fetcher, type FetchRequest, openFetcher } from "../../src/connectors/client/fetcher.ts";
import { type Resolve, toGuard } from "../../src/connectors/client/guard.ts";

/** Names of the attacker's own zone, each with what it answers in turn; the last answer stays. */
const zone: Record<string, string[][]> = {
  "loopback.evil.example": [["127.0.0.1"]],
  "loopback6.evil.example": [["::1"]],
  "metadata.google.internal": [["169.254.169.254"]],
  "mapped.evil.example": [["::ffff:10.0.0.1"]],
  "zone.evil.example": [["fe80::1%eth0"]],
  "inner.evil.example": [["10.1.2.3", "fd00::1"]],
  "nothing.evil.example": [[]],
};

const resolve: Resolve = (hostname, _options, callback) => {
  const answers = zone[hostname] ?? [["127.0.0.1"]];
  const addresses = (answers.length > 1 ? answers.shift() : answers[0]) ?? [];
  callback(
    null,
    addresses.map((address) => ({ address, family: address.includes(":") ? 6 : 4 })),
  );
};

/** What must never be reached, and where the attacker stands: the only one that may be called. */
let inside: TestServer;
let evil: TestServer;
let fetcher: Fetcher;
let behave: (asked: Asked) => Answer;
const limits = { connectMs: 1000, wholeMs: 3000 };

beforeAll(async () => {
  inside = await openServer(() => json({ secret: "of the inner network" }));
  evil = await openServer((asked) => behave(asked));
  fetcher = openFetcher({ allowPrivate: [evil.host], userAgent: "standings-test", limits, resolve });
});

afterAll(async () => {
  await fetcher.close();
  await evil.close();
  await inside.close();
});

beforeEach(() => {
  evil.asked.length = 0;
});

async function refusalOf(url: string, request: Partial<FetchRequest> = {}): Promise<unknown> {
  const asked = { url, expect: "json" as const, ...request };
  const error: unknown = await fetcher
    .fetchFor(new AbortController().signal)(asked)
    .catch((thrown: unknown) => thrown);
  expect(inside.asked).toEqual([]);
  expect(String(error)).not.toContain("s3cret");
  return error;
}

const isRefused = (reason: string) => ({
  name: "SourceError",
  class: "config",
  message: expect.stringContaining(reason) as string,
});

const PRIVATE = "is not a public address (a private network)";
const LOOPBACK = "is not a public address (loopback)";
const LINK_LOCAL = "is not a public address (link-local, where clouds keep their metadata)";
const RESERVED = "is not a public address (a reserved range)";

describe("an address", () => {
  test.each([
    // IPv4 in every notation a parser has ever understood.
    ["http://127.0.0.1:PORT/", LOOPBACK],
    ["http://127.1:PORT/", LOOPBACK],
    ["http://127.0.1:PORT/", LOOPBACK],
    ["http://2130706433:PORT/", LOOPBACK],
    ["http://0x7f000001:PORT/", LOOPBACK],
    ["http://0x7f.0x0.0x0.0x1:PORT/", LOOPBACK],
    ["http://0x7f.1:PORT/", LOOPBACK],
    ["http://017700000001:PORT/", LOOPBACK],
    ["http://0177.0.0.1:PORT/", LOOPBACK],
    ["http://0177.0.0x0.1:PORT/", LOOPBACK],
    ["http://127.0.0.1.:PORT/", LOOPBACK],
    ["http://127.255.255.254:PORT/", LOOPBACK],
    ["http://%31%32%37.0.0.1:PORT/", LOOPBACK],
    ["http://①②⑦.⓪.⓪.①:PORT/", LOOPBACK],
    ["http://１２７.０.０.１:PORT/", LOOPBACK],
    ["http://０x7f000001:PORT/", LOOPBACK],
    ["http://127。0。0。1:PORT/", LOOPBACK],
    ["http://127．0．0．1:PORT/", LOOPBACK],
    ["http://127｡0｡0｡1:PORT/", LOOPBACK],
    ["http:\\\\127.0.0.1:PORT\\", LOOPBACK],
    ["http:127.0.0.1:PORT", LOOPBACK],
    ["http:/127.0.0.1:PORT", LOOPBACK],
    ["\thttp://127.\n0.0.1:PORT/", LOOPBACK],
    // What IPv6 wraps around it.
    ["http://[::1]:PORT/", LOOPBACK],
    ["http://[0:0:0:0:0:0:0:1]:PORT/", LOOPBACK],
    ["http://[::ffff:127.0.0.1]:PORT/", LOOPBACK],
    ["http://[::ffff:7f00:1]:PORT/", LOOPBACK],
    ["http://[0:0:0:0:0:FFFF:7F00:0001]:PORT/", LOOPBACK],
    ["http://[::ffff:169.254.169.254]/", LINK_LOCAL],
    ["http://[::127.0.0.1]:PORT/", RESERVED],
    ["http://[::ffff:0:127.0.0.1]:PORT/", "(IPv4 behind a translator)"],
    ["http://[64:ff9b::7f00:1]:PORT/", "(IPv4 behind NAT64)"],
    ["http://[64:ff9b::8.8.8.8]/", "(IPv4 behind NAT64)"],
    ["http://[64:ff9b:1::a00:1]/", "(IPv4 behind NAT64)"],
    ["http://[2002:7f00:1::]:PORT/", "(IPv4 behind 6to4)"],
    ["http://[2001:0:4136:e378:8000:63bf:3fff:fdd2]/", "(IPv4 behind Teredo)"],
    ["http://[::]:PORT/", "(this host itself)"],
    ["http://[fe80::1]/", LINK_LOCAL],
    ["http://[fc00::1]/", PRIVATE],
    ["http://[fd12:3456::1]/", PRIVATE],
    ["http://[fec0::1]/", PRIVATE],
    ["http://[ff02::1]/", "(multicast)"],
    ["http://[100::1]/", RESERVED],
    ["http://[2001:db8::1]/", RESERVED],
    ["http://[3fff::1]/", RESERVED],
    ["http://[2001:2::1]/", RESERVED],
    ["http://[4000::1]/", RESERVED],
    ["http://[fe80::1%25eth0]/", "is not a URL"],
    ["http://[::1%25lo]:PORT/", "is not a URL"],
    ["http://[::ffff:127.0.0.1]:99999/", "is not a URL"],
    // Ranges that are nobody's public host.
    ["http://0.0.0.0:PORT/", "(this host itself)"],
    ["http://0:PORT/", "(this host itself)"],
    ["http://0.1.2.3/", "(this host itself)"],
    ["http://10.255.255.255/", PRIVATE],
    ["http://172.16.0.1/", PRIVATE],
    ["http://172.31.255.255/", PRIVATE],
    ["http://192.168.0.1/", PRIVATE],
    ["http://169.254.169.254/latest/meta-data/", LINK_LOCAL],
    ["http://2852039166/latest/meta-data/", LINK_LOCAL],
    ["http://0xA9.0xFE.0xA9.0xFE/", LINK_LOCAL],
    ["http://100.64.0.1/", "(a provider's inner network)"],
    ["http://100.100.100.200/latest/meta-data/", "(a provider's inner network)"],
    ["http://192.0.0.192/", RESERVED],
    ["http://192.0.2.1/", RESERVED],
    ["http://198.51.100.1/", RESERVED],
    ["http://203.0.113.1/", RESERVED],
    ["http://198.18.0.1/", RESERVED],
    ["http://192.88.99.1/", RESERVED],
    ["http://240.0.0.1/", RESERVED],
    ["http://224.0.0.1/", "(multicast)"],
    ["http://239.255.255.255/", "(multicast)"],
    ["http://255.255.255.255/", "(broadcast)"],
    // No address.
    ["http://256.0.0.1/", "is not a URL"],
    ["http://1.2.3.4.5/", "is not a URL"],
    ["http://127.0.0.1:port/", "is not a URL"],
    ["http://evil.example\u0000.local/", "is not a URL"],
    ["//127.0.0.1:PORT/", "is not a URL"],
    ["", "is not a URL"],
  ])("%j is refused for what it is", async (url, reason) => {
    expect(await refusalOf(url.replaceAll("PORT", new URL(inside.url).port))).toMatchObject(
      isRefused(reason),
    );
  });

  test.each([
    ["http://user:s3cret@127.0.0.1:PORT/", "the credential belongs to the connection, not into the URL"],
    ["http://api.example.com@127.0.0.1:PORT/", "the credential belongs to the connection"],
    ["http://api.example.com:80@127.0.0.1:PORT/", "the credential belongs to the connection"],
    ["http://127.0.0.1:PORT\\@api.example.com/", LOOPBACK],
    ["http://127.0.0.1:PORT#@api.example.com/", LOOPBACK],
    ["http://127.0.0.1:PORT?@api.example.com/", LOOPBACK],
    ["file:///etc/passwd", "file: addresses cannot be pulled, only http and https"],
    ["ftp://example.com/", "ftp: addresses cannot be pulled"],
    ["gopher://127.0.0.1:6379/_FLUSHALL", "gopher: addresses cannot be pulled"],
    ["data:application/json,[]", "data: addresses cannot be pulled"],
    ["javascript:[]", "javascript: addresses cannot be pulled"],
    ["blob:http://127.0.0.1:PORT/x", "blob: addresses cannot be pulled"],
    ["ws://127.0.0.1:PORT/", "ws: addresses cannot be pulled"],
    ["unix:/var/run/docker.sock", "unix: addresses cannot be pulled"],
    ["HTTP+UNIX://x/", "http+unix: addresses cannot be pulled"],
  ])("%s is refused, whatever it pretends", async (url, reason) => {
    expect(await refusalOf(url.replaceAll("PORT", new URL(inside.url).port))).toMatchObject(
      isRefused(reason),
    );
  });
});

describe("a name", () => {
  test.each([
    ["localhost", LOOPBACK],
    ["LOCALHOST.", LOOPBACK],
    ["api.localhost", LOOPBACK],
    ["loopback.evil.example", LOOPBACK],
    ["loopback6.evil.example", LOOPBACK],
    ["metadata.google.internal", LINK_LOCAL],
    ["mapped.evil.example", PRIVATE],
    ["zone.evil.example", LINK_LOCAL],
    ["inner.evil.example", PRIVATE],
    ["nothing.evil.example", "is not a public address"],
  ])("%s is refused for what it stands for", async (name, reason) => {
    const { port } = new URL(inside.url);
    expect(await refusalOf(`http://${name}:${port}/`)).toMatchObject(isRefused(reason));
  });

  test("that stands for something else at the second look is refused then: no connection is made to what was not checked", async () => {
    const { port } = new URL(inside.url);
    const looked: string[] = [];
    // The first answer may be called, the second may not: as a public address and then a private one.
    const rebinding: Resolve = (hostname, _options, callback) => {
      looked.push(hostname);
      callback(null, [{ address: looked.length === 1 ? "127.0.0.2" : "127.0.0.1", family: 4 }]);
    };
    const open = openFetcher({
      allowPrivate: ["127.0.0.2"],
      userAgent: "standings-test",
      limits,
      resolve: rebinding,
    });
    const ask = () =>
      open.fetchFor(new AbortController().signal)({
        url: `http://rebinding.example:${port}/`,
        expect: "json",
      });
    // Nothing listens on 127.0.0.2: it was tried, and nothing else was.
    await expect(ask()).rejects.toMatchObject({ class: "transient", message: /connection was refused/ });
    await expect(ask()).rejects.toMatchObject(isRefused(LOOPBACK));
    expect(looked).toHaveLength(2);
    expect(inside.asked).toEqual([]);
    await open.close();
  });

  test("that stands for good and bad addresses is connected to at the good ones only", async () => {
    const addresses = ["10.0.0.1", "127.0.0.1", "93.184.216.34", "::1"];
    const guard = toGuard(["127.0.0.1:80"], (_name, _options, callback) => {
      callback(
        null,
        addresses.map((address) => ({ address, family: address.includes(":") ? 6 : 4 })),
      );
    });
    const handedOut = (port: number, all: boolean) =>
      new Promise((done) => {
        guard.lookup(port)("both.evil.example", { all }, (error, found) => {
          done(error ?? found);
        });
      });
    expect(await handedOut(80, true)).toEqual([
      { address: "127.0.0.1", family: 4 },
      { address: "93.184.216.34", family: 4 },
    ]);
    expect(await handedOut(443, true)).toEqual([{ address: "93.184.216.34", family: 4 }]);
    expect(await handedOut(443, false)).toBe("93.184.216.34");
  });
});

describe("a redirect", () => {
  test.each([
    ["http://127.0.0.1:PORT/", LOOPBACK],
    ["//127.0.0.1:PORT/", LOOPBACK],
    ["\\\\127.0.0.1:PORT\\", LOOPBACK],
    ["/\\127.0.0.1:PORT/", LOOPBACK],
    ["http:\\\\127.0.0.1:PORT/", LOOPBACK],
    ["http://2130706433:PORT/", LOOPBACK],
    ["http://[::ffff:7f00:1]:PORT/", LOOPBACK],
    ["http://localhost:PORT/", LOOPBACK],
    ["http://loopback.evil.example:PORT/", LOOPBACK],
    ["http://169.254.169.254/latest/meta-data/iam/", LINK_LOCAL],
    ["http://metadata.google.internal/computeMetadata/v1/", LINK_LOCAL],
    ["http://10.0.0.1/", PRIVATE],
    ["https://127.0.0.1:PORT/", LOOPBACK],
    ["http://user:s3cret@127.0.0.1:PORT/", "the credential belongs to the connection"],
    ["http://api.example.com@127.0.0.1:PORT/", "the credential belongs to the connection"],
    ["file:///etc/passwd", "file: addresses cannot be pulled"],
    ["ftp://127.0.0.1/", "ftp: addresses cannot be pulled"],
    ["data:application/json,[]", "data: addresses cannot be pulled"],
    ["gopher://127.0.0.1:6379/_FLUSHALL", "gopher: addresses cannot be pulled"],
    ["javascript:[]", "javascript: addresses cannot be pulled"],
    ["http://[::1", "redirects to nowhere"],
    ["http://", "redirects to nowhere"],
    ["", "redirected more than 5 times"],
    ["#again", "redirected more than 5 times"],
    ["?again", "redirected more than 5 times"],
  ])("to '%s' is refused for what it is", async (to, reason) => {
    const location = to.replaceAll("PORT", new URL(inside.url).port);
    behave = () => ({ status: 302, headers: { location }, body: "" });
    expect(
      await refusalOf(`${evil.url}/start`, { headers: { authorization: "Bearer s3cret" } }),
    ).toMatchObject(isRefused(reason));
  });

  test("in a circle ends", async () => {
    behave = ({ path }) => ({ status: 307, headers: { location: path === "/a" ? "/b" : "/a" }, body: "" });
    expect(await refusalOf(`${evil.url}/a`)).toMatchObject(isRefused("redirected more than 5 times"));
    expect(evil.asked).toHaveLength(6);
  });

  test("under any status that is none is no way on", async () => {
    for (const status of [300, 304, 305, 306]) {
      behave = () => ({ status, headers: { location: inside.url }, body: "" });
      expect(await refusalOf(evil.url)).toMatchObject({ class: "config", status });
      expect(await refusalOf(evil.url, { method: "POST", body: "a=1" })).toMatchObject({
        class: "config",
        status,
      });
    }
  });

  test("with line breaks in its address smuggles nothing into the next request", async () => {
    // Written by hand: Node writes no such header.
    const heads = [
      "Location: /next\r\n x-smuggled: 1",
      "Location: /next%0d%0ax-smuggled:%201",
      "Location: /next\rx-smuggled: 1",
    ];
    for (const head of heads) {
      const received: string[] = [];
      const raw = createServer((socket) => {
        socket.on("error", () => undefined);
        socket.on("data", (data) => {
          received.push(data.toString());
          socket.end(
            received.length === 1
              ? `HTTP/1.1 302 Found\r\n${head}\r\nContent-Length: 0\r\nConnection: close\r\n\r\n`
              : "HTTP/1.1 200 OK\r\nContent-Length: 2\r\nConnection: close\r\n\r\n[]",
          );
        });
      });
      await new Promise<void>((done) => raw.listen(0, "127.0.0.1", done));
      const { port } = raw.address() as AddressInfo;
      const open = openFetcher({ allowPrivate: [`127.0.0.1:${port}`], userAgent: "standings-test", limits });
      await open
        .fetchFor(new AbortController().signal)({ url: `http://127.0.0.1:${port}/`, expect: "json" })
        .catch((error: unknown) => {
          expect(error).toMatchObject({ name: "SourceError" });
        });
      for (const text of received) expect(text).not.toMatch(/^x-smuggled/im);
      await open.close();
      await new Promise((done) => raw.close(done));
    }
  });
});
