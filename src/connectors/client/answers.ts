// What an answer means: which class of failure a status is, how long it asks us to wait, what its JSON holds.
import type { z } from "zod";
import { SourceError, type SourceErrorClass } from "../../platform/errors.ts";

export interface FetchResponse {
  status: number;
  /** Lower-case names; repeated headers joined with ", ". */
  headers: Record<string, string>;
  /** Inflated and decoded as UTF-8, without a byte order mark. */
  text: string;
}

/** What a body must be. */
export type Expectation = "json" | "csv" | "xml" | "calendar" | "html" | "text";

/** No source makes us wait longer before we ask it again. */
const MAX_WAIT_MS = 24 * 3_600_000;

/** "GET api.example.com/v4/consumption": what messages say about a request. Never its query string. */
export function describe(method: string, url: URL): string {
  return `${method} ${url.host}${url.pathname}`;
}

/**
 * The error an answer is, or undefined where it is what was asked for. A page (HTML, XML) where data was expected is
 * `transient` under every status but the telling ones: a maintenance page or a balancer's excuse also comes as 200, it
 * goes away by itself, and it must never be read as "no rows". `waitMs`: how long the answer asks us to wait.
 */
export function refusal(
  answer: FetchResponse,
  expect: Expectation,
  where: string,
  waitMs = retryAfterMs(answer.headers),
): SourceError | undefined {
  const { status } = answer;
  const details = { status, retryAfterMs: waitMs };
  if (status < 200 || status >= 300) {
    return new SourceError(classOf(status), `${where} answered ${status}`, details);
  }
  if (isExpected[expect](answer.text)) return undefined;
  const came = isPage(answer.text) ? "a web page" : "something else";
  const message = `${where} answered with ${came} where ${NAMES[expect]} was expected`;
  return new SourceError("transient", message, details);
}

const NAMES: Record<Expectation, string> = {
  json: "JSON",
  csv: "CSV",
  xml: "XML",
  calendar: "a calendar",
  html: "a web page",
  text: "text",
};

const isExpected: Record<Expectation, (text: string) => boolean> = {
  json: (text) => !isMarkup(text),
  csv: (text) => !isMarkup(text),
  xml: (text) => isMarkup(text) && !isPage(text),
  calendar: (text) => /^\s*BEGIN:VCALENDAR/i.test(text),
  // A page may begin with anything; one with nothing in it is none.
  html: (text) => text.trim() !== "",
  text: () => true,
};

/** HTML, or XML for browsers; what stands before its first element is passed over. */
function isPage(text: string): boolean {
  const begin = text.slice(0, 5000).replace(/^(\s|<\?[^>]*>|<!--[\s\S]*?-->)*/, "");
  return /^<(!doctype\s+html|html|head|body)\b/i.test(begin);
}

function classOf(status: number): SourceErrorClass {
  if (status === 401 || status === 403) return "auth";
  if (status === 429) return "quota";
  if (status === 408 || status === 425 || status >= 500) return "transient";
  // 404, 410, and requests the source does not understand: the settings or its API changed, a person must look.
  return "config";
}

/** No JSON and no table begins with "<". The content type is no help: many systems send JSON as text/html. */
export function isMarkup(text: string): boolean {
  return /^\s*</.test(text);
}

/** Retry-After in milliseconds, whole, 0 to 24 hours; seconds or an HTTP date (RFC 9110, 10.2.3), measured by the source's clock. */
export function retryAfterMs(headers: Record<string, string>): number | undefined {
  const value = headers["retry-after"]?.trim();
  if (value === undefined || value === "") return undefined;
  const sourceNow = Date.parse(headers["date"] ?? "");
  const ms = /^\d+(\.\d+)?$/.test(value)
    ? Number(value) * 1000
    : Date.parse(value) - (Number.isNaN(sourceNow) ? Date.now() : sourceNow);
  return Number.isNaN(ms) ? undefined : Math.ceil(Math.min(Math.max(ms, 0), MAX_WAIT_MS));
}

/**
 * The JSON of an answer, checked. Throws a SourceError: `transient` when it is no whole JSON document (cut off on its way),
 * `data` with the first place that is not as agreed.
 */
export function readJson<Schema extends z.ZodType>(
  answer: FetchResponse,
  schema: Schema,
  where: string,
): z.output<Schema> {
  let document: unknown;
  try {
    document = JSON.parse(answer.text);
  } catch {
    // The parser's message quotes the text, which may be a credential: it is no cause to keep.
    throw new SourceError("transient", `${where} answered with incomplete or broken JSON`, {
      status: answer.status,
    });
  }
  const checked = schema.safeParse(document);
  if (checked.success) return checked.data;
  const [issue] = checked.error.issues;
  const place =
    issue === undefined || issue.path.length === 0 ? "" : ` at ${issue.path.map(String).join(".")}`;
  throw new SourceError(
    "data",
    `${where} answered with other data than agreed${place}: ${issue?.message ?? ""}`,
    {
      status: answer.status,
    },
  );
}

/** What a source says in its own words, fit for a message: one line, at most 200 characters, without the secrets. */
export function quote(words: string, secrets: (string | undefined)[] = []): string {
  let text = words;
  for (const secret of secrets)
    if (secret !== undefined && secret !== "") text = text.replaceAll(secret, "***");
  // biome-ignore lint/suspicious/noControlCharactersInRegex: those are what must not reach a log line or Postgres
  text = text.replace(/[\u0000-\u001f\u007f]+|\p{Surrogate}/gu, " ").trim();
  return text.length > 200 ? `${text.slice(0, 199)}…` : text;
}
