// A YAML document that describes a system, read and checked.
import { createHash } from "node:crypto";
import { z } from "zod";
import { toProblems } from "../../platform/documents/problems.ts";
import { parseYaml } from "../../platform/documents/yaml.ts";
import type { Connector } from "../connector.ts";
import { checkDocument } from "./checks.ts";
import { toConnector } from "./http.ts";
import { documentSchema, type HttpDocument } from "./schema.ts";
import type { Settings } from "./session.ts";

/**
 * A document, and what tells it from others. `file` names it in errors. Throws one UsageError that lists every problem, a line
 * each: `file:line: key: what was expected`.
 */
export function parseDocument(text: string, file: string): { document: HttpDocument; revision: string } {
  const { value, refuse } = parseYaml(text, file, z.unknown());
  const checked = documentSchema.safeParse(value);
  if (!checked.success) return refuse(toProblems(documentSchema, value, checked.error.issues));
  const problems = checkDocument(checked.data);
  if (problems.length > 0) return refuse(problems);
  // Of what the document means, not of how it is laid out: a comment makes no pull begin anew.
  const revision = createHash("sha256").update(JSON.stringify(checked.data)).digest("hex").slice(0, 16);
  return { document: checked.data, revision };
}

/** The connector a document describes; refused as `parseDocument` refuses it. */
export function parseConnector(text: string, file: string): Connector<Settings> {
  const { document, revision } = parseDocument(text, file);
  return toConnector(document, revision);
}
