// docs/rules.md is true: every example is evaluated, and every kind of rule has one.
import { readFile } from "node:fs/promises";
import { afterAll, beforeAll, describe, expect, test } from "vitest";
import { z } from "zod";
import { parseYaml } from "../../src/platform/documents/yaml.ts";
import { instantOfLocal } from "../../src/programme/calendar.ts";
import { compileProgramme } from "../../src/programme/compile.ts";
import { maximumPoints, type Programme, parseProgramme } from "../../src/programme/document.ts";
import { openTestDatabase, type TestDatabase } from "../database.ts";
import { replaceEvidence, seedPartners } from "./evidence.ts";
import { type EvidenceRow, evaluate } from "./reference.ts";

const zone = "Europe/Amsterdam";
const fact = z.tuple([z.string()]).rest(z.unknown());
const exampleSchema = z.strictObject({
  now: z.string(),
  seasons: z.record(z.string(), z.unknown()).optional(),
  categories: z.record(z.string(), z.object({ cap: z.number() }).loose()).optional(),
  achievements: z.record(z.string(), z.object({ evidence: z.string() }).loose()),
  facts: z.record(z.string(), z.array(fact)),
  gives: z.record(z.string(), z.strictObject({ units: z.number(), points: z.number() })),
});

const page = await readFile(new URL("../../docs/rules.md", import.meta.url), "utf8");
const examples = [...page.matchAll(/\*\*(.+?)\*\*[^`]?.*?```yaml\n(.*?)```/gs)].map(
  ([, name = "", text = ""]) => {
    const { value } = parseYaml(text, "docs/rules.md", exampleSchema);
    return { name, example: value, programme: programmeOf(value) };
  },
);

/** The example as a whole document, with the perfect score its achievements add up to. */
function programmeOf(example: z.infer<typeof exampleSchema>): Programme {
  const document = (perfect: number) => ({
    programme: "Example",
    "time-zone": zone,
    perfect,
    ...(example.seasons && { seasons: example.seasons }),
    ...(example.categories && { categories: example.categories }),
    evidence: Object.fromEntries(Object.keys(example.facts).map((kind) => [kind, kind])),
    achievements: Object.fromEntries(
      Object.entries(example.achievements).map(([key, one]) => [key, { title: key, hint: key, ...one }]),
    ),
  });
  const parse = (perfect: number) => parseProgramme(JSON.stringify(document(perfect)), "docs/rules.md");
  try {
    return parse(1);
  } catch (error) {
    return parse(Number(/perfect: expected (\d+)/.exec(String(error))?.[1]));
  }
}

function rowsOf(example: z.infer<typeof exampleSchema>): EvidenceRow[] {
  const rows = Object.entries(example.facts).flatMap(([kind, facts]) => facts.map((one) => ({ kind, one })));
  return rows.map(({ kind, one: [at, quantity = 1, attributes = {}, end] }, index) => ({
    id: index + 1,
    partnerId: 0,
    kind,
    occurredAt: instantOfLocal(at, zone),
    endedAt: typeof end === "string" ? instantOfLocal(end, zone) : null,
    hundredths: Math.round(Number(quantity) * 100),
    attributes: attributes as Record<string, string>,
    recordedAt: new Date(0),
    supersededAt: null,
  }));
}

let database: TestDatabase;
let partners: number[];

beforeAll(async () => {
  database = await openTestDatabase({ max: 1 });
  partners = await seedPartners(database.db, 1);
});
afterAll(async () => {
  await database.close();
});

describe("the page of rules", () => {
  test.each(examples)("$name", async ({ example, programme }) => {
    const rows = rowsOf(example);
    const at = instantOfLocal(example.now, zone);
    await replaceEvidence(database.db, partners, rows);
    const found = await database.db.execute<{ achievement: string; units: string; points: number }>(
      compileProgramme(programme).evaluation({ scope: "all", at }),
    );
    const given = found.map(({ achievement, units, points }) => [
      achievement,
      { units: Number(units), points },
    ]);
    expect(Object.fromEntries(given)).toEqual(example.gives);
    // The naive evaluation has not read the page either.
    const naive = evaluate(programme, rows, 0, at).map(({ hundredths, points }, index) => [
      programme.achievements[index]?.key,
      { units: hundredths / 100, points },
    ]);
    expect(Object.fromEntries(naive)).toEqual(example.gives);
  });

  test("has an example of every measure, window, award and relation", () => {
    const all = examples.flatMap(({ programme }) => programme.achievements);
    const types = (of: (one: (typeof all)[number]) => string) => [...new Set(all.map(of))].sort();
    expect(types(({ measure }) => measure.type)).toEqual(
      ["count", "sum", "distinct", "periods", "streak", "latest", "growth"].sort(),
    );
    expect(types(({ window }) => window.type)).toEqual(
      ["ever", "in-force", "season", "last", "previous", "rolling"].sort(),
    );
    expect(types(({ award }) => award.type)).toEqual(["points", "each", "tiers", "share"].sort());
    expect(all.some(({ requires }) => requires.length > 0)).toBe(true);
    expect(all.some(({ category }) => category !== undefined)).toBe(true);
    expect(all.some(({ matures }) => matures !== undefined)).toBe(true);
    expect(all.every((one) => maximumPoints(one) > 0)).toBe(true);
  });

  test("has no example that is not run", () => {
    expect(examples).toHaveLength(page.match(/^now: /gm)?.length ?? 0);
  });
});
