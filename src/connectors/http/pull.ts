// A pull of a document: stream after stream, parent after parent, span after span, each listing to its end.
import { SourceError } from "../../platform/errors.ts";
import type { Listing as NamedListing, Page } from "../connector.ts";
import {
  advance,
  beginning,
  type Cursor,
  endStream,
  enter,
  type Middle,
  readCursor,
  type Span,
  toJson,
} from "./cursor.ts";
import { readChange, writeInstant } from "./dates.ts";
import { CapError, type Listing, list } from "./listing.ts";
import { mapRows } from "./mapping.ts";
import { readParents } from "./parents.ts";
import type { Request } from "./request-schema.ts";
import type { HttpDocument, Incremental, Stream } from "./schema.ts";
import type { Session } from "./session.ts";
import { fillWhole, type Scope, valueAt } from "./templates.ts";

const DAY_MS = 86_400_000;
/** No system's changes are told apart by less. */
const LEAST_SPAN_MS = 1000;

/** Pulls everything asked for. Pages that were recorded are not asked for again where the order of rows allows it. */
export async function* pull(session: Session): AsyncGenerator<Page, void, undefined> {
  const { input, document } = session;
  const streams = streamsOf(document);
  const left = middleOf(session);
  let cursor = left ?? startOf(session, streams[0]?.[0] ?? "");
  let begins = input.full && left === undefined;
  const first = Math.max(
    0,
    streams.findIndex(([name]) => name === cursor.at?.stream),
  );
  for (const [index, [name, stream]] of streams.entries()) {
    if (index < first) continue;
    const following = streams[index + 1]?.[0];
    for await (const page of pullStream(session, name, stream, cursor, following)) {
      input.signal.throwIfAborted();
      cursor = page.next;
      yield {
        evidence: page.evidence,
        cursor: toJson(cursor),
        total: page.total,
        ...(begins && { begins: true as const }),
        ...(page.quarantined.length > 0 && { quarantined: page.quarantined }),
      };
      begins = false;
    }
  }
}

/** The streams that yield evidence, each by itself. Of the rows others are listed by, the first page is all that is asked for. */
export function toListings(session: Session): NamedListing[] {
  const looking = { ...session, isLook: true };
  return streamsOf(session.document).map(([name, stream]) => ({
    name,
    pages: () => pullStream(looking, name, stream, startOf(looking, name), undefined),
  }));
}

function streamsOf({ streams }: HttpDocument): [string, Stream][] {
  return Object.entries(streams).filter(([, stream]) => stream.evidence !== undefined);
}

/** In the middle of an unfinished pull; undefined: none was left. */
function middleOf({ input: { cursor, full } }: Session): Cursor | undefined {
  const left = readCursor(cursor);
  // The rest of a pull of changes is no complete listing; the rest of a complete listing holds all the changes.
  return left.at !== null && (left.at.full || !full) ? left : undefined;
}

function startOf({ input: { cursor, full, now } }: Session, first: string): Cursor {
  const { newest } = readCursor(cursor);
  return { newest, at: beginning(first, { full, began: now.toISOString(), counted: 0 }) };
}

interface StreamPage extends Page {
  next: Cursor;
  /** How many rows of the source the page was made of. */
  rows: number;
  quarantined: NonNullable<Page["quarantined"]>;
}

async function* pullStream(
  session: Session,
  name: string,
  stream: Stream,
  from: Cursor,
  following: string | undefined,
): AsyncGenerator<StreamPage, void, undefined> {
  const { full, now } = session.input;
  const start =
    from.at?.stream === name ? from.at : beginning(name, { full, began: now.toISOString(), counted: 0 });
  let cursor: Cursor = { ...from, at: start };
  const parents = await readParents(session, stream);
  const rest = parents.filter(({ key }) => start.parent === null || key >= start.parent);
  // A stream without a parent left is finished by one empty page.
  if (rest.length === 0) {
    yield { evidence: [], quarantined: [], rows: 0, cursor: null, next: endStream(cursor, following) };
  }
  for (const [index, parent] of rest.entries()) {
    const ahead = { parent: rest[index + 1]?.key, stream: following };
    let at = enter(cursor.at ?? start, parent);
    if (at.spans.length === 0) at = { ...at, spans: spansOf(stream, from.newest[name], at) };
    for (let isOver = false; !isOver; ) {
      const [span = ALL_OF_TIME, ...later] = at.spans;
      try {
        const listing = toListing(session, stream, span, parent.scope);
        for await (const { rows, total, progress } of list(session, listing, at.progress ?? undefined)) {
          const place = `page ${(at.progress?.pages ?? 0) + 1}`;
          const mapped = mapRows(session, name, stream, rows, parent.scope, place);
          const isOnlyListing = rest.length === 1 && later.length === 0;
          const whole = total === undefined || !isOnlyListing ? undefined : at.counted + total;
          cursor = advance({ ...cursor, at }, { newest: newestOf(at, stream, rows), total, progress }, ahead);
          isOver = progress === undefined && later.length === 0;
          yield { ...mapped, rows: rows.length, cursor: null, next: cursor, total: whole };
          if (!isOver && cursor.at !== null) at = cursor.at;
        }
      } catch (error) {
        if (!(error instanceof CapError)) throw error;
        at = { ...at, spans: [...halves(span, error), ...later], progress: null };
      }
    }
  }
}

const ALL_OF_TIME: Span = { since: null, until: null };

/** What a pull of a stream lists: everything, or what has changed since. A source with a cap is asked span by span. */
function spansOf({ incremental, cap }: Stream, newest: string | undefined, at: Middle): Span[] {
  if (incremental === undefined) return [ALL_OF_TIME];
  const since =
    at.full || newest === undefined
      ? null
      : new Date(Math.min(Date.parse(newest), Date.parse(at.began)) - incremental["look-back"]).toISOString();
  const most = since === null ? cap : (incremental.cap ?? cap);
  if (most === undefined || !hasEnd(incremental)) return [{ since, until: null }];
  // Rows that change while they are listed move to the end of it.
  const until = new Date(Date.parse(at.began) + DAY_MS).toISOString();
  return [{ since: since ?? new Date(incremental.start).toISOString(), until }];
}

/** Whether changes can be asked for up to an instant. */
function hasEnd(incremental: Incremental): boolean {
  return (
    incremental["until-parameter"] !== undefined ||
    JSON.stringify(incremental.request ?? {}).includes("{$until}")
  );
}

/** Two spans for one that holds too much. They share their border: whether it belongs to one or the other differs between systems. */
function halves({ since, until }: Span, error: CapError): Span[] {
  const [from, to] = [Date.parse(since ?? ""), Date.parse(until ?? "")];
  if (!(to - from > LEAST_SPAN_MS))
    throw new SourceError("data", `${error.message}, and it cannot be asked for in smaller parts`);
  const middle = new Date(Math.floor((from + to) / 2000) * 1000).toISOString();
  return [
    { since, until: middle },
    { since: middle, until },
  ];
}

function toListing(session: Session, stream: Stream, span: Span, parentScope: Scope): Listing {
  const { incremental, key, cap } = stream;
  const base = { key, cap, isStable: stream["stable-order"] };
  if (incremental === undefined || span.since === null) {
    return {
      ...base,
      request: stream.request,
      paging: stream.paging,
      records: stream.records,
      total: stream.total,
      scope: parentScope,
    };
  }
  const timeZone =
    incremental["time-zone"] === undefined ? "UTC" : fillWhole(incremental["time-zone"], parentScope);
  const written = (at: string | null) =>
    at === null ? undefined : writeInstant(new Date(at), incremental.format, timeZone);
  return {
    ...base,
    cap: incremental.cap ?? cap,
    request: toIncremental(stream.request, incremental),
    paging: incremental.paging ?? stream.paging,
    records: incremental.records ?? stream.records,
    total: incremental.total ?? stream.total,
    scope: {
      ...parentScope,
      $since: written(span.since),
      $until: written(span.until ?? session.input.now.toISOString()),
    },
  };
}

function toIncremental(request: Request, incremental: Incremental): Request {
  const { parameter, "until-parameter": untilParameter } = incremental;
  const changes = incremental.request ?? {};
  return {
    method: changes.method ?? request.method,
    path: changes.path ?? request.path,
    headers: { ...request.headers, ...changes.headers },
    body: changes.body ?? request.body,
    query: {
      ...request.query,
      ...changes.query,
      ...(parameter !== undefined && { [parameter]: "{$since}" }),
      ...(untilParameter !== undefined && { [untilParameter]: "{$until}" }),
    },
  };
}

/** The newest change among rows, at most the beginning of the pull: dates in the future must not make the next pull blind. */
function newestOf(at: Middle, { incremental }: Stream, rows: unknown[]): string | null {
  if (incremental === undefined) return null;
  const began = Date.parse(at.began);
  const times = rows.map((row) => changeOf(row, incremental)).filter((time) => time !== undefined);
  const newest = times.reduce(
    (latest, time) => Math.max(latest, Math.min(time, began)),
    at.newest === null ? -1 : Date.parse(at.newest),
  );
  return newest < 0 ? null : new Date(newest).toISOString();
}

/** A row without a date says nothing of how far the listing is. */
function changeOf(row: unknown, incremental: Incremental): number | undefined {
  try {
    return readChange(valueAt({ "": row }, incremental.field), "UTC", incremental.field)?.getTime();
  } catch {
    return undefined;
  }
}
