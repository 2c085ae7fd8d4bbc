// The shape of what a row becomes: paths, templates, and a closed list of pure functions over them.
import { z } from "zod";
import { conditionsSchema } from "./conditions.ts";
import { dateFormatSchema, pathSchema, templateSchema, textOf } from "./words.ts";

/** A value of a row. Nesting is as deep as it is written: nothing loops, nothing calls itself. */
export type Expression =
  | string
  | { text: string }
  | { lower: Expression }
  | { trim: Expression }
  | { words: Expression }
  | { domain: Expression }
  | { number: Expression }
  | { pseudonym: Expression }
  | { first: Expression }
  | { count: Expression }
  | { sum: Expression | Expression[] }
  | { coalesce: Expression[] }
  | { times: Expression; by: number }
  | {
      date: Expression;
      format?: z.output<typeof dateFormatSchema> | undefined;
      "time-zone"?: string | undefined;
    }
  | { at: string; of?: Expression | undefined; strict?: boolean | undefined }
  | { without: string; of: Expression }
  | { translate: Expression; to: Record<string, string>; else?: string | undefined };

const functions =
  "text, lower, trim, words, domain, number, pseudonym, first, count, sum, coalesce, times, date, at, without, translate";
const expressionText = `expected a path such as settings.title, a template such as "post/{id}", or a function of: ${functions}`;

const pathOrTemplate = z
  .string(expressionText)
  .pipe(z.union([pathSchema, templateSchema.regex(/\{/, expressionText)], expressionText));
const inner = z.lazy(() => expressionSchema);
const several = z.array(inner).min(1, expressionText);

const expressionSchema: z.ZodType<Expression> = z
  .union(
    [
      pathOrTemplate,
      z.strictObject({ text: z.string("expected some text") }),
      z.strictObject({ lower: inner }),
      z.strictObject({ trim: inner }),
      z.strictObject({ words: inner }),
      z.strictObject({ domain: inner }),
      z.strictObject({ number: inner }),
      z.strictObject({ pseudonym: inner }),
      z.strictObject({ first: inner }),
      z.strictObject({ count: inner }),
      z.strictObject({ sum: z.union([several, inner], expressionText) }),
      z.strictObject({ coalesce: several }),
      z.strictObject({ times: inner, by: z.number("expected a number") }),
      z.strictObject({
        date: inner,
        format: dateFormatSchema.optional(),
        "time-zone": templateSchema.optional(),
      }),
      z.strictObject({
        at: templateSchema.meta({
          description: "A text that is a path, such as a setting that names a field.",
        }),
        of: inner.optional(),
        strict: z.boolean("expected true or false").optional().meta({
          description: "Its first step must be there, if only as null: a misspelt field is no empty one.",
        }),
      }),
      z.strictObject({
        without: templateSchema.meta({ description: "The beginning that is taken away." }),
        of: inner,
      }),
      z.strictObject({
        translate: inner,
        to: z.record(z.string(), z.string(), "expected values with their words"),
        else: z.string("expected some text").optional(),
      }),
    ],
    expressionText,
  )
  .meta({ id: "expression", description: "A path, a template with {paths}, or a function over them." });

export const evidenceSchema = z.strictObject(
  {
    kind: templateSchema.meta({ description: "The kind of evidence; {$settings...} may be part of it." }),
    each: pathSchema
      .optional()
      .meta({ description: "A list in the row: each of its elements ({$item}) is a fact." }),
    when: conditionsSchema.optional(),
    "external-id": templateSchema.optional().meta({
      description:
        "Within the source, and the same each time; the stream's name and the row's key without it.",
    }),
    "occurred-at": expressionSchema,
    "ended-at": expressionSchema
      .optional()
      .meta({ description: "A date without a time is the last day that counts." }),
    quantity: expressionSchema.optional().meta({ description: "1 without it. Rows of 0 are no evidence." }),
    identity: z
      .strictObject(
        { namespace: templateSchema, key: expressionSchema },
        "expected { namespace: <name>, key: <path> }",
      )
      .optional()
      .meta({ description: "The partner of the row. Rows that name no partner are not evidence." }),
    attributes: z.record(textOf("expected a name"), expressionSchema).default({}),
    title: expressionSchema.optional(),
    link: expressionSchema.optional(),
    "time-zone": templateSchema.default("UTC").meta({ description: "Of dates without an offset." }),
  },
  "expected what a row becomes: kind, occurred-at and identity",
);

export type EvidenceMapping = z.output<typeof evidenceSchema>;

const fieldTypes = ["text", "number", "integer", "boolean", "date", "list", "object"] as const;
export type FieldType = (typeof fieldTypes)[number];
const fields = [...fieldTypes, ...fieldTypes.map((type) => `${type}?` as const)] as const;
export const fieldSchema = z.enum(
  fields,
  `expected one of ${fieldTypes.join(", ")}, with ? where it may be absent`,
);
