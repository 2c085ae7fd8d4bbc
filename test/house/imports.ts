// Who imports whom.
import { posix } from "node:path";
import ts from "typescript";
import { nodesOf, placeOf, sourcesIn, type Tree } from "./tree.ts";

export interface Import {
  /** Path of the importing file. */
  from: string;
  /** `path:line` of the import. */
  place: string;
  /** Path of one of our files, or what stands in the import of a package. */
  to: string;
  isOurs: boolean;
  /** The name of the package: "@hono/node-server" of "@hono/node-server/serve-static". Empty for files of ours. */
  packageName: string;
  /** Gone when compiled. */
  isTypeOnly: boolean;
}

/** Every import, re-export, `import()` and `import("…")` type of the files below these folders. */
export function readImports(tree: Tree, ...folders: string[]): Import[] {
  return sourcesIn(tree, ...folders).flatMap(({ path, source }) =>
    nodesOf(source).flatMap((node) => {
      const named = specifierOf(node);
      if (named === undefined) return [];
      const { specifier, isTypeOnly } = named;
      const isOurs = specifier.startsWith(".");
      const to = isOurs ? posix.normalize(posix.join(posix.dirname(path), specifier)) : specifier;
      const packageName = isOurs ? "" : toPackageName(specifier);
      return [{ from: path, place: placeOf(node), to, isOurs, packageName, isTypeOnly }];
    }),
  );
}

function toPackageName(specifier: string): string {
  if (specifier.startsWith("node:")) return specifier;
  return specifier
    .split("/")
    .slice(0, specifier.startsWith("@") ? 2 : 1)
    .join("/");
}

function specifierOf(node: ts.Node): { specifier: string; isTypeOnly: boolean } | undefined {
  if (ts.isImportDeclaration(node) && ts.isStringLiteral(node.moduleSpecifier)) {
    return { specifier: node.moduleSpecifier.text, isTypeOnly: isTypeImport(node.importClause) };
  }
  if (ts.isExportDeclaration(node) && node.moduleSpecifier && ts.isStringLiteral(node.moduleSpecifier)) {
    return { specifier: node.moduleSpecifier.text, isTypeOnly: node.isTypeOnly };
  }
  if (ts.isImportTypeNode(node) && ts.isLiteralTypeNode(node.argument)) {
    const { literal } = node.argument;
    return ts.isStringLiteral(literal) ? { specifier: literal.text, isTypeOnly: true } : undefined;
  }
  if (!ts.isCallExpression(node)) return undefined;
  const isImport = node.expression.kind === ts.SyntaxKind.ImportKeyword;
  const isRequire = ts.isIdentifier(node.expression) && node.expression.text === "require";
  const [argument] = node.arguments;
  if (!(isImport || isRequire) || argument === undefined || !ts.isStringLiteralLike(argument))
    return undefined;
  return { specifier: argument.text, isTypeOnly: false };
}

function isTypeImport(clause: ts.ImportClause | undefined): boolean {
  if (clause === undefined) return false;
  if (clause.phaseModifier === ts.SyntaxKind.TypeKeyword) return true;
  const names = clause.namedBindings;
  if (clause.name !== undefined || names === undefined || !ts.isNamedImports(names)) return false;
  return names.elements.length > 0 && names.elements.every((element) => element.isTypeOnly);
}

/** The room of a file of src: its folder there, or the file itself. undefined: not in src. */
export function roomOf(path: string): string | undefined {
  const [top, room = "", inner] = path.split("/");
  if (top !== "src") return undefined;
  return inner === undefined ? room.replace(/\.ts$/, "") : room;
}

/** A way round: the files of a cycle, beginning and ending with the same one. One for each place where one closes. */
export function findCycles(imports: Import[]): string[][] {
  const next = new Map<string, Set<string>>();
  for (const { from, to, isOurs } of imports) {
    if (isOurs) next.set(from, (next.get(from) ?? new Set()).add(to));
  }
  const cycles: string[][] = [];
  const done = new Set<string>();
  const walk = (path: string, way: string[]) => {
    if (way.includes(path)) cycles.push([...way.slice(way.indexOf(path)), path]);
    if (way.includes(path) || done.has(path)) return;
    for (const following of next.get(path) ?? []) walk(following, [...way, path]);
    done.add(path);
  };
  for (const path of next.keys()) walk(path, []);
  return cycles;
}
