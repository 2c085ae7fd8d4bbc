// The commands about scores: ranking, explain, history.
import type { Command } from "commander";
import { type Calls, type Json, positive } from "../calls.ts";
import type { ExplainOptions } from "../explain.ts";
import type { HistoryOptions } from "../history.ts";
import { language, partnerCommand } from "./options.ts";

export function addScores(program: Command, { output, reading }: Calls): void {
  program
    .command("ranking")
    .description("the standings")
    .option("--top <n>", "only the first n", positive)
    .option("--json", "as JSON", false)
    .action((options: Json & { top?: number }) =>
      reading(async ({ context }) => (await import("../ranking.ts")).printRanking(context, output, options)),
    );

  partnerCommand(program, "explain", "why a partner's score is what it is, now or at any instant")
    .option("--at <when>", "as of another instant: a local date (its last instant) or an instant")
    .option("--known-at <when>", "with what was known then")
    .option("--programme <version>", "under another version of the programme, or a draft in a file")
    .addOption(language())
    .action((slug: string, options: Omit<ExplainOptions, "slug">) =>
      reading(async ({ context }) =>
        (await import("../explain.ts")).printExplanation(context, output, { slug, ...options }),
      ),
    );

  partnerCommand(program, "history", "every change of a partner's points, with its cause")
    .option("--achievement <key>", "only this achievement")
    .option("--from <when>", "not before: a local date (its first instant) or an instant")
    .option("--to <when>", "before: a local date (its first instant) or an instant")
    .addOption(language())
    .action((slug: string, options: Omit<HistoryOptions, "slug">) =>
      reading(async ({ context }) =>
        (await import("../history.ts")).printHistory(context, output, { slug, ...options }),
      ),
    );
}
