// What a connector must make of requests that fail: at each of them in turn, and never as if there were nothing there.
import assert from "node:assert/strict";
import { gzipSync } from "node:zlib";
import { openFetcher } from "../connectors/client/fetcher.ts";
import type { SourceErrorClass } from "../platform/errors.ts";
import { type Case, factsOf, limits, stored, type Trial } from "./bench.ts";
import { type Asked, type Fault, HTML, send } from "./server.ts";

/** A source that repeats in its error whatever it was sent. */
function echo({ headers, body, query }: Asked): string {
  const sent = `${String(headers["authorization"])} ${body} ${query.toString()}`;
  return JSON.stringify({ error: { message: `refused: ${sent} ${JSON.stringify(headers)}` } });
}

const answering =
  (status: number, headers: Record<string, string> = {}): Fault =>
  (response, asked) => {
    send(response, { status, headers, body: echo(asked) });
  };

const web =
  (status: number): Fault =>
  (response) => {
    send(response, { status, headers: { "content-type": "text/html" }, body: HTML });
  };

/** Inflates to more than is read, from a few kilobytes. */
const BOMB = gzipSync(Buffer.alloc(limits.maxBytes + 2 ** 20, " "));

interface FaultCase {
  key: string;
  what: string;
  class: SourceErrorClass;
  fault: Fault;
}

const FAULTS: FaultCase[] = [
  { key: "500", what: "a 500", class: "transient", fault: answering(500) },
  { key: "401", what: "a 401", class: "auth", fault: answering(401) },
  { key: "403", what: "a 403", class: "auth", fault: answering(403) },
  { key: "404", what: "a 404", class: "config", fault: answering(404) },
  { key: "html-503", what: "an HTML 503", class: "transient", fault: web(503) },
  { key: "html-200", what: "an HTML 200", class: "transient", fault: web(200) },
  {
    key: "closed-connection",
    what: "a connection that is closed at once",
    class: "transient",
    fault: (response) => {
      response.destroy();
    },
  },
  {
    key: "short-body",
    what: "a body shorter than its content-length",
    class: "transient",
    fault: (response, _, proceed) => {
      const { headers, body } = proceed();
      response.writeHead(200, { ...headers, "content-length": String(body.length) });
      response.write(body.subarray(0, body.length / 2), () => {
        response.destroy();
      });
    },
  },
  {
    key: "broken-off-body",
    what: "a chunked body that breaks off",
    class: "transient",
    fault: (response, _, proceed) => {
      const { headers, body } = proceed();
      response.writeHead(200, { ...headers });
      response.write(body.subarray(0, body.length / 2), () => {
        response.destroy();
      });
    },
  },
  {
    key: "bomb",
    what: "a body that inflates beyond what is read",
    class: "data",
    fault: (response, _, proceed) => {
      send(response, { headers: { ...proceed().headers, "content-encoding": "gzip" }, body: BOMB });
    },
  },
  {
    key: "private-redirect",
    what: "a redirect to a private address",
    class: "config",
    fault: (response) => {
      send(response, { status: 302, headers: { location: "http://169.254.169.254/latest/" }, body: "" });
    },
  },
];

export const requestCases: Case[] = [
  ...FAULTS.map(
    ({ key, what, class: errorClass, fault }): Case => ({
      key,
      title: `${what} at any request fails the pull as it should`,
      isHttp: true,
      async run(trial) {
        for (const error of await trial.failures(fault, { mayEnd: key === "404" }))
          assert.equal(error.class, errorClass, error.message);
      },
    }),
  ),
  ...[
    { key: "429-long", seconds: 3600 },
    { key: "429-short", seconds: 2 },
  ].map(
    ({ key, seconds }): Case => ({
      key,
      title: `a 429 at any request carries that the source asked us to wait ${seconds} s`,
      isHttp: true,
      async run(trial) {
        for (const error of await trial.failures(answering(429, { "retry-after": String(seconds) }))) {
          assert.equal(error.class, "quota", error.message);
          assert.equal(error.status, 429);
          assert.equal(error.retryAfterMs, seconds * 1000);
        }
      },
    }),
  ),
  {
    key: "half-document",
    title: "half a document under the full status never counts as all of it",
    isHttp: true,
    async run(trial) {
      await trial.failures((response, _, proceed) => {
        const { headers, body } = proceed();
        send(response, { ...(headers && { headers }), body: body.subarray(0, body.length / 2) });
      });
    },
  },
  {
    key: "500-then-fine",
    title: "a pull that failed at any request and is tried again goes on and misses nothing",
    isHttp: true,
    run: recovers,
  },
  {
    key: "slow-body",
    title: "a body that never ends is given up",
    isHttp: true,
    async run(trial) {
      const patience = { ...limits, wholeMs: 300 };
      const allowPrivate = [trial.bench.server.host];
      const fetcher = openFetcher({ allowPrivate, userAgent: "standings-test", limits: patience });
      trial.bench.server.breakFrom(1, (response, _, proceed) => {
        response.writeHead(200, proceed().headers);
        const drip = setInterval(() => response.write(" "), 50);
        response.on("close", () => {
          clearInterval(drip);
        });
      });
      const fetch = fetcher.fetchFor(new AbortController().signal);
      const { error } = await trial.pullSome({ fetch }).finally(() => fetcher.close());
      assert.equal(error?.class, "transient", error?.message);
    },
  },
  {
    key: "interrupted",
    title: "an aborted signal stops the pull at any request, with its reason",
    isHttp: true,
    async run(trial) {
      const requests = await trial.requests();
      for (let n = 1; n <= requests; n++) {
        const controller = new AbortController();
        const reason = new Error("the process is stopping");
        trial.bench.server.breakFrom(n, () => {
          controller.abort(reason);
        });
        await assert.rejects(trial.pull({ signal: controller.signal }), reason);
      }
    },
  },
];

async function recovers(trial: Trial): Promise<void> {
  const requests = await trial.requests();
  const all = factsOf(await trial.pull());
  for (let n = 1; n <= requests; n++) {
    trial.bench.server.breakFrom(n, answering(500));
    const { pages, error } = await trial.pullSome();
    assert.equal(error?.class, "transient");
    trial.bench.server.mend();
    const rest = await trial.pull({ cursor: stored(pages.at(-1)) });
    const listed = rest.some(({ begins }) => begins === true) ? rest : [...pages, ...rest];
    assert.deepEqual(factsOf(listed), all, `after a failure at request ${n} of ${requests}`);
  }
}
