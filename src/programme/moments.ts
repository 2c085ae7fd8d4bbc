// The instants at which evidence begins or ceases to count, and at which calendar windows move: where the passing of time
// can change an evaluation. What it changes there is never decided here.
import {
  firstInstantOf,
  instantOfLocal,
  type Period,
  span,
  startOfDay,
  startOfPeriod,
  wallClock,
} from "./calendar.ts";
import type { Achievement, Programme } from "./document.ts";
import { matureBefore, windowBounds } from "./windows.ts";

/** When what happened at an instant has become so old: it leaves a `last` window, or is mature. */
export function ageReachedAt(
  { amount, unit }: { amount: number; unit: "day" | Period },
  occurredAt: Date,
  timeZone: string,
): Date {
  const happened = wallClock(occurredAt, timeZone);
  const then = happened.add(span(amount, unit));
  const dayExists = unit === "day" || unit === "week" || then.day === happened.day;
  return firstInstantOf(dayExists ? then : then.toPlainDate().add({ days: 1 }).toPlainDateTime(), timeZone);
}

/** The start of the calendar period after the one that an instant lies in. */
export function nextPeriodAt(at: Date, period: Period, timeZone: string): Date {
  const current = startOfPeriod(wallClock(at, timeZone).toPlainDate(), period);
  return startOfDay(current.add(span(1, period)), timeZone);
}

/** The first day of the calendar period that an instant lies in, as text. */
export function periodOf(at: Date, period: Period, timeZone: string): string {
  return startOfPeriod(wallClock(at, timeZone).toPlainDate(), period).toString();
}

/**
 * The first instant at which evidence counts that happens at `occurredAt` and has the kind and attributes: at once, when it
 * is mature, when its calendar period is over. undefined: never, its window is closed before.
 */
export function countsFrom(
  achievement: Achievement,
  programme: Programme,
  occurredAt: Date,
): Date | undefined {
  const { window, measure, matures } = achievement;
  const { timeZone } = programme;
  const instants = [matures === undefined ? occurredAt : ageReachedAt(matures, occurredAt, timeZone)];
  if (window.type === "previous") instants.push(nextPeriodAt(occurredAt, window.unit, timeZone));
  if (measure.type === "streak") instants.push(nextPeriodAt(occurredAt, measure.period, timeZone));
  const at = new Date(Math.max(...instants.map((instant) => instant.getTime())));
  return isCounted(achievement, programme, occurredAt, at) ? at : undefined;
}

/** Whether what happened at an instant is in the window and mature at another. */
export function isCounted(
  achievement: Achievement,
  programme: Programme,
  occurredAt: Date,
  at: Date,
): boolean {
  const bounds = windowBounds(achievement.window, at, programme);
  if (bounds === undefined || occurredAt > at) return false;
  if (bounds.from !== null && occurredAt < bounds.from) return false;
  if (bounds.to !== null && occurredAt >= bounds.to) return false;
  const { matures } = achievement;
  return matures === undefined || occurredAt < matureBefore(matures, at, programme.timeZone);
}

/**
 * The instants in (from, to], ascending, at which the windows, seasons and periods of a programme move by the calendar,
 * whatever the evidence.
 */
export function calendarMoves(programme: Programme, range: { from: Date; to: Date }): Date[] {
  const { timeZone, seasons } = programme;
  const periods = new Set<Period>();
  for (const { window, measure } of programme.achievements) {
    if (window.type === "previous" || window.type === "rolling") periods.add(window.unit);
    if (measure.type === "streak") periods.add(measure.period);
  }
  const moves = seasons.flatMap(({ from, to }) => [from, to].map((date) => instantOfLocal(date, timeZone)));
  for (const period of periods) {
    for (
      let at = nextPeriodAt(range.from, period, timeZone);
      at <= range.to;
      at = nextPeriodAt(at, period, timeZone)
    )
      moves.push(at);
  }
  return moves.filter((at) => range.from < at && at <= range.to);
}
