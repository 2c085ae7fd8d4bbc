// What people read, in their language. Sentences are ICU messages (plurals, numbers, dates); the catalogues beside this file
// have the same keys. Titles, hints and reasons are the programme's own words and are not translated.
import { IntlMessageFormat } from "intl-messageformat";
import { de } from "./de.ts";
import { en } from "./en.ts";
import { nl } from "./nl.ts";

export type MessageKey = keyof typeof en;
/** What a sentence is about, by the names in its braces. */
type MessageValues = Record<string, string | number | Date>;

export const catalogues = { en, nl, de } satisfies Record<string, Record<MessageKey, string>>;
export type Locale = keyof typeof catalogues;
export const locales = Object.keys(catalogues) as Locale[];

export interface Messages {
  locale: Locale;
  /** The sentence with its values in place. Throws where a value of its braces is missing. */
  say(key: MessageKey, values?: MessageValues): string;
  /** "24 November 2026", in the programme's time zone. */
  date(instant: Date): string;
  /** "1,204.5". */
  number(value: number): string;
  /** "A, B and C". */
  list(parts: string[]): string;
}

/**
 * Messages in a language; dates are shown in `timeZone`. In a sentence: `{at, date, long}` is "24 November 2026",
 * `{at, date, weekday}` "Tuesday 24 November", `{at, date, instant}` has the time with it; `{n, number, exact}` has four decimals.
 */
export function openMessages(locale: Locale, timeZone: string): Messages {
  const compiled = new Map<MessageKey, IntlMessageFormat>();
  const style = { day: "numeric", month: "long", year: "numeric", timeZone } as const;
  const formats = {
    date: {
      long: style,
      weekday: { weekday: "long", day: "numeric", month: "long", timeZone } as const,
      instant: { ...style, hour: "numeric", minute: "2-digit" } as const,
    },
    number: { exact: { maximumFractionDigits: 4 } },
  };
  const dates = new Intl.DateTimeFormat(toTag(locale), style);
  const lists = new Intl.ListFormat(toTag(locale), { type: "conjunction" });
  const numbers = new Intl.NumberFormat(toTag(locale), { maximumFractionDigits: 4 });
  return {
    locale,
    say(key, values) {
      let message = compiled.get(key);
      if (message === undefined) {
        message = new IntlMessageFormat(catalogues[locale][key], toTag(locale), formats);
        compiled.set(key, message);
      }
      return String(message.format(values));
    },
    date: (instant) => dates.format(instant),
    number: (value) => numbers.format(value),
    list: (parts) => lists.format(parts),
  };
}

/** British English writes the day before the month, as the other two do. */
function toTag(locale: Locale): string {
  return locale === "en" ? "en-GB" : locale;
}

/** The language an Accept-Language header (RFC 9110, 12.5.4) asks for first among ours; English where it asks for none. */
export function chooseLocale(acceptLanguage: string | undefined): Locale {
  const wanted = (acceptLanguage ?? "")
    .split(",")
    .map((part) => {
      const [range = "", ...parameters] = part.split(";").map((piece) => piece.trim().toLowerCase());
      const quality = parameters.find((parameter) => parameter.startsWith("q="))?.slice(2);
      return { language: range.split("-")[0] ?? "", quality: quality === undefined ? 1 : Number(quality) };
    })
    .filter(({ quality }) => quality > 0)
    .sort((a, b) => b.quality - a.quality);
  for (const { language } of wanted) {
    const known = locales.find((locale) => locale === language);
    if (known !== undefined) return known;
    if (language === "*") return "en";
  }
  return "en";
}
