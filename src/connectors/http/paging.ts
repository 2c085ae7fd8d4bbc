// How a listing goes on: where its first page is, what a page's place does to the request, and which place comes after it.
import { SourceError } from "../../platform/errors.ts";
import { type Answer, type Ask, followLink, placeOf } from "./call.ts";
import type { Paging } from "./request-schema.ts";
import type { Session } from "./session.ts";
import { toText, valueAt } from "./templates.ts";

/** A page's number, an offset, a token, an address; null: the first page of a listing that has no name for it. */
export type Place = string | number | null;

export function firstPlace(paging: Paging): Place {
  if (paging.type === "page") return paging.first;
  return paging.type === "offset" ? 0 : null;
}

/** The request of a page. */
export function atPlace(session: Session, ask: Ask, paging: Paging, place: Place): Ask {
  if (place === null || paging.type === "none") return ask;
  if (paging.type === "link-header" || paging.type === "next-url")
    return followLink(session, ask, String(place));
  if (paging.in === "body")
    return { ...ask, body: withValue(ask.body ?? {}, paging.parameter.split("."), place) };
  const url = new URL(ask.url);
  url.searchParams.set(paging.parameter, String(place));
  return { ...ask, url };
}

export interface SeenPage {
  place: Place;
  answer: Answer;
  rows: unknown[];
  /** Rows of this listing so far, these included. */
  position: number;
  /** How many rows the listing has, where the source says so. */
  declared: number | undefined;
  /** Pages of this listing so far, this one included. */
  pages: number;
}

/** The place after a page; undefined where that was the last one. Throws a SourceError (data) where the source contradicts itself. */
export function placeAfter(paging: Paging, page: SeenPage, ask: Ask): Place | undefined {
  if (paging.type === "none") return undefined;
  if (paging.type === "link-header") return nextLink(page.answer.headers["link"] ?? "", paging.rel);
  const scope = { "": page.answer.body };
  const more = paging.more === undefined ? undefined : isTrue(valueAt(scope, paging.more));
  if (more === false) return undefined;
  if (paging.type === "cursor" || paging.type === "next-url") {
    const next = valueAt(scope, paging.next);
    if (typeof next === "string" || typeof next === "number") return next === "" ? undefined : next;
    if (more === true)
      throw new SourceError(
        "data",
        `${placeOf(ask)} says that there is more, and not where: no ${paging.next}`,
      );
    return undefined;
  }
  if (paging.type === "keyset") return placeAfterRow(paging, page, ask);
  const next = paging.type === "page" ? Number(page.place) + 1 : page.position;
  if (more === true) return next;
  const lastPage =
    paging.type === "page" && paging["last-page"] !== undefined
      ? toText(valueAt(scope, paging["last-page"]))
      : "";
  const hasCome = page.declared !== undefined && page.position >= page.declared;
  // Everything declared has come, which may be a lie. What contradicts it is refused.
  if (hasCome && isFull(page, ask)) return next;
  if (lastPage !== "") return Number(page.place) < Number(lastPage) ? next : undefined;
  // Without any of these a page that is not full means nothing (a source may give fewer than it was asked for): the end is an empty one.
  return hasCome || page.rows.length === 0 ? undefined : next;
}

/**
 * Whether a page is as full as pages are: as the ones before it, or as the request asks for. Then there may be another one after
 * it, whatever the source declares: some call the rows of a page their total.
 */
function isFull({ rows, position, pages }: SeenPage, { url, body }: Ask): boolean {
  if (rows.length === 0) return false;
  if (pages > 1) return position === rows.length * pages;
  const asked = [...url.searchParams.values(), ...Object.values(body ?? {}).map(toText)];
  return asked.includes(String(rows.length));
}

function placeAfterRow(
  paging: Extract<Paging, { type: "keyset" }>,
  page: SeenPage,
  ask: Ask,
): Place | undefined {
  const last = page.rows.at(-1);
  if (last === undefined) return undefined;
  const value = valueAt({ "": last }, paging.field);
  if ((typeof value === "string" && value !== "") || typeof value === "number") return value;
  throw new SourceError(
    "data",
    `${placeOf(ask)} gave a row without ${paging.field}, which the next page begins after`,
  );
}

/** The target of a Link header's relation (RFC 8288). */
function nextLink(header: string, rel: string): string | undefined {
  for (const [, target, parameters = ""] of header.matchAll(/<([^>]*)>((?:\s*;\s*[^,;"]+(?:"[^"]*")?)*)/g)) {
    const [, words = ""] = /;\s*rel\s*=\s*"?([^";]*)/i.exec(parameters) ?? [];
    if (words.toLowerCase().split(/\s+/).includes(rel.toLowerCase())) return target;
  }
  return undefined;
}

/** What systems send for yes: true, "true", 1. */
function isTrue(value: unknown): boolean {
  return (
    value === true ||
    value === "true" ||
    value === 1 ||
    value === "1" ||
    (typeof value === "string" && value !== "" && !["false", "0"].includes(value))
  );
}

function withValue(
  tree: Record<string, unknown>,
  [step = "", ...rest]: string[],
  value: Place,
): Record<string, unknown> {
  if (rest.length === 0) return { ...tree, [step]: value };
  const inner = tree[step];
  const branch = typeof inner === "object" && inner !== null ? (inner as Record<string, unknown>) : {};
  return { ...tree, [step]: withValue(branch, rest, value) };
}
