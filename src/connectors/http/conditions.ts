// Conditions of a document: equality only, all of them together.
import { z } from "zod";
import { type Scope, toText, valueAt } from "./templates.ts";
import { pathSchema } from "./words.ts";

const valueText = "expected a value (text, number, true or false), or a list of values";
const plain = z.union([z.string(), z.number(), z.boolean()], valueText);
const values = z.union([plain, z.array(plain).min(1, valueText)], valueText);
const testText = `${valueText}, { not: <value> } or { exists: true }`;

export const conditionsSchema = z
  .record(
    pathSchema,
    z.union(
      [
        plain,
        z.array(plain).min(1, valueText),
        z.strictObject({ not: values }),
        z.strictObject({ exists: z.boolean("expected true or false") }),
      ],
      testText,
    ),
    "expected paths with the values wanted there",
  )
  .meta({ description: "Paths with the values wanted there. All have to match; a list means any of." });

export type Conditions = z.output<typeof conditionsSchema>;

/** Whether everything is as wanted. Plain values are compared as text, so that 7 and "7" are the same. */
export function holds(conditions: Conditions | undefined, scope: Scope): boolean {
  return Object.entries(conditions ?? {}).every(([path, test]) => {
    const value = valueAt(scope, path);
    if (typeof test !== "object") return toText(value) === String(test);
    if (Array.isArray(test)) return test.map(String).includes(toText(value));
    if ("exists" in test) return (value !== undefined && value !== null) === test.exists;
    return ![test.not].flat().map(String).includes(toText(value));
  });
}
