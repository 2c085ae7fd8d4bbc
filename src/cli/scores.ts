// The commands about scores: ranking, explain.
import type { Command } from "commander";
import { printExplanation } from "../commands/explain.ts";
import { printRanking } from "../commands/ranking.ts";
import { type Calls, type Json, positive } from "./calls.ts";

export function addScores(program: Command, { output, reading }: Calls): void {
  program
    .command("ranking")
    .description("the standings")
    .option("--top <n>", "only the first n", positive)
    .option("--json", "as JSON", false)
    .action((options: Json & { top?: number }) =>
      reading(({ context }) => printRanking(context, output, options)),
    );

  program
    .command("explain")
    .description("why a partner's score is what it is")
    .argument("<partner>", "its slug")
    .option("--json", "as JSON", false)
    .action((slug: string, { json }: Json) =>
      reading(({ context }) => printExplanation(context, output, { slug, json })),
    );
}
