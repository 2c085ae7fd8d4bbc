// The files of the repository as the rules of the house see them: texts by path. A rule can be held against an invented tree
// as well, which is how it is shown to catch what it is for.
import { readdirSync, readFileSync, statSync } from "node:fs";
import { join } from "node:path";
import ts from "typescript";

/** Text by path from the root, with forward slashes. */
export type Tree = ReadonlyMap<string, string>;

/** Returns one line for each offence, which begins with the path; none when the tree is in order. */
export type Rule = (tree: Tree) => string[];

/** What a clone fills by itself, or what belongs to whoever works in it. */
const NOT_OURS = new Set([
  ".git",
  ".idea",
  ".vscode",
  "node_modules",
  "dist",
  "coverage",
  ".standings",
  ".env",
]);

/** Every text of a folder, except what git ignores as well. */
export function readTree(root: string): Tree {
  const tree = new Map<string, string>();
  const enter = (folder: string) => {
    for (const name of readdirSync(join(root, folder)).sort()) {
      const path = folder === "" ? name : `${folder}/${name}`;
      if (NOT_OURS.has(name) || name.endsWith(".log")) continue;
      if (statSync(join(root, path)).isDirectory()) enter(path);
      else tree.set(path, readFileSync(join(root, path), "utf8"));
    }
  };
  enter("");
  return tree;
}

/** An invented tree. */
export function toTree(texts: Record<string, string>): Tree {
  return new Map(Object.entries(texts));
}

/** The TypeScript files below these folders, parsed. */
export function sourcesIn(tree: Tree, ...folders: string[]): { path: string; source: ts.SourceFile }[] {
  return [...tree]
    .filter(([path]) => path.endsWith(".ts") && folders.some((folder) => path.startsWith(`${folder}/`)))
    .map(([path, text]) => ({ path, source: parse(path, text) }));
}

const parsed = new Map<string, ts.SourceFile>();

function parse(path: string, text: string): ts.SourceFile {
  const key = `${path}\0${text}`;
  const known = parsed.get(key) ?? ts.createSourceFile(path, text, ts.ScriptTarget.Latest, true);
  parsed.set(key, known);
  return known;
}

/** A node and every node in it, outer ones first; without keywords and punctuation. */
export function nodesOf(node: ts.Node): ts.Node[] {
  const nodes: ts.Node[] = [];
  const enter = (inner: ts.Node) => {
    nodes.push(inner);
    ts.forEachChild(inner, enter);
  };
  enter(node);
  return nodes;
}

/** `path:line`, for the beginning of an offence. */
export function placeOf(node: ts.Node): string {
  const source = node.getSourceFile();
  return `${source.fileName}:${source.getLineAndCharacterOfPosition(node.getStart()).line + 1}`;
}
