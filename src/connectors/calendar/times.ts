// When the events of a calendar happen, by node-ical: it knows Windows' and Exchange's names of time zones, and recurrence
// rules. It is handed one event at a time, rewritten so that what it gets wrong cannot happen:
// - A floating time and a date are the machine's own time to it. Here they are in the calendar's configured zone.
// - A zone it does not know is the machine's own too. Here its VTIMEZONE is looked through first, or the event is refused.
// - It finds a custom VTIMEZONE for DTSTART, not for EXDATE. Here every zone has a name it knows before it sees it.
// - Of a time that comes twice in autumn it takes the second. Here it is the first (RFC 5545, 3.3.5).
// - One rule it refuses fails the whole file. Here it fails its event.
// It fetches and spawns nothing in what is used of it (parseICS and expandRecurringEvent).
import { setImmediate } from "node:timers/promises";
import ical from "node-ical";
import { Temporal } from "temporal-polyfill";
import { quote } from "../client/answers.ts";
import { instantOfLocalTime } from "../local-time.ts";
import { type Component, type Property, propertiesOf, textOf } from "./lines.ts";
import { isIana, openZones, type Zones } from "./zones.ts";

export interface Occurrence {
  uid: string;
  /** Of a recurring event: when it was to begin by its rule, which stays when it is moved. */
  original: Date | undefined;
  start: Date;
  end: Date;
  /** The VEVENT that says the rest: an override where there is one. */
  event: Component;
}

export interface Unreadable {
  uid: string;
  reason: string;
}

interface Window {
  /** Occurrences that begin in from <= start < until. */
  from: Date;
  until: Date;
  timeZone: string;
}

/** The longest a rule is followed within one event: daily for 27 years. */
const MAX_OCCURRENCES = 10_000;

/**
 * The occurrences of each event, cancelled ones left out. Events are those with one UID: the one with the rule, and its
 * overrides (RECURRENCE-ID). What cannot be read is one Unreadable for its event.
 */
export async function* readOccurrences(
  components: Component[],
  window: Window,
): AsyncGenerator<Occurrence[] | Unreadable, void, undefined> {
  const zones = openZones(components, window.timeZone);
  const events = components.filter(({ name }) => name === "VEVENT");
  const groups = new Map<string, Component[]>();
  for (const event of events) {
    const uid = textOf(event, "UID");
    const versions = groups.get(uid);
    if (versions === undefined) groups.set(uid, [event]);
    else versions.push(event);
  }
  for (const [uid, versions] of groups) {
    // Long calendars are worked through piece by piece: the process has other things to do as well.
    await setImmediate();
    if (uid === "") yield { uid, reason: `${versions.length} events without a UID` };
    else {
      try {
        yield occurrencesOf(uid, versions, window, zones);
      } catch (error) {
        yield { uid, reason: quote((error as Error).message) };
      }
    }
  }
}

function occurrencesOf(uid: string, versions: Component[], window: Window, zones: Zones): Occurrence[] {
  const found = new Map<number, Occurrence>();
  const latest = latestVersions(versions);
  const base = latest.get("");
  if (base !== undefined) {
    const parsed = parse(base, zones, window.timeZone);
    const isRecurring = parsed.rrule !== undefined;
    const starts = isRecurring ? expand(parsed.event, window).map(parsed.first) : [parsed.start];
    for (const start of starts) {
      found.set(start.getTime(), {
        uid,
        original: isRecurring ? start : undefined,
        start,
        end: endOf(start, parsed, window.timeZone),
        event: base,
      });
    }
  }
  for (const [recurrenceId, override] of latest) {
    if (recurrenceId === "") continue;
    const { start, end, original } = parse(override, zones, window.timeZone);
    if (original === undefined) throw new Error("a RECURRENCE-ID that is no date");
    found.set(original.getTime(), { uid, original, start, end, event: override });
  }
  return [...found.values()].filter(
    ({ start, event }) =>
      start >= window.from && start < window.until && textOf(event, "STATUS").toUpperCase() !== "CANCELLED",
  );
}

/** By RECURRENCE-ID ("" for the event itself): the version with the highest SEQUENCE, of equals the last in the file. */
function latestVersions(versions: Component[]): Map<string, Component> {
  const sequenceOf = (event: Component) => Number(textOf(event, "SEQUENCE")) || 0;
  const latest = new Map<string, Component>();
  for (const event of versions) {
    const [of] = propertiesOf(event, "RECURRENCE-ID");
    if (of?.params.has("RANGE") === true) throw new Error("a change of this and all future occurrences");
    const known = latest.get(of?.value ?? "");
    if (known === undefined || sequenceOf(event) >= sequenceOf(known)) latest.set(of?.value ?? "", event);
  }
  return latest;
}

interface Parsed {
  event: ical.VEvent;
  start: Date;
  end: Date;
  original: Date | undefined;
  rrule: unknown;
  isDate: boolean;
  /** Of a start that comes twice in its zone: the first. */
  first: (at: Date) => Date;
}

/** One VEVENT as node-ical reads it. Throws an Error for what cannot be placed in time. */
function parse(event: Component, zones: Zones, timeZone: string): Parsed {
  const [begins] = propertiesOf(event, "DTSTART");
  if (begins === undefined) throw new Error("no DTSTART");
  if (propertiesOf(event, "RDATE").length > 0) throw new Error("dates listed one by one (RDATE)");
  const isDate = isDateOnly(begins);
  const inZone = (property: Property): string => {
    const { name, params, value } = property;
    for (const one of value.split(",")) checkDay(one.trim(), name);
    // A date that excludes occurrences of an event with times excludes the whole day: that node-ical does well.
    if (!isDate && isDateOnly(property)) return `${name};VALUE=DATE:${value}`;
    const values = isDate
      ? value.split(",").map((one) => `${one.trim().slice(0, 8)}T000000`)
      : value.split(",");
    const named = isDate ? undefined : params.get("TZID");
    if (!isDate && values.every((one) => one.trim().endsWith("Z"))) return `${name}:${value}`;
    const zone = named === undefined ? timeZone : zones(named, values[0] ?? "");
    return `${name};TZID=${zone}:${values.join(",")}`;
  };
  const lines = ["DTSTART", "DTEND", "RECURRENCE-ID", "EXDATE"].flatMap((name) =>
    propertiesOf(event, name).map(inZone),
  );
  const [rule] = propertiesOf(event, "RRULE");
  if (rule !== undefined) lines.push(`RRULE:${checkRule(rule.value)}`);
  const duration = textOf(event, "DURATION");
  // A date with neither DTEND nor DURATION is one day.
  const isOneDay = isDate && duration === "" && propertiesOf(event, "DTEND").length === 0;
  if (isOneDay || duration !== "") lines.push(`DURATION:${isOneDay ? "P1D" : duration}`);
  const calendar = ["BEGIN:VCALENDAR", "BEGIN:VEVENT", "UID:event", ...lines, "END:VEVENT", "END:VCALENDAR"];
  const parsed = ical.sync.parseICS(calendar.join("\r\n"))["event"] as ical.VEvent;
  const firstIn = (name: string) =>
    toFirst(/;TZID=([^:]+):/.exec(lines.find((line) => line.startsWith(name)) ?? "")?.[1]);
  const start = firstIn("DTSTART")(checkDate(parsed.start, "DTSTART"));
  const end = checkDate(parsed.end ?? parsed.start, "DTEND");
  const isEndNamed = lines.some((line) => line.startsWith("DTEND"));
  return {
    event: parsed,
    start,
    end: isEndNamed
      ? firstIn("DTEND")(end)
      : new Date(start.getTime() + end.getTime() - parsed.start.getTime()),
    original:
      parsed.recurrenceid === undefined
        ? undefined
        : firstIn("RECURRENCE-ID")(checkDate(parsed.recurrenceid, "RECURRENCE-ID")),
    rrule: parsed.rrule,
    isDate,
    first: firstIn("DTSTART"),
  };
}

/** Times in UTC, or at a fixed distance from it, come once. */
function toFirst(zone: string | undefined): (at: Date) => Date {
  if (zone === undefined || !isIana(zone)) return (at) => at;
  return (at) => {
    const local = Temporal.Instant.fromEpochMilliseconds(at.getTime()).toZonedDateTimeISO(zone);
    return instantOfLocalTime(local.toPlainDateTime().toString({ smallestUnit: "second" }), zone);
  };
}

/** As long after its start as the event is long: in days where it is dated, which the clock change makes longer or shorter. */
function endOf(at: Date, { start, end, isDate }: Parsed, timeZone: string): Date {
  const ms = end.getTime() - start.getTime();
  if (!isDate) return new Date(at.getTime() + ms);
  const days = Math.round(ms / 86_400_000);
  const local = Temporal.Instant.fromEpochMilliseconds(at.getTime()).toZonedDateTimeISO(timeZone);
  return new Date(local.add({ days }).epochMilliseconds);
}

function isDateOnly({ params, value }: Property): boolean {
  return params.get("VALUE")?.toUpperCase() === "DATE" || /^\d{8}$/.test(value.trim());
}

/** node-ical leaves as text what is no date. */
function checkDate(value: unknown, name: string): Date {
  if (!(value instanceof Date) || Number.isNaN(value.getTime())) throw new Error(`a ${name} that is no date`);
  return new Date(value.getTime());
}

/** It lets 31 February be 3 March. */
function checkDay(value: string, name: string): void {
  const day = `${value.slice(0, 4)}-${value.slice(4, 6)}-${value.slice(6, 8)}`;
  try {
    Temporal.PlainDate.from(day);
  } catch {
    throw new Error(`a ${name} that is no date`);
  }
}

/** Rules finer than a day are followed for seconds of a process's time, and no partner earns anything by the hour. */
function checkRule(rule: string): string {
  if (
    !/(?:^|;)FREQ=(?:DAILY|WEEKLY|MONTHLY|YEARLY)(?:;|$)/i.test(rule) ||
    /BY(?:MINUTE|SECOND|HOUR)=/i.test(rule)
  ) {
    throw new Error("a recurrence that is not by the day, week, month or year");
  }
  // The last day counts to its end; node-ical reads that in the zone of the event.
  return rule.replace(/UNTIL=(\d{8})(?=;|$)/i, "UNTIL=$1T235959");
}

function expand(event: ical.VEvent, { from, until }: Window): Date[] {
  const starts = ical
    .expandRecurringEvent(event, { from, to: until, includeOverrides: false })
    .map(({ start }) => new Date(start.getTime()));
  if (starts.length > MAX_OCCURRENCES) throw new Error(`more than ${MAX_OCCURRENCES} occurrences`);
  return starts;
}
