// Habits of the code that neither the compiler nor the linter holds.
import ts from "typescript";
import { shipped } from "./layout.ts";
import { nodesOf, placeOf, type Rule, sourcesIn, type Tree } from "./tree.ts";

/** An offence at every node below these folders that `finds` has words for, except in the files named. */
function atNodes(
  tree: Tree,
  folders: string[],
  exceptions: string[],
  finds: (node: ts.Node) => string | undefined,
): string[] {
  return sourcesIn(tree, ...folders)
    .filter(({ path }) => !exceptions.includes(path))
    .flatMap(({ source }) =>
      nodesOf(source).flatMap((node) => {
        const found = finds(node);
        return found === undefined ? [] : [`${placeOf(node)}: ${found}`];
      }),
    );
}

/** `object.name`, also written `object["name"]`. */
function isMember(node: ts.Node, object: string, name: string): boolean {
  if (ts.isPropertyAccessExpression(node))
    return node.expression.getText() === object && node.name.text === name;
  if (!ts.isElementAccessExpression(node) || node.expression.getText() !== object) return false;
  return ts.isStringLiteralLike(node.argumentExpression) && node.argumentExpression.text === name;
}

function importsProcess(node: ts.Node): boolean {
  if (!ts.isImportDeclaration(node) || !ts.isStringLiteral(node.moduleSpecifier)) return false;
  return ["process", "node:process"].includes(node.moduleSpecifier.text);
}

/** The environment is read in one place, so that it is documented and checked in one place. */
export const environmentInConfig: Rule = (tree) =>
  atNodes(tree, shipped, ["src/platform/config.ts"], (node) =>
    isMember(node, "process", "env") || importsProcess(node)
      ? "only src/platform/config.ts reads the environment"
      : undefined,
  );

/** Whoever ends the process skips everybody's closing in order. */
export const exitInCommandLine: Rule = (tree) =>
  atNodes(tree, shipped, ["src/cli/main.ts", "src/cli/interrupt.ts"], (node) =>
    isMember(node, "process", "exit") || isMember(node, "process", "abort") || importsProcess(node)
      ? "only the command line ends the process"
      : undefined,
  );

/** Where the clock of the machine is read. Everywhere else the time is a parameter, so that it can be tested. */
const clocks = [
  // The clock that everything else is handed.
  "src/context.ts",
  // The time of a log line.
  "src/platform/log.ts",
  // A Retry-After as a date, where the source does not say what time it believes it is.
  "src/connectors/client/answers.ts",
  // BullMQ wants the instant until which a job is put off.
  "workers/runtime.ts",
  // The world's clock, where none is given.
  "examples/copernica/sandbox.ts",
];

export const timeIsAParameter: Rule = (tree) =>
  atNodes(tree, shipped, clocks, (node) => {
    const isNow =
      isMember(node, "Date", "now") ||
      isMember(node, "Temporal", "Now") ||
      ((ts.isNewExpression(node) || ts.isCallExpression(node)) &&
        node.expression.getText() === "Date" &&
        (node.arguments ?? []).length === 0);
    return isNow ? "the time is a parameter" : undefined;
  });

const COPY = /\bcopy\s+(?:\(|[\w."$]+)[^;]*\b(?:from|to)\s+(?:stdin|stdout|program\b|')/i;

/** The driver hangs, or never fails, in COPY. */
export const noCopy: Rule = (tree) => [
  ...atNodes(tree, shipped, [], (node) => {
    const isText = ts.isStringLiteralLike(node) || ts.isTemplateExpression(node);
    return isText && COPY.test(node.getText()) ? "no COPY: insert from unnest" : undefined;
  }),
  ...[...tree]
    .filter(([path, text]) => path.startsWith("db/migrations/") && path.endsWith(".sql") && COPY.test(text))
    .map(([path]) => `${path}: no COPY`),
];

const TESTERS = ["test", "it", "describe", "bench", "suite"];
const MODIFIERS = ["skip", "only", "todo", "skipIf", "fails"];

/** A test that does not run holds nothing. `runIf` stays: for what a machine cannot have, and says so. */
export const testsRun: Rule = (tree) =>
  atNodes(tree, ["test"], [], (node) => {
    if (!ts.isPropertyAccessExpression(node) || !MODIFIERS.includes(node.name.text)) return undefined;
    const [tester = ""] = node.expression.getText().split(".");
    return TESTERS.includes(tester) ? `${tester}.${node.name.text}: every test runs` : undefined;
  });

/** Tests wait for what they expect, never for a while. Between two looks at a condition, in a loop, a test may wait. */
export const testsDoNotSleep: Rule = (tree) =>
  sourcesIn(tree, "test").flatMap(({ source }) => {
    const nodes = nodesOf(source);
    const waits = new Set(nodes.flatMap(waitImportedBy));
    return nodes
      .filter((node) => isWait(node, waits) && !isInLoop(node))
      .map((node) => `${placeOf(node)}: a sleep; wait for the event`);
  });

/** What a file calls `setTimeout` of node:timers/promises. */
function waitImportedBy(node: ts.Node): string[] {
  if (!ts.isImportDeclaration(node) || !/["'](node:)?timers\/promises["']/.test(node.getText())) return [];
  const names = node.importClause?.namedBindings;
  if (names === undefined) return [];
  if (ts.isNamespaceImport(names)) return [`${names.name.text}.setTimeout`];
  return names.elements
    .filter((element) => (element.propertyName ?? element.name).text === "setTimeout")
    .map((element) => element.name.text);
}

/** A call of such a name, or a promise whose executor gives `resolve` to setTimeout. */
function isWait(node: ts.Node, names: Set<string>): boolean {
  if (ts.isCallExpression(node)) return names.has(node.expression.getText());
  if (!ts.isNewExpression(node) || node.expression.getText() !== "Promise") return false;
  const [executor] = node.arguments ?? [];
  if (executor === undefined || !(ts.isArrowFunction(executor) || ts.isFunctionExpression(executor)))
    return false;
  const resolve = executor.parameters[0]?.name.getText();
  return nodesOf(executor).some((inner) => {
    const isTimer =
      ts.isCallExpression(inner) && /^(globalThis\.)?setTimeout$/.test(inner.expression.getText());
    return isTimer && nodesOf(inner).some((part) => ts.isIdentifier(part) && part.text === resolve);
  });
}

function isInLoop(node: ts.Node): boolean {
  for (let outer = node.parent; !ts.isFunctionLike(outer) && !ts.isSourceFile(outer); outer = outer.parent) {
    if (ts.isIterationStatement(outer, false)) return true;
  }
  return false;
}
