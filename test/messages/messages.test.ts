// The catalogues say the same in three languages: the same keys, the same placeholders, and every message can be said.
import { IntlMessageFormat } from "intl-messageformat";
import { describe, expect, test } from "vitest";
import {
  catalogues,
  chooseLocale,
  type Locale,
  locales,
  type MessageKey,
  openMessages,
} from "../../src/messages/messages.ts";

const keys = Object.keys(catalogues.en) as MessageKey[];
/** Of @formatjs/icu-messageformat-parser. */
const types = ["literal", "argument", "number", "date", "time", "select", "plural", "pound", "tag"];

interface Element {
  type: number;
  value?: string;
  style?: unknown;
  pluralType?: string;
  options?: Record<string, { value: Element[] }>;
}

/** "count plural", "from date long", and the options of a select: what a message asks of whoever says it, sorted. */
function placeholders(locale: Locale, key: MessageKey): string[] {
  const found = new Set<string>();
  const enter = (elements: Element[]): void => {
    for (const { type, value = "", style, options = {} } of elements) {
      const name = types[type] ?? "";
      if (name === "literal" || name === "pound") continue;
      // How a language counts is its own affair; a select is our word for it.
      const choices = name === "select" ? Object.keys(options).sort().join("|") : "";
      // A number is a number, whether it is shown or counted with.
      const kind = name === "plural" ? "number" : name;
      const how = kind === "date" && typeof style === "string" ? style : choices;
      found.add([value, kind, how].join(" ").trim());
      for (const option of Object.values(options)) enter(option.value);
    }
  };
  enter(new IntlMessageFormat(catalogues[locale][key], locale).getAst() as Element[]);
  return [...found].sort();
}

describe.each(locales.filter((locale) => locale !== "en"))("the catalogue of %s", (locale) => {
  test("has the keys of the English one, in its order", () => {
    expect(Object.keys(catalogues[locale])).toEqual(keys);
  });

  test.each(keys)("%s asks for what the English one asks for", (key) => {
    expect(placeholders(locale, key)).toEqual(placeholders("en", key));
  });
});

describe.each(locales)("every message of %s", (locale) => {
  const messages = openMessages(locale, "Europe/Amsterdam");

  test.each(keys)("%s can be said, and says every value", (key) => {
    for (const count of [0, 1, 2, 7, 21, 1234.5]) {
      const values: Record<string, string | number | Date> = {};
      for (const placeholder of placeholders(locale, key)) {
        const [name = "", kind = "", how = ""] = placeholder.split(" ");
        if (kind === "number") values[name] = count;
        else if (kind === "date") values[name] = new Date("2026-03-29T00:59:59Z");
        else if (kind === "select") values[name] = how.split("|")[count % how.split("|").length] ?? "";
        else values[name] = `<${name}>`;
      }
      const said = messages.say(key, values);
      expect(said).not.toMatch(/[{}#]|undefined|null|NaN|Invalid/);
      for (const [name, value] of Object.entries(values)) {
        if (value === `<${name}>`) expect(said).toContain(value);
      }
    }
  });

  test("throws where a value is missing", () => {
    expect(() => messages.say("units.unit", { held: 1 })).toThrow();
  });
});

describe("dates and numbers", () => {
  test("are those of the language and of the programme's zone", () => {
    // A minute before midnight in Amsterdam, in the night of the clock change.
    const at = new Date("2026-03-28T22:59:00Z");
    const said = (locale: Locale) => {
      const messages = openMessages(locale, "Europe/Amsterdam");
      return [messages.date(at), messages.number(1204.5), messages.list(["a", "b", "c"])];
    };
    expect(said("en")).toEqual(["28 March 2026", "1,204.5", "a, b and c"]);
    expect(said("nl")).toEqual(["28 maart 2026", "1.204,5", "a, b en c"]);
    expect(said("de")).toEqual(["28. März 2026", "1.204,5", "a, b und c"]);
    expect(openMessages("en", "Europe/Amsterdam").say("note.unconfirmed", { points: 6, since: at })).toBe(
      "6 points are not confirmed since Saturday 28 March.",
    );
  });
});

describe("the language of a request", () => {
  test.each<[header: string | undefined, locale: Locale]>([
    [undefined, "en"],
    ["", "en"],
    ["nl", "nl"],
    ["de-AT, nl;q=0.9", "de"],
    ["nl;q=0.2, de;q=0.7", "de"],
    ["fr-FR, *;q=0.5", "en"],
    ["fr, nl;q=0.1", "nl"],
    ["nl;q=0, de;q=0.1", "de"],
    ["DE", "de"],
    ["tlh;q=x, nl", "nl"],
  ])("%s is %s", (header, locale) => {
    expect(chooseLocale(header)).toBe(locale);
  });
});
