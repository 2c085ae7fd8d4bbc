// The command that erases what is known of a partner: partners forget.
import type { Command } from "commander";
import { readAdministrator } from "../administrator.ts";
import { BY, type By, type Calls } from "../calls.ts";

/** Into the group that src/cli/definitions/partners.ts has made. */
export function addForget(program: Command, { output, working }: Calls): void {
  program.commands
    .find((command) => command.name() === "partners")
    ?.command("forget")
    .description("erases everything that names a partner, for good; the sums of its ledger stay")
    .argument("<partner>", "its slug")
    .option("--yes", "it is meant: this cannot be taken back", false)
    .option(...BY)
    .action(async (partner: string, { yes, by }: By & { yes: boolean }) => {
      await working(async ({ context }, signal) => {
        const request = { partner, yes, by: readAdministrator(by, context.config.admin) };
        const { forgetAndReport } = await import("../forget.ts");
        await forgetAndReport(context, output, request, signal);
      });
    });
}
