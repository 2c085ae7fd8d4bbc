// The commands about the programme: simulate, publish.
import type { Command } from "commander";
import { readText } from "../commands/open.ts";
import { publish } from "../commands/publish.ts";
import { printSimulation } from "../commands/simulate.ts";
import type { Calls, Json } from "./calls.ts";

export function addProgramme(program: Command, { output, reading, working, failing }: Calls): void {
  program
    .command("simulate")
    .description("what publishing a draft would change; nothing is written")
    .argument("<file>", "the draft: a programme.yaml")
    .option("--json", "as JSON", false)
    .action(async (file: string, { json }: Json) => {
      const text = await readText(file);
      await reading(({ context }) => printSimulation(context, output, { text, file, json }));
    });

  program
    .command("publish")
    .description("publishes a programme: checked, kept as a version, everybody scored under it")
    .argument("<file>", "programme.yaml")
    .action(async (file: string) => {
      const text = await readText(file);
      await working(async ({ context }, signal) => {
        failing(await publish(context, output, { text, file }, signal));
      });
    });
}
