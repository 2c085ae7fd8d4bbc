// Local dates and times of a zone as instants, quickly. A listing holds thousands of them on a few hundred days, and nearly
// every day has one offset from beginning to end: it is asked for once, and the rest is arithmetic (0.6 µs instead of 7 µs
// for each). Days on which a clock changes are left to Temporal, every time.
import { Temporal } from "temporal-polyfill";

const DAY_MS = 86_400_000;
/** Days kept of a zone; more are forgotten at once. */
const MOST_DAYS = 5000;

/** By zone, then by date: how far the local clock is ahead of UTC all day, in milliseconds; undefined: it changes that day. */
const offsets = new Map<string, Map<string, number | undefined>>();

const ORDINARY = /^(\d{4}-\d\d-\d\d)[T ]([01]\d|2[0-3]):([0-5]\d)(?::([0-5]\d)(?:\.(\d{1,9}))?)?$/;

/**
 * The instant of a local date and time (`2026-10-25 02:30[:00]`, also with `T`): one that the spring change skips is an hour
 * later, one that the autumn change repeats is the first. Throws a RangeError for what is none.
 */
export function instantOfLocalTime(text: string, timeZone: string): Date {
  const match = ORDINARY.exec(text);
  const date = match?.[1];
  const offset = date === undefined ? undefined : offsetOn(date, timeZone);
  if (match === null || date === undefined || offset === undefined) {
    return new Date(Temporal.PlainDateTime.from(text).toZonedDateTime(timeZone).epochMilliseconds);
  }
  const [, , hours, minutes, seconds = "0", fraction = ""] = match;
  const ms = Number(fraction.slice(0, 3).padEnd(3, "0"));
  const ofDay = (Number(hours) * 60 + Number(minutes)) * 60_000 + Number(seconds) * 1000 + ms;
  return new Date(Date.parse(date) + ofDay - offset);
}

function offsetOn(date: string, timeZone: string): number | undefined {
  let days = offsets.get(timeZone);
  if (days === undefined || days.size >= MOST_DAYS) {
    days = new Map();
    offsets.set(timeZone, days);
  }
  const known = days.get(date);
  if (known !== undefined || days.has(date)) return known;
  const start = Temporal.PlainDate.from(date).toZonedDateTime(timeZone);
  const midnight = Date.parse(date) - start.epochMilliseconds;
  // The instant before is looked at, too: a day that begins with a change has another first moment than midnight.
  const change = start.subtract({ milliseconds: 1 }).getTimeZoneTransition("next");
  const isPlain = change === null || change.epochMilliseconds > start.epochMilliseconds + DAY_MS;
  const offset = isPlain ? midnight : undefined;
  days.set(date, offset);
  return offset;
}
