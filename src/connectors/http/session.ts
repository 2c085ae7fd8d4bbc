// What one pull or check works with: the document, and everything its paths may lead into.
import { SourceError } from "../../platform/errors.ts";
import { parseUrl } from "../client/guard.ts";
import type { PullInput } from "../connector.ts";
import type { HttpDocument } from "./schema.ts";
import { fill, fillWhole, isTemplate, type Scope } from "./templates.ts";

export type Settings = Record<string, unknown>;

export interface Session {
  document: HttpDocument;
  input: PullInput<Settings>;
  /** Without the secret: what requests and mappings see. */
  scope: Scope;
  /** The secret and its parts, as $secret. Only what makes a credential sees them. */
  secrets: Scope;
  /** Where the API is. Everything asked stays on its origin. */
  base: URL;
  /** Nothing is pulled: one page is looked at, and nothing more is asked for than that takes. */
  isLook?: boolean;
  /** The time now: that of the pull and what has passed since. A token signed late must not be old. */
  at(): Date;
}

/** Throws a SourceError: `auth` without the secret the document needs, or one without its parts; `config` where its url is none. */
export function openSession(document: HttpDocument, input: PullInput<Settings>): Session {
  const began = performance.now();
  const { key, attributes } = input.connection;
  const scope = { $settings: input.settings, $connection: { ...attributes, key } };
  const secrets = { $secret: partsOf(document, input) };
  return {
    document,
    input,
    scope,
    secrets,
    base: baseOf([document.url].flat(), { ...scope, ...secrets }),
    at: () => new Date(input.now.getTime() + performance.now() - began),
  };
}

/** The address of the API. A url of the settings is put in as it is; anything else cannot bring a host or a path with it. */
function baseOf(templates: string[], scope: Scope): URL {
  const template = templates.find((each) => fill(each, scope) !== undefined) ?? templates.at(-1) ?? "";
  const [, opening = "", rest = ""] = /^(\{[^{}]*\})?(.*)$/s.exec(template) ?? [];
  const address =
    (opening === "" ? "" : fillWhole(opening, scope)) + fillWhole(rest, scope, encodeURIComponent);
  const url = parseUrl(address.replace(/\/+$/, ""));
  if (url === undefined || url.search !== "" || url.hash !== "") {
    throw new SourceError("config", "the address of the source is not a URL without a query");
  }
  return url;
}

function partsOf(
  { id, secret: { fields, separator, optional }, auth }: HttpDocument,
  input: PullInput<Settings>,
): unknown {
  const { secret, key } = input.connection;
  if (secret === undefined || secret === "") {
    if (optional === true || auth.type === "none") return undefined;
    throw new SourceError("auth", `connection ${key} has no secret, and ${id} needs one`);
  }
  if (fields === undefined) return secret;
  const parts = separator === undefined ? jsonParts(secret) : textParts(secret, separator, fields);
  const missing = fields.find((field) => typeof parts[field] !== "string" || parts[field] === "");
  if (missing === undefined) return parts;
  const form = separator === undefined ? "a JSON object with" : "a text that holds, in this order,";
  throw new SourceError(
    "auth",
    `the secret of connection ${key} has no ${missing}: ${id} expects ${form} ${fields.join(", ")}`,
  );
}

function jsonParts(secret: string): Record<string, unknown> {
  try {
    const parsed: unknown = JSON.parse(secret);
    return typeof parsed === "object" && parsed !== null ? (parsed as Record<string, unknown>) : {};
  } catch {
    return {};
  }
}

/** The last part takes the rest, separators and all. */
function textParts(secret: string, separator: string, fields: string[]): Record<string, string> {
  const parts = secret.split(separator);
  const last = fields.length - 1;
  return Object.fromEntries(
    fields.map((field, index) => [
      field,
      index === last ? parts.slice(last).join(separator) : (parts[index] ?? ""),
    ]),
  );
}

/** Every text of the secret, in the forms in which an answer may repeat it. */
export function secretTexts(session: Session, derived: string[]): string[] {
  const { $secret } = session.secrets;
  const parts =
    typeof $secret === "object" && $secret !== null ? (Object.values($secret) as unknown[]) : [$secret];
  const texts = [session.input.connection.secret, ...parts, ...derived].filter(
    (text) => typeof text === "string" && text !== "",
  ) as string[];
  const forms = texts.flatMap((text) => [
    text,
    encodeURIComponent(text),
    Buffer.from(text).toString("base64"),
    JSON.stringify(text).slice(1, -1),
  ]);
  // The longest first: a part of another one must not leave the rest of it standing.
  return [...new Set(forms)].sort((a, b) => b.length - a.length);
}

/** A text of the document that may need the secret. */
export function fillSecret(text: string, session: Session, more: Scope = {}): string {
  return isTemplate(text) ? fillWhole(text, { ...session.scope, ...session.secrets, ...more }) : text;
}
