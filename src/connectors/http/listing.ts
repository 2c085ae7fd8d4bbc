// One listing, page by page: followed to its end, and known to be whole or refused. Counts and places tell, not hope: what the
// source declared must have come, a page must not come twice, and there is an end.
import { createHash } from "node:crypto";
import { z } from "zod";
import { SourceError } from "../../platform/errors.ts";
import { parseUrl } from "../client/guard.ts";
import { type Answer, type Ask, BeginAgainError, callSystem, placeOf, toAsk } from "./call.ts";
import { atPlace, firstPlace, type Place, placeAfter } from "./paging.ts";
import type { Paging, Request, Total } from "./request-schema.ts";
import type { Session } from "./session.ts";
import { type Scope, toText, valueAt } from "./templates.ts";

export interface Listing {
  request: Request;
  paging: Paging;
  records: string | undefined;
  total: Total | undefined;
  /** Of a row: its id. */
  key: string;
  /** Whether a broken-off listing may go on where it was. */
  isStable: boolean;
  /** The source gives no more rows than this. */
  cap: number | undefined;
  scope: Scope;
}

/** How far a listing is: the part of a cursor that lets it go on. */
export const progressSchema = z.object({
  place: z.union([z.string(), z.number(), z.null()]),
  pages: z.number(),
  /** Rows passed, and different ones among them. */
  position: z.number(),
  seen: z.number(),
  /** The total that the source declared, on the last page and on the first. */
  declared: z.number().optional(),
  announced: z.number().optional(),
  /** The largest total that any page declared. */
  most: z.number().optional(),
  /** Pages without a row, in a row. */
  empty: z.number(),
});
export type Progress = z.output<typeof progressSchema>;

export interface ListedPage {
  /** Rows that are new, or other than they were on an earlier page. */
  rows: unknown[];
  total: number | undefined;
  /** Where it goes on; undefined: the listing is over. */
  progress: Progress | undefined;
}

/** Sources that filter what a page holds give a few pages without a row. */
const MOST_EMPTY = 100;

/** How systems refuse a page that is not there any more. */
const BEYOND = { status: [400, 404, 416, 422] };

/** The source has more rows than it will give. */
export class CapError extends SourceError {}

/**
 * Lists to the end. Throws a SourceError: `transient` where fewer rows came than were declared, or rows vanished while pages
 * were counted off; `data` where it will not end, or holds no list; CapError where there is more than the source gives.
 */
export async function* list(
  session: Session,
  listing: Listing,
  left?: Progress,
): AsyncGenerator<ListedPage, void, undefined> {
  let from = listing.isStable ? left : undefined;
  for (let attempt = 1; ; attempt++) {
    try {
      yield* listFrom(session, listing, from);
      return;
    } catch (error) {
      // Once: a place that is refused again and again is no matter of its age.
      if (!(error instanceof BeginAgainError) || attempt > 1) throw error;
      from = undefined;
    }
  }
}

async function* listFrom(
  session: Session,
  listing: Listing,
  left: Progress | undefined,
): AsyncGenerator<ListedPage, void, undefined> {
  const { paging } = listing;
  const ask = toAsk(session, listing.request, listing.scope);
  const beginning: Progress = { place: firstPlace(paging), pages: 0, position: 0, seen: 0, empty: 0 };
  let progress = left ?? beginning;
  let isResumed = left !== undefined;
  const known = new Map<string, string>();
  const places = new Set<Place>();
  for (;;) {
    const asked = atPlace(session, ask, paging, progress.place);
    const ends = "ends-on" in paging ? paging["ends-on"] : undefined;
    // Everything declared has come already: this only looks whether that was a lie.
    const isBeyond =
      isCountedOff(paging) && progress.position >= (progress.declared ?? Number.POSITIVE_INFINITY);
    const answer = await callSystem(
      session,
      asked,
      isBeyond ? BEYOND : progress.pages > 0 ? ends : undefined,
    );
    const all = answer === undefined ? [] : rowsOf(answer, listing, asked);
    const declared = answer === undefined ? progress.declared : declaredBy(answer, listing, asked, progress);
    if (isResumed && hasMoved(paging, progress, declared)) {
      // Rows came or went since it was left: the place where that was means nothing any more.
      progress = beginning;
      isResumed = false;
      continue;
    }
    isResumed = false;
    if (listing.cap !== undefined && (declared ?? 0) > listing.cap) throw capped(asked, listing.cap);
    if (isBeyond && all.length > 0 && declared === progress.declared) throw understated(asked, declared);
    refuseShrunk(paging, progress, declared, asked);
    places.add(progress.place);
    const { rows, added } = unseen(all, listing, progress, known);
    const before = progress;
    progress = {
      place: before.place,
      pages: before.pages + 1,
      position: before.position + all.length,
      seen: before.seen + added,
      declared,
      announced: before.announced ?? declared,
      most: declared === undefined ? before.most : Math.max(before.most ?? 0, declared),
      empty: all.length === 0 ? before.empty + 1 : 0,
    };
    const { position } = progress;
    let next =
      answer === undefined
        ? undefined
        : placeAfter(
            paging,
            { place: before.place, answer, rows: all, position, declared, pages: progress.pages },
            asked,
          );
    const isInclusive = paging.type === "keyset" && paging.inclusive;
    // Whether rows that share the value are left is told by the total, or by what says that there is more.
    if (isInclusive && (added === 0 || next === before.place)) next = undefined;
    else if (all.length > 0 && added === 0 && next !== undefined)
      throw endless(asked, "it repeats rows it gave before");
    if (listing.cap !== undefined && declared === undefined && position >= listing.cap)
      throw capped(asked, listing.cap);
    if (next !== undefined) next = withoutCredential(session, paging, next, asked);
    if (next === undefined) {
      refuseShort(progress, answer, paging, asked);
      yield { rows, total: declared, progress: undefined };
      return;
    }
    refuseEndless(session, progress, places.has(next), asked);
    progress = { ...progress, place: next };
    yield { rows, total: declared, progress };
  }
}

/** Links repeat what they were asked with; a cursor must not hold the secret of a query. */
function withoutCredential(
  { document: { auth } }: Session,
  { type }: Paging,
  place: Place,
  asked: Ask,
): Place {
  if (auth.type !== "query" || (type !== "next-url" && type !== "link-header")) return place;
  const url = parseUrl(String(place), asked.url);
  url?.searchParams.delete(auth.name);
  return url?.href ?? place;
}

function rowsOf({ body }: Answer, { records }: Listing, asked: Ask): unknown[] {
  const rows = records === undefined ? body : valueAt({ "": body }, records);
  if (Array.isArray(rows)) return rows;
  throw new SourceError(
    "data",
    `${placeOf(asked)}: a list was expected${records === undefined ? "" : ` at ${records}`}`,
  );
}

/** Without the total it promised, a listing cannot be known to be whole. */
function declaredBy(
  { body, headers }: Answer,
  { total }: Listing,
  asked: Ask,
  progress: Progress,
): number | undefined {
  if (total === undefined) return undefined;
  const isHeader = typeof total === "object" && "header" in total;
  const path = typeof total === "string" ? total : isHeader ? total.header : total.path;
  const text = isHeader ? (headers[path.toLowerCase()] ?? "") : toText(valueAt({ "": body }, path));
  if (!/^\d{1,12}$/.test(text))
    throw new SourceError(
      "data",
      `${placeOf(asked)} does not say how many rows there are: no number ${isHeader ? "in the header" : "at"} ${path}`,
    );
  return (
    Number(text) +
    (typeof total === "object" && "counts" in total && total.counts === "rest" ? progress.position : 0)
  );
}

/** Which rows are new, or other than before. Rows shifted by an insertion come twice. */
function unseen(all: unknown[], { key }: Listing, progress: Progress, known: Map<string, string>) {
  let added = 0;
  const rows = all.filter((row, index) => {
    const id = toText(valueAt({ "": row }, key)) || `#${progress.position + index}`;
    const digest = createHash("sha256").update(JSON.stringify(row)).digest("base64url").slice(0, 16);
    const before = known.get(id);
    if (before === undefined) added += 1;
    known.set(id, digest);
    return before !== digest;
  });
  return { rows, added };
}

/** Where places are counted off, rows that vanish shift others past the place that is asked next. */
function isCountedOff({ type }: Paging): boolean {
  return type === "page" || type === "offset";
}

function refuseShrunk(paging: Paging, progress: Progress, declared: number | undefined, asked: Ask): void {
  if (!isCountedOff(paging) || declared === undefined || declared >= (progress.declared ?? 0)) return;
  throw new SourceError(
    "transient",
    `${placeOf(asked)} changed while it was listed: ${declared} of ${progress.declared} rows are left`,
  );
}

/** Whether the place where a listing was left may be another one by now. A token or a link may hide an offset. */
function hasMoved(
  paging: Paging,
  { declared: before, most }: Progress,
  declared: number | undefined,
): boolean {
  if (declared === undefined) return false;
  return isCountedOff(paging) ? declared !== before : declared < (most ?? 0);
}

/**
 * What the source declared must have come; where it declared less from page to page, the most of it: rows that went before they
 * were met cannot be told from rows that slipped past behind them.
 */
function refuseShort(
  { seen, declared, most }: Progress,
  answer: Answer | undefined,
  paging: Paging,
  asked: Ask,
): void {
  const claims =
    "more" in paging && paging.more !== undefined && paging.type === "keyset" && answer !== undefined;
  if (claims && toText(valueAt({ "": answer.body }, paging.more ?? "")) === "true") {
    throw new SourceError(
      "transient",
      `${placeOf(asked)} is shorter than announced: it says that there is more after ${seen} rows, and gives none`,
    );
  }
  const wanted = Math.max(declared ?? 0, most ?? 0);
  if (seen < wanted) {
    throw new SourceError(
      "transient",
      `${placeOf(asked)} is shorter than announced: ${seen} of ${wanted} rows`,
    );
  }
}

function refuseEndless({ document }: Session, progress: Progress, isKnown: boolean, asked: Ask): void {
  const { announced, seen, pages, empty } = progress;
  const most = document.limits["max-pages"];
  if (isKnown) throw endless(asked, "it names a page it gave before as the next one");
  if (announced !== undefined && seen > 2 * announced + 1000)
    throw endless(asked, `although ${announced} rows were announced`);
  if (empty >= MOST_EMPTY) throw endless(asked, `${empty} pages in a row are empty`);
  if (pages >= most) throw endless(asked, `within ${most} pages`);
}

function understated(asked: Ask, declared: number | undefined): SourceError {
  return new SourceError("data", `${placeOf(asked)} has more rows than the ${declared} it announces`);
}

function endless(asked: Ask, why: string): SourceError {
  return new SourceError("data", `${placeOf(asked)} does not end: ${why}`);
}

function capped(asked: Ask, cap: number): CapError {
  return new CapError("data", `${placeOf(asked)} has more than the ${cap} rows it gives of one listing`);
}
