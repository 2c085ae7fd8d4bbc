// The only HTTP client: time and size limits, no way into private networks, redirects by hand, failures classified.
// It never retries and never waits: retry lives in the runtime of the jobs, and undici's own cuts Retry-After to 30 s.
import { Agent, buildConnector, request } from "undici";
import { SourceError } from "../errors.ts";
import { describe, type FetchResponse, refusal } from "./answers.ts";
import { readBody } from "./body.ts";
import { parseUrl, portOf, toGuard } from "./guard.ts";

export interface FetchRequest {
  /** http or https, without a user or password in it. */
  url: string;
  method?: "GET" | "POST" | undefined;
  /** Dropped, all but `accept`, when a redirect leaves the origin. */
  headers?: Record<string, string> | undefined;
  /** Never sent to another origin than the URL's. */
  body?: string | undefined;
  /** What the body must be: HTML where data was expected is an error, never zero rows. */
  expect: "json" | "csv" | "text";
}

/**
 * Throws SourceError for everything but a 2xx answer of the expected kind, unless `accept` says otherwise: `auth` 401, 403;
 * `quota` 429; `transient` 408, 425, 5xx, time-outs, broken connections, short bodies and web pages where data was expected;
 * `config` a refused address, other 3xx and 4xx; `data` too large a body. Throws the signal's reason when it is aborted.
 */
export type Fetch = (
  request: FetchRequest & { accept?: (response: FetchResponse) => boolean },
) => Promise<FetchResponse>;

export interface FetchLimits {
  connectMs: number;
  /** Until the first byte of the answer. */
  headersMs: number;
  /** Between two pieces of the body. */
  bodyMs: number;
  /** From the first request to the last byte, redirects included. */
  wholeMs: number;
  /** Of a body, before and after inflation. */
  maxBytes: number;
  redirects: number;
}

const LIMITS: FetchLimits = {
  connectMs: 10_000,
  headersMs: 60_000,
  bodyMs: 30_000,
  wholeMs: 120_000,
  maxBytes: 32 * 2 ** 20,
  redirects: 5,
};

export interface Fetcher {
  /** A fetch that stops with the signal. */
  fetchFor(signal: AbortSignal): Fetch;
  /** Breaks off what still runs. */
  close(): Promise<void>;
}

/** Opens the client. `allowPrivate`: hosts, host:port pairs or CIDR ranges that may be called although they are private. */
export function openFetcher(options: {
  allowPrivate: string[];
  userAgent: string;
  limits?: Partial<FetchLimits>;
}): Fetcher {
  const limits = { ...LIMITS, ...options.limits };
  const guard = toGuard(options.allowPrivate);
  const agent = new Agent({
    // A connector for each connection, because only here the port is known to the lookup.
    connect: (target, callback) => {
      buildConnector({ timeout: limits.connectMs, lookup: guard.lookup(portOf(target)) })(target, callback);
    },
    headersTimeout: limits.headersMs,
    bodyTimeout: limits.bodyMs,
  });

  async function send(
    hop: FetchRequest,
    url: URL,
    where: string,
    signal: AbortSignal,
  ): Promise<FetchResponse> {
    const response = await request(url, {
      method: hop.method ?? "GET",
      headers: {
        accept: hop.expect === "json" ? "application/json" : "*/*",
        "accept-encoding": "gzip, deflate, br",
        "user-agent": options.userAgent,
        ...hop.headers,
      },
      body: hop.body ?? null,
      dispatcher: agent,
      signal,
    });
    const headers = joinHeaders(response.headers);
    const status = response.statusCode;
    const reading = readBody(response.body, headers, { maxBytes: limits.maxBytes, where });
    // The status of a failure counts for more than the body it came with.
    const text = await (status < 300 ? reading : reading.catch(() => ""));
    signal.throwIfAborted();
    return { status, headers, text };
  }

  return {
    fetchFor: (signal) => async (asked) => {
      const deadline = AbortSignal.timeout(limits.wholeMs);
      const stop = AbortSignal.any([signal, deadline]);
      let hop: FetchRequest = asked;
      for (let hops = 0; ; hops++) {
        const url = toUrl(hop.url);
        guard.check(url);
        const where = describe(hop.method ?? "GET", url);
        const answer = await send(hop, url, where, stop).catch((error: unknown) => {
          signal.throwIfAborted();
          if (deadline.aborted)
            throw new SourceError("transient", `${where} took longer than ${limits.wholeMs / 1000} s`);
          throw error instanceof SourceError ? error : broken(error, where);
        });
        if (asked.accept?.(answer) === true) return answer;
        if (![301, 302, 303, 307, 308].includes(answer.status)) {
          const error = refusal(answer, asked.expect, where);
          if (error === undefined) return answer;
          throw error;
        }
        if (hops === limits.redirects) {
          throw new SourceError("config", `${where} was redirected more than ${limits.redirects} times`);
        }
        hop = follow(hop, url, answer, where);
      }
    },
    close: () => agent.destroy(),
  };
}

function toUrl(text: string): URL {
  const url = parseUrl(text);
  // The text may hold a credential, so it is not quoted.
  if (url === undefined) throw new SourceError("config", "the address of the source is not a URL");
  return url;
}

/** The request a redirect asks for. Throws a SourceError (config) where following it would be unsafe. */
function follow(hop: FetchRequest, from: URL, answer: FetchResponse, where: string): FetchRequest {
  const location = answer.headers["location"];
  const to = location === undefined ? undefined : parseUrl(location, from);
  const refuse = (why: string) =>
    new SourceError("config", `${where} redirects ${why}`, { status: answer.status });
  if (to === undefined) throw refuse("to nowhere");
  if (from.protocol === "https:" && to.protocol === "http:") throw refuse("from https to http");
  const keepsBody = answer.status === 307 || answer.status === 308 || hop.method !== "POST";
  const next: FetchRequest = keepsBody
    ? { ...hop, url: to.href }
    : { url: to.href, headers: hop.headers, expect: hop.expect };
  if (to.origin === from.origin) return next;
  if (next.body !== undefined) throw refuse(`a body to ${to.host}; set that address as the source's url`);
  const accept = hop.headers?.["accept"];
  return { ...next, headers: accept === undefined ? {} : { accept } };
}

function joinHeaders(headers: Record<string, string | string[] | undefined>): Record<string, string> {
  return Object.fromEntries(
    Object.entries(headers).map(([name, value]) => [
      name.toLowerCase(),
      Array.isArray(value) ? value.join(", ") : (value ?? ""),
    ]),
  );
}

const FAILURES: Record<string, string> = {
  ECONNREFUSED: "the connection was refused",
  ENOTFOUND: "the host was not found",
  EAI_AGAIN: "the host could not be looked up",
  UND_ERR_CONNECT_TIMEOUT: "no connection in time",
  UND_ERR_HEADERS_TIMEOUT: "no answer in time",
  UND_ERR_BODY_TIMEOUT: "the answer stopped half-way",
  UND_ERR_SOCKET: "the connection broke off",
};

/** undici's errors are no cause to keep: a parser error carries the raw answer, which may echo a credential. */
function broken(error: unknown, where: string): SourceError {
  const { code = "unknown error" } = error as NodeJS.ErrnoException;
  if (code === "UND_ERR_INVALID_ARG") {
    return new SourceError(
      "auth",
      `${where} cannot be sent: the credential holds characters a header cannot`,
    );
  }
  return new SourceError("transient", `${where} failed: ${FAILURES[code] ?? code}`);
}
