// What a row becomes: checked against the stream's schema, then mapped to facts. A row that breaks the one or does not survive
// the other is set aside with the reason; the rest of the page is not its hostage.
import { SourceError } from "../../platform/errors.ts";
import { quote } from "../client/answers.ts";
import type { EvidenceFact, QuarantinedRow } from "../connector.ts";
import { clean, readEnd, readInstant, readQuantity, toFact } from "../facts.ts";
import { holds } from "./conditions.ts";
import { readChange } from "./dates.ts";
import type { EvidenceMapping, Expression, FieldType } from "./mapping-schema.ts";
import type { Stream } from "./schema.ts";
import type { Session } from "./session.ts";
import { fill, type Scope, toText, valueAt } from "./templates.ts";
import { evaluate } from "./values.ts";

export interface MappedRows {
  evidence: EvidenceFact[];
  quarantined: QuarantinedRow[];
}

/** What of a session a mapping needs. */
export interface Reader {
  document: Pick<Session["document"], "per-account">;
  input: Pick<Session["input"], "connection" | "pseudonym">;
}

type Rows = Pick<Stream, "key" | "schema" | "evidence">;

/** The facts of rows, the later of two with one external id. `place` names rows that do not say who they are. */
export function mapRows(
  session: Reader,
  name: string,
  stream: Rows,
  rows: unknown[],
  scope: Scope,
  place: string,
): MappedRows {
  const facts = new Map<string, EvidenceFact>();
  const quarantined: QuarantinedRow[] = [];
  for (const [index, row] of rows.entries()) {
    const rowScope = { ...scope, "": row };
    const key = keyOf(rowScope, stream.key);
    const of = key === "" ? `${name}, ${place}, row ${index + 1}` : `${name}/${key}`;
    try {
      refuseBroken(row, stream, key, of);
      for (const mapping of [stream.evidence ?? []].flat()) {
        for (const fact of toFacts(session, mapping, rowScope, of)) facts.set(fact.externalId, fact);
      }
    } catch (error) {
      if (!(error instanceof SourceError) || error.class !== "data") throw error;
      const ids = key === "" ? [] : idsOf(session, stream, rowScope, of);
      const reason = error.message;
      quarantined.push(
        ...(ids.length === 0
          ? [{ externalId: clean(prefixed(session, of)).slice(0, 512), reason, unidentified: true as const }]
          : ids.map((externalId) => ({ externalId: clean(externalId).slice(0, 512), reason }))),
      );
    }
  }
  return { evidence: [...facts.values()], quarantined };
}

/** A number beyond 2^53 has lost digits on its way through JSON: it may be another row's. */
function keyOf(scope: Scope, path: string): string {
  const value = valueAt(scope, path);
  return typeof value === "number" && !Number.isSafeInteger(value) ? "" : toText(value);
}

function refuseBroken(row: unknown, { schema, key }: Rows, id: string, of: string): void {
  const refuse = (why: string) => new SourceError("data", `${quote(of)}: ${why}`);
  if (typeof row !== "object" || row === null || Array.isArray(row)) throw refuse("an object was expected");
  if (id === "") throw refuse(`${key} is missing, or no id`);
  for (const [path, field] of Object.entries(schema)) {
    const value = valueAt({ "": row }, path);
    const isOptional = field.endsWith("?");
    if (value === undefined || value === null) {
      if (isOptional) continue;
      throw refuse(`${path} is missing`);
    }
    const type = field.replace("?", "") as FieldType;
    if (!isOf(type, value)) throw refuse(`${path} is no ${type}`);
  }
}

function isOf(type: FieldType, value: unknown): boolean {
  const text = toText(value);
  switch (type) {
    case "text":
      return typeof value === "string" || typeof value === "number";
    case "number":
      return typeof value !== "boolean" && /^-?\d+(\.\d+)?([eE][+-]?\d+)?$/.test(text);
    case "integer":
      return typeof value !== "boolean" && /^-?\d+$/.test(text);
    case "boolean":
      return typeof value === "boolean" || text === "true" || text === "false";
    case "list":
      return Array.isArray(value);
    case "object":
      return typeof value === "object" && !Array.isArray(value);
    default:
      return isDate(value);
  }
}

function isDate(value: unknown): boolean {
  try {
    return readChange(value, "UTC", "") !== undefined || /^\d{1,2}\/\d{1,2}\/\d{4}$/.test(toText(value));
  } catch {
    return /^\d{1,2}\/\d{1,2}\/\d{4}$/.test(toText(value));
  }
}

function toFacts(session: Reader, mapping: EvidenceMapping, scope: Scope, of: string): EvidenceFact[] {
  if (mapping.each === undefined) return toOne(session, mapping, scope, of);
  const items = valueAt(scope, mapping.each);
  if (items === undefined || items === null) return [];
  if (!Array.isArray(items)) throw new SourceError("data", `${quote(of)}: ${mapping.each} is no list`);
  return items.flatMap((item: unknown) => toOne(session, mapping, { ...scope, $item: item }, of));
}

/** One fact, or none: for a row that the conditions exclude, that names no partner, or whose quantity is 0. */
function toOne(session: Reader, mapping: EvidenceMapping, scope: Scope, of: string): EvidenceFact[] {
  if (!holds(mapping.when, scope)) return [];
  const name = quote(of);
  const evaluated = (expression: Expression | undefined) =>
    expression === undefined
      ? undefined
      : evaluate(expression, { scope, of: name, pseudonym: (text: string) => session.input.pseudonym(text) });
  const text = (expression: Expression | undefined) => {
    const value = evaluated(expression);
    return value === false ? "" : toText(value);
  };
  const identity = mapping.identity && {
    namespace: fill(mapping.identity.namespace, scope) ?? "",
    key: text(mapping.identity.key),
  };
  if (identity?.key === "") return [];
  const quantity = mapping.quantity === undefined ? 1 : quantityOf(evaluated(mapping.quantity), name);
  if (quantity === 0) return [];
  const timeZone = fill(mapping["time-zone"], scope) ?? "UTC";
  const occurredAt = readInstant(text(mapping["occurred-at"]), timeZone, name);
  if (occurredAt === undefined) throw new SourceError("data", `${name}: no date of what happened`);
  const attributes = Object.entries(mapping.attributes).map(
    ([attribute, from]) => [attribute, plainText(evaluated(from))] as const,
  );
  return [
    toFact({
      externalId: idOf(session, mapping, scope, of),
      kind: fill(mapping.kind, scope) ?? "",
      occurredAt,
      endedAt: readEnd(text(mapping["ended-at"]), timeZone, name),
      quantity,
      attributes: Object.fromEntries(attributes.filter(([, value]) => value !== "")),
      title: text(mapping.title),
      link: text(mapping.link),
      identity,
    }),
  ];
}

/** A document that names a quantity means it: a row without one is not read as none. */
function quantityOf(value: unknown, of: string): number {
  if (toText(value) === "") throw new SourceError("data", `${of}: no quantity`);
  // A sum of decimals has more digits than were added up.
  return typeof value === "number"
    ? readQuantity(Number(value.toFixed(4)), of)
    : readQuantity(toText(value), of);
}

/** Attributes are texts: a list of plain values is joined, in its order. */
function plainText(value: unknown): string {
  return Array.isArray(value)
    ? value
        .map(toText)
        .filter((text) => text !== "")
        .join(",")
    : toText(value);
}

/**
 * Every fact a row that cannot be read may have been before: none of them is absent. None where they cannot be told: then the
 * row may be any fact.
 */
function idsOf(session: Reader, stream: Rows, scope: Scope, of: string): string[] {
  const all = [stream.evidence ?? []].flat();
  const meant = all.filter(({ when }) => holds(when, scope));
  // What a row is meant to be may be just what cannot be read.
  const ids = (meant.length > 0 ? meant : all).flatMap((mapping) => {
    if (mapping.each === undefined) return [idOf(session, mapping, scope, of)];
    const items = valueAt(scope, mapping.each);
    const list: unknown[] = Array.isArray(items) ? items : [undefined];
    return list.map((item) => idOf(session, mapping, { ...scope, $item: item }, of));
  });
  return ids.includes("") ? [] : [...new Set(ids)];
}

/** The account's key comes first where each connection is an account: ids are per account there. */
function idOf(session: Reader, mapping: EvidenceMapping, scope: Scope, of: string): string {
  return prefixed(
    session,
    mapping["external-id"] === undefined ? of : (fill(mapping["external-id"], scope) ?? ""),
  );
}

function prefixed({ document, input }: Reader, id: string): string {
  return document["per-account"] && id !== "" ? `${input.connection.key}/${id}` : id;
}
