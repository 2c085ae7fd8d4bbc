// YAML documents people write: parsed with their positions, checked by a zod schema, every problem named with its line.
import { type Document, isMap, isScalar, LineCounter, type ParsedNode, parse, parseDocument } from "yaml";
import type { z } from "zod";
import { UsageError } from "../errors.ts";

/** A problem at a key of a document: ["achievements", "accounts", "award"]. */
export interface DocumentProblem {
  path: readonly PropertyKey[];
  /** What was expected. */
  message: string;
}

interface OpenDocument<T> {
  value: T;
  /** Throws one UsageError that lists the problems with file, line and key, in the order of the lines. */
  refuse: (problems: DocumentProblem[]) => never;
}

/**
 * Parses and checks a document. Throws a UsageError with one line for each problem, `file:line: key: what was expected`:
 * YAML syntax, duplicate keys, and whatever the schema refuses.
 */
export function parseYaml<Schema extends z.ZodType>(
  text: string,
  file: string,
  schema: Schema,
): OpenDocument<z.output<Schema>> {
  const lines = new LineCounter();
  const document = parseDocument(text, { lineCounter: lines, prettyErrors: false });
  if (document.errors.length > 0) {
    const broken = document.errors.map((error) => {
      const { line } = lines.linePos(error.pos[0]);
      return { line, text: `${file}:${line}: ${error.message}` };
    });
    throw new UsageError(listed(broken));
  }
  const refuse = (problems: DocumentProblem[]): never => {
    const located = problems.map((problem) => {
      const line = lineOf(document, lines, problem.path);
      const key = problem.path.length === 0 ? "" : `${problem.path.map(String).join(".")}: `;
      return { line, text: `${file}:${line}: ${key}${problem.message}` };
    });
    throw new UsageError(listed(located));
  };
  const checked = schema.safeParse(plain(document, file));
  if (!checked.success) {
    return refuse(
      checked.error.issues.flatMap((issue) =>
        issue.code === "unrecognized_keys"
          ? issue.keys.map((key) => ({
              path: [...issue.path, key],
              message: `unknown key; expected one of ${knownKeys(schema, issue.path)}`,
            }))
          : // A key that is not one: what its own schema says of it is one level down.
            [
              {
                path: issue.path,
                message:
                  issue.code === "invalid_key" ? (issue.issues[0]?.message ?? issue.message) : issue.message,
              },
            ],
      ),
    );
  }
  return { value: checked.data, refuse };
}

/** Aliases are resolved here, so an unknown anchor, or anchors within anchors without end, are found only now. */
function plain(document: Document.Parsed, file: string): unknown {
  try {
    return document.toJS();
  } catch (error) {
    throw new UsageError(`${file}:1: ${(error as Error).message}`);
  }
}

function listed(problems: { line: number; text: string }[]): string {
  return problems
    .sort((a, b) => a.line - b.line)
    .map((problem) => problem.text)
    .join("\n");
}

/** The line of the key at a path, or of the nearest parent that exists. */
function lineOf(document: Document.Parsed, lines: LineCounter, path: readonly PropertyKey[]): number {
  let node: unknown = document.contents;
  let offset = document.contents?.range[0] ?? 0;
  for (const step of path) {
    if (isMap(node)) {
      const pair = node.items.find((item) => isScalar(item.key) && String(item.key.value) === String(step));
      if (pair === undefined) break;
      offset = (pair.key as ParsedNode).range[0];
      node = pair.value;
    } else {
      const child = (node as { items?: ParsedNode[] } | null)?.items?.[Number(step)];
      if (child === undefined) break;
      offset = child.range[0];
      node = child;
    }
  }
  return lines.linePos(offset).line;
}

/** The keys a schema knows at a path, for the error about one it does not know. */
function knownKeys(schema: z.ZodType, path: readonly PropertyKey[]): string {
  let at = unwrapped(schema);
  for (const step of path) {
    const shape = at?.["shape"] as Record<string, unknown> | undefined;
    at = unwrapped(shape?.[String(step)] ?? at?.["valueType"] ?? at?.["element"]);
  }
  const shape = at?.["shape"] as Record<string, unknown> | undefined;
  return shape === undefined ? "the documented ones" : Object.keys(shape).join(", ");
}

/** What a schema is, below whatever makes it optional, gives it a default or transforms it. */
function unwrapped(schema: unknown): Record<string, unknown> | undefined {
  const def = (schema as { def?: Record<string, unknown> } | undefined)?.def;
  const inner = def?.["innerType"] ?? def?.["in"];
  return inner === undefined ? def : unwrapped(inner);
}

/** A document whose scalars are the text that was written: `1.10` stays "1.10", `007` stays "007". */
export function readAsWritten(text: string): unknown {
  return parse(text, { schema: "failsafe", logLevel: "error" });
}
