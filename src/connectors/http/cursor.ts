// What a pull leaves behind: where each stream's next pull looks back from, and, in the middle of one, how far it is.
import { z } from "zod";
import type { Json } from "../connector.ts";
import { progressSchema } from "./listing.ts";

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
