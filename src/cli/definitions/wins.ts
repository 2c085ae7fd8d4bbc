// The commands that look ahead: quick-wins, forecast.
import { type Command, InvalidArgumentError, Option } from "commander";
import { type Locale, locales } from "../../messages/messages.ts";
import { type Calls, type Json, positive } from "../calls.ts";

interface Options extends Json {
  lang: Locale;
}

export function addWins(program: Command, { output, reading }: Calls): void {
  program
    .command("quick-wins")
    .description("the smallest steps that bring a partner points")
    .argument("<partner>", "its slug")
    .option("--json", "as JSON", false)
    .addOption(language())
    .action((slug: string, { json, lang }: Options) =>
      reading(async ({ context }) =>
        (await import("../quick-wins.ts")).printQuickWins(context, output, { slug, json, locale: lang }),
      ),
    );

  program
    .command("forecast")
    .description("the points a partner will lose if nothing new happens")
    .argument("<partner>", "its slug")
    .option("--days <n>", "so many days ahead", days, 90)
    .option("--json", "as JSON", false)
    .addOption(language())
    .action((slug: string, { days, json, lang }: Options & { days: number }) =>
      reading(async ({ context }) =>
        (await import("../forecast.ts")).printForecast(context, output, { slug, days, json, locale: lang }),
      ),
    );
}

function language(): Option {
  return new Option("--lang <language>", "the language of its sentences").choices(locales).default("en");
}

/** Ten years: every evaluation of them is computed. */
function days(value: string): number {
  const number = positive(value);
  if (number > 3660) throw new InvalidArgumentError("Expected a whole number from 1 to 3660.");
  return number;
}
