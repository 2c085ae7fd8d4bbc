// The programme's own clock: local wall-clock time in its zone. Two rules make it safe to compare and to calculate with:
// it never runs back (in an hour that a clock change repeats, it stands still on the last millisecond of the first pass),
// and a local time that a clock change skips means the first instant after the gap. Without them a sliding window would
// take evidence away, give it back an hour later and take it away again.
import { Temporal } from "temporal-polyfill";

export type Period = "week" | "month" | "quarter" | "year";

/** A streak is counted no further back than so many periods. */
export const longestStreak = 60;

/** What the local clock shows at an instant. Never earlier than what it showed before. */
export function wallClock(at: Date, timeZone: string): Temporal.PlainDateTime {
  const zoned = Temporal.Instant.fromEpochMilliseconds(at.getTime()).toZonedDateTimeISO(timeZone);
  const local = zoned.toPlainDateTime();
  const firstPass = local.toZonedDateTime(timeZone, { disambiguation: "earlier" });
  if (firstPass.epochMilliseconds === zoned.epochMilliseconds) return local;
  // "previous" looks strictly before, and the repeated hour may have begun at this very instant.
  const repeated = zoned.add({ milliseconds: 1 }).getTimeZoneTransition("previous");
  return (repeated ?? firstPass).subtract({ milliseconds: 1 }).toPlainDateTime();
}

/**
 * The first instant at which the local clock shows this time or a later one. That is Temporal's `compatible` for a time
 * that exists twice (the first of both); a time in a gap becomes the end of the gap, where `compatible` would go on by the
 * length of the gap and so skip instants that are later than the time asked for.
 */
export function firstInstantOf(local: Temporal.PlainDateTime, timeZone: string): Date {
  const earlier = local.toZonedDateTime(timeZone, { disambiguation: "earlier" });
  if (earlier.toPlainDateTime().equals(local)) return new Date(earlier.epochMilliseconds);
  return new Date((earlier.getTimeZoneTransition("next") ?? earlier).epochMilliseconds);
}

/** The instant a local date begins. */
export function startOfDay(date: Temporal.PlainDate, timeZone: string): Date {
  return firstInstantOf(date.toPlainDateTime(), timeZone);
}

/** "2027-01-01 09:00:00", as the clocks of a zone show an instant. */
export function toLocalText(at: Date, timeZone: string): string {
  const zoned = Temporal.Instant.fromEpochMilliseconds(at.getTime()).toZonedDateTimeISO(timeZone);
  return zoned.toPlainDateTime().toString({ smallestUnit: "second" }).replace("T", " ");
}

/** The instant of a local date (its beginning) or date and time: "2026-03-29" or "2026-03-29T09:00". Throws on anything else. */
export function instantOfLocal(text: string, timeZone: string): Date {
  return firstInstantOf(Temporal.PlainDateTime.from(text), timeZone);
}

/** What Postgres reads as JavaScript writes it, and a window of a hundred years before it too. */
const EARLIEST = Date.UTC(1000, 0, 1);
const LATEST = Date.UTC(10_000, 0, 1);

/** undefined: not the text of an instant, or outside the supported years. */
function readWritten(read: () => Date): Date | undefined {
  try {
    const instant = read();
    return instant.getTime() >= EARLIEST && instant.getTime() < LATEST ? instant : undefined;
  } catch {
    return undefined;
  }
}

/**
 * The instant up to which a person means: a local date is included, so it is the instant the next one begins (`2026-12-31`);
 * an instant has its offset (`2026-12-31T12:00:00Z`). undefined: it is neither.
 */
export function endOfWritten(text: string, timeZone: string): Date | undefined {
  return readWritten(() =>
    isDate(text)
      ? startOfDay(Temporal.PlainDate.from(text).add({ days: 1 }), timeZone)
      : new Date(Temporal.Instant.from(text).epochMilliseconds),
  );
}

/** As `endOfWritten`, but a local date means the instant it begins. */
export function beginOfWritten(text: string, timeZone: string): Date | undefined {
  return readWritten(() =>
    isDate(text)
      ? startOfDay(Temporal.PlainDate.from(text), timeZone)
      : new Date(Temporal.Instant.from(text).epochMilliseconds),
  );
}

/** The last instant of a local date, or an instant as it is written. undefined: it is neither. */
export function lastOfWritten(text: string, timeZone: string): Date | undefined {
  const end = endOfWritten(text, timeZone);
  return end === undefined || !isDate(text) ? end : new Date(end.getTime() - 1);
}

function isDate(text: string): boolean {
  return /^\d{4}-\d\d-\d\d$/.test(text);
}

/** The first day of the calendar period a date lies in. Weeks begin on Monday (ISO 8601). */
export function startOfPeriod(date: Temporal.PlainDate, period: Period): Temporal.PlainDate {
  switch (period) {
    case "week":
      return date.subtract({ days: date.dayOfWeek - 1 });
    case "month":
      return date.with({ day: 1 });
    case "quarter":
      return date.with({ month: 3 * Math.floor((date.month - 1) / 3) + 1, day: 1 });
    case "year":
      return date.with({ month: 1, day: 1 });
  }
}

/** A number of days or periods as a duration; negative goes back. */
export function span(amount: number, unit: "day" | Period): Temporal.DurationLike {
  switch (unit) {
    case "day":
      return { days: amount };
    case "week":
      return { weeks: amount };
    case "month":
      return { months: amount };
    case "quarter":
      return { months: 3 * amount };
    case "year":
      return { years: amount };
  }
}
