// Instants as sources write and want them.
import { Temporal } from "temporal-polyfill";
import { SourceError } from "../../platform/errors.ts";
import { readInstant } from "../facts.ts";
import { toText } from "./templates.ts";
import type { DateFormat } from "./words.ts";

/** An instant as a source wants it in a request. Truncated, never rounded up: earlier is seen twice, later is missed. */
export function writeInstant(at: Date, format: DateFormat, timeZone: string): string {
  const iso = at.toISOString();
  switch (format) {
    case "iso":
      return iso;
    case "iso-seconds":
      return iso.replace(/\.\d+Z$/, "Z");
    case "unix":
      return String(Math.floor(at.getTime() / 1000));
    case "unix-ms":
      return String(at.getTime());
    default: {
      const local = Temporal.Instant.fromEpochMilliseconds(at.getTime()).toZonedDateTimeISO(timeZone);
      const [date = "", time = ""] = local.toPlainDateTime().toString({ smallestUnit: "second" }).split("T");
      const [year = "", month = "", day = ""] = date.split("-");
      if (format === "local") return `${date} ${time}`;
      if (format === "date") return date;
      return format === "DD/MM/YYYY" ? `${day}/${month}/${year}` : `${month}/${day}/${year}`;
    }
  }
}

/**
 * A date as a source wrote it, as `readInstant` and `readEnd` read it: an ISO text. "" where there is none: an empty
 * text, null, false (which some systems send for "never"). Throws a SourceError (data) that names `of`.
 */
export function readDate(value: unknown, format: DateFormat | undefined, of: string): string {
  const text = value === false ? "" : toText(value);
  if (text === "" || format === undefined) return text;
  if (format === "unix" || format === "unix-ms") {
    const number = /^-?\d{1,15}(\.\d+)?$/.test(text)
      ? Number(text) * (format === "unix" ? 1000 : 1)
      : Number.NaN;
    const at = new Date(number);
    if (Number.isNaN(at.getTime())) throw new SourceError("data", `${of}: a ${format} time was expected`);
    // Zero is how such systems write "never".
    return number === 0 ? "" : at.toISOString();
  }
  if (format !== "DD/MM/YYYY" && format !== "MM/DD/YYYY") return text;
  const [, first = "", second = "", year = ""] = /^(\d{1,2})\/(\d{1,2})\/(\d{4})$/.exec(text) ?? [];
  if (year === "") throw new SourceError("data", `${of}: a date such as ${format} was expected`);
  const [day, month] = format === "DD/MM/YYYY" ? [first, second] : [second, first];
  return `${year}-${month.padStart(2, "0")}-${day.padStart(2, "0")}`;
}

/** When a row changed: ISO, or seconds or milliseconds since 1970, told apart by their size. undefined where it says nothing. */
export function readChange(value: unknown, timeZone: string, of: string): Date | undefined {
  const text = toText(value);
  if (/^\d{9,11}(\.\d+)?$/.test(text)) return new Date(Number(text) * 1000);
  if (/^\d{12,14}$/.test(text)) return new Date(Number(text));
  return readInstant(text, timeZone, of);
}
