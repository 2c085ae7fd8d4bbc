// Where an answer leads: a redirect, or the next page. Both come from the source, so neither may take a credential away.
import { SourceError } from "../../platform/errors.ts";
import type { FetchResponse } from "./answers.ts";
import { parseUrl } from "./guard.ts";

/** What of a request a redirect changes. */
interface Hop {
  url: string;
  method?: "GET" | "POST" | undefined;
  headers?: Record<string, string> | undefined;
  body?: string | undefined;
}

/** Those that have a Location to follow. */
export function isRedirect(status: number): boolean {
  return [301, 302, 303, 307, 308].includes(status);
}

/**
 * The request a redirect asks for. Another origin (scheme, host and port) gets no header but `accept`, and no body. A POST
 * becomes a GET under 301, 302 and 303. Throws a SourceError (config) where following it would be unsafe.
 */
export function toRedirected<Request extends Hop>(
  hop: Request,
  from: URL,
  answer: FetchResponse,
  where: string,
): Request {
  const location = answer.headers["location"];
  const to = location === undefined ? undefined : parseUrl(location, from);
  const refuse = (why: string) =>
    new SourceError("config", `${where} redirects ${why}`, { status: answer.status });
  if (to === undefined) throw refuse("to nowhere");
  if (from.protocol === "https:" && to.protocol === "http:") throw refuse("from https to http");
  const keepsBody = answer.status === 307 || answer.status === 308 || hop.method !== "POST";
  const next: Request = keepsBody
    ? { ...hop, url: to.href }
    : { ...hop, url: to.href, method: "GET", body: undefined, headers: withoutBody(hop.headers) };
  if (to.origin === from.origin) return next;
  if (next.body !== undefined) throw refuse(`a body to ${to.host}; set that address as the source's url`);
  const accept = Object.entries(hop.headers ?? {}).filter(([name]) => name.toLowerCase() === "accept");
  return { ...next, headers: Object.fromEntries(accept) };
}

/** A body that is not sent has no type. */
function withoutBody(headers: Record<string, string> = {}): Record<string, string> {
  return Object.fromEntries(
    Object.entries(headers).filter(([name]) => !name.toLowerCase().startsWith("content-")),
  );
}

/**
 * The address of a next page that an answer names, relative or whole. It must stay on the origin the source is configured
 * with (`base`), where its credential belongs. Throws a SourceError (data) otherwise; `where` begins the message.
 */
export function toNextUrl(link: string, base: string, where: string): string {
  const next = parseUrl(link, new URL(base));
  if (next === undefined) throw new SourceError("data", `${where} goes on at an address that is none`);
  if (next.origin !== new URL(base).origin || next.username !== "" || next.password !== "") {
    throw new SourceError("data", `${where} goes on at another host`);
  }
  next.hash = "";
  return next.href;
}
