// standings quick-wins <partner> [--json] [--lang]: what to do next, the most points for the least effort first.
import type { Context } from "../context.ts";
import { readProspects, toShownProspects } from "../insight/prospects.ts";
import { type Locale, openMessages } from "../messages/messages.ts";
import { sayCountsFrom, sayGain, sayObstacle, sayStep } from "../messages/wins.ts";
import { requirePartner } from "../partners/find.ts";
import type { Output } from "../platform/terminal/output.ts";
import { requireProgramme } from "./programme.ts";

export async function printQuickWins(
  context: Context,
  output: Output,
  options: { slug: string; json: boolean; locale: Locale },
): Promise<void> {
  const now = context.now();
  const partner = await requirePartner(context.db, options.slug);
  const { programme } = await requireProgramme(context, now);
  const prospects = await readProspects(context.db, context.programmes, { partnerId: partner.id, now });
  if (prospects === undefined) return;
  const { wins, obstacles } = prospects;
  if (options.json) {
    const { slug, name } = partner;
    output.print(JSON.stringify({ partner: { slug, name }, ...toShownProspects(prospects) }, null, 2));
    return;
  }
  const messages = openMessages(options.locale, programme.timeZone);
  output.print(partner.name);
  for (const win of wins) {
    output.print("");
    output.print(`${win.title}: ${sayGain(win, messages)}`);
    for (const step of sayStep(win, now, programme, messages)) output.print(`    ${step}`);
    const from = sayCountsFrom(win, now, messages);
    if (from !== undefined) output.print(`    ${from}`);
    for (const { title, points } of win.others)
      output.print(`    ${messages.say("win.opens", { title, points })}`);
    output.print(`    → ${win.hint}`);
  }
  if (wins.length === 0) output.print(`\n${messages.say("win.none")}`);
  if (obstacles.length > 0) output.print("");
  for (const obstacle of obstacles)
    output.print(`✘ ${obstacle.title}: ${sayObstacle(obstacle, programme, messages)}`);
}
