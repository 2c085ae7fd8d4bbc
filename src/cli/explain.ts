// standings explain <partner>: the achievements, reached or not, in a sentence each, and the evidence behind them. Now, or at any
// instant, as known at any instant, under any version of the programme.
import type { Context } from "../context.ts";
import { type ExplainQuestion, explain, type Rules } from "../insight/explain.ts";
import { type SpokenExplanation, toSpoken } from "../messages/explanation.ts";
import { type Locale, type Messages, openMessages } from "../messages/messages.ts";
import { requirePartner } from "../partners/find.ts";
import { UsageError } from "../platform/errors.ts";
import type { Output } from "../platform/terminal/output.ts";
import { lastOfWritten } from "../programme/calendar.ts";
import { parseProgramme } from "../programme/document.ts";
import { refuseUnlessEvaluable } from "../programme/versions.ts";
import { describeEvidence } from "./evidence-line.ts";
import { readText } from "./read-text.ts";

/** Of the evidence behind one achievement; the rest is counted. --json shows all of it. */
const SHOWN = 12;

export interface ExplainOptions {
  slug: string;
  json: boolean;
  lang: Locale;
  at?: string | undefined;
  knownAt?: string | undefined;
  /** The number of a version, or a file. */
  programme?: string | undefined;
}

export async function printExplanation(
  context: Context,
  output: Output,
  options: ExplainOptions,
): Promise<void> {
  const now = context.now();
  const timeZone = await requireTimeZone(context);
  const partner = await requirePartner(context.db, options.slug);
  const replay = await readReplay(context, options, timeZone);
  const sources = new Map(context.sources.sources.map((source) => [source.key, source.freshWithinMs]));
  const explanation = await explain(context.db, context.programmes, {
    partnerId: partner.id,
    now,
    freshWithin: (source) => sources.get(source),
    replay,
  });
  const messages = openMessages(options.lang, explanation?.timeZone ?? timeZone);
  if (explanation === undefined) {
    throw new UsageError(
      `no programme was in force at ${(replay?.at ?? now).toISOString()}; name one with --programme <version|file>`,
    );
  }
  if (partner.slug !== options.slug) {
    output.note(messages.say("score.merged", { slug: options.slug, name: partner.name, into: partner.slug }));
  }
  const standing = replay === undefined ? await context.standings.of(partner.id) : undefined;
  const spoken = toSpoken(messages, explanation);
  const rank = standing?.rank ?? null;
  if (options.json) output.print(JSON.stringify({ ...spoken, rank }, null, 2));
  else printSpoken(output, messages, spoken, { rank, draft: options.programme });
}

/** Of the programme in force. Throws a UsageError where there is none. */
export async function requireTimeZone(context: Context): Promise<string> {
  const version = await context.programmes.inForce(context.db, context.now());
  if (version !== undefined) return version.programme.timeZone;
  throw new UsageError("no programme is published; publish one with: standings publish programme.yaml");
}

async function readReplay(
  context: Context,
  options: ExplainOptions,
  timeZone: string,
): Promise<ExplainQuestion["replay"]> {
  const { at, knownAt, programme } = options;
  if (at === undefined && knownAt === undefined && programme === undefined) return undefined;
  const known = knownAt === undefined ? undefined : readInstant("--known-at", knownAt, timeZone);
  const instant = at === undefined ? (known ?? context.now()) : readInstant("--at", at, timeZone);
  const rules = programme === undefined ? undefined : await readRules(context, programme, instant);
  return { at: instant, knownAt: known, rules };
}

function readInstant(option: string, text: string, timeZone: string): Date {
  const instant = lastOfWritten(text, timeZone);
  if (instant !== undefined) return instant;
  throw new UsageError(
    `${option}: expected a date such as 2026-06-30, which means its last instant, or an instant such as 2026-06-30T12:00:00Z, not "${text}"`,
  );
}

/** A version by its number, or a draft in a file: checked as a publication is, and not kept. */
async function readRules(context: Context, programme: string, at: Date): Promise<Rules> {
  if (/^[1-9]\d{0,14}$/.test(programme)) {
    const version = await context.programmes.byId(context.db, Number(programme));
    if (version !== undefined) return version;
    throw new UsageError(`there is no version ${programme} of the programme`);
  }
  const draft = parseProgramme(await readText(programme), programme);
  return {
    id: null,
    programme: draft,
    compiled: await refuseUnlessEvaluable(context.db, draft, programme, at),
  };
}

function printSpoken(
  output: Output,
  messages: Messages,
  spoken: SpokenExplanation,
  { rank, draft }: { rank: number | null; draft: string | undefined },
): void {
  const { partner, points, perfect, achievements, adjustments, timeZone } = spoken;
  const line = messages.say("score.line", { name: partner.name, points, perfect });
  output.print([line, ...(rank === null ? [] : [messages.say("score.rank", { rank })])].join(", "));
  output.print(sayRules(messages, spoken, draft));
  for (const achievement of achievements) {
    const { title, points: held, maximum, achieved, sentence, notes, hint, evidence } = achievement;
    const mark = achieved ? "✔" : held > 0 ? "◐" : "✘";
    output.print("");
    output.print(`${mark} ${messages.say("achievement.line", { title, points: held, maximum })}`);
    output.print(`    ${sentence}`);
    for (const note of notes) output.print(`    ${note}`);
    if (hint !== null) output.print(`    → ${hint}`);
    for (const one of evidence.slice(0, SHOWN)) {
      const { unconfirmedSince: since } = one;
      const suffix = since === null ? "" : `  (${messages.say("evidence.unconfirmed", { since })})`;
      output.print(`    ${describeEvidence(messages, one, timeZone)}${suffix}`);
    }
    const count = evidence.length - SHOWN;
    if (count > 0) output.print(`    ${messages.say("evidence.more", { count })}`);
    if (evidence.length === 0) output.print(`    ${messages.say("evidence.none")}`);
  }
  for (const { id, points: given, reason, by, createdAt, until } of adjustments) {
    output.print("");
    output.print(`± ${messages.say("adjustment.line", { id, points: given })}`);
    output.print(`    ${messages.say("adjustment.made", { reason, by, at: createdAt })}`);
    if (until !== null) output.print(`    ${messages.say("adjustment.until", { until })}`);
  }
  output.print("");
  output.print(saySum(messages, spoken));
}

function sayRules(messages: Messages, spoken: SpokenExplanation, draft: string | undefined): string {
  const { at, knownAt, programmeVersion, scoreVersion, scoredThen, pending } = spoken;
  if (scoreVersion !== null) {
    const versions = messages.say("score.versions", {
      programme: programmeVersion ?? 0,
      score: scoreVersion,
    });
    return pending ? `${versions}; ${messages.say("score.pending")}` : versions;
  }
  return [
    knownAt === null
      ? messages.say("replay.known-now", { at })
      : messages.say("replay.known-at", { at, knownAt }),
    programmeVersion === null
      ? messages.say("replay.draft", { file: draft ?? "" })
      : messages.say("replay.version", { programme: programmeVersion }),
    messages.say("replay.scored", { points: scoredThen ?? 0 }),
  ].join("; ");
}

/** "10 + 5 - 3 = 12 points, of which 5 points not confirmed since Tuesday 24 November". */
function saySum(messages: Messages, spoken: SpokenExplanation): string {
  const { achievements, adjustments, points, unconfirmedPoints, unconfirmedSince } = spoken;
  const [first = 0, ...rest] = [...achievements, ...adjustments].map((one) => one.points);
  const sum = [String(first), ...rest.map((one) => (one < 0 ? `- ${-one}` : `+ ${one}`))].join(" ");
  const total = messages.say("score.sum", { sum, points });
  if (unconfirmedSince === null || unconfirmedPoints === 0) return total;
  const values = { points: unconfirmedPoints, since: unconfirmedSince };
  return `${total}, ${messages.say("score.unconfirmed", values)}`;
}
