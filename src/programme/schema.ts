// The shape of a programme document. What depends on more than one key is checked in checks.ts.
import { Temporal } from "temporal-polyfill";
import { z } from "zod";

const WORDS = /^[a-z][a-z0-9]*(-[a-z0-9]+)*$/;
const KIND = /^[a-z][a-z0-9]*([._-][a-z0-9]+)*$/;

const label = (expected: string) => z.string(expected).trim().min(1, expected).max(500, expected);
const points = (meaning: string) => {
  const expected = `expected ${meaning}: a whole number from 1 to 1000000`;
  return z
    .int(expected)
    .min(1, expected)
    .max(1_000_000, expected)
    .meta({ description: `${meaning.charAt(0).toUpperCase()}${meaning.slice(1)}.` });
};
const amount = (expected: string) => z.number(expected).max(1e12, expected);
const span = (units: string, example: string) => {
  const expected = `expected a span such as "${example}": a number of ${units.replaceAll("|", "s, ")}s`;
  return z.string(expected).regex(new RegExp(`^[1-9]\\d{0,3} (${units})s?$`), expected);
};

const period = z.enum(["week", "month", "quarter"], "expected week, month or quarter");

export const measureSchema = z
  .union(
    [
      z.enum(["count", "sum", "latest", "growth"]),
      z.strictObject({ distinct: label("expected the name of an attribute") }),
      z.strictObject({ periods: period }),
      z.strictObject({ streak: period }),
    ],
    "expected count, sum, latest, growth, { distinct: <attribute> }, { periods: week | month | quarter } or { streak: week | month | quarter }",
  )
  .meta({ description: "How the evidence is measured: what one unit is." });

export const windowSchema = z
  .union(
    [
      z.enum(["ever", "in-force"]),
      z.strictObject({
        season: z.union([z.string(), z.int()], "expected current or the key of a season"),
      }),
      z.strictObject({ last: span("day|week|month|quarter|year", "90 days") }),
      z.strictObject({
        previous: z.enum(["week", "month", "quarter", "year"], "expected week, month, quarter or year"),
      }),
      z.strictObject({ rolling: span("week|month|quarter", "12 months") }),
    ],
    "expected ever, in-force, { season: current }, { last: 90 days }, { previous: month } or { rolling: 12 months }",
  )
  .meta({ description: "When evidence counts, in the programme's time zone." });

const atLeastText = "expected a number of units above 0";
const atLeast = amount(atLeastText).positive(atLeastText);
const moreThanText = "expected a number of units, 0 or more";
const moreThan = amount(moreThanText).nonnegative(moreThanText);
const targetText = "expected the units that award all of the share: a number above 0";
const target = amount(targetText).positive(targetText);
const tier = z.strictObject(
  { "at-least": atLeast, points: points("points") },
  "expected a tier: { at-least: <units>, points: <points> }",
);

export const awardSchema = z
  .union(
    [
      z.strictObject({ points: points("points"), "at-least": atLeast }),
      z.strictObject({ points: points("points"), "more-than": moreThan }),
      z.strictObject({ each: points("points for each unit"), cap: points("the most points in all") }),
      z.strictObject({
        tiers: z.array(tier, "expected a list of tiers").min(1, "expected at least one tier"),
      }),
      z.strictObject({ share: points("points at the target"), of: target }),
    ],
    "expected { points, at-least }, { points, more-than }, { each, cap }, { tiers: [...] } or { share, of }",
  )
  .meta({ description: "The points that so many units award." });

const requiresText = "expected the key of an achievement, or a list of them";
export const requiresSchema = z.union(
  [z.string(requiresText), z.array(z.string(requiresText)).min(1, requiresText)],
  requiresText,
);
export const maturesSchema = span("day|week", "14 days");
const effortText = "expected a whole number from 1 to 100";

const valueText = "expected a value (text, number, true or false) or a list of values";
const value = z.union([z.string(), z.number(), z.boolean()], valueText);

const achievement = z.strictObject(
  {
    title: label("expected a title: some text").meta({ description: "What partners see it called." }),
    hint: label("expected a hint: some text").meta({ description: "Shown while it is not reached." }),
    evidence: z
      .string("expected an evidence kind")
      .meta({ description: "The kind of evidence that counts: a key of `evidence` above." }),
    where: z
      .record(
        z.string(),
        z.union([value, z.array(value).min(1, valueText)], valueText),
        "expected attributes with values",
      )
      .optional()
      .meta({
        description:
          "Only evidence with these attributes counts. Every attribute has to match; a list means any of.",
      }),
    measure: measureSchema,
    unit: label("expected what a unit is called: some text").optional().meta({
      description: "What its units are called, as after a number: `client accounts`.",
    }),
    window: windowSchema,
    award: awardSchema,
    requires: requiresSchema.optional().meta({
      description: "The achievements that must award points before this one does.",
    }),
    category: z
      .string("expected the key of a category")
      .optional()
      .meta({ description: "A key of `categories` above: its cap holds for this achievement too." }),
    matures: maturesSchema.optional().meta({
      description: "Evidence counts only this long after it happened, so that it can still be taken back.",
    }),
    effort: z.int(effortText).min(1, effortText).max(100, effortText).optional().meta({
      description: "How much work a step is beside the other achievements. Quick wins are in its order.",
    }),
  },
  "expected an achievement: title, hint, evidence, measure, window and award",
);

const dateText = "expected a date such as 2026-01-31";
const date = z
  .string(dateText)
  .regex(/^\d{4}-\d{2}-\d{2}$/, { error: dateText, abort: true })
  .refine(isDate, dateText);

export const seasonSchema = z.strictObject(
  {
    from: date.meta({ description: "The first day." }),
    to: date.meta({ description: "The day after the last one." }),
  },
  "expected a season: { from: <first day>, to: <day after the last> }",
);

export const categorySchema = z.strictObject(
  {
    title: label("expected a title: some text").meta({ description: "What partners see it called." }),
    cap: points("the most points of the category"),
  },
  "expected a category: { title: <text>, cap: <most points> }",
);

const effectiveText = "expected a local date, or date and time, such as 2027-01-01 or 2027-01-01T09:00";
const effectiveFrom = z
  .string(effectiveText)
  .regex(/^\d{4}-\d{2}-\d{2}(T\d{2}:\d{2}(:\d{2})?)?$/, { error: effectiveText, abort: true })
  .refine(isLocalTime, effectiveText);
const nomineesText = "expected a whole number from 1 to 1000";

const seasonKeyText = "expected a key of letters, digits and hyphens other than current";
const kindText =
  "expected a kind of lower-case letters, digits, dots, hyphens and underscores that begins with a letter";
const keyText = "expected a key of lower-case letters, digits and hyphens that begins with a letter";
const zoneText = "expected an IANA time zone such as Europe/Amsterdam";

export const programmeSchema = z.strictObject(
  {
    programme: label("expected the programme's name").meta({ description: "The programme's name." }),
    "time-zone": z
      .string(zoneText)
      .refine(isTimeZone, zoneText)
      .meta({ description: "The IANA time zone in which days, months and seasons begin." }),
    perfect: points("the points of a partner that has everything"),
    "effective-from": effectiveFrom.optional().meta({
      description:
        "The version comes into force then, in the programme's time zone; without it, when it is published.",
    }),
    nominees: z
      .int(nomineesText)
      .min(1, nomineesText)
      .max(1000, nomineesText)
      .optional()
      .meta({ description: "How many of the highest are nominated for Partner of the Year; 10 without it." }),
    categories: z
      .record(
        z.string().max(64, keyText).regex(WORDS, keyText),
        categorySchema,
        "expected categories by their key",
      )
      .optional()
      .meta({ description: "Achievements that award no more than a cap together." }),
    seasons: z
      .record(
        z.string().regex(/^(?!current$)[A-Za-z0-9]+(-[A-Za-z0-9]+)*$/, seasonKeyText),
        seasonSchema,
        "expected seasons by their key",
      )
      .optional()
      .meta({ description: "Named spans of days that windows may refer to. They may not overlap." }),
    evidence: z
      .record(
        z.string().max(64, kindText).regex(KIND, kindText),
        label("expected a label: some text"),
        "expected the evidence kinds this programme knows, each with a label",
      )
      .meta({ description: "The evidence kinds this programme knows, each with its label." }),
    achievements: z
      .record(
        z.string().max(64, keyText).regex(WORDS, keyText),
        achievement,
        "expected achievements by their key",
      )
      .refine((all) => Object.keys(all).length > 0, "expected at least one achievement")
      .meta({
        description:
          "The rules, in the order in which partners see them. Their most points add up to `perfect`.",
      }),
  },
  "expected a programme: programme, time-zone, perfect, evidence and achievements",
);

export type ProgrammeDocument = z.infer<typeof programmeSchema>;
export type AchievementDocument = z.infer<typeof achievement>;

/** The JSON Schema of a programme document, for editors. It is stored as docs/programme.schema.json. */
export function programmeJsonSchema(): object {
  return { title: "Standings programme", ...z.toJSONSchema(programmeSchema, { io: "input" }) };
}

/**
 * Area/City or UTC only: to Postgres an abbreviation such as CET is a fixed offset without summer time, and the sign of
 * +01:00 means west.
 */
function isTimeZone(name: string): boolean {
  if (name !== "UTC" && !/^[A-Za-z_]+\//.test(name)) return false;
  try {
    new Intl.DateTimeFormat("en", { timeZone: name });
    return true;
  } catch {
    return false;
  }
}

function isLocalTime(text: string): boolean {
  try {
    Temporal.PlainDateTime.from(text, { overflow: "reject" });
    return true;
  } catch {
    return false;
  }
}

function isDate(text: string): boolean {
  try {
    return Temporal.PlainDate.from(text).toString() === text;
  } catch {
    return false;
  }
}
