// What a programme document may not say: problems between its keys, each at its line.
import { describe, expect, test } from "vitest";
import { UsageError } from "../../src/platform/errors.ts";
import { parseProgramme } from "../../src/programme/document.ts";

const VALID = `programme: Partner Programme
time-zone: Europe/Amsterdam
perfect: 32
effective-from: 2027-01-01T09:00
nominees: 3
categories:
  together: { title: Joint marketing, cap: 12 }
evidence: { article: Article, fair: Fair, revenue: Revenue }
achievements:
  articles:
    title: Articles
    hint: Write one.
    evidence: article
    measure: count
    window: { last: 12 months }
    matures: 14 days
    award: { each: 5, cap: 10 }
    category: together
  fairs:
    title: Fairs
    hint: Come.
    evidence: fair
    measure: { streak: quarter }
    window: ever
    award: { each: 5, cap: 10 }
    category: together
    requires: articles
    effort: 9
  growing:
    title: Growth
    hint: Grow.
    evidence: revenue
    measure: growth
    window: { previous: year }
    requires: [articles, fairs]
    award: { share: 20, of: 50 }
`;

/** The lines of the error about the valid programme after replacements. */
function problemsWith(...replacements: [found: string, replacement: string][]): string[] {
  let text = VALID;
  for (const [found, replacement] of replacements) {
    expect(text).toContain(found);
    text = text.replace(found, replacement);
  }
  try {
    parseProgramme(text, "programme.yaml");
  } catch (error) {
    expect(error).toBeInstanceOf(UsageError);
    return (error as UsageError).message.split("\n");
  }
  return [];
}

describe("a programme with relations", () => {
  test("is read whole", () => {
    const programme = parseProgramme(VALID, "programme.yaml");
    expect(programme).toMatchObject({
      effectiveFrom: new Date("2027-01-01T08:00:00Z"),
      nominees: 3,
      categories: [{ key: "together", title: "Joint marketing", cap: 12 }],
    });
    expect(programme.achievements).toMatchObject([
      { category: "together", matures: { amount: 14, unit: "day" }, requires: [], effort: 1 },
      {
        category: "together",
        requires: ["articles"],
        effort: 9,
        measure: { type: "streak", period: "quarter" },
      },
      { requires: ["articles", "fairs"], award: { type: "share", points: 20, target: 50 } },
    ]);
  });

  test("has the sum of its achievements as its perfect score, of a category no more than the cap", () => {
    expect(problemsWith(["perfect: 32", "perfect: 40"])).toEqual([
      "programme.yaml:3: perfect: expected 32 = 12 (category together: 10 + 10, capped at 12) + 20, not 40",
    ]);
    // A cap that is not reached takes nothing, and the gates of growing and fairs never do.
    for (const cap of ["20", "100"]) {
      expect(problemsWith(["cap: 12", `cap: ${cap}`], ["perfect: 32", "perfect: 40"])).toEqual([]);
      expect(problemsWith(["cap: 12", `cap: ${cap}`])).toEqual([
        "programme.yaml:3: perfect: expected 40 = 10 + 10 + 20, not 32",
      ]);
    }
    expect(problemsWith(["cap: 12", "cap: 19"], ["perfect: 32", "perfect: 39"])).toEqual([]);
    expect(problemsWith(["requires: articles\n", "\n"], ["perfect: 32", "perfect: 33"])).toEqual([
      "programme.yaml:3: perfect: expected 32 = 12 (category together: 10 + 10, capped at 12) + 20, not 33",
    ]);
  });

  test("has no perfect score worked out while an award or a cap cannot be read", () => {
    expect(problemsWith(["of: 50", "of: fifty"], ["perfect: 32", "perfect: 7"])).toHaveLength(1);
    expect(problemsWith(["cap: 12", "cap: twelve"], ["perfect: 32", "perfect: 7"])).toHaveLength(1);
    expect(problemsWith(["perfect: 32", "perfect: many"])).toEqual([
      expect.stringMatching(
        /^programme.yaml:3: perfect: expected the points of a partner that has everything/,
      ),
    ]);
  });

  test.each<[what: string, replacements: [string, string][], problem: string]>([
    [
      "a gate nobody knows",
      [["requires: articles\n", "requires: artices\n"]],
      '27: achievements.fairs.requires: expected an achievement of this programme, not "artices"; did you mean articles?',
    ],
    [
      "a gate in a circle",
      [["    measure: count\n", "    measure: count\n    requires: growing\n"]],
      "15: achievements.articles.requires: expected no circle: articles requires growing requires articles",
    ],
    [
      "a gate that is itself",
      [["[articles, fairs]", "[growing]"]],
      "35: achievements.growing.requires: expected no circle: growing requires growing",
    ],
    [
      "a category nobody knows",
      [["category: together\n  fairs", "category: togther\n  fairs"]],
      '18: achievements.articles.category: expected one of together, not "togther"; did you mean together?',
    ],
    [
      "a category without achievements",
      [["cap: 12 }", "cap: 12 }\n  alone: { title: Alone, cap: 3 }"]],
      "8: categories.alone: expected achievements of this category; there is none",
    ],
    [
      "growth over a window that has none before",
      [["{ previous: year }", "{ rolling: 2 months }"]],
      "34: achievements.growing.window: expected { last: <span> } or { previous: <unit> } for growth, which compares with the window before",
    ],
    [
      "growth that matures",
      [["measure: growth", "measure: growth\n    matures: 2 weeks"]],
      "34: achievements.growing.matures: expected no matures: a growth would always miss what happened last",
    ],
    [
      "a streak that matures",
      [["effort: 9", "matures: 1 day"]],
      "28: achievements.fairs.matures: expected no matures: a streak would always miss what happened last",
    ],
    [
      "a streak that is too long",
      [
        [
          "award: { each: 5, cap: 10 }\n    category: together\n    requires",
          "award: { points: 10, at-least: 61 }\n    category: together\n    requires",
        ],
      ],
      "25: achievements.fairs.award: expected at most 60 units: a streak is counted no further",
    ],
    [
      "a streak of more than can be counted",
      [
        [
          "award: { each: 5, cap: 10 }\n    category: together\n    requires",
          "award: { points: 10, more-than: 60 }\n    category: together\n    requires",
        ],
      ],
      "25: achievements.fairs.award: expected at most 60 units: a streak is counted no further",
    ],
    [
      "more periods than the window has",
      [
        [
          "measure: { streak: quarter }\n    window: ever",
          "measure: { periods: month }\n    window: { rolling: 1 quarter }",
        ],
        [
          "award: { each: 5, cap: 10 }\n    category: together\n    requires",
          "award: { points: 10, at-least: 4 }\n    category: together\n    requires",
        ],
      ],
      "25: achievements.fairs.award: expected at most 3 units: the window has no more periods",
    ],
    [
      "a longer streak than the window holds",
      [
        [
          "measure: { streak: quarter }\n    window: ever",
          "measure: { streak: week }\n    window: { last: 4 weeks }",
        ],
        [
          "award: { each: 5, cap: 10 }\n    category: together\n    requires",
          "award: { points: 10, at-least: 6 }\n    category: together\n    requires",
        ],
      ],
      "25: achievements.fairs.award: expected at most 5 units: the window has no more periods",
    ],
    [
      "evidence that is mature when its period is no longer the one before",
      [["{ last: 12 months }", "{ previous: week }"]],
      "16: achievements.articles.matures: expected less than 2 weeks: evidence would leave the window before it counts",
    ],
    [
      "evidence that is mature when its week is over",
      [["{ last: 12 months }", "{ rolling: 2 weeks }"]],
      "16: achievements.articles.matures: expected less than 2 weeks: evidence would leave the window before it counts",
    ],
    [
      "evidence that leaves before it is mature",
      [["12 months", "2 weeks"]],
      "16: achievements.articles.matures: expected less than 2 weeks: evidence would leave the window before it counts",
    ],
    [
      "a day that does not exist",
      [["2027-01-01T09:00", "2027-02-29"]],
      '4: effective-from: expected a local date, or date and time, such as 2027-01-01 or 2027-01-01T09:00, not "2027-02-29"',
    ],
    [
      "an effort out of bounds",
      [["effort: 9", "effort: 0"]],
      "28: achievements.fairs.effort: expected a whole number from 1 to 100, not 0",
    ],
    [
      "a share of nothing",
      [["of: 50", "of: 0"]],
      "36: achievements.growing.award.of: expected the units that award all of the share: a number above 0, not 0",
    ],
  ])("refuses %s", (_, replacements, problem) => {
    const problems = problemsWith(...replacements);
    expect(problems).toContain(`programme.yaml:${problem}`);
  });
});
