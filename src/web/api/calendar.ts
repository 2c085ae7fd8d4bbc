// A forecast as an iCalendar feed (RFC 5545): an event for every loss, without a METHOD, so that calendars subscribe to it.
import ICAL from "ical.js";
import { sayChange, sayWhy } from "../../messages/forecast.ts";
import type { Messages } from "../../messages/messages.ts";
import { wallClock } from "../../programme/calendar.ts";
import type { PublicForecast } from "./public-forecast.ts";

export interface CalendarOf {
  partner: { slug: string; name: string };
  forecast: PublicForecast;
  /** When what the feed is about last changed: the DTSTAMP of its events, so that the same forecast is the same text. */
  changedAt: Date;
  messages: Messages;
}

/**
 * Lines end in CRLF and are folded at 75 octets. The UID of a loss is made of partner, achievement and instant: read again, an
 * event is found again, also where its points are others by now. A loss at local midnight is an all-day event of that date;
 * any other is timed in UTC, which needs no VTIMEZONE and is the same instant in every zone.
 */
export function toCalendar({ partner, forecast, changedAt, messages }: CalendarOf): string {
  // The library counts the octets of a folded line without the space it begins with; the RFC counts them with it.
  ICAL.foldLength = 74;
  const calendar = new ICAL.Component("vcalendar");
  calendar.addPropertyWithValue("version", "2.0");
  calendar.addPropertyWithValue("prodid", "-//Standings//Forecast//EN");
  calendar.addPropertyWithValue(
    "x-wr-calname",
    toLine(messages.say("forecast.calendar", { name: partner.name })),
  );
  calendar.addPropertyWithValue("x-wr-timezone", forecast.timeZone);
  const stamp = ICAL.Time.fromJSDate(changedAt, true);
  for (const change of losses(forecast)) {
    const event = new ICAL.Component("vevent");
    const uid = `${partner.slug}/${change.achievement}/${change.at.getTime()}@standings`;
    event.addPropertyWithValue("uid", uid);
    event.addPropertyWithValue("dtstamp", stamp);
    event.addPropertyWithValue("dtstart", toStart(change.at, forecast.timeZone));
    event.addPropertyWithValue("summary", toLine(sayChange(change, messages)));
    event.addPropertyWithValue("description", toLine(sayWhy(change, messages)));
    // TRANSPARENT: it does not block time.
    event.addPropertyWithValue("transp", "TRANSPARENT");
    calendar.addSubcomponent(event);
  }
  return `${calendar.toString()}\r\n`;
}

/** Not what another achievement makes up for at the same instant: the calendar shows only real losses. */
function losses({ changes }: PublicForecast): PublicForecast["changes"] {
  const net = new Map<number, number>();
  for (const { at, points } of changes) net.set(at.getTime(), (net.get(at.getTime()) ?? 0) + points);
  return changes.filter(({ at, points }) => points < 0 && (net.get(at.getTime()) ?? 0) < 0);
}

/**
 * Names and titles are other people's text. The library writes a line break in an X- property, and a lone carriage return
 * anywhere, as it is: what follows would be a line of the calendar.
 */
function toLine(text: string): string {
  return text.replaceAll(/[\p{Cc}\u2028\u2029]+/gu, " ");
}

function toStart(at: Date, timeZone: string): ICAL.Time {
  const local = wallClock(at, timeZone);
  const isMidnight = local.hour + local.minute + local.second + local.millisecond === 0;
  if (!isMidnight) return ICAL.Time.fromJSDate(at, true);
  return ICAL.Time.fromData({ year: local.year, month: local.month, day: local.day, isDate: true });
}
