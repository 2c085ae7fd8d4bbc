// Points by hand and partners merged, through the commands: what they say, and what everybody reads afterwards.
import { sql } from "drizzle-orm";
import { afterAll, beforeAll, describe, expect, test } from "vitest";
import { readAdministrator } from "../../src/cli/administrator.ts";
import { UsageError } from "../../src/platform/errors.ts";
import type { Adjustment } from "../../src/scoring/adjustments.ts";
import type { Standing } from "../../src/standings/standings.ts";
import { createApp } from "../../src/web/app.ts";
import { type Deployment, openDeployment } from "../e2e/deployment.ts";
import { answerOf, callUnder } from "./calling.ts";
import { departures, documentedFields, type Seen } from "./reference.ts";

let open: Deployment;
let env: Record<string, string>;

beforeAll(async () => {
  open = await openDeployment("postgres", { sources: ["registrations", "profiles", "fairs"] });
  env = { ...open.env, STANDINGS_ADMIN: "Jane Doe" };
  await answerOf(env, "sync");
});
afterAll(async () => {
  await open.close();
});

const linesOf = async (...args: string[]) => (await answerOf(env, ...args)).trimEnd().split("\n");
const readStandings = async () => JSON.parse(await answerOf(env, "ranking", "--json")) as Standing[];
const pointsOf = async (slug: string) => (await readStandings()).find((one) => one.slug === slug)?.points;
const readAll = async () => JSON.parse(await answerOf(env, "adjustments", "--json")) as Adjustment[];

describe("adjust", () => {
  test("takes points, too, and ends when the standings show it", async () => {
    const before = (await pointsOf("marketing-agency-x")) ?? 0;
    const [made, standing] = await linesOf(
      ...["adjust", "marketing-agency-x", "-5", "--reason", "sent to bought addresses"],
    );
    expect(made).toMatch(
      /^Adjustment \d+: -5 points for Marketing Agency X, by Jane Doe: sent to bought addresses\.$/,
    );
    expect(standing).toMatch(new RegExp(`^Marketing Agency X has ${before - 5} points now, rank \\d+\\.$`));
    expect(await pointsOf("marketing-agency-x")).toBe(before - 5);
  });

  test("gives them until the end of a day of the programme's time zone, in the name that is given", async () => {
    await linesOf(
      ...["adjust", "wolkenpost", "+12", "--reason", "spoke at the fair", "--until", "2099-12-31"],
      ...["--by", "Mr. Smith"],
    );
    expect((await readAll())[0]).toMatchObject({
      partner: "wolkenpost",
      points: 12,
      by: "Mr. Smith",
      until: "2099-12-31T23:00:00.000Z",
      state: "in force",
    });
  });

  test("is untouched by a hundred rescores", async () => {
    const { db } = open.context;
    const read = async () => [await readStandings(), await db.execute(sql`select * from ledger order by id`)];
    const before = await read();
    await answerOf(env, "rescore", "--all");
    await answerOf(env, "rescore", "--partner", "wolkenpost");
    const { rescoreRange } = await import("../../src/ingest/runs/range.ts");
    const { readOpenRanges, startRescore } = await import("../../src/ingest/runs/rescore.ts");
    for (let number = 0; number < 98; number += 1) {
      const { runId } = await startRescore(db, open.context.programmes, { askedBy: "test", now: new Date() });
      for (const range of await readOpenRanges(db, runId)) {
        await rescoreRange(db, open.context.programmes, range, () => new Date());
      }
    }
    expect(await read()).toEqual(before);
    expect(JSON.parse(await answerOf(env, "verify", "--json"))).toMatchObject({ drift: 0 });
  });

  test.each([
    [["adjust", "nobody", "5", "--reason", "r"], "there is no partner nobody; see: standings ranking"],
    [
      ["adjust", "wolkenpost", "0", "--reason", "r"],
      "points: expected a whole number from -1000000 to 1000000, and not 0, not 0",
    ],
    [["adjust", "wolkenpost", "1.5", "--reason", "r"], "Expected a whole number such as 5 or -5."],
    [["adjust", "wolkenpost", "5"], "required option '--reason <text>' not specified"],
    [
      ["adjust", "wolkenpost", "5", "--reason", "r", "--until", "2001-01-01"],
      "until: expected an instant to come",
    ],
    [["adjustments", "revoke", "999999"], "there is no adjustment 999999; see: standings adjustments"],
    [["adjustments", "nobody"], "there is no partner nobody; see: standings ranking"],
  ])("refuses standings %j", async (args, said) => {
    const before = await readAll();
    const { code, stderr } = await callUnder(env, ...args);
    expect(code).toBe(2);
    expect(stderr).toContain(said);
    expect(await readAll()).toEqual(before);
  });

  test("is done in somebody's name: the option's, the environment's, the login's, and never root's", () => {
    expect(readAdministrator("Jane", "Joe", () => "jim")).toBe("Jane");
    expect(readAdministrator(undefined, "Joe", () => "jim")).toBe("Joe");
    expect(readAdministrator(undefined, undefined, () => "jim")).toBe("jim");
    for (const login of ["root", undefined]) {
      expect(() => readAdministrator(undefined, undefined, () => login)).toThrow(
        new UsageError("who is responsible? expected a name, with --by <name> or as STANDINGS_ADMIN"),
      );
    }
  });
});

describe("adjustments", () => {
  test("lists them for people and as JSON, and revoke takes one back", async () => {
    const seen: Seen = new Set();
    const [latest] = await readAll();
    expect((await readAll()).flatMap((one) => departures("An adjustment", one, seen))).toEqual([]);
    const before = (await pointsOf("wolkenpost")) ?? 0;
    const [revoked, standing] = await linesOf("adjustments", "revoke", String(latest?.id));
    expect(revoked).toBe(
      `Adjustment ${latest?.id ?? ""} is revoked: +12 points for Wolkenpost until 2099-12-31 23:00 UTC, by Mr. Smith: spoke at the fair.`,
    );
    expect(standing).toContain(`has ${before - 12} points now`);
    const [header, , ...rows] = await linesOf("adjustments", "wolkenpost");
    expect(header).toMatch(/^id +partner +points +reason +by +made \(UTC\) +until \(UTC\) +state$/);
    expect(rows).toHaveLength(1);
    expect(rows[0]).toMatch(/ \+12 .*revoked by Jane Doe$/);
    const { code, stderr } = await callUnder(env, "adjustments", "revoke", String(latest?.id));
    expect(code).toBe(2);
    expect(stderr).toContain("was revoked already, by Jane Doe");
    expect((await readAll()).flatMap((one) => departures("An adjustment", one, seen))).toEqual([]);
    // All that is documented of it but what only a merge writes.
    const documented = documentedFields().filter((field) => field.startsWith("An adjustment."));
    expect(documented.filter((field) => !seen.has(field))).toEqual(["An adjustment.continues"]);
  });
});

describe("partners merge", () => {
  test("brings everything of one partner to the other, leads its slug there, and unmerge brings it back", async () => {
    const before = await readStandings();
    const [said, standing] = await linesOf("partners", "merge", "wolkenpost", "marketing-agency-x");
    expect(said).toMatch(
      /^wolkenpost was merged into marketing-agency-x: \d+ pieces? of evidence, \d+ identit/,
    );
    expect(standing).toMatch(/^Marketing Agency X has -?\d+ points now, rank \d+\.$/);
    expect((await readStandings()).map(({ slug }) => slug)).not.toContain("wolkenpost");
    // Whoever asks for the old slug finds the partner it is now: here and in the API.
    expect(await linesOf("adjustments", "wolkenpost")).toEqual(
      await linesOf("adjustments", "marketing-agency-x"),
    );
    const { db, standings, programmes } = open.context;
    const api = createApp({
      db,
      standings,
      programme: () => Promise.resolve(undefined),
      programmes,
      sources: [],
      now: () => new Date(),
    });
    const answer = await api.request("/api/partners/wolkenpost");
    expect([answer.status, answer.headers.get("location")]).toEqual([
      308,
      "/api/partners/marketing-agency-x",
    ]);
    const again = await callUnder(env, "partners", "merge", "wolkenpost", "marketing-agency-x");
    expect(again.code).toBe(2);
    expect(again.stderr).toContain("undo it with: standings partners unmerge wolkenpost");

    const [undone] = await linesOf("partners", "unmerge", "wolkenpost");
    expect(undone).toMatch(/^wolkenpost is a separate partner again: /);
    const points = (list: Standing[]) => list.map((one) => [one.slug, one.points]).sort();
    expect(points(await readStandings())).toEqual(points(before));
    expect(JSON.parse(await answerOf(env, "verify", "--json"))).toMatchObject({ drift: 0 });
  });
});
