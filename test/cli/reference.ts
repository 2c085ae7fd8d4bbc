// docs/cli.md as data: the commands with their options, and the shapes of what --json prints.
import { readFileSync } from "node:fs";

const page = readFileSync(new URL("../../docs/cli.md", import.meta.url), "utf8");

export interface Section {
  title: string;
  /** The first cells of its tables' rows without the backticks, each with the second cell. */
  rows: Record<string, string>;
}

const [commandsPart = "", jsonPart = ""] = page.split("\n# JSON\n");

function sectionsOf(text: string): Section[] {
  return text
    .split(/^##+ /m)
    .slice(1)
    .map((section) => {
      const rows = [...section.matchAll(/^\| `([^`]+)` *\| ([^|]+?) *\|/gm)];
      return {
        title: section.split("\n")[0] ?? "",
        rows: Object.fromEntries(rows.map(([, key = "", value = ""]) => [key, value.replaceAll("`", "")])),
      };
    });
}

/** "sync [source...]" and its options. */
export const documentedCommands = sectionsOf(commandsPart);

const shapes = new Map(sectionsOf(jsonPart).map(({ title, rows }) => [title, rows]));

/** The shape a list's type names: "list of runs" is a list of "A run". */
const listed: Record<string, string> = {
  runs: "A run",
  changes: "A change",
  achievements: "An achievement",
  evidence: "Evidence",
  "adjustments held": "An adjustment held",
  lines: "A line",
  causes: "A cause",
  "evidence found": "Evidence found",
  findings: "A finding",
  groups: "A group",
  suggestions: "A suggestion",
  cases: "A case",
  streams: "A stream",
  "sampled facts": "A sampled fact",
  "refused rows": "A refused row",
  bars: "A bar",
  "simulated scores": "A simulated score",
  "simulated achievements": "A simulated achievement",
};

const isInstant = (value: unknown) =>
  typeof value === "string" && /^\d{4}-\d\d-\d\dT\d\d:\d\d:\d\d\.\d{3}Z$/.test(value);
const isTexts = (value: unknown) =>
  Object.values(value as object).every((element) => typeof element === "string");

const plainTypes: Record<string, (value: unknown) => boolean> = {
  integer: Number.isSafeInteger,
  number: (value) => typeof value === "number" && Number.isFinite(value),
  text: (value) => typeof value === "string",
  boolean: (value) => typeof value === "boolean",
  instant: isInstant,
  "list of texts": (value) => Array.isArray(value) && isTexts(value),
  "object of integers": (value) =>
    typeof value === "object" && value !== null && Object.values(value).every(Number.isSafeInteger),
  "object of texts": (value) =>
    typeof value === "object" && value !== null && !Array.isArray(value) && isTexts(value),
};

/** Fields that were seen with a value, as "A run.reason": what is documented and never seen may not exist. */
export type Seen = Set<string>;

/** Where a value is not what the page says of this shape: fields it has too many or too few, other types. */
export function departures(shape: string, value: unknown, seen: Seen): string[] {
  const fields = shapes.get(shape);
  if (fields === undefined) return [`docs/cli.md has no shape "${shape}"`];
  const values = flat(value as Record<string, unknown>, fields);
  const names = new Set([...Object.keys(fields), ...values.keys()]);
  return [...names].flatMap((name) => {
    const type = fields[name];
    if (type === undefined) return [`${shape}.${name} is not documented`];
    if (!values.has(name)) return [`${shape}.${name} is documented and missing`];
    return departuresOfField(`${shape}.${name}`, type, values.get(name), seen);
  });
}

function departuresOfField(name: string, type: string, value: unknown, seen: Seen): string[] {
  if (value === null) return type.endsWith(" or null") ? [] : [`${name} is null`];
  const plain = type.replace(" or null", "");
  const check = plainTypes[plain];
  if (check !== undefined) {
    seen.add(name);
    return check(value) ? [] : [`${name} is no ${plain}: ${JSON.stringify(value)}`];
  }
  const shape = listed[plain.replace("list of ", "")];
  if (shape === undefined || !Array.isArray(value)) return [`${name} is no ${plain}`];
  if (value.length > 0) seen.add(name);
  return value.flatMap((element) => departures(shape, element, seen));
}

/** Fields by name; "partner.slug" where the page names it so. */
function flat(value: Record<string, unknown>, fields: Record<string, string>): Map<string, unknown> {
  return new Map(
    Object.entries(value).flatMap(([key, inner]) =>
      Object.keys(fields).some((name) => name.startsWith(`${key}.`))
        ? Object.entries(inner as object).map(([name, leaf]) => [`${key}.${name}`, leaf] as const)
        : [[key, inner] as const],
    ),
  );
}

/** Every documented field, as `Seen` names it. */
export function documentedFields(): string[] {
  return [...shapes].flatMap(([shape, fields]) => Object.keys(fields).map((name) => `${shape}.${name}`));
}
