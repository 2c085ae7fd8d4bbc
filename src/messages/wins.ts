// What a partner can do next, in sentences.

import type { PromisedEvidence } from "../insight/pieces.ts";
import type { Obstacle, QuickWin } from "../insight/quick-wins.ts";
import type { Programme } from "../programme/document.ts";
import type { MessageKey, Messages } from "./messages.ts";

/** Titles and labels are the programme's own words. */
type Named = Pick<Programme, "kinds" | "achievements">;

/** "10 points more: 70 in all, rank 12". */
export function sayGain(
  { points, total, rank }: Pick<QuickWin, "points" | "total"> & { rank: number | null },
  messages: Messages,
): string {
  return rank === null
    ? messages.say("win.brings", { points, total: messages.number(total) })
    : messages.say("win.brings-rank", { points, total: messages.number(total), rank });
}

/** "1 more: Certificate (level advanced; another holder)", a line for each kind and instant. */
export function sayStep(
  { evidence }: Pick<QuickWin, "evidence">,
  now: Date,
  programme: Named,
  messages: Messages,
): string[] {
  return evidence.map((one) => {
    const details = [
      ...Object.entries(one.attributes)
        .filter(([attribute]) => attribute !== one.anew?.attribute)
        .map(([attribute, value]) => `${attribute} ${value}`),
      ...(one.anew === undefined ? [] : [sayAnew(one, one.anew, messages)]),
      ...(one.occurredAt > now
        ? [messages.say("win.not-before", { at: messages.date(one.occurredAt) })]
        : []),
    ];
    const kind = programme.kinds.find(({ key }) => key === one.kind)?.label ?? one.kind;
    return `${sayAmount(one, kind, messages)}${details.length > 0 ? ` (${details.join("; ")})` : ""}`;
  });
}

function sayAmount({ asks, pieces, quantity }: PromisedEvidence, kind: string, messages: Messages): string {
  if (asks === "pieces") return messages.say("win.pieces", { pieces, kind });
  return messages.say(asks === "reading" ? "win.reading" : "win.quantity", {
    quantity: messages.number(quantity),
    kind,
  });
}

function sayAnew(
  { attributes, pieces }: PromisedEvidence,
  { attribute, values }: NonNullable<PromisedEvidence["anew"]>,
  messages: Messages,
): string {
  // Names the values that count where the rule lists them.
  if (attributes[attribute] !== undefined) return `${attribute} ${values.join(", ")}`;
  return messages.say("win.anew", { attribute, pieces });
}

/** "counts from 1 December 2026"; undefined: at once. */
export function sayCountsFrom(
  { countsAt }: Pick<QuickWin, "countsAt">,
  now: Date,
  messages: Messages,
): string | undefined {
  return countsAt > now ? messages.say("win.counts-from", { at: messages.date(countsAt) }) : undefined;
}

/** "first reach: Registered partner". */
export function sayObstacle({ because, first }: Obstacle, programme: Named, messages: Messages): string {
  const titles = first.map((key) => programme.achievements.find((one) => one.key === key)?.title ?? key);
  const key: MessageKey = `win.blocked.${because}`;
  return messages.say(key, { titles: titles.join(", ") });
}
