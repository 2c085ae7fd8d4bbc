// The commands about the programme: simulate, publish.
import type { Command } from "commander";
import type { Calls, Json } from "../calls.ts";
import { readText } from "../read-text.ts";

export function addProgramme(program: Command, { output, reading, working, failing }: Calls): void {
  program
    .command("simulate")
    .description("what publishing a draft would change; nothing is written")
    .argument("<file>", "the draft: a programme.yaml")
    .option("--json", "as JSON", false)
    .action(async (file: string, { json }: Json) => {
      const text = await readText(file);
      const { printSimulation } = await import("../simulate.ts");
      await reading(({ context }) => printSimulation(context, output, { text, file, json }));
    });

  program
    .command("publish")
    .description("publishes a programme: checked, kept as a version, everybody scored under it")
    .argument("<file>", "programme.yaml")
    .action(async (file: string) => {
      const text = await readText(file);
      await working(async ({ context }, signal) => {
        const { publishAndReport } = await import("../publish.ts");
        failing(await publishAndReport(context, output, { text, file }, signal));
      });
    });
}
