// Options and arguments that several commands share.
import { type Command, Option } from "commander";
import { locales } from "../../messages/messages.ts";

export function language(): Option {
  return new Option("--lang <language>", "en, nl or de").choices(locales).default("en");
}

/** A command that answers about one partner, as text or as JSON. */
export function partnerCommand(program: Command, name: string, description: string): Command {
  return program
    .command(name)
    .description(description)
    .argument("<partner>", "its slug")
    .option("--json", "as JSON", false);
}
