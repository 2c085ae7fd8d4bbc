// The commands about the programme: publish.
import type { Command } from "commander";
import { readText } from "../commands/open.ts";
import { publish } from "../commands/publish.ts";
import type { Calls } from "./calls.ts";

export function addProgramme(program: Command, { output, working, failing }: Calls): void {
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
