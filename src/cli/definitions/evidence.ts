// The commands about evidence and whose it is: evidence quarantined, evidence unmatched, identities.
import type { Command } from "commander";
import type { Calls, Json } from "../calls.ts";

export function addEvidence(program: Command, { output, reading, working }: Calls): void {
  const evidence = program.command("evidence").description("evidence that needs a person");
  evidence
    .command("quarantined")
    .description("rows of sources that are there and cannot be read, with the reason")
    .option("--json", "as JSON", false)
    .action((options: Json) =>
      reading(async ({ context }) =>
        (await import("../evidence.ts")).printQuarantined(context, output, options),
      ),
    );
  evidence
    .command("unmatched")
    .description("evidence that waits for a partner, by identity, with the points that wait")
    .option("--json", "as JSON", false)
    .action((options: Json) =>
      reading(async ({ context }) =>
        (await import("../evidence.ts")).printUnmatched(context, output, options),
      ),
    );

  const identities = program.command("identities").description("the names under which sources know partners");
  const changes = [
    ["add", "gives a partner an identity, and with it the evidence that waited for it"],
    ["remove", "takes an identity from its partner: the evidence under it is unmatched again"],
  ] as const;
  for (const [name, description] of changes) {
    identities
      .command(name)
      .description(description)
      .argument("<partner>", "its slug")
      .argument("<namespace>", "such as email-domain")
      .argument("<key>", "such as agency.example")
      .action(async (partner: string, namespace: string, key: string) => {
        await working(async ({ context }, signal) => {
          const { addAndReport, removeAndReport } = await import("../identities.ts");
          const change = name === "add" ? addAndReport : removeAndReport;
          await change(context, output, { partner, identity: { namespace, key } }, signal);
        });
      });
  }
  identities
    .command("list")
    .description("the identities of a partner, with the evidence known under each")
    .argument("<partner>", "its slug")
    .option("--json", "as JSON", false)
    .action((partner: string, { json }: Json) =>
      reading(async ({ context }) =>
        (await import("../identities.ts")).printIdentities(context, output, { partner, json }),
      ),
    );
}
