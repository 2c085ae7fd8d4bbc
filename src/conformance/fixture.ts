// A fixture: answers of a system as they were recorded, by what was asked, and what the document needs besides.
import { z } from "zod";
import type { Stream } from "../connectors/http/schema.ts";
import { parseYaml } from "../platform/documents/yaml.ts";
import { UsageError } from "../platform/errors.ts";
import type { Asked } from "./server.ts";

const fixtureSchema = z.strictObject(
  {
    /** As the connection's: it need not be a real one. */
    secret: z.string().min(1).optional(),
    settings: z.record(z.string(), z.unknown()).default({}),
    connection: z
      .strictObject({ key: z.string().min(1), attributes: z.record(z.string(), z.string()).default({}) })
      .default({ key: "main", attributes: {} }),
    /** By "GET /path", below the document's url, where need be with a query that tells it from others: "GET /path?status=sent". */
    answers: z.record(
      z.string().regex(/^(GET|POST) \/\S*$/, 'expected what is asked, such as "GET /reviews"'),
      z.union([z.array(z.unknown()), z.record(z.string(), z.unknown())], "expected the JSON of the answer"),
    ),
  },
  "expected a fixture: secret, settings and answers",
);

export type Fixture = z.output<typeof fixtureSchema>;

/** Throws a UsageError with file, line and what was expected. JSON is YAML. */
export function parseFixture(text: string, file: string): Fixture {
  const { value } = parseYaml(text, file, fixtureSchema);
  if (Object.keys(value.answers).length === 0) throw new UsageError(`${file}: there is no answer in it`);
  return value;
}

/** Whether a recorded answer is the one a stream asks for: the path fits, and so does what the key says of the query. */
export function isOf({ request: { method, path, query } }: Stream, key: string): boolean {
  const parts = partsOf(key);
  return (
    parts.method === method &&
    toPattern(path).test(parts.path) &&
    parts.query.every(([name, value]) => String(query[name] ?? value) === value)
  );
}

/** Whether a recorded answer is that of a request. */
export function fits(key: string, { method, path, query }: Asked): boolean {
  const parts = partsOf(key);
  return (
    parts.method === method &&
    parts.path === path &&
    parts.query.every(([name, value]) => query.get(name) === value)
  );
}

/** "GET /path?status=sent". */
function partsOf(key: string): { method: string; path: string; query: [string, string][] } {
  const [, method = "", path = "", params = ""] = /^(\S+) ([^?]*)\??(.*)$/.exec(key) ?? [];
  return { method, path, query: [...new URLSearchParams(params)] };
}

export function toPattern(path: string): RegExp {
  const steps = path.split(/\{[^{}]*\}/).map((text) => text.replaceAll(/[.*+?^${}()|[\]\\]/g, "\\$&"));
  return new RegExp(`^${steps.join("[^/]+")}$`);
}
