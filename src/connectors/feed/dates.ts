// Dates of feeds: RFC 822 as RSS writes it, or what `readInstant` reads.
import { SourceError } from "../../platform/errors.ts";
import { quote } from "../client/answers.ts";
import { readInstant } from "../facts.ts";

const MONTHS = ["jan", "feb", "mar", "apr", "may", "jun", "jul", "aug", "sep", "oct", "nov", "dec"];

/** Hours from UTC of the names RFC 822 knows, and of those feeds write that mean one thing only. */
const ZONES: Record<string, number> = {
  ...{ ut: 0, utc: 0, gmt: 0, z: 0, wet: 0, west: 1, cet: 1, cest: 2, eet: 2, eest: 3 },
  ...{ est: -5, edt: -4, cst: -6, cdt: -5, mst: -7, mdt: -6, pst: -8, pdt: -7 },
};

// "Tue, 03 Mar 2026 10:00:00 +0100". The day of the week is not looked at: it is often wrong, and never needed.
const RFC_822 =
  /^(?:[a-z]+\.?,?\s+)?(\d{1,2})[\s-]+([a-z]{3})[a-z]*\.?[\s-]+(\d{4}|\d\d)(?:\s+(\d{1,2}):(\d\d)(?::(\d\d))?(?:\.\d+)?\s*(?:([+-]\d\d):?(\d\d)|([a-z]+))?)?$/i;

/**
 * The instant of a date in a feed; one without a zone is local in `timeZone`. Empty is undefined. Throws a SourceError (data)
 * that names `of` for what is no date, and for a zone that means more than one thing (IST, BST).
 */
export function readFeedDate(text: string | undefined, timeZone: string, of: string): Date | undefined {
  const match = RFC_822.exec(text?.trim().slice(0, 64) ?? "");
  if (match === null) return readInstant(text, timeZone, of);
  const [, day = "", name = "", year = "", hour = "00", minute = "00", second = "00", hours, minutes, zone] =
    match;
  const month = MONTHS.indexOf(name.toLowerCase()) + 1;
  const at = (number: string | number) => String(number).padStart(2, "0");
  // Two digits: RFC 2822, 4.3.
  const fullYear = year.length === 4 ? year : String(Number(year) + (Number(year) < 50 ? 2000 : 1900));
  const local = `${fullYear}-${at(month)}-${at(day)} ${at(hour)}:${minute}:${second}`;
  const offset = hours === undefined ? offsetOf(zone, of) : `${hours}:${minutes ?? ""}`;
  return readInstant(local + offset, timeZone, of);
}

function offsetOf(zone: string | undefined, of: string): string {
  if (zone === undefined) return "";
  const hours = ZONES[zone.toLowerCase()];
  if (hours === undefined)
    throw new SourceError("data", `${quote(of)}: the time zone ${quote(zone)} is not known`);
  return `${hours < 0 ? "-" : "+"}${String(Math.abs(hours)).padStart(2, "0")}:00`;
}
