// Turns what zod found into sentences at keys: what was expected there, what was found, and what was probably meant.
import { z } from "zod";
import type { DocumentProblem } from "./yaml.ts";

type Issue = z.core.$ZodIssue;
type Path = readonly PropertyKey[];

/** The problems of a document that a schema refused, one for each key. */
export function toProblems(schema: z.core.$ZodType, value: unknown, issues: Issue[]): DocumentProblem[] {
  return issues.flatMap((issue) => toProblem(schema, value, issue));
}

/** `did you mean x?` with a space before it, where one of the known words is a slip away from the written one; else "". */
export function suggestion(written: unknown, known: readonly string[]): string {
  if (typeof written !== "string") return "";
  const near = known
    .map((word) => ({ word, slips: distance(written, word) }))
    .filter(({ word, slips }) => slips <= Math.min(2, Math.floor(word.length / 2)))
    .sort((a, b) => a.slips - b.slips)[0];
  return near === undefined ? "" : `; did you mean ${near.word}?`;
}

const MAP = z.record(z.string(), z.unknown());

/** A part of a document by its keys, whatever is wrong in it; undefined where it is no map. */
export function readMap(value: unknown): Record<string, unknown> | undefined {
  return MAP.safeParse(value).data;
}

/** The same, empty where it is no map. */
export function mapOf(value: unknown): Record<string, unknown> {
  return readMap(value) ?? {};
}

function toProblem(schema: z.core.$ZodType, value: unknown, issue: Issue): DocumentProblem[] {
  const { path } = issue;
  const found = valueAt(value, path);
  switch (issue.code) {
    case "unrecognized_keys": {
      const known = knownKeys(meantBranch(schemaAt(schema, path, value), found));
      return issue.keys.map((key) => ({
        path: [...path, key],
        message: `unknown key; expected one of ${known.join(", ")}${suggestion(key, known)}`,
      }));
    }
    case "invalid_key":
      return [{ path, message: issue.issues[0]?.message ?? issue.message }];
    case "invalid_union":
      // zod names the key that tells the alternatives apart, not the union itself.
      if (issue.discriminator !== undefined && path.at(-1) === issue.discriminator) {
        return [
          {
            path,
            message: describe(issue.message, found, wordsOf(schemaAt(schema, path.slice(0, -1), value))),
          },
        ];
      }
      return inBranch(schemaAt(schema, path, value), found, issue).map((problem) => ({
        ...problem,
        path: [...path, ...problem.path],
      }));
    default:
      return [
        { path, message: describe(issue.message, found, "values" in issue ? issue.values.map(String) : []) },
      ];
  }
}

/** What is wrong with the alternative of a union that was probably meant. */
function inBranch(
  union: z.core.$ZodType | undefined,
  value: unknown,
  issue: z.core.$ZodIssueInvalidUnion,
): DocumentProblem[] {
  const branches = defOf(union).options ?? [];
  const meant = meantBranch(union, value);
  const issues = meant === undefined ? undefined : issue.errors[branches.indexOf(meant)];
  if (meant !== undefined && issues !== undefined && issues.length > 0)
    return toProblems(meant, value, issues);
  const words = branches.flatMap((branch) => [
    ...Object.keys(defOf(branch).entries ?? {}),
    ...knownKeys(branch),
  ]);
  const written = isMap(value) && !Array.isArray(value) ? Object.keys(value)[0] : undefined;
  return [{ path: [], message: describe(issue.message, written ?? value, words) }];
}

/** The alternative of a union most of whose keys are there; the list for a list. What is no union is meant itself. */
function meantBranch(schema: z.core.$ZodType | undefined, value: unknown): z.core.$ZodType | undefined {
  const { options: branches, discriminator } = defOf(schema);
  if (branches === undefined) return schema;
  if (discriminator !== undefined) {
    const chosen = isMap(value) ? value[discriminator] : undefined;
    return branches.find((branch) => namesOf(branch, discriminator).some((name) => name === chosen));
  }
  if (Array.isArray(value)) return branches.find((branch) => defOf(branch).type === "array");
  const written = isMap(value) ? Object.keys(value) : [];
  return branches
    .map((branch) => {
      const keys = knownKeys(branch);
      const shared = written.filter((key) => keys.includes(key)).length;
      return { branch, shared, missing: keys.length - shared };
    })
    .filter(({ shared }) => shared > 0)
    .sort((a, b) => b.shared - a.shared || a.missing - b.missing)[0]?.branch;
}

/** The words that tell the alternatives of a union apart. */
function wordsOf(union: z.core.$ZodType | undefined): string[] {
  const { options = [], discriminator = "" } = defOf(union);
  return options.flatMap((branch) => namesOf(branch, discriminator));
}

/** The words a branch of a discriminated union answers to. */
function namesOf(branch: z.core.$ZodType, discriminator: string): string[] {
  return (defOf(defOf(branch).shape?.[discriminator]).values ?? []).map(String);
}

const MOST_QUOTED = 60;

function describe(expected: string, found: unknown, known: readonly string[]): string {
  if (found === undefined) return `missing; ${expected}`;
  const written = JSON.stringify(found);
  // What was written may be a whole file of another kind, with what it holds.
  const quoted = written.length > MOST_QUOTED ? `${written.slice(0, MOST_QUOTED)}…` : written;
  const shown = found === null || typeof found === "object" ? "" : `, not ${quoted}`;
  return `${expected}${shown}${suggestion(found, known)}`;
}

interface Definition {
  type?: string;
  shape?: Record<string, z.core.$ZodType>;
  entries?: Record<string, string>;
  options?: z.core.$ZodType[];
  valueType?: z.core.$ZodType;
  element?: z.core.$ZodType;
  innerType?: z.core.$ZodType;
  /** Of a pipe: what is written, before it is transformed. */
  in?: z.core.$ZodType;
  /** Of a schema that holds itself. */
  getter?: () => z.core.$ZodType;
  /** Of a union told apart by one key, and of the literals that key may be. */
  discriminator?: string;
  values?: unknown[];
}

function defOf(schema: z.core.$ZodType | undefined): Definition {
  const def = (schema?._zod.def ?? {}) as Definition;
  const inner = def.innerType ?? def.in ?? def.getter?.();
  return inner === undefined ? def : defOf(inner);
}

function schemaAt(schema: z.core.$ZodType, path: Path, value: unknown): z.core.$ZodType | undefined {
  let at: z.core.$ZodType | undefined = schema;
  for (const [index, step] of path.entries()) {
    const def = defOf(meantBranch(at, valueAt(value, path.slice(0, index))));
    at = def.shape?.[String(step)] ?? def.valueType ?? def.element;
  }
  return at;
}

function knownKeys(schema: z.core.$ZodType | undefined): string[] {
  return Object.keys(defOf(schema).shape ?? {});
}

function valueAt(value: unknown, path: Path): unknown {
  let at = value;
  for (const step of path) at = isMap(at) ? at[String(step)] : undefined;
  return at;
}

function isMap(value: unknown): value is Record<string, unknown> {
  return typeof value === "object" && value !== null;
}

/** Levenshtein's distance: insertions, deletions and replacements between two words. */
function distance(a: string, b: string): number {
  let row = Array.from({ length: b.length + 1 }, (_, index) => index);
  for (let i = 1; i <= a.length; i++) {
    const next = [i];
    for (let j = 1; j <= b.length; j++) {
      const replaced = (row[j - 1] ?? 0) + (a[i - 1] === b[j - 1] ? 0 : 1);
      next.push(Math.min(replaced, (row[j] ?? 0) + 1, (next[j - 1] ?? 0) + 1));
    }
    row = next;
  }
  return row[b.length] ?? 0;
}
