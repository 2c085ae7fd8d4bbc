// The commands for whoever connects a system: connectors check, connectors conform.
import type { Command } from "commander";
import { checkSource } from "../commands/check.ts";
import { conformDocument } from "../commands/conform.ts";
import { untilInterrupted } from "../commands/interrupt.ts";
import { withContext } from "../commands/open.ts";
import type { Calls, Json } from "./calls.ts";

export function addConnectors(program: Command, { parts, output, failing }: Calls): void {
  const connectors = program.command("connectors").description("for whoever connects a system");
  connectors
    .command("check")
    .description(
      "what a source would bring: its credential, a page of each stream, the points; writes nothing",
    )
    .argument("<source>", "a key of sources.yaml")
    .option("--connection <key>", "which of its connections, where it has several; without it the first")
    .option("--json", "as JSON", false)
    .action(async (source: string, { connection, json }: Json & { connection?: string }) => {
      await withContext({ parts, output, callsSources: true, looks: true }, ({ context }) =>
        untilInterrupted(async (signal) => {
          failing(await checkSource(context, output, { source, connection, json, signal }));
        }),
      );
    });
  connectors
    .command("conform")
    .description(
      "runs the conformance suite over a document of yours, on answers you recorded; asks nobody else",
    )
    .argument("<document>", "the YAML document")
    .requiredOption("--fixture <file>", "recorded answers, as docs/connectors/conformance.md describes them")
    .option("--json", "as JSON", false)
    .action(async (document: string, { fixture, json }: Json & { fixture: string }) => {
      failing(await conformDocument(output, { document, fixture, json }));
    });
}
