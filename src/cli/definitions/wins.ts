// The commands that look ahead: quick-wins, forecast.
import { type Command, InvalidArgumentError } from "commander";
import type { Locale } from "../../messages/messages.ts";
import { type Calls, type Json, positive } from "../calls.ts";
import { language, partnerCommand } from "./options.ts";

interface Options extends Json {
  lang: Locale;
}

export function addWins(program: Command, { output, reading }: Calls): void {
  partnerCommand(program, "quick-wins", "the smallest steps that bring a partner points")
    .addOption(language())
    .action((slug: string, { json, lang }: Options) =>
      reading(async ({ context }) =>
        (await import("../quick-wins.ts")).printQuickWins(context, output, { slug, json, locale: lang }),
      ),
    );

  partnerCommand(program, "forecast", "the points a partner will lose if nothing new happens")
    .option("--days <n>", "so many days ahead", days, 90)
    .addOption(language())
    .action((slug: string, { days, json, lang }: Options & { days: number }) =>
      reading(async ({ context }) =>
        (await import("../forecast.ts")).printForecast(context, output, { slug, days, json, locale: lang }),
      ),
    );
}

/** Ten years: every evaluation of them is computed. */
function days(value: string): number {
  const number = positive(value);
  if (number > 3660) throw new InvalidArgumentError("Expected a whole number from 1 to 3660.");
  return number;
}
