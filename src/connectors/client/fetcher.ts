// The only HTTP client: time and size limits, no way into private networks, redirects by hand, failures classified.
// It never retries and never waits: the runtime of the jobs retries, and undici's own retry cuts Retry-After to 30 s.
import { SourceError } from "../../platform/errors.ts";
import { describe, type Expectation, type FetchResponse, refusal, retryAfterMs } from "./answers.ts";
import { ENCODINGS, readBody } from "./body.ts";
import type { Gate } from "./gate.ts";
import { parseUrl, type Resolve, toGuard } from "./guard.ts";
import { isRedirect, toRedirected } from "./redirects.ts";
import type { Transport } from "./transport.ts";
import { toConditions, toValidators, type ValidatorMemory } from "./validators.ts";

export interface FetchRequest {
  /** http or https, without a user or password in it. */
  url: string;
  method?: "GET" | "POST" | undefined;
  /** Dropped, all but `accept`, when a redirect leaves the origin. */
  headers?: Record<string, string> | undefined;
  /** Never sent to another origin than the URL's. */
  body?: string | undefined;
  /** What the body must be: HTML where data was expected is an error, never zero rows. */
  expect: Expectation;
  /**
   * Only if it has changed since the last complete listing: then the answer may be a 304, without a body. For a GET of the one
   * document a whole pull consists of; a pull that asks for anything else is asked anew the next time.
   */
  conditional?: true | undefined;
  /** How long an answer that was refused asks us to wait, in milliseconds, where Retry-After does not say it. */
  waitMs?: ((response: FetchResponse) => number | undefined) | undefined;
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

/** What one pull, or check, brings along. */
interface FetchParts {
  /** The rate limit of the credential; without one, requests are not limited. */
  gate?: Gate | undefined;
  /** For conditional requests; without one, there are none. */
  validators?: ValidatorMemory | undefined;
  /** Masked where a URL's path, and so a message, holds it. */
  secret?: string | undefined;
}

export interface Fetcher {
  /** A fetch that stops with the signal. */
  fetchFor(signal: AbortSignal, parts?: FetchParts): Fetch;
  /** Breaks off what still runs. */
  close(): Promise<void>;
}

const ACCEPTED: Record<Expectation, string> = {
  json: "application/json",
  csv: "text/csv, */*;q=0.5",
  xml: "application/xml, application/rss+xml, application/atom+xml, */*;q=0.5",
  calendar: "text/calendar, */*;q=0.5",
  html: "text/html, application/xhtml+xml, */*;q=0.5",
  text: "*/*",
};

/**
 * Opens the client. `allowPrivate`: hosts, host:port pairs or CIDR ranges that may be called although they are private.
 * `resolve`: who knows what names stand for, the system's resolver where none is given.
 */
export function openFetcher(options: {
  allowPrivate: string[];
  userAgent: string;
  limits?: Partial<FetchLimits>;
  resolve?: Resolve;
}): Fetcher {
  const limits = { ...LIMITS, ...options.limits };
  const guard = toGuard(options.allowPrivate, options.resolve);
  let opening: Promise<Transport> | undefined;
  const openOnce = () => {
    opening ??= import("./transport.ts").then(({ openTransport }) => openTransport(limits, guard));
    return opening;
  };

  /** One request and its whole answer. Throws what undici throws, or the SourceError of a body. */
  async function send(
    hop: FetchRequest,
    url: URL,
    where: string,
    signal: AbortSignal,
  ): Promise<FetchResponse> {
    const transport = await openOnce();
    const response = await transport.request(url, {
      method: hop.method ?? "GET",
      headers: {
        accept: ACCEPTED[hop.expect],
        "accept-encoding": ENCODINGS,
        "user-agent": options.userAgent,
        ...hop.headers,
      },
      body: hop.body ?? null,
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
    fetchFor:
      (signal, parts = {}) =>
      async (asked) => {
        const deadline = AbortSignal.timeout(limits.wholeMs);
        const stop = AbortSignal.any([signal, deadline]);
        let hop: FetchRequest = asked;
        for (let hops = 0; ; hops++) {
          const url = toUrl(hop.url);
          guard.check(url);
          const where = masked(describe(hop.method ?? "GET", url), parts.secret);
          const known = isConditional(hop) ? parts.validators?.read(url.href) : undefined;
          const sent =
            known === undefined ? hop : { ...hop, headers: { ...hop.headers, ...toConditions(known) } };
          const leave = await parts.gate?.enter(url.host, signal);
          let waitMs: number | undefined;
          const answer = await send(sent, url, where, stop)
            .then((came) => {
              if (came.status >= 400) waitMs = hop.waitMs?.(came) ?? retryAfterMs(came.headers);
              return came;
            })
            .catch((error: unknown) => {
              signal.throwIfAborted();
              if (deadline.aborted)
                throw new SourceError("transient", `${where} took longer than ${limits.wholeMs / 1000} s`);
              throw error instanceof SourceError ? error : broken(error, where);
            })
            .finally(() => leave?.(waitMs));
          if (known !== undefined && answer.status === 304) return answer;
          if (!isRedirect(answer.status))
            parts.validators?.note(url.href, isConditional(hop) ? toValidators(answer.headers) : undefined);
          if (asked.accept?.(answer) === true) return answer;
          if (!isRedirect(answer.status)) {
            const error = refusal(answer, asked.expect, where, waitMs);
            if (error === undefined) return answer;
            throw error;
          }
          if (hops === limits.redirects) {
            throw new SourceError("config", `${where} was redirected more than ${limits.redirects} times`);
          }
          hop = toRedirected(hop, url, answer, where);
        }
      },
    close: async () => (await opening)?.close(),
  };
}

function toUrl(text: string): URL {
  const url = parseUrl(text);
  // The text may hold a credential, so it is not quoted.
  if (url === undefined) throw new SourceError("config", "the address of the source is not a URL");
  return url;
}

function isConditional({ conditional, method }: FetchRequest): boolean {
  return conditional === true && method !== "POST";
}

/** Some addresses are secrets themselves. One of a few characters would mask words. */
function masked(where: string, secret: string | undefined): string {
  if (secret === undefined || secret.length < 6) return where;
  return where.replaceAll(encodeURIComponent(secret), "***").replaceAll(secret, "***");
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
  ECONNRESET: "the connection broke off",
  EHOSTUNREACH: "the host is out of reach",
  ENETUNREACH: "the host is out of reach",
  UND_ERR_HEADERS_OVERFLOW: "the headers of the answer are too large",
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
