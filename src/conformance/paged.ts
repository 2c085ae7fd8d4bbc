// A listing as a system would give it, page by page, in the words of the document: the mirror image of connectors/http/paging.ts.
import type { Paging, Total } from "../connectors/http/request-schema.ts";
import { toText, valueAt } from "../connectors/http/templates.ts";
import { type Answer, type Asked, json } from "./server.ts";

/** What is behind one recorded answer. */
export interface Holding {
  /** The recorded answer: what a page says besides its rows. */
  envelope: unknown;
  rows: unknown[];
  /** Of a page. */
  size: number;
  /** So many rows more are announced than there are; less than 0: fewer. */
  overstatedBy: number;
  isShort: boolean;
  isEndless: boolean;
}

/** What of the document says how the listing is asked for. */
export interface Listed {
  records: string | undefined;
  paging: Paging;
  total: Total | undefined;
}

const FROM = "standings-from";

export function toPage(listed: Listed, holding: Holding, rows: unknown[], asked: Asked): Answer {
  const { paging, records, total } = listed;
  const full = paging.type === "none" ? rows.length : holding.size;
  const size = holding.isShort ? Math.max(1, Math.floor(full / 2)) : full;
  const from = fromOf(paging, asked, { rows, size: full });
  const shown = holding.isEndless ? rows.slice(0, size) : rows.slice(from, from + size);
  const isOver = !holding.isEndless && from + size >= rows.length && holding.overstatedBy <= 0;
  const next = isOver ? undefined : from + size;
  const declared = Math.max(0, holding.isEndless ? from + 3 * size : rows.length + holding.overstatedBy);
  let body = withRows(holding.envelope, records, shown);
  const headers: Record<string, string> = {};
  if (typeof total === "object" && "header" in total) headers[total.header.toLowerCase()] = String(declared);
  else if (total !== undefined) {
    const { path, counts } = typeof total === "string" ? { path: total, counts: "all" } : total;
    body = withValue(body, path, counts === "rest" ? Math.max(0, declared - from) : declared);
  }
  if ("more" in paging && paging.more !== undefined) body = withValue(body, paging.more, next !== undefined);
  if (paging.type === "page" && paging["last-page"] !== undefined)
    body = withValue(body, paging["last-page"], Math.max(1, Math.ceil(declared / full)));
  if (paging.type === "cursor")
    body = withValue(body, paging.next, next === undefined ? null : `from-${next}`);
  if (paging.type === "next-url")
    body = withValue(body, paging.next, next === undefined ? null : addressOf(asked, next));
  if (paging.type === "link-header" && next !== undefined)
    headers["link"] = `<${addressOf(asked, next)}>; rel="${paging.rel}"`;
  return json(body, headers);
}

/** The position of the first row that is asked for. */
function fromOf(paging: Paging, asked: Asked, { rows, size }: { rows: unknown[]; size: number }): number {
  if (paging.type === "none") return 0;
  if (paging.type === "link-header" || paging.type === "next-url") return Number(asked.query.get(FROM) ?? 0);
  const cursor =
    paging.in === "query"
      ? (asked.query.get(paging.parameter) ?? "")
      : toText(valueAt({ "": parsed(asked.body) }, paging.parameter));
  switch (paging.type) {
    case "page":
      return (Number(cursor === "" ? paging.first : cursor) - paging.first) * size;
    case "offset":
      return Number(cursor);
    case "cursor":
      return Number(cursor.replace("from-", ""));
    case "keyset": {
      if (cursor === "") return 0;
      const place = rows.findIndex((row) => toText(valueAt({ "": row }, paging.field)) === cursor);
      return place + (paging.inclusive ? 0 : 1);
    }
  }
}

function addressOf({ path, query }: Asked, from: number): string {
  const next = new URLSearchParams(query);
  next.set(FROM, String(from));
  return `${path}?${next.toString()}`;
}

function parsed(text: string): unknown {
  try {
    return JSON.parse(text);
  } catch {
    return undefined;
  }
}

export function withRows(envelope: unknown, records: string | undefined, rows: unknown[]): unknown {
  return records === undefined ? rows : withValue(envelope, records, rows);
}

/** A tree with another value at a path. */
export function withValue(tree: unknown, path: string, value: unknown): unknown {
  const set = (holder: unknown, [step = "", ...rest]: string[]): unknown => {
    const inner = typeof holder === "object" && holder !== null ? (holder as Record<string, unknown>) : {};
    return { ...inner, [step]: rest.length === 0 ? value : set(inner[step], rest) };
  };
  return set(tree, path.split("."));
}
