// The shape of a request, of how a listing goes on, and of where it says how long it is.
import { z } from "zod";
import { conditionsSchema } from "./conditions.ts";
import { count, pathSchema, templateSchema, textOf } from "./words.ts";

const scalar = z.union([templateSchema, z.number(), z.boolean()], "expected a value");

const method = z.enum(["GET", "POST"], "expected GET or POST");
const path = templateSchema
  .refine((text) => text.startsWith("/"), "expected a path that begins with /")
  .meta({ description: "Below the document's url." });
const query = z.record(z.string(), scalar, "expected parameters with their values");
const headers = z.record(z.string(), templateSchema, "expected headers with their values");
const body = z
  .record(z.string(), z.unknown(), "expected the JSON of the body")
  .meta({ description: "Sent as JSON." });

export const requestSchema = z.strictObject(
  {
    method: method.default("GET"),
    path,
    query: query.default({}),
    headers: headers.default({}),
    body: body.optional(),
  },
  "expected a request: { path: /items, query: { limit: 100 } }",
);
export type Request = z.output<typeof requestSchema>;

/** The parts of a request that differ for changes: parameters and headers are added, everything else is replaced. */
export const requestChangesSchema = z
  .strictObject({ method, path, query, headers, body }, "expected what differs from the stream's request")
  .partial();

const parameter = textOf("expected the name of a parameter");
const place = z.enum(["query", "body"], "expected query or body").default("query");
const more = pathSchema.optional().meta({ description: "Of the answer: whether there is more." });
const endsOn = z
  .strictObject({
    status: count("expected a status such as 400", 400, 599),
    body: conditionsSchema.optional(),
  })
  .optional()
  .meta({ description: "An error that only says that the page is beyond the end." });

export const pagingSchema = z.discriminatedUnion(
  "type",
  [
    z.strictObject({ type: z.literal("none") }),
    z.strictObject({
      type: z.literal("page"),
      parameter: parameter.default("page"),
      in: place,
      first: count("expected 0 or 1", 0, 1).default(1),
      "last-page": pathSchema.optional().meta({ description: "Of the answer: how many pages there are." }),
      more,
      "ends-on": endsOn,
    }),
    z.strictObject({
      type: z.literal("offset"),
      parameter: parameter.default("offset"),
      in: place,
      more,
      "ends-on": endsOn,
    }),
    z.strictObject({
      type: z.literal("cursor"),
      parameter: parameter.default("cursor"),
      in: place,
      next: pathSchema.meta({ description: "Of the answer: what to send for the next page." }),
      more,
    }),
    z.strictObject({
      type: z.literal("link-header"),
      rel: textOf("expected the name of a relation").default("next"),
    }),
    z.strictObject({
      type: z.literal("next-url"),
      next: pathSchema.meta({
        description: "Of the answer: the address of the next page, on the same origin.",
      }),
      more,
    }),
    z.strictObject({
      type: z.literal("keyset"),
      parameter,
      in: place,
      field: pathSchema.meta({ description: "Of the last row: what to send for the rows after it." }),
      inclusive: z
        .boolean("expected true or false")
        .default(false)
        .meta({ description: "That row comes again." }),
      more,
    }),
  ],
  "expected how the listing goes on: { type: page | offset | cursor | link-header | next-url | keyset | none }",
);
export type Paging = z.output<typeof pagingSchema>;

export const totalSchema = z
  .union(
    [
      pathSchema,
      z.strictObject({ header: textOf("expected the name of a header") }),
      z.strictObject({
        path: pathSchema,
        counts: z.enum(["all", "rest"], "expected all or rest").default("all"),
      }),
    ],
    "expected a path, { header: <name> } or { path: <path>, counts: rest }",
  )
  .meta({
    description:
      "Where an answer says how many rows the listing has: a shorter one is never taken for complete.",
  });
export type Total = z.output<typeof totalSchema>;
