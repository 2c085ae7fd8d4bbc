// standings forecast <partner> [--days n] [--json] [--lang]: what time alone will do to a score.
import type { Context } from "../context.ts";
import { readForecast } from "../insight/forecast.ts";
import { sayChange, sayWhy } from "../messages/forecast.ts";
import { type Locale, openMessages } from "../messages/messages.ts";
import { requirePartner } from "../partners/find.ts";
import type { Output } from "../platform/terminal/output.ts";
import { requireProgramme } from "./programme.ts";

export async function printForecast(
  context: Context,
  output: Output,
  options: { slug: string; days: number; json: boolean; locale: Locale },
): Promise<void> {
  const { days, locale } = options;
  const now = context.now();
  const { id, slug, name } = await requirePartner(context.db, options.slug);
  await requireProgramme(context, now);
  const forecast = await readForecast(context.db, context.programmes, { partnerId: id, now, days });
  if (forecast === undefined) return;
  if (options.json) {
    output.print(JSON.stringify({ partner: { slug, name }, ...forecast }, null, 2));
    return;
  }
  const messages = openMessages(locale, forecast.timeZone);
  const until = messages.date(forecast.until);
  const { total, changes } = forecast;
  output.print(messages.say("forecast.heading", { name, total: messages.number(total), until }));
  if (changes.length === 0) output.print(messages.say("forecast.none", { until }));
  for (const [index, change] of changes.entries()) {
    // Once for all that happens at one instant: in between there is no total.
    const isLast = changes[index + 1]?.at.getTime() !== change.at.getTime();
    const then = isLast
      ? `, ${messages.say("forecast.total", { total: messages.number(change.total) })}`
      : "";
    output.print("");
    output.print(`${messages.date(change.at)}: ${sayChange(change, messages)}${then}`);
    output.print(`    ${sayWhy(change, messages)}`);
  }
}
