// What the documents show is what the commands print: every ```console block of theirs is run against the example's systems
// at their first start, after one sync. A line `…` stands for any number of lines. Figures that depend on the day or the
// machine are masked on both sides.
import { readdirSync, readFileSync } from "node:fs";
import { fileURLToPath } from "node:url";
import { sql } from "drizzle-orm";
import { afterAll, beforeAll, describe, expect, test } from "vitest";
import { subjects } from "../examples/copernica/mailings.ts";
import { answerOf } from "./cli/calling.ts";
import { type Deployment, openDeployment } from "./e2e/deployment.ts";

const root = fileURLToPath(new URL("../", import.meta.url));
const documents = [
  "README.md",
  "ARCHITECTURE.md",
  ...readdirSync(`${root}docs`)
    .filter((name) => name.endsWith(".md"))
    .map((name) => `docs/${name}`),
];

interface Shown {
  /** "README.md:24". */
  place: string;
  /** After the "$ ". */
  command: string;
  output: string[];
}

/** The commands of a document's ```console blocks, each with the lines shown below it. */
function readShown(name: string, text: string): Shown[] {
  const shown: Shown[] = [];
  let inBlock = false;
  for (const [index, line] of text.split("\n").entries()) {
    if (line.startsWith("```")) inBlock = line === "```console";
    else if (inBlock && line.startsWith("$ "))
      shown.push({ place: `${name}:${index + 1}`, command: line.slice(2), output: [] });
    else if (inBlock) shown.at(-1)?.output.push(line);
  }
  return shown;
}

/** What differs from day to day and from machine to machine. */
const masks: [RegExp, string][] = [
  [/\b\d{4}-\d\d(-\d\d)?( \d\d:\d\d:\d\d)?\b/g, "DATE"],
  [/^DATE \d\d:\d\d( +\+\d+ →) \d+ /, "DATE TIME$1 N "],
  [/\b(version|[Rr]un) \d+\b/g, "$1 N"],
  [/^( +)[\d,]+ e-mails;/, "$1N e-mails;"],
  [/\(\d[\d,]*;/g, "(N;"],
  [new RegExp(`\\b(${subjects.join("|")}) \\(`, "g"), "SUBJECT ("],
  [/(127\.0\.0\.1):\d+/g, "$1:PORT"],
  [/\b\d+ (ms|s|min|h|days?)( \d+ (s|min|h))?\b/g, "DURATION"],
];
const mask = (line: string) =>
  masks.reduce((text, [pattern, word]) => text.replace(pattern, word), line.trimEnd());

/** The first line of what is shown that the real output does not have in its place; undefined where all agree. */
function firstDeparture(shown: string[], real: string[]): string | undefined {
  const [wanted, ...rest] = shown;
  if (wanted === undefined) return real.length === 0 ? undefined : `nothing more, not "${real[0] ?? ""}"`;
  if (wanted === "…") {
    const departures = [...real, ""].map((_, skipped) => firstDeparture(rest, real.slice(skipped)));
    return departures.includes(undefined) ? undefined : (departures.at(-1) ?? "");
  }
  if (real[0] === undefined || mask(wanted) !== mask(real[0])) return `"${wanted}", not "${real[0] ?? ""}"`;
  return firstDeparture(rest, real.slice(1));
}

const lines = (text: string) => text.trimEnd().split("\n");

const all = documents.flatMap((name) => readShown(name, readFileSync(root + name, "utf8")));
const commands = all.filter(({ command }) => /^npx standings /.test(command));
const starts = all.filter(({ command }) => command === "npm start -- --once");

describe("the documents", () => {
  let open: Deployment;
  let firstStart: string;

  beforeAll(async () => {
    open = await openDeployment("postgres");
    firstStart = await answerOf(open.env, "start", "--once");
    // Who of equals was first depends on which system answered first: made the same, their names decide.
    await open.context.db.execute(sql`update scores set reached_at = (select max(reached_at) from scores)`);
  });
  afterAll(async () => {
    await open.close();
  });

  test("show commands at all", () => {
    expect(commands.map(({ command }) => command)).toContain("npx standings explain marketing-agency-x");
  });

  test.each(commands)("show what `$command` prints ($place)", async ({ command, output }) => {
    const { code, stdout, stderr } = await open.spawn(...command.split(" ").slice(2)).ended;
    expect(code, stderr).toBe(0);
    expect(firstDeparture(output, lines(stdout)), stdout).toBeUndefined();
  });

  test("show what the first start prints, and started again nothing changes", async () => {
    expect(firstStart).toMatch(/^[\d,]+ new ledger lines; 39 partners changed:$/m);
    for (const { output, place } of starts)
      expect(firstDeparture(output, lines(firstStart)), place).toBeUndefined();
    expect(await answerOf(open.env, "start", "--once")).toContain("Nothing changed: 0 new ledger lines.\n");
  });
});

describe("the comparison", () => {
  const real = ["Run 7 took 3 s", "", "2026-10-01  copernica  mail (1,204; use own)", "end"];

  test("lets a … stand for any lines, and masks what differs by day and machine", () => {
    expect(firstDeparture(["Run 1 took 12 s", "…", "end"], real)).toBeUndefined();
    expect(firstDeparture(["…", "2027-01-31  copernica  mail (7; use own)", "end"], real)).toBeUndefined();
    expect(firstDeparture(["…"], [])).toBeUndefined();
  });

  test("sees another word, a line too many and a line too few", () => {
    expect(firstDeparture(["Run 1 took 12 s", "…", "And"], real)).toMatch(/^"And", not/);
    expect(firstDeparture(["Run 1 took 12 s"], real)).toMatch(/^nothing more/);
    expect(firstDeparture(["…", "end", "more"], real)).toBeDefined();
    expect(firstDeparture(["…", "2027-01-31  copernica  mail (7; use client)", "end"], real)).toBeDefined();
  });

  test("reads commands with what is below them, from console blocks only", () => {
    const text = "```sh\n$ ls\n```\n```console\n$ npx standings a\n1\n\n2\n$ npx standings b\n```\n$ c\n";
    expect(readShown("a.md", text)).toEqual([
      { place: "a.md:5", command: "npx standings a", output: ["1", "", "2"] },
      { place: "a.md:9", command: "npx standings b", output: [] },
    ]);
  });
});
