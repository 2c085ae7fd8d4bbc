// Rules about files: what they are called, how long they are, what their texts may say.
import type ts from "typescript";
import { shipped } from "./layout.ts";
import { type Rule, sourcesIn, type Tree } from "./tree.ts";

/** Names that say nothing, so that everything ends up in them; and files that only pass others' exports on. */
const EMPTY_NAMES =
  /^(utils?|common|shared|helpers?|types|constants|services?|repositor(?:y|ies)|managers?|index)$/;

/** The one exception: the servers the suite runs against are services, and the file holds nothing else. */
const named = ["test/services.ts"];

export const namesSaySomething: Rule = (tree) =>
  [...tree.keys()]
    .filter((path) => path.endsWith(".ts") && !named.includes(path))
    .flatMap((path) => {
      const empty = path
        .replace(/(\.test)?\.ts$/, "")
        .split("/")
        .find((part) => EMPTY_NAMES.test(part));
      return empty === undefined ? [] : [`${path}: "${empty}" says nothing about what is in it`];
    });

/** Short kebab-case. */
export const namesAreKebabCase: Rule = (tree) =>
  [...tree.keys()]
    .filter(
      (path) => path.endsWith(".ts") && !/^([a-z0-9-]+\/)*[a-z0-9-]+(\.(test|config|d))?\.ts$/.test(path),
    )
    .map((path) => `${path}: expected kebab-case`);

const MOST_LINES = 300;

/** As in eslint.config.js: the tables and their references are read side by side. */
const long = ["db/schema.ts"];

/** Lines of code of a shipped file; blank lines and comments do not count. */
export const filesAreShort: Rule = (tree) =>
  sourcesIn(tree, ...shipped).flatMap(({ path, source }) => {
    const lines = long.includes(path) ? 0 : countCodeLines(source);
    return lines > MOST_LINES ? [`${path}: ${lines} lines of code, ${MOST_LINES} at most`] : [];
  });

/** Of short files the count is the number of all lines, which is enough to know. */
function countCodeLines(source: ts.SourceFile): number {
  const texts = source.text.split("\n");
  if (texts.length <= MOST_LINES) return texts.length;
  const lines = new Set<number>();
  const enter = (node: ts.Node) => {
    for (const child of node.getChildren()) enter(child);
    if (node.getChildCount() > 0 || node.getWidth() === 0) return;
    const first = source.getLineAndCharacterOfPosition(node.getStart()).line;
    const last = source.getLineAndCharacterOfPosition(node.getEnd()).line;
    for (let line = first; line <= last; line += 1) if (texts[line]?.trim() !== "") lines.add(line);
  };
  enter(source);
  return lines.size;
}

/** Every migration is in the journal under a rising `when`: one that is older than the newest applied is never applied. */
export const migrationsAreJournaled: Rule = (tree) => {
  const folder = "db/migrations/";
  const journal = JSON.parse(tree.get(`${folder}meta/_journal.json`) ?? '{"entries":[]}') as {
    entries: { idx: number; tag: string; when: number }[];
  };
  const files = [...tree.keys()].filter((path) => path.startsWith(folder) && path.endsWith(".sql"));
  const tags = journal.entries.map(({ tag }) => `${folder}${tag}.sql`);
  return [
    ...files.filter((path) => !tags.includes(path)).map((path) => `${path}: not in the journal`),
    ...tags.filter((path) => !files.includes(path)).map((path) => `${path}: in the journal and not there`),
    ...journal.entries.flatMap(({ idx, tag, when }, index) => {
      const previous = journal.entries[index - 1];
      const rises = idx === index && (previous === undefined || when > previous.when);
      return rises ? [] : [`${folder}${tag}.sql: does not come after the one before it in the journal`];
    }),
  ];
};

/**
 * The lock file has an entry for every optional package its packages name, those for other platforms included: `npm ci`
 * refuses one that lacks any.
 */
export const lockIsWhole: Rule = (tree) => {
  const { packages = {} } = JSON.parse(tree.get("package-lock.json") ?? "{}") as {
    packages?: Record<string, { optionalDependencies?: Record<string, string> }>;
  };
  return Object.entries(packages).flatMap(([path, { optionalDependencies = {} }]) =>
    Object.keys(optionalDependencies)
      .filter((name) => !(`node_modules/${name}` in packages || `${path}/node_modules/${name}` in packages))
      .map((name) => `package-lock.json: ${path} may need ${name}, which has no entry`),
  );
};

/** Written in parts, so that this file does not offend itself. */
const FOREIGN = [
  {
    what: "a path of one machine",
    pattern: new RegExp(`(?<![\\w.:@-])/(${["work", "root", "home"].join("|")})/`),
  },
  { what: "a package registry", pattern: /\bregistry\.[\w-]+\.\w/i },
];

/** What only holds on somebody's machine has no place in a text of the repository. */
export const nothingOfOneMachine: Rule = (tree) =>
  [...tree].flatMap(([path, text]) =>
    isBinary(text)
      ? []
      : text.split("\n").flatMap((line, index) => {
          const found = FOREIGN.find(({ pattern }) => pattern.test(line));
          return found === undefined ? [] : [`${path}:${index + 1}: ${found.what}`];
        }),
  );

function isBinary(text: string): boolean {
  return text.includes("\0");
}

/** Markdown links to files of the repository lead somewhere. */
export const linksLeadSomewhere: Rule = (tree) =>
  [...tree]
    .filter(([path]) => path.endsWith(".md"))
    .flatMap(([path, text]) =>
      [...text.matchAll(/\]\((?![a-z]+:|#)([^)#\s]+)(?:#[^)]*)?\)/g)]
        .map(([, target = ""]) => target)
        .filter(
          (target) => !exists(tree, new URL(target, `file:///${path}`).pathname.slice(1).replace(/\/$/, "")),
        )
        .map((target) => `${path}: the link to ${target} leads nowhere`),
    );

function exists(tree: Tree, path: string): boolean {
  return tree.has(path) || [...tree.keys()].some((other) => other.startsWith(`${path}/`));
}
