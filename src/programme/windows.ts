// Which instants a window holds. Evidence counts from the instant it happened until, but not including, the instant it
// leaves; so every bound is half-open, and nothing that happens after `at` counts at `at`. Instants are whole milliseconds.
import { Temporal } from "temporal-polyfill";
import { firstInstantOf, type Period, span, startOfDay, startOfPeriod, wallClock } from "./calendar.ts";
import type { Achievement, Programme, Window } from "./document.ts";

/** What windows need to know of a programme. */
export type Calendar = Pick<Programme, "timeZone" | "seasons">;

/** `occurred_at` from (inclusive) to (exclusive); null: no bound on that side. Besides, always occurred_at <= at. */
export interface Bounds {
  from: Date | null;
  to: Date | null;
}

const UNBOUNDED: Bounds = { from: null, to: null };

/**
 * The bounds of a window at an instant; undefined: no evidence at all counts (`season: current` between two seasons).
 *
 * - `ever`, `in-force`: no bounds. (`in-force` asks for the end of the evidence, not for its beginning.)
 * - `last` N units: what is less than N units old on the local wall clock. Evidence leaves N units later at the same
 *   local time; where that does not exist (31 January and a month, the hour a clock change skips), at the first instant after.
 * - `previous` unit: the last calendar period that is over.
 * - `rolling` N units: the calendar period of `at` and the N - 1 before it.
 * - `season`: from the first instant of its first day to the first instant of the day it ends on.
 */
export function windowBounds(window: Window, at: Date, calendar: Calendar): Bounds | undefined {
  const { timeZone } = calendar;
  switch (window.type) {
    case "ever":
    case "in-force":
      return UNBOUNDED;
    case "last":
      return { from: startOfLast(window, at, timeZone), to: null };
    case "previous": {
      const end = startOfPeriod(wallClock(at, timeZone).toPlainDate(), window.unit);
      const start = end.subtract(span(1, window.unit));
      return { from: startOfDay(start, timeZone), to: startOfDay(end, timeZone) };
    }
    case "rolling": {
      const current = startOfPeriod(wallClock(at, timeZone).toPlainDate(), window.unit);
      return { from: startOfDay(current.subtract(span(window.amount - 1, window.unit)), timeZone), to: null };
    }
    case "season":
      return calendar.seasons
        .filter((season) => window.season === "current" || season.key === window.season)
        .map((season) => seasonBounds(season, timeZone))
        .find(({ from, to }) => window.season !== "current" || (from <= at && at < to));
  }
}

/** The bounds of the window before, for growth; undefined where there is no such window. */
export function boundsBefore(window: Window, at: Date, calendar: Calendar): Bounds | undefined {
  const { timeZone } = calendar;
  const current = windowBounds(window, at, calendar);
  if (window.type === "last") {
    return {
      from: startOfLast({ ...window, amount: 2 * window.amount }, at, timeZone),
      to: current?.from ?? null,
    };
  }
  if (window.type !== "previous") return undefined;
  const end = startOfPeriod(wallClock(at, timeZone).toPlainDate(), window.unit).subtract(
    span(1, window.unit),
  );
  const start = end.subtract(span(1, window.unit));
  return { from: startOfDay(start, timeZone), to: startOfDay(end, timeZone) };
}

/** Evidence is mature when it happened before this instant. Never moves back as `at` goes on. */
export function matureBefore(matures: NonNullable<Achievement["matures"]>, at: Date, timeZone: string): Date {
  return startOfLast({ type: "last", ...matures }, at, timeZone);
}

/** The instant from which evidence is mature that happened at another. */
export function maturesAt(
  occurredAt: Date,
  matures: NonNullable<Achievement["matures"]>,
  timeZone: string,
): Date {
  return firstInstantOf(wallClock(occurredAt, timeZone).add(span(matures.amount, matures.unit)), timeZone);
}

/**
 * The starts of the last complete calendar periods, oldest first, and then the start of the one that `at` is in:
 * `count` + 1 instants.
 */
export function completePeriods(at: Date, period: Period, timeZone: string, count: number): Date[] {
  const current = startOfPeriod(wallClock(at, timeZone).toPlainDate(), period);
  return Array.from({ length: count + 1 }, (_, index) =>
    startOfDay(current.subtract(span(count - index, period)), timeZone),
  );
}

/**
 * The `occurred_at` of what left a window between two instants because a sliding edge moved past it: from (inclusive)
 * to (exclusive). undefined: nothing did. Calendar windows move at local midnight only, see `isEverybodyTouched`.
 */
export function boundsMovedPast(
  window: Window,
  before: Date,
  after: Date,
  calendar: Calendar,
): { from: Date; to: Date } | undefined {
  if (window.type !== "last") return undefined;
  const from = startOfLast(window, before, calendar.timeZone);
  const to = startOfLast(window, after, calendar.timeZone);
  return from < to ? { from, to } : undefined;
}

/**
 * The starts of the calendar periods that bounds touch at an instant, oldest first; undefined where they have no
 * beginning or are more than `limit`.
 */
export function periodStarts(
  bounds: Bounds,
  at: Date,
  period: Period,
  timeZone: string,
  limit: number,
): Date[] | undefined {
  if (bounds.from === null) return undefined;
  const starts: Date[] = [];
  let date = startOfPeriod(wallClock(bounds.from, timeZone).toPlainDate(), period);
  for (let start = startOfDay(date, timeZone); start <= at; start = startOfDay(date, timeZone)) {
    if (bounds.to !== null && start >= bounds.to) break;
    if (starts.length === limit) return undefined;
    starts.push(start);
    date = date.add(span(1, period));
  }
  return starts;
}

/** The oldest instant that is still in a `last` window. Never moves back as `at` goes on. */
function startOfLast(window: Extract<Window, { type: "last" }>, at: Date, timeZone: string): Date {
  const now = wallClock(at, timeZone);
  const then = now.subtract(span(window.amount, window.unit));
  const dayExists = window.unit === "day" || window.unit === "week" || then.day === now.day;
  // What happened at `then` has just left. Where the day is missing, Temporal gives the month's last day at this time:
  // all of that month has left by now, and the next one is still in.
  const oldest = dayExists
    ? then.add({ milliseconds: 1 })
    : then.toPlainDate().add({ days: 1 }).toPlainDateTime();
  return firstInstantOf(oldest, timeZone);
}

function seasonBounds(season: { from: string; to: string }, timeZone: string): { from: Date; to: Date } {
  return {
    from: startOfDay(Temporal.PlainDate.from(season.from), timeZone),
    to: startOfDay(Temporal.PlainDate.from(season.to), timeZone),
  };
}
