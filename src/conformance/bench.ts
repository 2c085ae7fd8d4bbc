// What a connector is tried on: a server that answers as its system does, what can be done to that system, and a pull's input as
// the collect job would make it.
import assert from "node:assert/strict";
import { inspect } from "node:util";
import { type Fetch, type Fetcher, openFetcher } from "../connectors/client/fetcher.ts";
import type { Connector, Credential, EvidenceFact, Json, Page, PullInput } from "../connectors/connector.ts";
import { SourceError } from "../platform/errors.ts";
import type { Fault, TestServer } from "./server.ts";

export interface Bench {
  server: TestServer;
  /** As they stand in sources.yaml. */
  settings: Record<string, unknown>;
  connection: PullInput<unknown>["connection"];
  now: Date;
  /** What must never be read in an error. */
  secrets: string[];
  /** Of a connector that asks a database. */
  query?: PullInput<unknown>["query"];
  /** Deletes at the source what this external id stands for. */
  remove(externalId: string): void | Promise<void>;
  /** Adds a row where the source puts new ones; `changedAt` is when it changed and happened. */
  add?: (changedAt: Date) => void | Promise<void>;
  /** How late a row may be written and still be seen by the next pull of changes. */
  lateMs?: number;
  /** Gives the row of this external id once more. */
  repeat?: (externalId: string) => void | Promise<void>;
  /** Makes the source announce more than it has. */
  overstate?: () => void;
  /** Makes the source announce less than it has. */
  understate?: () => void;
  /** Makes the source give pages that are not full. */
  shorten?: () => void;
  /** Makes the source give another page for ever. */
  neverEnd?: () => void;
  /** Writes a local time without a zone, such as 2026-10-25T02:30:00, where the row of this external id says when it happened. */
  setLocal?: (externalId: string, local: string) => void | Promise<void>;
}

/** What of a bench a system may be unable to do. */
export type Ability =
  | "add"
  | "lateMs"
  | "repeat"
  | "overstate"
  | "understate"
  | "shorten"
  | "neverEnd"
  | "setLocal";

/** Short, so that a source that keeps a pull waiting costs no time. */
export const limits = {
  connectMs: 1000,
  headersMs: 5000,
  bodyMs: 5000,
  wholeMs: 1500,
  maxBytes: 4 * 2 ** 20,
};

/** A pull's input for a bench, with a credential cache as the collect job has one. */
export function inputOf(
  connector: Connector,
  bench: Bench,
  fetch: Fetch,
  changes: Partial<PullInput<unknown>> = {},
): PullInput<unknown> {
  let kept: Credential | undefined;
  return {
    settings: connector.settings.parse(bench.settings),
    connection: bench.connection,
    cursor: undefined,
    full: true,
    now: bench.now,
    fetch,
    messages: () => Promise.resolve([]),
    query: bench.query ?? (() => Promise.reject(new Error("this bench has no database"))),
    pseudonym: (text) => `hash of ${text}`,
    async credential(create, options) {
      if (kept === undefined || options?.renew === true || kept.expiresAt <= bench.now) kept = await create();
      return kept.value;
    },
    signal: new AbortController().signal,
    ...changes,
  };
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

export function idsOf(pages: Page[]): string[] {
  return factsOf(pages).map(({ externalId }) => externalId);
}

/** Which of these facts pages do not have. */
export function missingIn(wanted: string[], pages: Page[]): string[] {
  const there = new Set(idsOf(pages));
  return wanted.filter((id) => !there.has(id));
}

/** A cursor as Postgres gives it back. */
export function stored(page: Page | undefined): Json | undefined {
  return page === undefined ? undefined : (JSON.parse(JSON.stringify(page.cursor)) as Json);
}

/** As what cannot be relied on: it is tried again, or looked at. */
export function isRefused(error: SourceError | undefined): boolean {
  return error !== undefined && (error.class === "transient" || error.class === "data");
}

/** Either all of it, or a refusal: never less than all, and called complete. */
export function holdsAllOrRefuses(
  wanted: string[],
  { pages, error }: { pages: Page[]; error: SourceError | undefined },
): void {
  if (error !== undefined) {
    assert(isRefused(error), `it failed with ${error.class} instead of transient or data: ${error.message}`);
    return;
  }
  assert.deepEqual(missingIn(wanted, pages), [], "the pull returned, and these facts were missing");
}

/** A connector on its bench. */
export class Trial {
  readonly connector: Connector;
  readonly bench: Bench;
  readonly #fetcher: Fetcher;

  constructor(connector: Connector, bench: Bench) {
    this.connector = connector;
    this.bench = bench;
    this.#fetcher = openFetcher({ allowPrivate: [bench.server.host], userAgent: "standings-test", limits });
  }

  async close(): Promise<void> {
    await this.#fetcher.close();
    await this.bench.server.close();
  }

  input(changes: Partial<PullInput<unknown>> = {}): PullInput<unknown> {
    const fetch = this.#fetcher.fetchFor(changes.signal ?? new AbortController().signal);
    return inputOf(this.connector, this.bench, fetch, changes);
  }

  pages(changes: Partial<PullInput<unknown>> = {}): AsyncGenerator<Page> {
    return this.connector.pull(this.input(changes));
  }

  pull(changes: Partial<PullInput<unknown>> = {}): Promise<Page[]> {
    return pagesOf(this.pages(changes));
  }

  /** Pages up to the end, or up to the failure, which must be a SourceError without a secret. `onFirst`: before the second. */
  async pullSome(
    changes: Partial<PullInput<unknown>> = {},
    onFirst?: (page: Page) => Promise<void>,
  ): Promise<{ pages: Page[]; error: SourceError | undefined }> {
    const pages: Page[] = [];
    try {
      for await (const page of this.pages(changes)) {
        pages.push(page);
        if (pages.length === 1) await onFirst?.(page);
      }
    } catch (error) {
      if (!(error instanceof SourceError)) throw error;
      this.holdsNoSecret(error);
      return { pages, error };
    }
    return { pages, error: undefined };
  }

  /** How many requests a whole pull makes. */
  async requests(): Promise<number> {
    const before = this.bench.server.asked.length;
    await this.pull();
    return this.bench.server.asked.length - before;
  }

  /**
   * Pulls with the fault at each request in turn. Each must fail with a SourceError; `mayEnd`: or have everything, where it was
   * only asked whether there is more.
   */
  async failures(fault: Fault, { mayEnd = false } = {}): Promise<SourceError[]> {
    const all = idsOf(await this.pull());
    const requests = await this.requests();
    const errors: SourceError[] = [];
    for (let n = 1; n <= requests; n++) {
      this.bench.server.breakFrom(n, fault);
      const { pages, error } = await this.pullSome();
      const isWhole = mayEnd && missingIn(all, pages).length === 0;
      assert(error !== undefined || isWhole, `request ${n} of ${requests} failed and the pull returned`);
      if (error !== undefined) errors.push(error);
    }
    return errors;
  }

  holdsNoSecret(error: SourceError): void {
    const text = inspect(error, { depth: Number.POSITIVE_INFINITY, showHidden: true });
    for (const secret of this.bench.secrets) assert(!text.includes(secret), "an error holds a secret");
    assert(!error.message.includes("?"), `an error holds a query: ${error.message}`);
  }
}

export interface Case {
  /** What exceptions and documentation call it. */
  key: string;
  /** The sentence that is true where it passes. */
  title: string;
  /** What the bench must be able to do. */
  needs?: Ability;
  /** It breaks HTTP: a connector that asks something else has no part in it. */
  isHttp?: true;
  /** Throws where the connector does not conform. */
  run(trial: Trial): Promise<void>;
}
