// What every connector must do, against a real server that behaves like its system and then does not.
import { inspect } from "node:util";
import { afterEach, beforeEach, describe, expect, test } from "vitest";
import { z } from "zod";
import type {
  Connector,
  Credential,
  EvidenceFact,
  Json,
  Page,
  PullInput,
} from "../../src/connectors/connector.ts";
import { type Fetch, type Fetcher, openFetcher } from "../../src/connectors/fetcher.ts";
import { SourceError, type SourceErrorClass } from "../../src/errors.ts";
import { type Asked, type Fault, HTML, send, type TestServer } from "./server.ts";

export interface Bench {
  server: TestServer;
  /** As they stand in sources.yaml. */
  settings: Record<string, unknown>;
  connection: PullInput<unknown>["connection"];
  now: Date;
  /** What must never be read in an error. */
  secrets: string[];
  /** Deletes at the source what this external id stands for. */
  remove(externalId: string): void;
  /** Makes the source announce more than it has. */
  overstate(): void;
  /** Makes the source give another page for ever. */
  neverEnd?: () => void;
}

/** The columns of the evidence table and their limits. */
const factSchema = z.strictObject({
  externalId: z.string().min(1).max(512),
  kind: z.string().min(1).max(64),
  occurredAt: z.date(),
  endedAt: z.date().optional(),
  quantity: z.number().positive().multipleOf(0.0001).optional(),
  attributes: z.record(z.string(), z.string()).optional(),
  title: z.string().min(1).max(600).optional(),
  link: z.url().optional(),
  identity: z.strictObject({ namespace: z.string().min(1), key: z.string().min(1) }).optional(),
});

export const limits = { connectMs: 1000, headersMs: 5000, bodyMs: 5000, wholeMs: 1500 };

/** A pull's input for a bench, with a credential cache as the collect job has one. */
export function inputOf(
  connector: Connector,
  bench: Bench,
  fetch: Fetch,
  changes: Partial<PullInput<unknown>> = {},
) {
  let kept: Credential | undefined;
  const input: PullInput<unknown> = {
    settings: connector.settings.parse(bench.settings),
    connection: bench.connection,
    cursor: undefined,
    full: true,
    now: bench.now,
    fetch,
    query: () => Promise.reject(new Error("this bench has no database")),
    pseudonym: (text) => `hash of ${text}`,
    async credential(create, options) {
      if (kept === undefined || options?.renew === true || kept.expiresAt <= bench.now) kept = await create();
      return kept.value;
    },
    signal: new AbortController().signal,
    ...changes,
  };
  return input;
}

export async function pagesOf(pull: AsyncGenerator<Page>): Promise<Page[]> {
  const pages: Page[] = [];
  for await (const page of pull) pages.push(page);
  return pages;
}

/** The facts of pages as a recording leaves them: a repeated one is the same one. */
export function factsOf(pages: Page[]): EvidenceFact[] {
  const facts = new Map(pages.flatMap(({ evidence }) => evidence).map((fact) => [fact.externalId, fact]));
  return [...facts.values()].sort((a, b) => a.externalId.localeCompare(b.externalId));
}

interface Shape {
  /** The source gives its rows in several answers, so it could do so for ever. */
  hasPages: boolean;
  /** A connection has one fact at most, and what it asks for is a web page: there is no form to hold it to. */
  isPage?: boolean;
}

export function conforms(
  connector: Connector,
  openBench: () => Promise<Bench>,
  { hasPages, isPage = false }: Shape = { hasPages: true },
): void {
  let bench: Bench;
  let fetcher: Fetcher;

  beforeEach(async () => {
    bench = await openBench();
    fetcher = openFetcher({ allowPrivate: [bench.server.host], userAgent: "standings-test", limits });
  });

  afterEach(async () => {
    await fetcher.close();
    await bench.server.close();
  });

  function pull(changes: Partial<PullInput<unknown>> = {}): Promise<Page[]> {
    const signal = changes.signal ?? new AbortController().signal;
    return pagesOf(connector.pull(inputOf(connector, bench, fetcher.fetchFor(signal), changes)));
  }

  /** Pulls with the fault at each request in turn. Each must fail with a SourceError. */
  async function failures(fault: Fault): Promise<SourceError[]> {
    const before = bench.server.asked.length;
    await pull();
    const requests = bench.server.asked.length - before;
    const errors: SourceError[] = [];
    for (let n = 1; n <= requests; n++) {
      bench.server.breakFrom(n, fault);
      const error: unknown = await pull().then(
        () => new Error(`request ${n} of ${requests} failed and the pull returned`),
        (thrown: unknown) => thrown,
      );
      if (!(error instanceof SourceError)) throw error;
      expectNoSecret(error);
      errors.push(error);
    }
    return errors;
  }

  function expectNoSecret(error: unknown): void {
    const text = inspect(error, { depth: Number.POSITIVE_INFINITY, showHidden: true });
    for (const secret of bench.secrets) expect(text).not.toContain(secret);
    expect((error as Error).message).not.toContain("?");
  }

  describe("conforms to the contract of connectors", () => {
    test("two pulls of an unchanged source yield the same well-formed facts, each once", async () => {
      const first = await pull();
      const ids = first.flatMap(({ evidence }) => evidence.map(({ externalId }) => externalId));
      expect(ids.length).toBeGreaterThan(isPage ? 0 : 3);
      expect(new Set(ids).size).toBe(ids.length);
      for (const fact of factsOf(first)) factSchema.parse(fact);
      const kinds = connector.kinds(connector.settings.parse(bench.settings));
      expect(factsOf(first).every(({ kind }) => kinds.includes(kind))).toBe(true);
      expect(factsOf(await pull())).toEqual(factsOf(first));
    });

    test("a complete listing goes on from every page's cursor and misses nothing", async () => {
      const pages = await pull();
      expect(pages.length).toBeGreaterThan(isPage ? 0 : 1);
      for (const [index, { cursor }] of pages.entries()) {
        const stored = JSON.parse(JSON.stringify(cursor)) as Json;
        const rest = await pull({ cursor: stored });
        expect(factsOf([...pages.slice(0, index + 1), ...rest])).toEqual(factsOf(pages));
      }
    });

    test("a pull that is no complete listing goes on from every page's cursor too", async () => {
      const pages = await pull({ full: false });
      for (const [index, { cursor }] of pages.entries()) {
        const stored = JSON.parse(JSON.stringify(cursor)) as Json;
        const rest = await pull({ cursor: stored, full: false });
        expect(factsOf([...pages.slice(0, index + 1), ...rest])).toEqual(factsOf(pages));
      }
    });

    test("what is deleted at the source is missing from the next complete listing, and nothing else is", async () => {
      const before = factsOf(await pull());
      const gone = before.at(-1)?.externalId ?? "";
      bench.remove(gone);
      const after = factsOf(await pull());
      expect(after).toEqual(before.filter(({ externalId }) => externalId !== gone));
    });

    test("the check of a connection tells a person what was reached", async () => {
      const said = await connector.check(
        inputOf(connector, bench, fetcher.fetchFor(new AbortController().signal)),
      );
      expect(said).toMatch(/\w+/);
      for (const secret of bench.secrets) expect(said).not.toContain(secret);
    });

    const faults: [string, SourceErrorClass, Fault][] = [
      [
        "a 500",
        "transient",
        (response, asked) => {
          send(response, { status: 500, body: echo(asked) });
        },
      ],
      [
        "a 401",
        "auth",
        (response, asked) => {
          send(response, { status: 401, body: echo(asked) });
        },
      ],
      [
        "a 403",
        "auth",
        (response, asked) => {
          send(response, { status: 403, body: echo(asked) });
        },
      ],
      [
        "a 404",
        "config",
        (response, asked) => {
          send(response, { status: 404, body: echo(asked) });
        },
      ],
      [
        "an HTML 503",
        "transient",
        (response) => {
          send(response, { status: 503, headers: { "content-type": "text/html" }, body: HTML });
        },
      ],
      [
        "an HTML 200",
        "transient",
        (response) => {
          send(response, { headers: { "content-type": "text/html" }, body: HTML });
        },
      ],
      [
        "a connection that is closed at once",
        "transient",
        (response) => {
          response.destroy();
        },
      ],
      [
        "a body shorter than its content-length",
        "transient",
        (response, _, proceed) => {
          const { headers, body } = proceed();
          response.writeHead(200, { ...headers, "content-length": String(body.length) });
          response.write(body.subarray(0, body.length / 2), () => {
            response.destroy();
          });
        },
      ],
      [
        "a chunked body that breaks off",
        "transient",
        (response, _, proceed) => {
          const { headers, body } = proceed();
          response.writeHead(200, { ...headers });
          response.write(body.subarray(0, body.length / 2), () => {
            response.destroy();
          });
        },
      ],
    ];

    test.each(faults.filter(([name]) => !isPage || name !== "an HTML 200"))(
      "%s at any request fails the pull as it should",
      async (_, errorClass, fault) => {
        const errors = await failures(fault);
        expect(new Set(errors.map((error) => error.class))).toEqual(new Set([errorClass]));
      },
    );

    test("a 429 at any request carries how long the source asked us to wait", async () => {
      const errors = await failures((response, asked) => {
        send(response, { status: 429, headers: { "retry-after": "3600" }, body: echo(asked) });
      });
      for (const error of errors) {
        expect(error).toMatchObject({ class: "quota", status: 429, retryAfterMs: 3_600_000 });
      }
    });

    if (!isPage) {
      test("half a document under the full status never counts as all of it", async () => {
        const errors = await failures((response, _, proceed) => {
          const { headers, body } = proceed();
          send(response, { ...(headers && { headers }), body: body.subarray(0, body.length / 2) });
        });
        expect(errors.length).toBeGreaterThan(0);
      });
    }

    test("a body that never ends is given up", async () => {
      bench.server.breakFrom(1, (response, _, proceed) => {
        response.writeHead(200, proceed().headers);
        const drip = setInterval(() => response.write(" "), 50);
        response.on("close", () => {
          clearInterval(drip);
        });
      });
      const error: unknown = await pull().catch((thrown: unknown) => thrown);
      expect(error).toMatchObject({ name: "SourceError", class: "transient" });
      expectNoSecret(error);
    });

    if (!isPage) {
      test("a source that announces more than it gives is not believed", async () => {
        bench.overstate();
        const error = await pull().catch((thrown: unknown) => thrown);
        expect(error).toBeInstanceOf(SourceError);
        expect(["transient", "data"]).toContain((error as SourceError).class);
        expectNoSecret(error);
      });
    }

    if (hasPages) {
      test("a source whose pages never end is left", async () => {
        bench.neverEnd?.();
        await expect(pull()).rejects.toMatchObject({
          class: "data",
          message: expect.stringContaining("does not end") as string,
        });
      });
    }

    test("an aborted signal stops the pull at any request, with its reason", async () => {
      const before = bench.server.asked.length;
      await pull();
      const requests = bench.server.asked.length - before;
      for (let n = 1; n <= requests; n++) {
        const controller = new AbortController();
        const reason = new Error("the process is stopping");
        bench.server.breakFrom(n, () => {
          controller.abort(reason);
        });
        await expect(pull({ signal: controller.signal })).rejects.toBe(reason);
      }
    });
  });
}

/** A source that repeats in its error whatever it was sent. */
function echo({ headers, body, query }: Asked): string {
  const sent = `${String(headers["authorization"])} ${body} ${query.toString()}`;
  return JSON.stringify({ error: { message: `refused: ${sent} ${JSON.stringify(headers)}` } });
}
