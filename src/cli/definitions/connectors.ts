// The commands for connecting a system: connectors check, connectors conform.
import type { Command } from "commander";
import type { Calls, Json } from "../calls.ts";
import { untilInterrupted } from "../interrupt.ts";

export function addConnectors(program: Command, { opening, output, failing }: Calls): void {
  const connectors = program.command("connectors").description("for connecting a system");
  connectors
    .command("check")
    .description(
      "what a source would bring: its credential, a page of each stream, the points; writes nothing",
    )
    .argument("<source>", "a key of sources.yaml")
    .option("--connection <key>", "which of its connections, where it has several; without it the first")
    .option("--json", "as JSON", false)
    .action(async (source: string, { connection, json }: Json & { connection?: string }) => {
      await opening({ callsSources: true, looks: true }, ({ context }) =>
        untilInterrupted(async (signal) => {
          const { checkAndReport } = await import("../check.ts");
          failing(await checkAndReport(context, output, { source, connection, json, signal }));
        }),
      );
    });
  connectors
    .command("conform")
    .description("runs the conformance suite over your document, on recorded answers; sends no request")
    .argument("<document>", "the YAML document")
    .requiredOption("--fixture <file>", "recorded answers, as docs/connectors/conformance.md describes them")
    .option("--json", "as JSON", false)
    .action(async (document: string, { fixture, json }: Json & { fixture: string }) => {
      const { conformDocument } = await import("../conform.ts");
      failing(await conformDocument(output, { document, fixture, json }));
    });
}
