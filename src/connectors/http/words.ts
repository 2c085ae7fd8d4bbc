// The words every part of a document is made of: texts, paths, spans, conditions of their form.
import { z } from "zod";
import { PATH, placeholdersOf } from "./templates.ts";

const MOST_CHARACTERS = 4000;

export const textOf = (expected: string) =>
  z.string(expected).trim().min(1, expected).max(MOST_CHARACTERS, expected);

const pathText = "expected a dotted path such as data.items";
export const pathSchema = textOf(pathText).regex(PATH, pathText);

/** A text whose placeholders are paths. */
const templateOf = (expected: string) =>
  textOf(expected).refine(
    (text) => placeholdersOf(text).every((path) => PATH.test(path)),
    `${expected}; a placeholder is a path in braces, such as {id} or {$settings.url}`,
  );

export const templateSchema = templateOf("expected some text, with placeholders such as {id} where wanted");

const nameText = "expected a name of lower-case letters, digits and hyphens that begins with a letter";
export const nameSchema = z
  .string(nameText)
  .max(64, nameText)
  .regex(/^[a-z][a-z0-9]*(-[a-z0-9]+)*$/, nameText);

export const count = (expected: string, least: number, most: number) =>
  z.int(expected).min(least, expected).max(most, expected);

/** How a source writes an instant. */
const dateFormats = [
  "iso",
  "iso-seconds",
  "date",
  "local",
  "unix",
  "unix-ms",
  "DD/MM/YYYY",
  "MM/DD/YYYY",
] as const;
export const dateFormatSchema = z.enum(dateFormats, `expected one of ${dateFormats.join(", ")}`);
export type DateFormat = (typeof dateFormats)[number];
