// How a document names values: dotted paths into what a source answers, and texts with {placeholders}. Neither can loop or call.
// A path is of the row ("settings.title") unless it begins with $, which names what else there is ("$settings.url").
import { SourceError } from "../../platform/errors.ts";

/** What paths lead into: the row (or answer) at hand under "", everything else under its name with the $. */
export type Scope = Readonly<Record<string, unknown>>;

const STEP = String.raw`[^\s.{}[\]$]+(?:\[\])?`;
export const PATH = new RegExp(`^(?:\\$?${STEP}(?:\\.${STEP})*|\\[\\](?:\\.${STEP})*)$`);
const PLACEHOLDER = /\{\{|\}\}|\{([^{}]*)\}/g;

/**
 * The value at a path; undefined where there is none. `[]` after a step takes every element of the array there:
 * `lists[].sent` is the array of them. A key that itself holds dots is found as it is written.
 */
export function valueAt(scope: Scope, path: string): unknown {
  const [name = "", ...rest] = path.startsWith("$") ? path.split(".") : ["", ...path.split(".")];
  const holder = own(scope, name);
  if (name === "") {
    const asWritten = own(holder, path);
    if (asWritten !== undefined) return asWritten;
  }
  return walk(holder, rest);
}

function walk(holder: unknown, steps: string[]): unknown {
  const [step, ...rest] = steps;
  if (step === undefined) return holder;
  if (!step.endsWith("[]")) return walk(own(holder, step), rest);
  const list = step === "[]" ? holder : own(holder, step.slice(0, -2));
  return Array.isArray(list) ? list.flatMap((element) => walk(element, rest) ?? []) : undefined;
}

function own(holder: unknown, key: string): unknown {
  return typeof holder === "object" && holder !== null && Object.hasOwn(holder, key)
    ? (holder as Record<string, unknown>)[key]
    : undefined;
}

/** The paths a text's placeholders name. `{{` and `}}` stand for the braces themselves. */
export function placeholdersOf(text: string): string[] {
  return [...text.matchAll(PLACEHOLDER)].flatMap(([, path]) => path ?? []);
}

/** A text without a placeholder says itself; a path has no braces either, so this tells a template from a path. */
export function isTemplate(text: string): boolean {
  return text.includes("{");
}

/** The text with its placeholders filled; undefined where one of them leads to nothing plain. */
export function fill(
  text: string,
  scope: Scope,
  encode: (value: string) => string = String,
): string | undefined {
  const valued = (path: string) => toText(valueAt(scope, path));
  if (placeholdersOf(text).some((path) => valued(path) === "")) return undefined;
  return text.replace(PLACEHOLDER, (match, path: string | undefined) =>
    path === undefined ? match.charAt(0) : encode(valued(path)),
  );
}

/** As `fill`, where nothing may be missing. Throws a SourceError (config) that names the placeholder. */
export function fillWhole(text: string, scope: Scope, encode?: (value: string) => string): string {
  const filled = fill(text, scope, encode);
  if (filled !== undefined) return filled;
  const missing = placeholdersOf(text).find((path) => toText(valueAt(scope, path)) === "");
  throw new SourceError("config", `nothing to put in place of {${missing ?? ""}}`);
}

/** A tree of a document (a body) with every text in it filled. */
export function fillTree(tree: unknown, scope: Scope): unknown {
  if (typeof tree === "string") return fillWhole(tree, scope);
  if (Array.isArray(tree)) return tree.map((element) => fillTree(element, scope));
  if (typeof tree !== "object" || tree === null) return tree;
  return Object.fromEntries(Object.entries(tree).map(([key, value]) => [key, fillTree(value, scope)]));
}

/** A plain value as text, without spaces around it; "" for what is none (null, an object, a list). */
export function toText(value: unknown): string {
  if (typeof value === "string") return value.trim();
  return typeof value === "number" || typeof value === "boolean" ? String(value) : "";
}
