// The commands about partners and the credentials of sources: partners import, merge and unmerge, adjust, adjustments,
// connections import.
import { type Command, InvalidArgumentError } from "commander";
import { readAdministrator } from "../administrator.ts";
import { BY, type By, type Calls, type Json, positive } from "../calls.ts";
import { readText } from "../read-text.ts";

export function addPartners(program: Command, calls: Calls): void {
  addPartnerCommands(program, calls);
  addAdjustments(program, calls);
  addConnections(program, calls);
}

function addPartnerCommands(program: Command, { output, reading, working, failing }: Calls): void {
  const partners = program.command("partners").description("partners and their identities");
  partners
    .command("import")
    .description("imports a CSV of slug,name[,website][,listed][,identities]")
    .argument("<csv>", "the file")
    .action(async (file: string) => {
      const text = await readText(file);
      await reading(async ({ context }) => {
        const list = { text, file };
        const { importPartnerList } = await import("../../operations/partners.ts");
        const { added, changed, unchanged, matched } = await importPartnerList(context, list);
        output.print(
          `${added} added, ${changed} changed, ${unchanged} as before; ${matched} pieces of evidence matched.`,
        );
      });
    });

  partners
    .command("merge")
    .description(
      "makes one partner of two: evidence, identities, connections and adjustments of the first follow",
    )
    .argument("<partner>", "the slug of the partner that is no more; it leads to the other")
    .argument("<into>", "the slug of the partner that stays")
    .option(...BY)
    .action(async (partner: string, into: string, { by }: By) => {
      await working(async ({ context }, signal) => {
        const request = { partner, into, by: readAdministrator(by, context.config.admin) };
        const { mergeAndReport } = await import("../merge.ts");
        failing(await mergeAndReport(context, output, request, signal));
      });
    });

  partners
    .command("unmerge")
    .description("undoes a merge: what went with the partner goes back")
    .argument("<partner>", "the slug of the partner that was merged")
    .option(...BY)
    .action(async (partner: string, { by }: By) => {
      await working(async ({ context }, signal) => {
        const request = { partner, by: readAdministrator(by, context.config.admin) };
        const { unmergeAndReport } = await import("../merge.ts");
        failing(await unmergeAndReport(context, output, request, signal));
      });
    });
}

function addAdjustments(program: Command, { output, reading, working, failing }: Calls): void {
  program
    .command("adjust")
    .description("gives or takes points beside the rules, in somebody's name and for a reason")
    .argument("<partner>", "its slug")
    .argument("<points>", "a whole number; negative takes points", points)
    .requiredOption("--reason <text>", "why, in one line")
    .option(
      "--until <when>",
      "the last day on which it holds, or an instant; without it: until it is revoked",
    )
    .option(...BY)
    .action(async (partner: string, given: number, options: By & { reason: string; until?: string }) => {
      await working(async ({ context }, signal) => {
        const by = readAdministrator(options.by, context.config.admin);
        const request = { partner, points: given, reason: options.reason, until: options.until, by };
        const { adjustAndReport } = await import("../adjust.ts");
        failing(await adjustAndReport(context, output, request, signal));
      });
    });

  const adjustments = program
    .command("adjustments")
    .description(
      "points given and taken beside the rules, the latest first; adjustments revoke takes one back",
    )
    .argument("[partner]", "only this partner's")
    .option("--json", "as JSON", false)
    .action((partner: string | undefined, { json }: Json) =>
      reading(async ({ context }) =>
        (await import("../adjust.ts")).printAdjustments(context, output, { partner, json }),
      ),
    );
  adjustments
    .command("revoke")
    .description("takes an adjustment back, by a line of its own")
    .argument("<id>", "its number", positive)
    .option(...BY)
    .action(async (id: number, { by }: By) => {
      await working(async ({ context }, signal) => {
        const request = { id, by: readAdministrator(by, context.config.admin) };
        const { revokeAndReport } = await import("../adjust.ts");
        failing(await revokeAndReport(context, output, request, signal));
      });
    });
}

function addConnections(program: Command, { output, reading }: Calls): void {
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
        const { importConnections } = await import("../../ingest/connections.ts");
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

function points(value: string): number {
  if (!/^[+-]?\d{1,7}$/.test(value))
    throw new InvalidArgumentError("Expected a whole number such as 5 or -5.");
  return Number(value);
}
