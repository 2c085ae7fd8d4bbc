// The time zones of a calendar file: each TZID, Windows' and Exchange's and custom ones, under a name that node-ical takes everywhere.
import ical from "node-ical";
import { Temporal } from "temporal-polyfill";
import { type Component, textOf } from "./lines.ts";

/** The name of a zone for a TZID, where it is used at a local time ("20260101T000000"). Throws an Error for one it has none for. */
export type Zones = (name: string, at: string) => string;

/** Of the VTIMEZONEs in a file. `fallback`: the zone of times that name none, for the error. */
export function openZones(components: Component[], fallback: string): Zones {
  const custom = new Map(
    components
      .filter(({ name }) => name === "VTIMEZONE")
      .map((zone) => [textOf(zone, "TZID").replaceAll('"', ""), zone]),
  );
  const known = new Map<string, string | undefined>();
  return (name, at) => {
    if (!known.has(name))
      known.set(name, resolve(name, custom.get(name), /^\d{8}T\d{6}$/.test(at) ? at : "20260101T000000"));
    const zone = known.get(name);
    if (zone === undefined)
      throw new Error(
        `the time zone "${name}", which is not defined (${fallback} is only for times without one)`,
      );
    return zone;
  };
}

function resolve(name: string, definition: Component | undefined, at: string): string | undefined {
  if (isIana(name)) return name;
  // "/freeassociation.sourceforge.net/Europe/Berlin", as Evolution writes it.
  const tail = /[A-Za-z_]+\/[A-Za-z_]+$/.exec(name)?.[0];
  if (tail !== undefined && isIana(tail)) return tail;
  const isPlaceholder = /^(?:customized time zone|tzone:|\(no tz)/i.test(name);
  const byName = isPlaceholder ? undefined : zoneOf(`"${name}"`, [], at);
  if (byName !== undefined && isIana(byName)) return byName;
  if (definition === undefined) return undefined;
  const placeholder = "Customized Time Zone";
  const byRules = zoneOf(placeholder, toLines(definition, placeholder), at);
  const offset = /^([+-])(\d\d):(\d\d)$/.exec(byRules ?? "");
  if (offset !== null) return `UTC${offset[1] ?? ""}${offset[2] ?? ""}${offset[3] ?? ""}`;
  return byRules !== undefined && isIana(byRules) && keeps(byRules, definition, at) ? byRules : undefined;
}

/** Whether a zone is as far from UTC as a definition says: node-ical names the machine's own where it found none. */
function keeps(zone: string, definition: Component, at: string): boolean {
  const defined = new Set(definition.components.map((rules) => textOf(rules, "TZOFFSETTO").slice(0, 5)));
  return ["01", "07"].every((month) => {
    const noon = Temporal.PlainDateTime.from(`${at.slice(0, 4)}-${month}-01T12:00`).toZonedDateTime(zone);
    return defined.has(noon.offset.replace(":", "").slice(0, 5));
  });
}

/** What node-ical makes of a TZID. */
function zoneOf(tzid: string, definition: string[], at: string): string | undefined {
  const event = ["BEGIN:VEVENT", "UID:event", `DTSTART;TZID=${tzid}:${at}`, "END:VEVENT"];
  const calendar = ["BEGIN:VCALENDAR", ...definition, ...event, "END:VCALENDAR"];
  const parsed = ical.sync.parseICS(calendar.join("\r\n"))["event"] as ical.VEvent | undefined;
  return parsed?.start instanceof Date ? parsed.start.tz : undefined;
}

function toLines(zone: Component, tzid: string): string[] {
  const lines = zone.properties.map(({ name, value }) =>
    name === "TZID" ? `TZID:${tzid}` : `${name}:${value}`,
  );
  return [
    `BEGIN:${zone.name}`,
    ...lines,
    ...zone.components.flatMap((inner) => toLines(inner, tzid)),
    `END:${zone.name}`,
  ];
}

/** Whether it is a zone of the IANA database. */
export function isIana(name: string): boolean {
  if (!/^[A-Za-z]/.test(name)) return false;
  try {
    new Intl.DateTimeFormat("en", { timeZone: name });
    return true;
  } catch {
    return false;
  }
}
