// standings history <partner>: every change of its points, oldest first, with the cause that was found for it.
import type { Context } from "../context.ts";
import { readHistory } from "../insight/history.ts";
import { type SpokenHistory, signed, toSpokenHistory } from "../messages/history.ts";
import { type Locale, type Messages, openMessages } from "../messages/messages.ts";
import { requirePartner } from "../partners/find.ts";
import { UsageError } from "../platform/errors.ts";
import type { Output } from "../platform/terminal/output.ts";
import { beginOfWritten } from "../programme/calendar.ts";
import { adjustmentOf } from "../scoring/evaluation.ts";
import { describeEvidence, isoMinute } from "./evidence-line.ts";
import { requireTimeZone } from "./explain.ts";

/** Of the evidence of one cause; the rest is counted. --json shows all of it. */
const SHOWN = 5;

export interface HistoryOptions {
  slug: string;
  json: boolean;
  lang: Locale;
  achievement?: string | undefined;
  from?: string | undefined;
  to?: string | undefined;
}

export async function printHistory(context: Context, output: Output, options: HistoryOptions): Promise<void> {
  const timeZone = await requireTimeZone(context);
  const messages = openMessages(options.lang, timeZone);
  const partner = await requirePartner(context.db, options.slug);
  const from = readBound("--from", options.from, timeZone);
  const to = readBound("--to", options.to, timeZone);
  if (from !== undefined && to !== undefined && from >= to) {
    throw new UsageError(`--to: expected what comes after ${options.from ?? ""}, not ${options.to ?? ""}`);
  }
  const history = await readHistory(context.db, context.programmes, {
    partnerId: partner.id,
    achievement: options.achievement,
    from,
    to,
    timeZone,
  });
  if (history === undefined) throw new UsageError(`there is no partner ${options.slug}`);
  if (history.lines.length === 0) await refuseUnknown(context, options.achievement);
  if (partner.slug !== options.slug) {
    output.note(messages.say("score.merged", { slug: options.slug, name: partner.name, into: partner.slug }));
  }
  const spoken = toSpokenHistory(messages, history);
  if (options.json) output.print(JSON.stringify(spoken, null, 2));
  else printSpoken(output, messages, spoken, { isPart: options.from !== undefined });
}

/** An achievement of an older version may still have lines; one that has none has to be in the programme. */
async function refuseUnknown(context: Context, achievement: string | undefined): Promise<void> {
  const version = await context.programmes.inForce(context.db, context.now());
  const keys = version?.programme.achievements.map(({ key }) => key) ?? [];
  if (achievement === undefined || adjustmentOf(achievement) !== undefined || keys.includes(achievement))
    return;
  throw new UsageError(`there is no achievement ${achievement}; expected one of ${keys.join(", ")}`);
}

function readBound(option: string, text: string | undefined, timeZone: string): Date | undefined {
  if (text === undefined) return undefined;
  const instant = beginOfWritten(text, timeZone);
  if (instant !== undefined) return instant;
  throw new UsageError(
    `${option}: expected a date such as 2026-06-30, which means its first instant, or an instant such as 2026-06-30T12:00:00Z, not "${text}"`,
  );
}

function printSpoken(
  output: Output,
  messages: Messages,
  { partner, points, before, lines, timeZone }: SpokenHistory,
  { isPart }: { isPart: boolean },
): void {
  output.print(messages.say("history.partner", { name: partner.name, points }));
  if (isPart) output.print(messages.say("history.before", { points: before }));
  if (lines.length === 0) output.print(messages.say("history.none"));
  for (const line of lines) {
    output.print("");
    output.print(
      `${isoMinute(line.at, timeZone)}  ${signed(line.delta).padStart(4)} → ${line.total}  ${line.title}`,
    );
    for (const { sentence, evidence } of line.causes) {
      output.print(`    ${sentence}`);
      for (const one of evidence.slice(0, SHOWN)) {
        output.print(`      ${one.sentence}: ${describeEvidence(messages, one, timeZone)}`);
      }
      const count = evidence.length - SHOWN;
      if (count > 0) output.print(`      ${messages.say("evidence.more", { count })}`);
    }
    if (line.doubt !== null) output.print(`    ${line.doubt}`);
  }
}
