// The trade-fair organiser, who has nothing but a calendar of who is where (iCalendar, RFC 5545), as Outlook writes it: zones by the
// names Windows gives them, defined in the file. Whole days, and a fair on tour that recurs.
import { createHash } from "node:crypto";
import { Temporal } from "temporal-polyfill";
import { type Answer, json, type Question, text, unlessKnown } from "./answer.ts";
import type { FairVisit, Tour } from "./history.ts";
import type { World } from "./world.ts";

const zone = "W. Europe Standard Time";

const zoneDefinition = [
  "BEGIN:VTIMEZONE",
  `TZID:${zone}`,
  "BEGIN:STANDARD",
  "DTSTART:16010101T030000",
  "RRULE:FREQ=YEARLY;BYDAY=-1SU;BYMONTH=10",
  "TZOFFSETFROM:+0200",
  "TZOFFSETTO:+0100",
  "END:STANDARD",
  "BEGIN:DAYLIGHT",
  "DTSTART:16010101T020000",
  "RRULE:FREQ=YEARLY;BYDAY=-1SU;BYMONTH=3",
  "TZOFFSETFROM:+0100",
  "TZOFFSETTO:+0200",
  "END:DAYLIGHT",
  "END:VTIMEZONE",
];

/** `exhibitors.ics`: an event for each stand, with the organiser's own code of who has it. */
export function answerOrganiser(world: World, question: Question): Answer {
  const { method, path } = question;
  if (method !== "GET" || path !== "exhibitors.ics")
    return json({ error: `the organiser knows no ${path}` }, 404);
  const lines = [
    ...["BEGIN:VCALENDAR", "VERSION:2.0", "PRODID:-//Trade fairs//Exhibitors//EN", ...zoneDefinition],
    ...world.fairVisits.flatMap(toEvent),
    ...toEvents(world.tour),
    "END:VCALENDAR",
  ];
  return unlessKnown(question, text(lines.map((line) => `${fold(line)}\r\n`).join(""), 200, "text/calendar"));
}

/** Three days, of which the last is not included. */
function toEvent({ id, fair, city, exhibitor, heldOn }: FairVisit): string[] {
  const until = Temporal.PlainDate.from(heldOn).add({ days: 3 });
  return [
    "BEGIN:VEVENT",
    `UID:${id}`,
    `DTSTAMP:${dateOf(heldOn)}T000000Z`,
    `DTSTART;VALUE=DATE:${dateOf(heldOn)}`,
    `DTEND;VALUE=DATE:${dateOf(until.toString())}`,
    ...textsOf(`${fair}, ${city}`, exhibitor, id),
    "END:VEVENT",
  ];
}

/** The rule, without the day that was called off, and the day that was put off. */
function toEvents(tour: Tour): string[] {
  const { id, fair, exhibitor, firstOn, days, opensAt, closesAt, calledOff, putOff } = tour;
  const at = (day: string, time: string) => `TZID="${zone}":${dateOf(day)}T${time.replace(":", "")}00`;
  const event = (day: string, sequence: number, extra: string[]) => [
    ...["BEGIN:VEVENT", `UID:${id}`, `SEQUENCE:${sequence}`, `DTSTAMP:${dateOf(firstOn)}T000000Z`],
    `DTSTART;${at(day, opensAt)}`,
    `DTEND;${at(day, closesAt)}`,
    ...extra,
    ...textsOf(fair, exhibitor, id),
    "END:VEVENT",
  ];
  return [
    ...event(firstOn, 0, [`RRULE:FREQ=MONTHLY;COUNT=${days}`, `EXDATE;${at(calledOff, opensAt)}`]),
    ...event(putOff.to, 1, [`RECURRENCE-ID;${at(putOff.from, opensAt)}`]),
  ];
}

function textsOf(summary: string, exhibitor: string, stand: string): string[] {
  const code = createHash("sha256").update(stand).digest("hex").slice(0, 40);
  return [
    `SUMMARY:${summary.replaceAll(",", "\\,")}`,
    `X-EXHIBITOR:${exhibitor}`,
    // Longer than a line may be.
    `DESCRIPTION:Badges are at the entrance\\, for whoever names this code: ${code}`,
  ];
}

function dateOf(day: string): string {
  return day.replaceAll("-", "");
}

/** A line has 75 bytes at most; what is longer goes on in the next one, behind a space. */
function fold(line: string): string {
  return line.replace(/.{74}(?=.)/gu, "$&\r\n ");
}
