// A request as the sandbox's systems see it, and what they answer: plain values, so that they can be asked without HTTP.
import { createHash } from "node:crypto";

export interface Question {
  method: string;
  /** Without the query and without the system's own prefix; no slash at either end. */
  path: string;
  query: URLSearchParams;
  /** Lower-case names. */
  headers: Record<string, string | undefined>;
  body: string;
  /** Of the system that is asked, for links ("http://127.0.0.1:4640/blog"). */
  base: string;
}

export interface Answer {
  status: number;
  headers: Record<string, string>;
  body: string;
}

export function json(value: unknown, status = 200, headers: Record<string, string> = {}): Answer {
  return {
    status,
    headers: { "content-type": "application/json; charset=utf-8", ...headers },
    body: JSON.stringify(value),
  };
}

export function html(title: string, status: number, headers: Record<string, string> = {}): Answer {
  const body = `<!DOCTYPE html><html><head><title>${title}</title></head><body><h1>${title}</h1></body></html>`;
  return { status, headers: { "content-type": "text/html; charset=utf-8", ...headers }, body };
}

export function text(body: string, status = 200, type = "text/plain"): Answer {
  return { status, headers: { "content-type": `${type}; charset=utf-8` }, body };
}

/** The answer under a name of its content, or 304 where that is what the asker has already. */
export function unlessKnown({ headers }: Question, answer: Answer): Answer {
  const etag = `"${createHash("sha256").update(answer.body).digest("base64url").slice(0, 22)}"`;
  if (headers["if-none-match"] === etag) return { status: 304, headers: { etag }, body: "" };
  return { ...answer, headers: { ...answer.headers, etag } };
}
