// The evaluation once more, as naively as it can be said: row by row, on local wall-clock texts from Intl. It shares nothing
// with src/programme but the types, so that an error in windows.ts, in the SQL or in Temporal shows up as a difference.
import type { Achievement, Programme } from "../../src/programme/document.ts";

export interface EvidenceRow {
  id: number;
  /** null: unmatched. */
  partnerId: number | null;
  kind: string;
  occurredAt: Date;
  endedAt: Date | null;
  /** In hundredths, so that sums are exact. */
  hundredths: number;
  attributes: Record<string, string>;
  recordedAt: Date;
  supersededAt: Date | null;
}

export interface Outcome {
  /** In hundredths. */
  hundredths: number;
  points: number;
}

/** Whether a row is known: at an instant, or now. */
export function isKnown(row: EvidenceRow, knownAt: Date | undefined): boolean {
  if (knownAt === undefined) return row.supersededAt === null;
  return row.recordedAt <= knownAt && (row.supersededAt === null || row.supersededAt > knownAt);
}

/** What every achievement is worth to a partner, from known rows, in document order: gates and caps applied. */
export function evaluate(programme: Programme, rows: EvidenceRow[], partnerId: number, at: Date): Outcome[] {
  const own = new Map<string, Outcome>();
  for (const achievement of programme.achievements) {
    const theirs = rows.filter((row) => row.partnerId === partnerId);
    const hundredths = measure(programme, achievement, theirs, at);
    own.set(achievement.key, { hundredths, points: award(achievement, hundredths) });
  }
  const isOpen = ({ requires }: Achievement): boolean =>
    requires.every((key) => {
      const gate = programme.achievements.find((one) => one.key === key);
      return gate !== undefined && (own.get(key)?.points ?? 0) > 0 && isOpen(gate);
    });
  const left = new Map(programme.categories.map(({ key, cap }) => [key, cap]));
  return programme.achievements.map((achievement) => {
    const { hundredths, points } = own.get(achievement.key) ?? { hundredths: 0, points: 0 };
    const passed = isOpen(achievement) ? points : 0;
    const { category } = achievement;
    const room = category === undefined ? undefined : left.get(category);
    if (category === undefined || room === undefined) return { hundredths, points: passed };
    const kept = Math.min(passed, room);
    left.set(category, room - kept);
    return { hundredths, points: kept };
  });
}

/** Whether an achievement counts a known row at an instant. */
export function counts(programme: Programme, achievement: Achievement, row: EvidenceRow, at: Date): boolean {
  return countsBesides(programme, achievement, row, at) && isInWindow(programme, achievement, row, at);
}

/** Whether it is in the window before, which growth is measured against. */
export function countsBefore(
  programme: Programme,
  achievement: Achievement,
  row: EvidenceRow,
  at: Date,
): boolean {
  if (achievement.measure.type !== "growth" || !countsBesides(programme, achievement, row, at)) return false;
  const happened = wall(row.occurredAt, programme.timeZone);
  const now = wall(at, programme.timeZone);
  const { window } = achievement;
  if (window.type === "last") {
    return (
      later(happened, window.amount, window.unit) <= now &&
      now < later(happened, 2 * window.amount, window.unit)
    );
  }
  if (window.type !== "previous") return false;
  const previous = startOf(dayBefore(startOf(now, window.unit)), window.unit);
  return startOf(happened, window.unit) === startOf(dayBefore(previous), window.unit);
}

/** Everything but the window. */
function countsBesides(programme: Programme, achievement: Achievement, row: EvidenceRow, at: Date): boolean {
  if (row.kind !== achievement.evidence || row.occurredAt > at) return false;
  for (const [attribute, values] of Object.entries(achievement.where)) {
    const value = row.attributes[attribute];
    if (value === undefined || !values.includes(value)) return false;
  }
  if (achievement.measure.type === "distinct" && row.attributes[achievement.measure.attribute] === undefined)
    return false;
  const { matures } = achievement;
  if (matures === undefined) return true;
  const happened = wall(row.occurredAt, programme.timeZone);
  return later(happened, matures.amount, matures.unit) <= wall(at, programme.timeZone);
}

function isInWindow(programme: Programme, achievement: Achievement, row: EvidenceRow, at: Date): boolean {
  const happened = wall(row.occurredAt, programme.timeZone);
  const now = wall(at, programme.timeZone);
  const { window } = achievement;
  switch (window.type) {
    case "ever":
      return true;
    case "in-force":
      return row.endedAt === null || row.endedAt > at;
    case "last":
      return now < later(happened, window.amount, window.unit);
    case "previous":
      return startOf(happened, window.unit) === startOf(dayBefore(startOf(now, window.unit)), window.unit);
    case "rolling": {
      let first = startOf(now, window.unit);
      for (let step = 1; step < window.amount; step++) first = startOf(dayBefore(first), window.unit);
      return happened >= first;
    }
    case "season": {
      const season = programme.seasons.find((one) =>
        window.season === "current" ? one.from <= now && now < one.to : one.key === window.season,
      );
      return season !== undefined && season.from <= happened && happened < season.to;
    }
  }
}

function measure(programme: Programme, achievement: Achievement, rows: EvidenceRow[], at: Date): number {
  const { measure } = achievement;
  const counted = rows.filter((row) => counts(programme, achievement, row, at));
  switch (measure.type) {
    case "count":
      return counted.length * 100;
    case "sum":
      return counted.reduce((sum, row) => sum + row.hundredths, 0);
    case "distinct":
      return new Set(counted.map((row) => row.attributes[measure.attribute])).size * 100;
    case "periods": {
      const periods = counted.map((row) => startOf(wall(row.occurredAt, programme.timeZone), measure.period));
      return new Set(periods).size * 100;
    }
    case "streak": {
      const back = (start: string) => startOf(dayBefore(start), measure.period);
      const covered = new Set(
        counted.map((row) => startOf(wall(row.occurredAt, programme.timeZone), measure.period)),
      );
      let streak = 0;
      let period = back(startOf(wall(at, programme.timeZone), measure.period));
      for (; covered.has(period) && streak < 60; period = back(period)) streak += 1;
      return streak * 100;
    }
    case "latest": {
      const inOrder = [...counted].sort(
        (a, b) => a.occurredAt.getTime() - b.occurredAt.getTime() || a.hundredths - b.hundredths,
      );
      return inOrder.at(-1)?.hundredths ?? 0;
    }
    case "growth": {
      const sum = (some: EvidenceRow[]) => some.reduce((total, row) => total + row.hundredths, 0);
      const now = sum(counted);
      const before = sum(rows.filter((row) => countsBefore(programme, achievement, row, at)));
      return before > 0 ? Math.trunc((10_000 * (now - before)) / before) : 0;
    }
  }
}

function award({ award }: Achievement, hundredths: number): number {
  switch (award.type) {
    case "points": {
      const needed = Math.round(award.threshold.units * 100);
      const reached = award.threshold.comparison === "at-least" ? hundredths >= needed : hundredths > needed;
      return reached ? award.points : 0;
    }
    case "each":
      return Math.min(award.cap, Math.max(0, Math.floor(hundredths / 100)) * award.points);
    case "tiers":
      return award.tiers.reduce(
        (points, tier) => (hundredths >= Math.round(tier.atLeast * 100) ? tier.points : points),
        0,
      );
    case "share":
      return Math.min(
        award.points,
        Math.floor((Math.max(0, hundredths) * award.points) / Math.round(award.target * 100)),
      );
  }
}

const formats = new Map<string, Intl.DateTimeFormat>();

/** What a clock on the wall shows: "2026-03-29T03:00:00.000". */
export function local(at: Date, timeZone: string): string {
  const format =
    formats.get(timeZone) ??
    new Intl.DateTimeFormat("en", {
      timeZone,
      hourCycle: "h23",
      year: "numeric",
      month: "2-digit",
      day: "2-digit",
      hour: "2-digit",
      minute: "2-digit",
      second: "2-digit",
      fractionalSecondDigits: 3,
    });
  formats.set(timeZone, format);
  const part = Object.fromEntries(format.formatToParts(at).map(({ type, value }) => [type, value]));
  return `${part["year"]}-${part["month"]}-${part["day"]}T${part["hour"]}:${part["minute"]}:${part["second"]}.${part["fractionalSecond"]}`;
}

const MINUTE_MS = 60_000;
const walls = new Map<string, string>();

/** The same for a clock that never runs back: the latest it has shown in the last hours. Clocks change on whole minutes. */
function wall(at: Date, timeZone: string): string {
  const key = `${timeZone} ${at.getTime()}`;
  let shown = walls.get(key);
  if (shown === undefined) {
    shown = local(at, timeZone);
    const fullMinute = Math.floor(at.getTime() / MINUTE_MS) * MINUTE_MS;
    for (let minute = 0; minute < 130; minute++) {
      const before = local(new Date(fullMinute - minute * MINUTE_MS - 1), timeZone);
      if (before > shown) shown = before;
    }
    walls.set(key, shown);
  }
  return shown;
}

/** The same local time so many units later; the start of the next month where that day does not exist. */
function later(text: string, amount: number, unit: "day" | "week" | "month" | "quarter" | "year"): string {
  if (unit === "day" || unit === "week") {
    return daysLater(text.slice(0, 10), amount * (unit === "week" ? 7 : 1)) + text.slice(10);
  }
  const months = Number(text.slice(5, 7)) - 1 + amount * { month: 1, quarter: 3, year: 12 }[unit];
  const month = `${String(Number(text.slice(0, 4)) + Math.floor(months / 12))}-${String((months % 12) + 1).padStart(2, "0")}`;
  const date = month + text.slice(7, 10);
  return daysLater(date, 0) === date
    ? date + text.slice(10)
    : `${daysLater(`${month}-28`, 7).slice(0, 7)}-01T00:00:00.000`;
}

/** The first local day of the period a local time or day lies in. */
function startOf(text: string, period: "week" | "month" | "quarter" | "year"): string {
  const year = text.slice(0, 4);
  const month = Number(text.slice(5, 7));
  switch (period) {
    case "week": {
      const weekday = new Date(`${text.slice(0, 10)}T00:00:00Z`).getUTCDay();
      return daysLater(text.slice(0, 10), -((weekday + 6) % 7));
    }
    case "month":
      return `${text.slice(0, 7)}-01`;
    case "quarter":
      return `${year}-${["01", "04", "07", "10"][Math.floor((month - 1) / 3)] ?? ""}-01`;
    case "year":
      return `${year}-01-01`;
  }
}

function dayBefore(date: string): string {
  return daysLater(date, -1);
}

/** Days as Date.UTC counts them; a day that does not exist (2026-02-31) comes out as another one. */
function daysLater(date: string, days: number): string {
  const [year = 0, month = 0, day = 0] = date.split("-").map(Number);
  return new Date(Date.UTC(year, month - 1, day + days)).toISOString().slice(0, 10);
}
