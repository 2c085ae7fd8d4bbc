// The closed list of functions a mapping may use. All are pure: a row in, a value out.
import { SourceError } from "../../platform/errors.ts";
import { quote } from "../client/answers.ts";
import { readQuantity } from "../facts.ts";
import { readDate } from "./dates.ts";
import type { Expression } from "./mapping-schema.ts";
import { fill, isTemplate, type Scope, toText, valueAt } from "./templates.ts";

export interface Evaluation {
  scope: Scope;
  /** Begins the messages: which row. */
  of: string;
  pseudonym(text: string): string;
}

/** The value of an expression; undefined where there is none. Throws a SourceError (data) for what is not as expected. */
export function evaluate(expression: Expression, given: Evaluation): unknown {
  if (typeof expression === "string") {
    return isTemplate(expression) ? fill(expression, given.scope) : valueAt(given.scope, expression);
  }
  const value = (inner: Expression) => evaluate(inner, given);
  const text = (inner: Expression) => toText(value(inner));
  if ("text" in expression) return expression.text;
  if ("lower" in expression) return text(expression.lower).toLowerCase();
  if ("trim" in expression) return text(expression.trim);
  if ("words" in expression) return toWords(text(expression.words));
  if ("domain" in expression) return toDomain(text(expression.domain));
  if ("number" in expression) return toNumber(value(expression.number), given.of);
  if ("pseudonym" in expression) {
    const name = text(expression.pseudonym);
    return name === "" ? undefined : given.pseudonym(name);
  }
  if ("first" in expression) return listOf(value(expression.first))[0];
  if ("count" in expression) return listOf(value(expression.count)).length;
  if ("sum" in expression) {
    const all = [expression.sum].flat().flatMap((inner) => listOf(value(inner)));
    return all.reduce<number>((sum, one) => sum + (toNumber(one, given.of) ?? 0), 0);
  }
  if ("coalesce" in expression)
    return expression.coalesce.map(value).find((one) => toText(one) !== "" && one !== false);
  if ("times" in expression) {
    const number = toNumber(value(expression.times), given.of);
    return number === undefined ? undefined : number * expression.by;
  }
  if ("date" in expression) return readDate(value(expression.date), expression.format, given.of);
  if ("at" in expression) return toValueAt(expression, given);
  if ("without" in expression) {
    const [beginning, whole] = [fill(expression.without, given.scope) ?? "", text(expression.of)];
    // What does not begin so, or is nothing else, is not meant.
    return whole.startsWith(beginning) && whole.length > beginning.length
      ? whole.slice(beginning.length)
      : undefined;
  }
  const { to, else: otherwise } = expression;
  const key = text(expression.translate);
  return Object.hasOwn(to, key) ? to[key] : otherwise;
}

/** Where the place is the user's to say, it is a path of what it is looked for in, and of nothing else. */
function toValueAt({ at, of, strict }: Extract<Expression, { at: string }>, given: Evaluation): unknown {
  const holder = of === undefined ? given.scope[""] : evaluate(of, given);
  const path = fill(at, given.scope) ?? "";
  if (path === "" || path.startsWith("$")) return undefined;
  const [first = ""] = path.split(".");
  if (
    strict === true &&
    valueAt({ "": holder }, first) === undefined &&
    valueAt({ "": holder }, path) === undefined
  )
    throw new SourceError("data", `${given.of}: there is no ${quote(path)}, not even an empty one`);
  return valueAt({ "": holder }, path);
}

function listOf(value: unknown): unknown[] {
  return Array.isArray(value) ? value : value === undefined || value === null ? [] : [value];
}

function toNumber(value: unknown, of: string): number | undefined {
  const text = toText(value);
  if (text === "") return undefined;
  if (typeof value === "boolean") throw new SourceError("data", `${of}: a number was expected`);
  return readQuantity(text, of);
}

/** The host of an address or an e-mail, without www: "https://www.acme.example/a" and "anna@acme.example" are acme.example. */
function toDomain(text: string): string | undefined {
  const address = text.includes("://") ? text : `http://${text.slice(text.lastIndexOf("@") + 1)}`;
  if (text === "" || !URL.canParse(address)) return undefined;
  const host = new URL(address).hostname.replace(/^www\./, "").replace(/\.$/, "");
  return host.includes(".") ? host : undefined;
}

const ENTITIES: Record<string, string> = { amp: "&", lt: "<", gt: ">", quot: '"', apos: "'", nbsp: " " };

/** HTML as the words it shows. */
function toWords(html: string): string {
  return html
    .replace(/<[^>]*>/g, " ")
    .replace(/&(?:#x([\da-f]{1,6})|#(\d{1,7})|(\w+));/gi, (entity, hex, decimal, name) => {
      if (typeof name === "string") return ENTITIES[name] ?? entity;
      const code = typeof hex === "string" ? Number.parseInt(hex, 16) : Number(decimal);
      return code <= 0x10ffff ? String.fromCodePoint(code) : entity;
    })
    .replace(/\s+/g, " ")
    .trim();
}
