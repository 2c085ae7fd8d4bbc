// The commands about evidence and whose it is: evidence quarantined, evidence unmatched, identities.
import type { Command } from "commander";
import type { Calls, Json } from "../calls.ts";
import { printQuarantined, printUnmatched } from "../evidence.ts";
import { addAndReport, printIdentities, removeAndReport } from "../identities.ts";

export function addEvidence(program: Command, { output, reading, working }: Calls): void {
  const evidence = program.command("evidence").description("evidence that needs a person");
  evidence
    .command("quarantined")
    .description("rows of sources that are there and cannot be read, with the reason")
    .option("--json", "as JSON", false)
    .action((options: Json) => reading(({ context }) => printQuarantined(context, output, options)));
  evidence
    .command("unmatched")
    .description("evidence that waits for a partner, by identity, with the points that wait")
    .option("--json", "as JSON", false)
    .action((options: Json) => reading(({ context }) => printUnmatched(context, output, options)));

  const identities = program.command("identities").description("the names under which sources know partners");
  identities
    .command("add")
    .description("gives a partner an identity, and with it the evidence that waited for it")
    .argument("<partner>", "its slug")
    .argument("<namespace>", "such as email-domain")
    .argument("<key>", "such as agency.example")
    .action(async (partner: string, namespace: string, key: string) => {
      await working(async ({ context }, signal) => {
        await addAndReport(context, output, { partner, identity: { namespace, key } }, signal);
      });
    });
  identities
    .command("remove")
    .description("takes an identity from its partner: the evidence under it waits again")
    .argument("<partner>", "its slug")
    .argument("<namespace>", "such as email-domain")
    .argument("<key>", "such as agency.example")
    .action(async (partner: string, namespace: string, key: string) => {
      await working(async ({ context }, signal) => {
        await removeAndReport(context, output, { partner, identity: { namespace, key } }, signal);
      });
    });
  identities
    .command("list")
    .description("the identities of a partner, with the evidence known under each")
    .argument("<partner>", "its slug")
    .option("--json", "as JSON", false)
    .action((partner: string, { json }: Json) =>
      reading(({ context }) => printIdentities(context, output, { partner, json })),
    );
}
