// The cursor of a document's pull: the watermark of each stream, the position inside an unfinished pull, and how a page moves it.
import { z } from "zod";
import type { Json } from "../connector.ts";
import { type Progress, progressSchema } from "./listing.ts";

const instant = z.iso.datetime();

const cursorSchema = z.object({
  /** By stream: the newest change seen, at most the beginning of its pull. */
  newest: z.record(z.string(), instant),
  at: z
    .object({
      stream: z.string(),
      /** Of a complete listing. */
      full: z.boolean(),
      /** When the pull began that this is the middle of. */
      began: instant,
      /** The newest change seen in it so far. */
      newest: instant.nullable(),
      /** The key of the parent it is at. */
      parent: z.string().nullable(),
      /** The spans of time still to be listed, the first one first; none: all of time. */
      spans: z.array(z.object({ since: instant.nullable(), until: instant.nullable() })),
      progress: progressSchema.nullable(),
      /** Rows of the listings before this one. */
      counted: z.number(),
    })
    .nullable(),
});

export type Cursor = z.output<typeof cursorSchema>;
export type Middle = NonNullable<Cursor["at"]>;
export type Span = Middle["spans"][number];

export function readCursor(cursor: Json | undefined): Cursor {
  return cursorSchema.safeParse(cursor).data ?? { newest: {}, at: null };
}

/** A Cursor as the contract carries it: without what JSON cannot say. */
export function toJson(cursor: Cursor): Json {
  return JSON.parse(JSON.stringify(cursor)) as Json;
}

/** The first position of a stream. `kept`: what all streams of one pull share. */
export function beginning(stream: string, kept: Pick<Middle, "full" | "began" | "counted">): Middle {
  const { full, began, counted } = kept;
  return { full, began, counted, stream, newest: null, parent: null, spans: [], progress: null };
}

/** The position at the start of a parent. Spans and progress are kept only if they belong to the same parent. */
export function enter(at: Middle, parent: { key: string; isReal: boolean }): Middle {
  const isSame = at.parent === null || at.parent === parent.key;
  const place = isSame ? {} : { spans: [], progress: null };
  return { ...at, ...place, parent: parent.isReal ? parent.key : null };
}

/** What a page of a listing changes in a cursor. */
interface PageStep {
  /** The newest change seen so far in this stream. */
  newest: string | null;
  /** The number of rows that the source declared for the listing. */
  total: number | undefined;
  /** undefined: the listing is over. */
  progress: Progress | undefined;
}

/**
 * The cursor after a page: the next page of the listing, else the next span, the next parent, the next stream, or the end
 * (`at` is null). `ahead` names the next parent and the next stream. Pure.
 */
export function advance(
  cursor: Cursor & { at: Middle },
  { newest, total, progress }: PageStep,
  ahead: { parent: string | undefined; stream: string | undefined },
): Cursor {
  const at = { ...cursor.at, newest };
  if (progress !== undefined) return { ...cursor, at: { ...at, progress } };
  const spans = at.spans.slice(1);
  const over = { ...at, spans, progress: null, counted: at.counted + (total ?? 0) };
  if (spans.length > 0) return { ...cursor, at: over };
  if (ahead.parent !== undefined) return { ...cursor, at: { ...over, parent: ahead.parent } };
  return endStream({ ...cursor, at: over }, ahead.stream);
}

/** The cursor after a stream: its watermark is stored, and the next stream begins. */
export function endStream(cursor: Cursor, following: string | undefined): Cursor {
  const { at } = cursor;
  if (at === null) return cursor;
  const newest = at.newest === null ? cursor.newest : { ...cursor.newest, [at.stream]: at.newest };
  return { newest, at: following === undefined ? null : beginning(following, at) };
}
