// One request of a document, with its credential, and what its answer means.
import { z } from "zod";
import { SourceError } from "../../platform/errors.ts";
import { describe, type FetchResponse, quote, readJson, refusal } from "../client/answers.ts";
import { parseUrl } from "../client/guard.ts";
import { allow, isRenewable } from "./auth.ts";
import { holds } from "./conditions.ts";
import type { Request } from "./request-schema.ts";
import type { AnswerConditions, ErrorRule } from "./schema.ts";
import { type Session, secretTexts } from "./session.ts";
import { fillTree, fillWhole, type Scope, toText, valueAt } from "./templates.ts";

/** A request ready to be sent, save for its credential. */
export interface Ask {
  method: "GET" | "POST";
  url: URL;
  headers: Record<string, string>;
  body: Record<string, unknown> | undefined;
}

export interface Answer {
  /** The JSON; what paths of the answer lead into is { "": body }. */
  body: unknown;
  headers: Record<string, string>;
}

/** The place in the listing means nothing any more (a paging token that has expired). */
export class BeginAgainError extends SourceError {}

export function toAsk(session: Session, request: Request, scope: Scope): Ask {
  const url = new URL(
    session.base.href.replace(/\/$/, "") + fillWhole(request.path, scope, encodeURIComponent),
  );
  // A path may not climb out of the document's url, nor to another host.
  assertSameOrigin(session, url, "a path");
  for (const [name, value] of Object.entries(request.query)) {
    url.searchParams.set(name, typeof value === "string" ? fillWhole(value, scope) : String(value));
  }
  const headers = { ...session.document.headers, ...request.headers };
  return {
    method: request.method,
    url,
    headers: Object.fromEntries(
      Object.entries(headers).map(([name, text]) => [name.toLowerCase(), fillWhole(text, scope)]),
    ),
    body: request.body === undefined ? undefined : (fillTree(request.body, scope) as Record<string, unknown>),
  };
}

/** An address a source names (a paging link) as an Ask like the one before. Throws a SourceError (data) for another origin. */
export function followLink(session: Session, before: Ask, link: string): Ask {
  const url = parseUrl(link, before.url);
  if (url === undefined)
    throw new SourceError("data", `${placeOf(before)} names a next page that is no address`);
  assertSameOrigin(session, url, describe(before.method, before.url));
  return { ...before, url };
}

function assertSameOrigin({ base }: Session, url: URL, what: string): void {
  if (url.origin !== base.origin || url.username !== "") {
    throw new SourceError("data", `${what} leads to another host, ${url.host}; the secret would go there`);
  }
}

/** "GET api.example.com/v2/items": the beginning of messages. */
export function placeOf({ method, url }: Ask): string {
  return describe(method, url);
}

/**
 * Sends it and reads the JSON of the answer. A credential that is refused is renewed once. `ends`: an error that is no error;
 * its answer is undefined. Throws a SourceError as the document's rules say, else by status; BeginAgainError where a rule
 * says so.
 */
export async function callSystem(
  session: Session,
  ask: Ask,
  ends?: AnswerConditions,
): Promise<Answer | undefined> {
  let failure = await send(session, ask, { renew: false, ends });
  if (failure instanceof SourceError && failure.class === "auth" && isRenewable(session.document.auth)) {
    failure = await send(session, ask, { renew: true, ends });
  }
  if (failure instanceof SourceError) throw failure;
  return failure;
}

async function send(
  session: Session,
  ask: Ask,
  { renew, ends }: { renew: boolean; ends: AnswerConditions | undefined },
): Promise<Answer | SourceError | undefined> {
  const { document, input } = session;
  const allowance = await allow(session, { renew });
  const url = new URL(ask.url);
  for (const [name, value] of Object.entries(allowance.query)) url.searchParams.set(name, value);
  const answer = await input.fetch({
    url: url.href,
    method: ask.method,
    headers: {
      ...ask.headers,
      ...(ask.body === undefined ? {} : { "content-type": "application/json" }),
      ...allowance.headers,
    },
    body: ask.body === undefined ? undefined : JSON.stringify(ask.body),
    expect: "json",
    accept: ({ status }) => status >= 400,
  });
  const where = placeOf(ask);
  if (ends !== undefined && fits(ends, answer)) return undefined;
  const rule = document.errors.find(({ when }) => fits(when, answer));
  const refused = refusal(answer, "json", where);
  if (rule === undefined && refused === undefined)
    return { body: readJson(answer, z.unknown(), where), headers: answer.headers };
  const detail = sayingOf(answer, document["error-message"], secretTexts(session, allowance.hidden));
  const message = `${where} answered ${answer.status}${detail === "" ? "" : `: ${detail}`}`;
  const details = {
    status: answer.status,
    retryAfterMs: waitOf(rule, answer, session) ?? refused?.retryAfterMs,
  };
  const kind = rule?.class ?? refused?.class ?? "data";
  return rule?.["begin-again"] === true
    ? new BeginAgainError(kind, message, details)
    : new SourceError(kind, message, details);
}

/** Whether an answer is the one meant. Without a status: any. */
function fits(
  { status, body, json, "content-type": type }: AnswerConditions,
  answer: FetchResponse,
): boolean {
  if (status !== undefined && ![status].flat().includes(answer.status)) return false;
  if (
    type !== undefined &&
    !(answer.headers["content-type"] ?? "").toLowerCase().startsWith(type.toLowerCase())
  )
    return false;
  if (json !== undefined && (parsed(answer.text) !== undefined) !== json) return false;
  return body === undefined || holds(body, { "": parsed(answer.text) });
}

function parsed(text: string): unknown {
  try {
    return JSON.parse(text);
  } catch {
    return undefined;
  }
}

function sayingOf(answer: FetchResponse, path: string | undefined, hidden: string[]): string {
  if (path === undefined) return "";
  return quote(toText(valueAt({ "": parsed(answer.text) }, path)), hidden);
}

const MAX_WAIT_MS = 24 * 3_600_000;

function waitOf(rule: ErrorRule | undefined, answer: FetchResponse, session: Session): number | undefined {
  const wait = rule?.wait;
  if (wait === undefined || typeof wait === "number") return wait;
  const text = answer.headers[wait.header.toLowerCase()]?.trim() ?? "";
  const now = Date.parse(answer.headers["date"] ?? "") || session.at().getTime();
  const number = /^\d+(\.\d+)?$/.test(text) ? Number(text) : Number.NaN;
  const ms = {
    seconds: number * 1000,
    milliseconds: number,
    unix: number * 1000 - now,
    date: Date.parse(text) - now,
  }[wait.unit];
  return Number.isNaN(ms) ? undefined : Math.ceil(Math.min(Math.max(ms, 0), MAX_WAIT_MS));
}
