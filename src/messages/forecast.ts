// What time will do to a score, in sentences.
import type { ForecastChange } from "../insight/forecast.ts";
import type { MessageKey, Messages } from "./messages.ts";

/** Of the evidence behind a change; the rest is counted. */
const SHOWN = 3;

/** "5 points lost: Joint articles". */
export function sayChange(
  { points, title }: Pick<ForecastChange, "points" | "title">,
  messages: Messages,
): string {
  return points < 0
    ? messages.say("forecast.lost", { points: -points, title })
    : messages.say("forecast.gained", { points, title });
}

/** A change and the evidence to name. */
interface Explained extends Pick<ForecastChange, "because"> {
  evidence: { title: string | null; externalId?: string; kind: string; occurredAt: Date }[];
}

/** "A welcome flow that works (13 January 2026) leaves the window". */
export function sayWhy({ because, evidence }: Explained, messages: Messages): string {
  const shown = evidence
    .slice(0, SHOWN)
    .map(
      ({ title, externalId, kind, occurredAt }) =>
        `${title ?? externalId ?? kind} (${messages.date(occurredAt)})`,
    );
  const more = evidence.length - shown.length;
  const what = [...shown, ...(more > 0 ? [messages.say("forecast.more", { more })] : [])].join(", ");
  const key: MessageKey = `forecast.${because}`;
  return messages.say(key, { what, count: evidence.length });
}
