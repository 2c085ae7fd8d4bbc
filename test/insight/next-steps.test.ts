// Quick wins where somebody would look: gates, categories, what counts later, and rules that change before it does.
import { expect, test } from "vitest";
import { readQuickWins } from "../../src/insight/quick-wins.ts";
import { openProgrammeVersions } from "../../src/programme/versions.ts";
import { openTestDatabase } from "../database.ts";
import { addConnection, addPartners, at, fact, list } from "../evidence/collecting.ts";
import { programmeText, publish } from "../scoring/programmes.ts";

const once = { points: 10, "at-least": 1 };

/** Of a partner with one article, at noon UTC of 1 June 2026. */
async function winsUnder(...texts: string[]) {
  const { db, close } = await openTestDatabase();
  try {
    const [partnerId] = await addPartners(db, 1);
    for (const text of texts) await publish(db, text, at(-60));
    await list(db, await addConnection(db, { partnerId: partnerId! }), [fact("a")], at(0));
    return (await readQuickWins(db, openProgrammeVersions(), { partnerId: partnerId!, now: at(0) }))!;
  } finally {
    await close();
  }
}

test("a gate's step counts what it opens, and what is behind it says what comes first", async () => {
  const { wins, obstacles } = await winsUnder(
    programmeText({
      registered: { evidence: "registration", award: { points: 3, "at-least": 1 } },
      articles: { evidence: "article", requires: "registered", award: once },
    }),
  );
  expect(wins).toMatchObject([
    { achievement: "registered", points: 13, total: 13, others: [{ key: "articles", points: 10 }] },
  ]);
  expect(obstacles).toMatchObject([{ achievement: "articles", because: "gate", first: ["registered"] }]);
});

test("where both steps are still to do they are offered as one", async () => {
  const { wins } = await winsUnder(
    programmeText({
      registered: { evidence: "registration", award: { points: 3, "at-least": 1 } },
      fair: { evidence: "visit", requires: "registered", award: once },
    }),
  );
  expect(wins.map(({ achievement, points, first }) => [achievement, points, first])).toEqual([
    ["fair", 13, ["registered"]],
    ["registered", 3, []],
  ]);
});

test("what has to mature, or waits for the end of a month or a week, counts from then", async () => {
  const { wins } = await winsUnder(
    programmeText({
      mature: { evidence: "visit", matures: "14 days", award: once },
      monthly: { evidence: "mail", window: { previous: "month" }, award: { points: 5, "at-least": 1 } },
      weekly: { evidence: "talk", measure: { streak: "week" }, award: { points: 2, "at-least": 2 } },
      season: { evidence: "fair", window: { season: "summer" }, award: { points: 1, "at-least": 1 } },
    }),
  );
  expect(wins.map(({ achievement, countsAt }) => [achievement, countsAt.toISOString()])).toEqual([
    ["mature", "2026-06-15T12:00:00.000Z"],
    ["monthly", "2026-06-30T22:00:00.000Z"],
    ["weekly", "2026-06-14T22:00:00.000Z"],
    ["season", "2026-06-01T12:00:00.000Z"],
  ]);
  expect(wins[2]!.evidence.map(({ occurredAt }) => occurredAt.toISOString())).toEqual([
    "2026-06-01T12:00:00.000Z",
    "2026-06-07T22:00:00.000Z",
  ]);
});

test("nothing is promised beyond the rules that are in force", async () => {
  const text = programmeText({ mature: { evidence: "visit", matures: "14 days", award: once } });
  const next = { ...(JSON.parse(text) as object), "effective-from": "2026-06-08" };
  const { wins, obstacles } = await winsUnder(text, JSON.stringify(next));
  expect(wins).toEqual([]);
  expect(obstacles).toMatchObject([{ achievement: "mature", because: "programme" }]);
});

test("more than 1500 with whole numbers there asks for whole numbers", async () => {
  const { wins } = await winsUnder(
    programmeText({
      sent: { evidence: "article", measure: "sum", award: { points: 5, "more-than": 1500 } },
      share: { evidence: "talk", measure: "sum", award: { share: 3, of: 2.5 } },
    }),
  );
  expect(wins.map(({ evidence }) => [evidence[0]!.quantity, evidence[0]!.step])).toEqual([
    [1500, 1],
    [0.9, 0.1],
  ]);
});
