// What the shape of a document cannot say: names that must exist elsewhere in it, and what only makes sense together.
import { suggestion } from "../../platform/documents/problems.ts";
import type { DocumentProblem } from "../../platform/documents/yaml.ts";
import type { EvidenceMapping } from "./mapping-schema.ts";
import type { HttpDocument, Stream } from "./schema.ts";
import { settingsSchemaOf } from "./settings.ts";
import { isTemplate, PATH, placeholdersOf } from "./templates.ts";

type Path = (string | number)[];

/** The problems of a document whose shape is right. */
export function checkDocument(document: HttpDocument): DocumentProblem[] {
  const { secret, streams } = document;
  const problems: DocumentProblem[] = [];
  const refuse = (path: Path, message: string) => problems.push({ path, message });
  const names = (tree: unknown, path: Path, allowed: string[], rowsAllowed: boolean) => {
    problems.push(...strangeNames(document, tree, path, allowed, rowsAllowed));
  };

  for (const [key, setting] of Object.entries(document.settings)) {
    if ((setting.type === "choice") !== (setting.values !== undefined)) {
      refuse(["settings", key], "expected values for the type choice, and for no other");
    } else if (setting.default !== undefined && !isSetting(document, key, setting.default)) {
      refuse(["settings", key, "default"], `expected a value of the type ${setting.type}`);
    }
  }
  if (secret.separator !== undefined && secret.fields === undefined) {
    refuse(["secret"], "expected fields, for there is a separator");
  }
  // The address is in every message. A part of the secret that is none (where an account is) may be in it, never all of it.
  const known = ["$settings", "$connection", ...(secret.fields === undefined ? [] : ["$secret"])];
  names(document.url, ["url"], known, false);
  const { auth } = document;
  names(auth, ["auth"], ["$settings", "$connection", "$secret", "$token", "$assertion"], false);
  names(document.headers, ["headers"], ["$settings", "$connection"], false);
  names(document.check.request, ["check", "request"], ["$settings", "$connection"], false);
  names(document.check.says, ["check", "says"], ["$settings", "$connection"], true);
  for (const [name, stream] of Object.entries(streams)) checkStream(name, stream);
  if (Object.values(streams).every(({ evidence }) => evidence === undefined)) {
    refuse(["streams"], "expected at least one stream with evidence");
  }
  return problems;

  function checkStream(name: string, stream: Stream): void {
    const path = ["streams", name];
    const { incremental, "for-each": parent } = stream;
    const known = ["$settings", "$connection", ...(parent === undefined ? [] : ["$parent"])];
    names(stream.request, [...path, "request"], known, false);
    const { paging } = stream;
    if (
      paging.type === "keyset" &&
      paging.inclusive &&
      paging.more === undefined &&
      stream.total === undefined
    ) {
      refuse(
        [...path, "paging", "inclusive"],
        "expected a total or more besides, to tell whether rows that share a value are left",
      );
    }
    if (parent !== undefined) {
      const others = Object.keys(streams).filter(
        (other) => other !== name && streams[other]?.["for-each"] === undefined,
      );
      if (!others.includes(parent)) {
        const expected = `expected a stream that is not listed by another one: ${others.join(", ") || "there is none"}`;
        refuse([...path, "for-each"], `${expected}, not ${parent}${suggestion(parent, others)}`);
      }
    }
    if (incremental !== undefined) {
      const within = [...path, "incremental"];
      names(incremental.request ?? {}, [...within, "request"], [...known, "$since", "$until"], false);
      const asks =
        placeholdersIn(incremental.request ?? {}).includes("$since") || incremental.parameter !== undefined;
      if (!asks) refuse(within, "expected a parameter, or {$since} in its request");
      if (Number.isNaN(Date.parse(incremental.start)))
        refuse([...within, "start"], "expected a date such as 2015-01-01");
    }
    const list = Array.isArray(stream.evidence);
    for (const [index, mapping] of [stream.evidence ?? []].flat().entries()) {
      checkMapping(mapping, list ? [...path, "evidence", index] : [...path, "evidence"], known);
    }
  }

  function checkMapping(mapping: EvidenceMapping, path: Path, known: string[]): void {
    const { kind, each, identity, "external-id": externalId, ...rest } = mapping;
    names(kind, [...path, "kind"], ["$settings"], false);
    names(
      { identity, "external-id": externalId, ...rest },
      path,
      each === undefined ? known : [...known, "$item"],
      true,
    );
    if (
      each !== undefined &&
      !placeholdersOf(externalId ?? "").some((name) => name.split(".")[0] === "$item")
    ) {
      refuse(
        [...path, externalId === undefined ? "each" : "external-id"],
        "expected an external-id with something of {$item}, for a row has several facts",
      );
    }
    if (identity === undefined && !document["per-account"]) {
      refuse(
        path,
        "expected an identity, for the connections of this document are no accounts (per-account)",
      );
    }
  }
}

/** What paths may name of a document besides rows. */
type Named = Pick<HttpDocument, "settings" | "secret">;

/** What is in the texts of a part that is no path of a row, and nothing that is there. */
export function strangeNames(
  document: Named,
  tree: unknown,
  path: Path,
  allowed: string[],
  rowsAllowed: boolean,
): DocumentProblem[] {
  return textsIn(tree, path).flatMap(({ text, at }) => {
    const isPath = rowsAllowed && !isTemplate(text) && text.startsWith("$") && PATH.test(text);
    return (isPath ? [text] : placeholdersOf(text)).flatMap((name) => {
      const message = strangeName(document, name, allowed, rowsAllowed);
      return message === undefined ? [] : [{ path: at, message }];
    });
  });
}

function strangeName(
  { settings, secret }: Named,
  name: string,
  allowed: string[],
  rowsAllowed: boolean,
): string | undefined {
  const [head = "", second] = name.split(".");
  if (!head.startsWith("$")) {
    return rowsAllowed
      ? undefined
      : `there is no row here for {${name}}; expected one of ${allowed.join(", ")}${suggestion(`$${head}`, allowed)}`;
  }
  if (!allowed.includes(head))
    return `expected one of ${allowed.join(", ")}, not ${head}${suggestion(head, allowed)}`;
  if (head === "$settings") return strangePart("a setting of this document", second, Object.keys(settings));
  if (head !== "$secret") return undefined;
  if (secret.fields === undefined) {
    return second === undefined
      ? undefined
      : `expected {$secret}, for the secret of this document has no fields, not {${name}}`;
  }
  return strangePart("a field of the secret", second, secret.fields);
}

function strangePart(what: string, name: string | undefined, known: string[]): string | undefined {
  if (name !== undefined && known.includes(name)) return undefined;
  return `expected ${what} (${known.join(", ") || "there is none"}), not ${name ?? "all of them"}${suggestion(name, known)}`;
}

/** Texts that are what they say, whatever is in them. */
const LITERAL = ["text", "to", "else"];

function textsIn(tree: unknown, at: Path): { text: string; at: Path }[] {
  if (typeof tree === "string") return [{ text: tree, at }];
  if (typeof tree !== "object" || tree === null) return [];
  if (Array.isArray(tree)) return tree.flatMap((element, index) => textsIn(element, [...at, index]));
  return Object.entries(tree)
    .filter(([key]) => !LITERAL.includes(key))
    .flatMap(([key, value]) => [
      ...(key.startsWith("$") ? [{ text: key, at }] : []),
      ...textsIn(value, [...at, key]),
    ]);
}

function placeholdersIn(tree: unknown): string[] {
  return textsIn(tree, []).flatMap(({ text }) => placeholdersOf(text));
}

function isSetting(document: HttpDocument, key: string, value: unknown): boolean {
  const shape = settingsSchemaOf({
    [key]: { ...document.settings[key], type: document.settings[key]?.type ?? "text", default: undefined },
  });
  return shape.safeParse({ [key]: value }).success;
}
