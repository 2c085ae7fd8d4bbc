import { readFile } from "node:fs/promises";
import { describe, expect, test } from "vitest";
import { UsageError } from "../../src/platform/errors.ts";
import { maximumPoints, parseProgramme } from "../../src/programme/document.ts";
import { programmeJsonSchema } from "../../src/programme/schema.ts";

const VALID = `programme: Partner Programme
time-zone: Europe/Amsterdam
perfect: 30
seasons:
  2026: { from: 2026-01-01, to: 2027-01-01 }
  "2025": { from: 2025-01-01, to: 2026-01-01 }
evidence:
  certification: Certificate
  sending: E-mails sent
achievements:
  certified:
    title: Certified people
    hint: Let your people be certified.
    evidence: certification
    where: { level: [advanced, 1.10], code: 007, paid: true }
    measure: { distinct: holder }
    window: in-force
    award:
      tiers:
        - { at-least: 1, points: 5 }
        - { at-least: 2, points: 10 }
  sent:
    title: E-mails
    hint: Send more e-mails.
    evidence: sending
    measure: sum
    window: { previous: month }
    award: { points: 10, more-than: 1500 }
  regular:
    title: Every month
    hint: Send something every month.
    evidence: sending
    measure: { periods: month }
    window: { rolling: 12 months }
    award: { each: 1, cap: 10 }
`;

/** The lines of the error about the valid programme after a replacement. */
function problemsWith(found: string, replacement: string): string[] {
  expect(VALID).toContain(found);
  try {
    parseProgramme(VALID.replace(found, replacement), "programme.yaml");
  } catch (error) {
    expect(error).toBeInstanceOf(UsageError);
    return (error as UsageError).message.split("\n");
  }
  return [];
}

describe("a programme document", () => {
  test("is read in its order, with the seasons in order of time", () => {
    const programme = parseProgramme(VALID, "programme.yaml");
    expect(programme).toMatchObject({ name: "Partner Programme", timeZone: "Europe/Amsterdam", perfect: 30 });
    expect(programme.seasons.map((season) => season.key)).toEqual(["2025", "2026"]);
    expect(programme.kinds).toEqual([
      { key: "certification", label: "Certificate" },
      { key: "sending", label: "E-mails sent" },
    ]);
    expect(programme.achievements.map(({ key }) => key)).toEqual(["certified", "sent", "regular"]);
    expect(programme.achievements[0]).toEqual({
      key: "certified",
      effort: 1,
      requires: [],
      title: "Certified people",
      hint: "Let your people be certified.",
      evidence: "certification",
      where: { level: ["advanced", "1.10"], code: ["007"], paid: ["true"] },
      measure: { type: "distinct", attribute: "holder" },
      window: { type: "in-force" },
      award: {
        type: "tiers",
        tiers: [
          { atLeast: 1, points: 5 },
          { atLeast: 2, points: 10 },
        ],
      },
    });
    expect(programme.achievements[1]).toMatchObject({
      where: {},
      measure: { type: "sum" },
      window: { type: "previous", unit: "month" },
      award: { type: "points", points: 10, threshold: { comparison: "more-than", units: 1500 } },
    });
    expect(programme.achievements[2]).toMatchObject({
      measure: { type: "periods", period: "month" },
      window: { type: "rolling", amount: 12, unit: "month" },
      award: { type: "each", points: 1, cap: 10 },
    });
  });

  test("has the most points of each achievement add up to a perfect score", () => {
    const { achievements, perfect } = parseProgramme(VALID, "programme.yaml");
    expect(achievements.map(maximumPoints)).toEqual([10, 10, 10]);
    expect(problemsWith("perfect: 30", "perfect: 100")).toEqual([
      "programme.yaml:3: perfect: expected 30 = 10 + 10 + 10, not 100",
    ]);
    expect(perfect).toBe(30);
  });

  test.each([
    ["ever", { type: "ever" }],
    ["in-force", { type: "in-force" }],
    ["{ season: current }", { type: "season", season: "current" }],
    ["{ season: 2026 }", { type: "season", season: "2026" }],
    ["{ last: 1 day }", { type: "last", amount: 1, unit: "day" }],
    ["{ last: 2 years }", { type: "last", amount: 2, unit: "year" }],
    ["{ previous: week }", { type: "previous", unit: "week" }],
    ["{ rolling: 4 quarters }", { type: "rolling", amount: 4, unit: "quarter" }],
  ])("may have the window %s", (written, window) => {
    const programme = parseProgramme(
      VALID.replace("window: in-force", `window: ${written}`),
      "programme.yaml",
    );
    expect(programme.achievements[0]?.window).toEqual(window);
  });

  test("is the example's too, and its draft", async () => {
    const read = (name: string) =>
      readFile(new URL(`../../examples/copernica/${name}`, import.meta.url), "utf8");
    expect(parseProgramme(await read("programme.yaml"), "programme.yaml").achievements).toHaveLength(9);
    const draft = (await read("programme-2027.yaml")).replace("# effective-from:", "effective-from:");
    expect(parseProgramme(draft, "programme-2027.yaml")).toMatchObject({
      perfect: 100,
      effectiveFrom: new Date("2026-12-31T23:00Z"),
    });
  });
});

describe("the manual", () => {
  test("shows a whole programme that is valid, and awards that are", async () => {
    const manual = await readFile(new URL("../../docs/programme.md", import.meta.url), "utf8");
    const blocks = [...manual.matchAll(/```yaml\n(.*?)```/gs)].map(([, block = ""]) => block);
    const whole = blocks.find((block) => block.startsWith("programme:"));
    expect(parseProgramme(whole ?? "", "docs/programme.md").achievements).toHaveLength(3);
    const awards = blocks.find((block) => block.startsWith("award:"))?.split(/^(?=award:)/m) ?? [];
    for (const award of awards) {
      const indented = award.trimEnd().replaceAll("\n", "\n    ");
      const text = VALID.replace("award: { points: 10, more-than: 1500 }", indented);
      expect(() => parseProgramme(text.replace("perfect: 30", "perfect: 35"), "p.yaml"), award).not.toThrow(
        /award/,
      );
    }
    expect(awards).toHaveLength(5);
  });
});

describe("a programme document with a mistake", () => {
  test.each([
    ["broken YAML", "perfect: 30", "perfect: [30", /^programme\.yaml:\d+: /],
    ["a key twice", "perfect: 30", "perfect: 30\nperfect: 30", /^programme\.yaml:4: .*unique/],
    [
      "an unknown key",
      "    hint: Send more e-mails.",
      "    hnt: Send more e-mails.",
      /^programme\.yaml:24: achievements\.sent\.hnt: unknown key; expected one of title, hint, .* did you mean hint\?/,
    ],
    [
      "an unknown kind",
      "evidence: certification\n",
      "evidence: certificatoin\n",
      /^programme\.yaml:14: achievements\.certified\.evidence: .*certification, sending.* did you mean certification\?/,
    ],
    [
      "tiers that overlap",
      "{ at-least: 2, points: 10 }",
      "{ at-least: 1, points: 10 }",
      /^programme\.yaml:21: achievements\.certified\.award\.tiers\.1\.at-least: expected more than the 1 of/,
    ],
    [
      "tiers that fall",
      "{ at-least: 1, points: 5 }",
      "{ at-least: 1, points: 10 }",
      /^programme\.yaml:21: achievements\.certified\.award\.tiers\.1\.points: expected more than the 10 of/,
    ],
    [
      "an unknown season",
      "window: in-force",
      "window: { season: 2027 }",
      /^programme\.yaml:17: achievements\.certified\.window\.season: expected one of current, 2025, 2026, not "2027"/,
    ],
    [
      "overlapping seasons",
      "to: 2026-01-01 }",
      "to: 2026-01-02 }",
      /^programme\.yaml:5: seasons\.2026\.from: expected no overlap; season 2025 lasts until 2026-01-02/,
    ],
    [
      "a season that ends before it begins",
      "from: 2025-01-01",
      "from: 2026-01-01",
      /^programme\.yaml:6: seasons\.2025\.to: expected a day after 2026-01-01/,
    ],
    [
      "a date that does not exist",
      "to: 2027-01-01",
      "to: 2027-02-30",
      /^programme\.yaml:5: seasons\.2026\.to: expected a date/,
    ],
    [
      "a season with a reserved key",
      '"2025": {',
      "current: {",
      /^programme\.yaml:6: seasons\.current: expected a key/,
    ],
    [
      "an unknown time zone",
      "Europe/Amsterdam",
      "Europe/Asterdam",
      /^programme\.yaml:2: time-zone: expected an IANA/,
    ],
    [
      "a time zone without summer time in Postgres",
      "Europe/Amsterdam",
      "CET",
      /^programme\.yaml:2: time-zone: /,
    ],
    [
      "a cap below one unit",
      "{ each: 1, cap: 10 }",
      "{ each: 11, cap: 10 }",
      /award\.cap: expected a cap of at least 11/,
    ],
    [
      "fractions of points",
      "{ points: 10,",
      "{ points: 9.5,",
      /award\.points: expected points: a whole number from 1/,
    ],
    ["no points", "{ points: 10,", "{ points: 0,", /award\.points: expected points: a whole number from 1/],
    [
      "a threshold of nothing",
      "{ at-least: 1, points: 5 }",
      "{ at-least: 0, points: 5 }",
      /tiers\.0\.at-least: expected/,
    ],
    ["half an award", ", cap: 10", "", /award\.cap: missing; expected the most points in all/],
    [
      "two awards in one",
      "each: 1,",
      "each: 1, points: 1,",
      /award\.points: unknown key; expected one of each, cap/,
    ],
    ["a key in capitals", "  sent:", "  Sent:", /^programme\.yaml:22: achievements\.Sent: expected a key/],
    ["a span nobody can mean", "12 months", "120 quarters", undefined],
    [
      "a span of a thousand years",
      "12 months",
      "4000 quarters",
      /window\.rolling: expected a span of at most 100 years/,
    ],
    ["a span without a unit", "12 months", "12", /window\.rolling: expected a span such as "12 months"/],
    [
      "a slip in a window",
      "window: in-force",
      "window: in-forse",
      /window: expected ever, .* did you mean in-force\?/,
    ],
    ["an empty filter", "code: 007", "code:", /where\.code: expected a value/],
  ])("%s says where, and what was expected", (_, found, replacement, message) => {
    const problems = problemsWith(found, replacement);
    if (message === undefined) expect(problems).toEqual([]);
    else expect(problems.filter((problem) => message.test(problem))).toHaveLength(1);
  });

  test("that has many gets one error with all of them, in the order of the lines", () => {
    const wrong = VALID.replace("Europe/Amsterdam", "Mars/Olympus")
      .replace("perfect: 30", "perfect: many")
      .replace("evidence: certification\n", "evidence: diploma\n")
      .replace("{ at-least: 2, points: 10 }", "{ at-least: 1, points: 10 }")
      .replace("    hint: Send more e-mails.\n", "");
    expect(() => parseProgramme(wrong, "programme.yaml")).toThrow(UsageError);
    try {
      parseProgramme(wrong, "programme.yaml");
    } catch (error) {
      const lines = (error as UsageError).message.split("\n").map((line) => Number(line.split(":")[1]));
      expect(lines).toEqual([2, 3, 14, 21, 22]);
    }
  });

  test("without achievements is refused", () => {
    const none = `${VALID.slice(0, VALID.indexOf("achievements:"))}achievements: {}\n`;
    expect(() => parseProgramme(none, "p.yaml")).toThrow(
      /^p\.yaml:10: achievements: expected at least one achievement/,
    );
    expect(() => parseProgramme("", "p.yaml")).toThrow(/^p\.yaml:1: expected a programme/);
  });
});

describe("the JSON Schema for editors", () => {
  test("is stored as it is generated", async () => {
    const stored = await readFile(new URL("../../docs/programme.schema.json", import.meta.url), "utf8");
    const current = `${JSON.stringify(programmeJsonSchema(), null, 2)}\n`;
    expect(stored, "write it anew as docs/programme.md says").toBe(current);
  });
});
