// A piece of evidence as one line: "2026-10-14  copernica  October newsletter (1,204; use own)  https://…".

import type { EvidenceShown } from "../insight/evidence-behind.ts";
import type { Messages } from "../messages/messages.ts";

type Described = Pick<
  EvidenceShown,
  "source" | "externalId" | "occurredAt" | "endedAt" | "quantity" | "attributes" | "title" | "link"
> & { before?: boolean };

export function describeEvidence(messages: Messages, evidence: Described, timeZone: string): string {
  const { occurredAt, endedAt, quantity, attributes, title, externalId, source, link, before } = evidence;
  const until =
    endedAt === null ? "" : ` ${messages.say("evidence.until", { until: isoDate(endedAt, timeZone) })}`;
  const details = [
    ...(quantity === 1 ? [] : [messages.number(quantity)]),
    ...Object.entries(attributes).map(([key, value]) => `${key} ${value}`),
    ...(before === true ? [messages.say("evidence.before")] : []),
  ];
  const more = details.length > 0 ? ` (${details.join("; ")})` : "";
  const address = link === null ? "" : `  ${link}`;
  return `${isoDate(occurredAt, timeZone)}${until}  ${source}  ${title ?? externalId}${more}${address}`;
}

/** "2026-10-14": in columns, dates of every language are written alike. */
function isoDate(instant: Date, timeZone: string): string {
  return new Intl.DateTimeFormat("sv-SE", { timeZone, dateStyle: "short" }).format(instant);
}

/** "2026-10-14 09:05". */
export function isoMinute(instant: Date, timeZone: string): string {
  return new Intl.DateTimeFormat("sv-SE", { timeZone, dateStyle: "short", timeStyle: "short" }).format(
    instant,
  );
}
