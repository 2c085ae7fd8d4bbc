// docs/cli.md names every command, argument and option there is, with its default, and none that is not.
import type { Command } from "commander";
import { describe, expect, test } from "vitest";
import { describeCommands } from "../../src/cli/main.ts";
import { quiet } from "../e2e/deployment.ts";
import { parts } from "./calling.ts";
import { departures, documentedCommands } from "./reference.ts";

interface Described {
  /** "sync [source...]", as the page's headings have it. */
  title: string;
  command: Command;
}

/** Commands that do something; a group that only holds others is not one of them. */
function commandsBelow(command: Command, groups: string[]): Described[] {
  return command.commands.flatMap((child) => {
    const names = [...groups, child.name()];
    const args = child.registeredArguments.map((argument) => {
      const name = argument.variadic ? `${argument.name()}...` : argument.name();
      return argument.required ? `<${name}>` : `[${name}]`;
    });
    const isGroup = child.commands.length > 0 && child.options.length === 0;
    const own = { title: [...names, ...args].join(" "), command: child };
    return [...(isGroup ? [] : [own]), ...commandsBelow(child, names)];
  });
}

const commands = commandsBelow(describeCommands(parts, quiet()), []);

test("the page has a section for every command, in the order of --help", () => {
  expect(documentedCommands.map(({ title }) => title)).toEqual(commands.map(({ title }) => title));
});

describe("the page's options", () => {
  test.each(commands)("of $title are those it has, with their defaults", ({ title, command }) => {
    const rows = documentedCommands.find((section) => section.title === title)?.rows ?? {};
    const documented = Object.entries(rows).filter(([name]) => name.startsWith("--"));
    const defaults = command.options.map((option) => {
      const fallback = option.mandatory ? "required" : option.isBoolean() ? "off" : "none";
      const value = option.defaultValue as number | false | undefined;
      return [option.flags, value === undefined || value === false ? fallback : String(value)];
    });
    expect(Object.fromEntries(documented)).toEqual(Object.fromEntries(defaults));
  });
});

test("the check of documented shapes sees what is missing, too much, null or of another type", () => {
  const change = { slug: "a", name: "A", delta: 1, points: 1, lines: 1 };
  const seen = new Set<string>();
  expect(departures("A change", change, seen)).toEqual([]);
  expect([...seen]).toEqual(["slug", "name", "delta", "points", "lines"].map((name) => `A change.${name}`));
  const { lines: _, ...rest } = change;
  expect(departures("A change", { ...rest, name: null, delta: 1.5, more: 1 }, seen)).toEqual([
    "A change.name is null",
    "A change.delta is no integer: 1.5",
    "A change.lines is documented and missing",
    "A change.more is not documented",
  ]);
});
