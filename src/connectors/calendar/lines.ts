// The envelope of an iCalendar file (RFC 5545, 3.1 and 3.4): its lines, its components, and that it came whole. node-ical takes
// anything for a calendar without events, a web page and half a file too, so it is not asked.
import { SourceError } from "../../platform/errors.ts";
import { isMarkup, quote } from "../client/answers.ts";

export interface Property {
  /** In capitals. */
  name: string;
  /** Names in capitals, values without their double quotes. */
  params: Map<string, string>;
  /** As it stands: texts are still escaped. */
  value: string;
}

export interface Component {
  /** In capitals: VEVENT, VTIMEZONE. */
  name: string;
  properties: Property[];
  components: Component[];
}

const PROPERTY = /^([\w-]+)((?:;[\w-]+=(?:"[^"]*"|[^":;,]*)(?:,(?:"[^"]*"|[^":;,]*))*)*):(.*)$/;
const PARAM = /;([\w-]+)=((?:"[^"]*"|[^;"])*)/g;
const MAX_DEPTH = 10;

/**
 * The components of all calendars in a file. A line that is no property is skipped, as calendars do. Throws a SourceError:
 * `transient` for a web page and for a file that breaks off, `data` for what is no calendar.
 */
export function readComponents(text: string, where: string): Component[] {
  const calendars: Component[] = [];
  const open: Component[] = [];
  for (const line of text
    .replace(/\r?\n[ \t]/g, "")
    .trim()
    .split(/\r?\n/)) {
    const property = toProperty(line);
    const parent = open.at(-1);
    if (property?.name === "BEGIN") {
      const begun = { name: property.value.trim().toUpperCase(), properties: [], components: [] };
      if (parent === undefined && begun.name !== "VCALENDAR") throw noCalendar(text, where);
      if (open.length === MAX_DEPTH)
        throw new SourceError("data", `${where} is nested deeper than a calendar is`);
      (parent?.components ?? calendars).push(begun);
      open.push(begun);
    } else if (parent === undefined) {
      if (calendars.length === 0 || line.trim() !== "") throw noCalendar(text, where);
    } else if (property?.name === "END") {
      const ended = property.value.trim().toUpperCase();
      if (ended !== parent.name) {
        throw new SourceError("data", `${where}: END:${quote(ended)} where END:${parent.name} was expected`);
      }
      open.pop();
    } else if (property !== undefined) parent.properties.push(property);
  }
  if (calendars.length === 0) throw noCalendar(text, where);
  if (open.length > 0)
    throw new SourceError("transient", `${where} breaks off: it does not end with END:VCALENDAR`);
  return calendars.flatMap(({ components }) => components);
}

function noCalendar(text: string, where: string): SourceError {
  return isMarkup(text)
    ? new SourceError("transient", `${where} answered with a web page where a calendar was expected`)
    : new SourceError("data", `${where} is no calendar: BEGIN:VCALENDAR was expected`);
}

function toProperty(line: string): Property | undefined {
  const match = PROPERTY.exec(line);
  if (match === null) return undefined;
  const [, name = "", params = "", value = ""] = match;
  const pairs = [...params.matchAll(PARAM)].map(
    ([, key = "", text = ""]) => [key.toUpperCase(), text.replaceAll('"', "")] as const,
  );
  return { name: name.toUpperCase(), params: new Map(pairs), value };
}

/** The properties of that name, in their order. */
export function propertiesOf(component: Component, name: string): Property[] {
  return component.properties.filter((property) => property.name === name);
}

/** The first text of that name, unescaped, or "" (RFC 5545, 3.3.11). */
export function textOf(component: Component, name: string): string {
  return toText(propertiesOf(component, name)[0]?.value ?? "").trim();
}

/** The values of a list of texts, unescaped: "Fairs,Trade\, other" is two. */
export function textsOf(component: Component, name: string): string[] {
  return propertiesOf(component, name)
    .flatMap(({ value }) => value.match(/(?:\\.|[^,\\])+/g) ?? [])
    .map((text) => toText(text).trim())
    .filter((text) => text !== "");
}

function toText(text: string): string {
  return text.replace(/\\([\\;,nN])/g, (_, escaped: string) =>
    escaped.toLowerCase() === "n" ? "\n" : escaped,
  );
}
