// The sentence a person would say, for every measure and award.
import { expect, test } from "vitest";
import { type Locale, openMessages } from "../../src/messages/messages.ts";
import { sayNotes, sayOutcome } from "../../src/messages/outcome.ts";
import { parseProgramme } from "../../src/programme/document.ts";
import { toOutcomes } from "../../src/programme/outcomes.ts";

function say(
  rule: object,
  units: number,
  points: number,
  { locale = "en", more = {} }: { locale?: Locale; more?: object } = {},
) {
  const { award } = { award: { points: 10, "at-least": 1 } as Record<string, unknown>, ...rule };
  const tiers = award["tiers"] as { points: number }[] | undefined;
  const perfect = Number(award["cap"] ?? award["points"] ?? award["share"] ?? tiers?.at(-1)?.points);
  const programme = parseProgramme(
    JSON.stringify({
      programme: "Programme",
      "time-zone": "Europe/Amsterdam",
      perfect,
      evidence: { sending: "E-mails" },
      achievements: {
        one: {
          ...{ title: "One", hint: "Do it.", evidence: "sending", measure: "count", window: "ever" },
          ...rule,
          ...{ award },
        },
      },
      ...more,
    }),
    "programme.yaml",
  );
  const messages = openMessages(locale, "Europe/Amsterdam");
  const [outcome] = toOutcomes(programme, new Map([["one", { units, points }]]));
  return [sayOutcome(messages, outcome!), ...sayNotes(messages, outcome!)];
}

const people = {
  measure: { distinct: "holder" },
  unit: "advanced certified people",
  award: {
    tiers: [
      { "at-least": 1, points: 7 },
      { "at-least": 2, points: 15 },
    ],
  },
};
const streak = { measure: { streak: "month" }, award: { each: 2, cap: 6 } };
const more = { measure: "sum", award: { points: 10, "more-than": 1500 } };

test.each<[rule: object, units: number, points: number, said: string]>([
  [people, 0, 0, "0 of 2 advanced certified people; the first brings 7 points"],
  [people, 1, 7, "1 of 2 advanced certified people; the second brings 8 points more"],
  [people, 2, 15, "2 of 2 advanced certified people"],
  [people, 3, 15, "3 advanced certified people; 2 are enough"],
  [{}, 1, 10, "E-mails: 1 of 1"],
  [{}, 4, 10, "E-mails: 4; 1 is enough"],
  [more, 900, 0, "E-mails: 900; more than 1,500 bring 10 points"],
  [more, 1500, 0, "E-mails: 1,500; more than 1,500 bring 10 points"],
  [more, 23731, 10, "E-mails: 23,731; more than 1,500 are needed"],
  [more, -20, 0, "E-mails: -20; more than 1,500 bring 10 points"],
  [
    { measure: "sum", unit: "e-mails", award: { points: 10, "at-least": 5 } },
    4.25,
    0,
    "4.25 of 5 e-mails; 0.75 more bring 10 points",
  ],
  [
    { measure: "sum", award: { share: 10, of: 200 } },
    40,
    2,
    "E-mails: 40 of 200; 160 more bring 8 points more",
  ],
  [{ measure: "sum", award: { each: 1, cap: 3 } }, -2, 0, "E-mails: 0 of 3; 1 brings 1 point"],
  [
    { measure: { periods: "month" }, window: { rolling: "12 months" }, award: { each: 1, cap: 12 } },
    11,
    11,
    "11 of 12 months; the 12th brings 1 point more",
  ],
  [streak, 1, 2, "1 of 3 months in a row; the second brings 2 points more"],
  [streak, 5, 6, "5 months in a row; 3 are enough"],
  [
    { measure: "latest", award: { points: 10, "at-least": 8 } },
    7.8,
    0,
    "E-mails: 7.8 at the latest; 8 bring 10 points",
  ],
  [
    { measure: "growth", window: { previous: "quarter" }, award: { points: 10, "at-least": 20 } },
    12.5,
    0,
    "E-mails: 12.5 % more than in the window before; 20 % bring 10 points",
  ],
])("%j: %d units, %d points", (rule, units, points, said) => {
  expect(say(rule, units, points)).toEqual([said]);
});

test("the same in Dutch and German", () => {
  expect(say(people, 1, 7, { locale: "nl" })).toEqual([
    "1 van 2 advanced certified people; de tweede levert 8 punten meer op",
  ]);
  expect(say(people, 1, 7, { locale: "de" })).toEqual([
    "1 von 2 advanced certified people; 2 bringen 8 Punkte mehr",
  ]);
  expect(say(more, 1204.5, 0, { locale: "nl" })).toEqual([
    "E-mails: 1.204,5; meer dan 1.500 leveren 10 punten op",
  ]);
});

test("notes say when evidence is old enough, and what a full category keeps back", () => {
  expect(say({ matures: "2 weeks" }, 1, 10)).toEqual([
    "E-mails: 1 of 1",
    "Counts only 2 weeks after it happened.",
  ]);
  const category = { category: "mail", award: { each: 5, cap: 15 } };
  expect(
    say(category, 3, 10, { more: { perfect: 10, categories: { mail: { title: "Mail", cap: 10 } } } }),
  ).toEqual(["E-mails: 3 of 3", "“Mail” gives 10 points in all: 5 points more are not counted here."]);
  expect(
    say(category, 2, 10, { more: { perfect: 10, categories: { mail: { title: "Mail", cap: 10 } } } }),
  ).toEqual(["E-mails: 2 of 3", "“Mail” gives 10 points in all: they are reached."]);
});
