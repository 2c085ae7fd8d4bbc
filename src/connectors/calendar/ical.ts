// Events of a calendar (RFC 5545): fairs, webinars, joint appearances. Each occurrence of an event is evidence for the
// partners it names. The file is all there is, so every pull is a complete listing.
import { createHash } from "node:crypto";
import { z } from "zod";
import { SourceError } from "../../platform/errors.ts";
import { defineConnector, type EvidenceFact, type PullInput, type QuarantinedRow } from "../connector.ts";
import { readInstant, timeZoneSchema, toFact } from "../facts.ts";
import { type Component, propertiesOf, readComponents, textOf, textsOf } from "./lines.ts";
import type { Occurrence } from "./times.ts";

const FACTS_A_PAGE = 500;
const MAX_FACTS = 100_000;
/** A rule without an end is followed so far. Longer: what was announced moves; shorter: a fair is known a year ahead. */
const AHEAD_MS = 366 * 86_400_000;

const settingsSchema = z
  .strictObject({
    url: z.url({ protocol: /^https?$/ }),
    evidence: z.string().min(1).max(64),
    /** The first day that counts. Keep it: a later one makes events absent. */
    since: z.iso.date('expected a date such as "2025-09-01"'),
    /** Of dates, and of times that name no zone. */
    "time-zone": timeZoneSchema.default("UTC"),
    /** Whether it holds ever after (somebody was there) or only until the event is over. */
    holds: z.enum(["from-start", "until-end"]).default("from-start"),
    attribution: z.strictObject({
      by: z.enum(["attendee-domain", "organizer-domain", "category", "property", "summary"]),
      /** Of the identities. */
      namespace: z.string().min(1).max(100),
      /** by: property: its name, such as X-EXHIBITOR. */
      property: z
        .string()
        .regex(/^[A-Z][A-Z0-9-]*$/i)
        .optional(),
      /** Only what begins with this is a partner's, and the key is the rest of it; by: summary needs one, such as "#". */
      prefix: z.string().default(""),
    }),
  })
  .refine(({ attribution: { by, property } }) => (by === "property") === (property !== undefined), {
    path: ["attribution", "property"],
    message: 'expected with "by: property", and only with it',
  })
  .refine(({ attribution: { by, prefix } }) => by !== "summary" || prefix !== "", {
    path: ["attribution", "prefix"],
    message: 'expected with "by: summary": what marks a partner in it, such as "#"',
  })
  .transform(({ "time-zone": timeZone, ...rest }) => ({ ...rest, timeZone }));

type IcalSettings = z.output<typeof settingsSchema>;
type Input = PullInput<IcalSettings>;

/**
 * The connection's secret is optional: "user:password", for calendars behind a log-in. The cursor holds nothing: a file has
 * no place to go on from, it may be another one by then.
 */
export const ical = defineConnector<IcalSettings>({
  settings: settingsSchema,
  alwaysComplete: true,
  perAccount: false,
  kinds: ({ evidence }) => [evidence],
  async *pull(input) {
    let evidence: EvidenceFact[] = [];
    let quarantined: QuarantinedRow[] = [];
    let count = 0;
    let begins: true | undefined = true;
    for await (const { facts, refused } of readFacts(input)) {
      evidence.push(...facts);
      quarantined.push(...refused);
      count += facts.length;
      if (count > MAX_FACTS) {
        throw new SourceError("data", `${whereOf(input)} holds more than ${MAX_FACTS} occurrences`);
      }
      if (evidence.length >= FACTS_A_PAGE) {
        yield { evidence, cursor: {}, quarantined, begins };
        begins = undefined;
        evidence = [];
        quarantined = [];
      }
    }
    yield { evidence, cursor: {}, total: count, quarantined, begins };
  },
  async check(input) {
    let facts = 0;
    let refused = 0;
    for await (const event of readFacts(input)) {
      facts += event.facts.length;
      refused += event.refused.length;
    }
    const unread = refused === 0 ? "" : `, ${refused} events cannot be read`;
    return `${whereOf(input)}, ${facts} pieces of evidence${unread}`;
  },
});

function whereOf({ settings }: Input): string {
  const { host, pathname } = new URL(settings.url);
  return `${host}${pathname}`;
}

interface EventFacts {
  facts: EvidenceFact[];
  refused: QuarantinedRow[];
}

async function* readFacts(input: Input): AsyncGenerator<EventFacts, void, undefined> {
  const { settings, connection, fetch, now } = input;
  const { secret } = connection;
  const answer = await fetch({
    url: settings.url,
    headers: secret === undefined ? {} : { authorization: `Basic ${Buffer.from(secret).toString("base64")}` },
    expect: "text",
  });
  const from = readInstant(settings.since, settings.timeZone, "since");
  if (from === undefined) throw new SourceError("config", "since: expected a date");
  const window = { from, until: new Date(now.getTime() + AHEAD_MS), timeZone: settings.timeZone };
  const components = partnersOnly(readComponents(answer.text, whereOf(input)), settings);
  const { readOccurrences } = await import("./times.ts");
  for await (const event of readOccurrences(components, window)) {
    if (!Array.isArray(event)) {
      yield { facts: [], refused: [keepAside(event.uid, event.reason)] };
      continue;
    }
    yield sift(event, settings);
  }
}

/** Without the events that name no partner in any version: to place one in time costs a millisecond or two. */
function partnersOnly(components: Component[], { attribution }: IcalSettings): Component[] {
  const uids = new Set(
    components.filter((event) => keysOf(event, attribution).length > 0).map((event) => textOf(event, "UID")),
  );
  return components.filter((event) => event.name !== "VEVENT" || uids.has(textOf(event, "UID")));
}

/** What of an event cannot be stored is kept aside, and the rest of it is evidence. */
function sift(occurrences: Occurrence[], settings: IcalSettings): EventFacts {
  const event: EventFacts = { facts: [], refused: [] };
  for (const occurrence of occurrences) {
    try {
      event.facts.push(...toEvidence(occurrence, settings));
    } catch (error) {
      if (!(error instanceof SourceError)) throw error;
      event.refused.push(keepAside(occurrence.uid, error.message));
    }
  }
  return event;
}

/** One fact for each partner an occurrence names. */
function toEvidence(occurrence: Occurrence, settings: IcalSettings): EvidenceFact[] {
  const { uid, original, start, end, event } = occurrence;
  const { namespace } = settings.attribution;
  const of = original === undefined ? idOf(uid) : `${idOf(uid)}/${original.toISOString()}`;
  return keysOf(event, settings.attribution).map((key) =>
    toFact({
      externalId: `${of}/${key}`,
      kind: settings.evidence,
      occurredAt: start,
      // An event that ends before it begins, or when it begins, holds for no time: that is no way to say so.
      endedAt: settings.holds === "until-end" && end > start ? end : undefined,
      title: textOf(event, "SUMMARY"),
      link: textOf(event, "URL"),
      identity: { namespace, key },
    }),
  );
}

/** The ids of an unreadable event's facts are unknown, so a listing that contains one reports nothing as absent. */
function keepAside(uid: string, reason: string): QuarantinedRow {
  return { externalId: idOf(uid), reason, unidentified: true };
}

/** UIDs have no limit of length; ids do. */
function idOf(uid: string): string {
  return `event/${uid.length <= 200 ? uid : createHash("sha256").update(uid).digest("hex")}`;
}

/** The partners an event names, each once. Those who declined do not take part. Of people only the domain is looked at. */
function keysOf(event: Component, attribution: IcalSettings["attribution"]): string[] {
  const { by, prefix, property = "" } = attribution;
  const named = {
    "attendee-domain": () =>
      propertiesOf(event, "ATTENDEE")
        .filter(({ params }) => params.get("PARTSTAT")?.toUpperCase() !== "DECLINED")
        .map(({ value }) => domainOf(value)),
    "organizer-domain": () => propertiesOf(event, "ORGANIZER").map(({ value }) => domainOf(value)),
    category: () => textsOf(event, "CATEGORIES"),
    property: () => textsOf(event, property.toUpperCase()),
    summary: () => textOf(event, "SUMMARY").split(/[\s,;]+/),
  }[by]();
  const keys = named
    .filter((name) => name.startsWith(prefix) && name.length > prefix.length)
    .map((name) => name.slice(prefix.length));
  return [...new Set(keys)];
}

/** "mailto:Anna@Acme.example" is at acme.example. */
function domainOf(address: string): string {
  return /^mailto:[^@\s]+@([^@\s?>]+)/i.exec(address.trim())?.[1]?.toLowerCase() ?? "";
}
