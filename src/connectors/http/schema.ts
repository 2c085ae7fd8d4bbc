// The shape of a document that describes a system (docs/connectors/http.md is its manual). What depends on more than one key
// is checked in checks.ts.
import { z } from "zod";
import { duration } from "../../platform/durations.ts";
import { authSchema } from "./auth-schema.ts";
import { conditionsSchema } from "./conditions.ts";
import { evidenceSchema, fieldSchema } from "./mapping-schema.ts";
import { pagingSchema, requestChangesSchema, requestSchema, totalSchema } from "./request-schema.ts";
import { count, dateFormatSchema, nameSchema, pathSchema, templateSchema, textOf } from "./words.ts";

const settingSchema = z.strictObject(
  {
    type: z
      .enum(
        ["url", "text", "number", "choice", "date", "boolean", "time-zone"],
        "expected url, text, number, choice, date, boolean or time-zone",
      )
      .default("text"),
    description: textOf("expected some text").optional(),
    /** With a default a setting may be left out. */
    default: z.union([z.string(), z.number(), z.boolean()], "expected a value").optional(),
    optional: z
      .boolean("expected true or false")
      .optional()
      .meta({ description: "It may be left out, and has no default." }),
    values: z.array(z.string()).min(1).optional().meta({ description: "Of a choice: what may be chosen." }),
  },
  "expected a setting: { type: url | text | number | choice | date | boolean | time-zone }",
);

const secretSchema = z.strictObject(
  {
    fields: z.array(nameSchema).min(1).optional().meta({
      description:
        "Its parts, as {$secret.<field>}: a JSON object with these keys, or a text in which they follow each other.",
    }),
    separator: z
      .string()
      .min(1)
      .max(5)
      .optional()
      .meta({ description: "Between the parts, where the secret is a text." }),
    optional: z.boolean("expected true or false").optional(),
  },
  "expected what the secret is made of: { fields: [<name>, ...] }",
);

const waitSchema = z.union(
  [
    duration,
    z.strictObject({
      header: textOf("expected the name of a header"),
      unit: z
        .enum(["seconds", "milliseconds", "unix", "date"], "expected seconds, milliseconds, unix or date")
        .default("seconds"),
    }),
  ],
  'expected a span such as "1 hour", or { header: <name>, unit: seconds | milliseconds | unix | date }',
);

const statusText = "expected a status such as 429";
const status = count(statusText, 100, 599);
const answerSchema = z.strictObject(
  {
    status: z.union([status, z.array(status).min(1, statusText)], statusText).optional(),
    "content-type": textOf("expected the beginning of a content type").optional(),
    body: conditionsSchema.optional(),
    json: z.boolean("expected true or false").optional().meta({
      description: "Whether it is JSON at all: what stands in front of a system seldom answers in it.",
    }),
  },
  "expected an answer: { status: <number>, body: { <path>: <value> } }",
);
export type AnswerConditions = z.output<typeof answerSchema>;

const errorSchema = z.strictObject(
  {
    when: answerSchema,
    class: z.enum(
      ["auth", "config", "quota", "transient", "data"],
      "expected auth, config, quota, transient or data",
    ),
    wait: waitSchema.optional().meta({ description: "How long the source asks to wait." }),
    "begin-again": z.boolean("expected true or false").optional().meta({
      description: "The place in the listing means nothing any more: it is listed from its beginning.",
    }),
  },
  "expected a rule: { when: { status: <number> }, class: auth | config | quota | transient | data }",
);

const incrementalSchema = z.strictObject(
  {
    field: pathSchema.meta({
      description: "Of a row: when it changed. The newest is where the next pull looks back from.",
    }),
    parameter: textOf("expected the name of a parameter")
      .optional()
      .meta({ description: "Of the query: only rows changed since." }),
    "until-parameter": textOf("expected the name of a parameter").optional(),
    format: dateFormatSchema.default("iso").meta({ description: "How {$since} and {$until} are written." }),
    "time-zone": templateSchema.optional().meta({ description: "Of the formats date and local." }),
    "look-back": duration
      .prefault("1 hour")
      .meta({ description: "How much earlier the next pull begins: late rows are seen." }),
    start: textOf("expected a date such as 2015-01-01")
      .default("2000-01-01")
      .meta({ description: "The first window of a complete listing with a cap begins here." }),
    cap: count("expected a number of rows", 1, 10_000_000).optional().meta({
      description: "As the stream's, where only the listing of changes has one.",
    }),
    request: requestChangesSchema.optional().meta({ description: "What differs from the stream's request." }),
    paging: pagingSchema.optional(),
    records: pathSchema.optional(),
    total: totalSchema.optional(),
  },
  "expected how changes are asked for: { field: <path>, parameter: <name> }",
);

const streamSchema = z.strictObject(
  {
    request: requestSchema,
    records: pathSchema
      .optional()
      .meta({ description: "Where the rows are; without it the answer is the list of them." }),
    key: pathSchema
      .default("id")
      .meta({ description: "Of a row: what identifies it among the rows of its stream." }),
    total: totalSchema.optional(),
    paging: pagingSchema.default({ type: "none" }),
    "stable-order": z.boolean("expected true or false").default(false).meta({
      description:
        "Rows keep their place while they are listed, so that a broken-off listing goes on where it was.",
    }),
    complete: z.boolean("expected true or false").default(true).meta({
      description: "false: it cannot list everything (only what is recent), so that nothing is ever absent.",
    }),
    cap: count("expected a number of rows", 1, 10_000_000).optional().meta({
      description:
        "The source gives no more rows than this of one listing: the span of time is halved until they fit.",
    }),
    incremental: incrementalSchema.optional(),
    "for-each": nameSchema
      .optional()
      .meta({ description: "A stream whose rows are this one's parents: {$parent.id}." }),
    schema: z.record(pathSchema, fieldSchema).default({}).meta({
      description:
        "What a row must hold: path to type, with ? where it may be absent. Other rows are quarantined.",
    }),
    evidence: z
      .union(
        [evidenceSchema, z.array(evidenceSchema).min(1)],
        "expected what a row becomes: { kind, occurred-at, identity }",
      )
      .optional()
      .meta({
        description: "What a row becomes. Without it the stream is there for others to be listed by.",
      }),
  },
  "expected a stream: request, records, paging and evidence",
);

const limitsText = "expected { max-pages: <number>, budget: { requests: <number>, per: <span> } }";
const limitsSchema = z.strictObject(
  {
    "max-pages": count("expected a number of pages", 1, 1_000_000).default(10_000),
    budget: z
      .strictObject(
        {
          requests: count("expected a number of requests", 1, 1_000_000),
          per: duration,
          "at-once": count("expected a number of requests", 1, 1000).optional(),
        },
        "expected { requests: <number>, per: <span> }",
      )
      .optional()
      .meta({ description: "How often the system may be asked, unless sources.yaml says otherwise." }),
  },
  limitsText,
);

const urlText = "expected an address with placeholders such as {$settings.url}, or a list of them";

export const documentSchema = z.strictObject(
  {
    id: nameSchema.meta({ description: "The connector's name." }),
    version: templateSchema.meta({ description: "Another one makes every pull begin anew." }),
    title: textOf("expected some text").optional(),
    url: z.union([templateSchema, z.array(templateSchema).min(1, urlText)], urlText).meta({
      description: "Where the API is: every path is below it. Of several the first that can be filled.",
    }),
    settings: z
      .record(nameSchema, settingSchema)
      .default({})
      .meta({ description: "What sources.yaml says of one source." }),
    secret: secretSchema.default({}),
    "per-account": z.boolean("expected true or false").default(false).meta({
      description: "Each connection is an account of its own, and its evidence is its partner's.",
    }),
    auth: authSchema,
    headers: z
      .record(z.string(), templateSchema)
      .default({})
      .meta({ description: "Sent with every request." }),
    check: z
      .strictObject(
        { request: requestSchema, says: templateSchema },
        "expected { request: { path }, says: <text> }",
      )
      .meta({
        description: "One request that proves the credential, and what a person reads then.",
      }),
    limits: limitsSchema.prefault({}),
    errors: z
      .array(errorSchema)
      .default([])
      .meta({ description: "What answers mean, the first that fits. All others go by their status." }),
    "error-message": pathSchema.optional().meta({ description: "Where an answer says what is wrong." }),
    streams: z
      .record(nameSchema, streamSchema, "expected streams by their name")
      .refine((streams) => Object.keys(streams).length > 0, "expected at least one stream"),
  },
  "expected a document that describes a system: id, version, url, auth, check and streams",
);

export type HttpDocument = z.output<typeof documentSchema>;
export type Stream = HttpDocument["streams"][string];
export type Incremental = z.output<typeof incrementalSchema>;
export type ErrorRule = z.output<typeof errorSchema>;

/** The JSON Schema of a document, for editors. It is stored as docs/connector.schema.json. */
export function connectorJsonSchema(): object {
  return { title: "Standings connector", ...z.toJSONSchema(documentSchema, { io: "input" }) };
}
