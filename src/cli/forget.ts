// The command that erases what is known of a partner: partners forget.
import type { Command } from "commander";
import { forget } from "../commands/forget.ts";
import type { Calls } from "./calls.ts";

/** Into the group that src/cli/partners.ts has made. */
export function addForget(program: Command, { output, working }: Calls): void {
  program.commands
    .find((command) => command.name() === "partners")
    ?.command("forget")
    .description("erases everything that names a partner, for good; the sums of its ledger stay")
    .argument("<partner>", "its slug")
    .option("--yes", "it is meant: this cannot be taken back", false)
    .option("--by <name>", "who asks for it", "command line")
    .action(async (partner: string, options: { yes: boolean; by: string }) => {
      await working(async ({ context }, signal) => {
        await forget(context, output, { partner, ...options }, signal);
      });
    });
}
