// The commands that look for trouble: verify, doctor.
import type { Command } from "commander";
import type { Context } from "../../context.ts";
import type { Calls, Json } from "../calls.ts";

export function addChecks(program: Command, { opening, output, reading, failing }: Calls): void {
  program
    .command("verify")
    .description("holds every stored score against the evidence; the only acceptable drift is 0")
    .option("--json", "as JSON", false)
    .action(async ({ json }: Json) => {
      await reading(async ({ context }) => {
        const { verifyStored } = await import("../../operations/verify.ts");
        const verification = await verifyStored(context);
        if (json) output.print(JSON.stringify(verification));
        else {
          const { partners, pending, drift, evaluation, achievements, ledger, overlapping } = verification;
          output.print(`${partners} partners, ${pending} waiting for their score, drift ${drift}.`);
          const named = { evaluation, achievements, ledger };
          for (const [comparison, slugs] of Object.entries(named)) {
            if (slugs.length > 0) output.print(`  ${comparison}: ${slugs.join(", ")}`);
          }
          if (overlapping.length > 0)
            output.print(`  evidence with two versions known at the same time: ${overlapping.join(", ")}`);
        }
        failing(verification.drift === 0 && verification.overlapping.length === 0);
      });
    });

  program
    .command("doctor")
    .description("checks configuration, database, queue and every source's credential, with the remedy")
    .option("--json", "as JSON", false)
    .action(async (options: Json) => {
      const open = <T>(work: (context: Context) => Promise<T>) =>
        opening({ callsSources: true }, ({ context }) => work(context));
      const { runDoctor } = await import("../doctor.ts");
      failing(await runDoctor(open, output, options));
    });
}
