// The commands about partners and the credentials of sources: partners import, connections import.
import type { Command } from "commander";
import { readText } from "../commands/open.ts";
import { importConnections } from "../connections.ts";
import { importPartners } from "../partners/import.ts";
import type { Calls } from "./calls.ts";

export function addPartners(program: Command, { output, reading }: Calls): void {
  program
    .command("partners")
    .description("partners and their identities")
    .command("import")
    .description("imports a CSV of slug,name[,website][,listed][,identities]")
    .argument("<csv>", "the file")
    .action(async (file: string) => {
      const text = await readText(file);
      await reading(async ({ context }) => {
        const { added, changed, unchanged, matched } = await importPartners(context.db, {
          text,
          file,
          now: context.now(),
        });
        await context.queues.nudge("score", {});
        output.print(
          `${added} added, ${changed} changed, ${unchanged} as before; ${matched} pieces of evidence matched.`,
        );
      });
    });

  program
    .command("connections")
    .description("credentials of a source")
    .command("import")
    .description("imports a CSV of key[,partner][,use][,secret]; secrets are stored encrypted")
    .argument("<source>", "a key of sources.yaml")
    .argument("<csv>", "the file")
    .action(async (source: string, file: string) => {
      const text = await readText(file);
      await reading(async ({ context }) => {
        const { added, changed, unchanged } = await importConnections(context.db, context.secrets, {
          source,
          text,
          file,
          now: context.now(),
        });
        output.print(`${added} added, ${changed} changed, ${unchanged} as before.`);
      });
    });
}
