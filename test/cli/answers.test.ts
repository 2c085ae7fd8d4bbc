// What the commands answer, one after the other over one deployment: its mailings are left out, so that a sync is short.
import { readFile, writeFile } from "node:fs/promises";
import { join } from "node:path";
import { fileURLToPath } from "node:url";
import { sql } from "drizzle-orm";
import { afterAll, beforeAll, describe, expect, test } from "vitest";
import { type RunReport, readScoreChanges, type ScoreChange } from "../../src/ingest/runs/runs.ts";
import type { Simulation } from "../../src/insight/simulate.ts";
import type { SpokenExplanation } from "../../src/messages/explanation.ts";
import type { SpokenHistory } from "../../src/messages/history.ts";
import { mergePartners } from "../../src/partners/merge.ts";
import { adjust } from "../../src/scoring/adjustments.ts";
import type { Verification } from "../../src/scoring/verify.ts";
import type { Standing } from "../../src/standings/standings.ts";
import { type Deployment, openDeployment } from "../e2e/deployment.ts";
import { answerOf, callUnder } from "./calling.ts";
import { departures, documentedFields, type Seen } from "./reference.ts";

const sources = ["blog", "magazine", "registrations", "profiles", "accounts", "certifications", "fairs"];
const programme = new URL("../../examples/copernica/programme.yaml", import.meta.url);

type Shown = Simulation & { warnings: string[] };

let open: Deployment;
let reconciled: { runs: RunReport[]; changes: ScoreChange[] };
const seen: Seen = new Set();

beforeAll(async () => {
  open = await openDeployment("postgres", { sources });
  reconciled = await jsonOf("Runs and changes", "reconcile", "--json");
});
afterAll(async () => {
  await open.close();
});

const call = (...args: string[]) => callUnder(open.env, ...args);
const linesOf = async (...args: string[]) => (await answerOf(open.env, ...args)).trimEnd().split("\n");

/** The answer of a command that ends well, held against its documented shape. */
async function jsonOf<T>(shape: string, ...args: string[]): Promise<T> {
  const value = JSON.parse(await answerOf(open.env, ...args)) as T;
  const shown = Array.isArray(value) ? (value as unknown[]) : [value];
  expect(shown.flatMap((one) => departures(shape, one, seen))).toEqual([]);
  return value;
}

/** A file of the deployment's folder, which goes with it. */
async function fileWith(name: string, text: string): Promise<string> {
  const file = join(open.context.config.home, name);
  await writeFile(file, text);
  return file;
}

async function countLines(): Promise<number> {
  const [row] = await open.context.db.execute<{ count: number }>(
    sql`select count(*)::int as count from ledger`,
  );
  return row?.count ?? 0;
}

describe("quick-wins and forecast", () => {
  test("say what to do next, in the language asked for, and what is in the way", async () => {
    expect(await linesOf("quick-wins", "marketing-agency-x")).toEqual(
      expect.arrayContaining(["    1 more: Certificate (level advanced; another holder)"]),
    );
    expect((await linesOf("quick-wins", "marketing-agency-x", "--lang", "nl")).join("\n")).toMatch(
      /7 punten erbij: samen \d+, plaats \d+\n {4}nog 1: Certificate \(level advanced; met een andere holder\)/,
    );
  });

  test("say the same as JSON", async () => {
    const wins = JSON.parse(await answerOf(open.env, "quick-wins", "marketing-agency-x", "--json")) as object;
    expect(wins).toMatchObject({ partner: { slug: "marketing-agency-x" }, obstacles: [] });
    const forecast = JSON.parse(await answerOf(open.env, "forecast", "marketing-agency-x", "--json")) as {
      total: number;
      changes: { points: number; total: number }[];
    };
    expect(forecast.changes.length).toBeGreaterThan(0);
    const lost = forecast.changes.reduce((sum, { points }) => sum + points, forecast.total);
    expect(forecast.changes.at(-1)?.total).toBe(lost);
  });

  test("say until when they have looked, and refuse what they cannot", async () => {
    const lines = await linesOf("forecast", "marketing-agency-x", "--days", "1");
    expect(lines[0]).toMatch(
      /^Marketing Agency X: \d+ points now; until \d+ \w+ \d{4}, if nothing new happens:$/,
    );
    for (const args of [
      ["--days", "4000"],
      ["--lang", "fr"],
    ]) {
      const { code } = await call("forecast", "marketing-agency-x", ...args);
      expect(code).toBe(2);
    }
    const { code, stderr } = await call("quick-wins", "nobody");
    expect([code, stderr]).toEqual([2, expect.stringContaining("there is no partner nobody")]);
  });
});

describe("reconcile", () => {
  test("lists every source, scores everybody and finds no drift", () => {
    expect(reconciled.runs).toMatchObject([
      { kind: "reconcile", state: "complete", full: true, parts: sources.length, drift: 0 },
    ]);
  });
});

describe("sync", () => {
  test("pulls the named source, and says what its evidence changed", async () => {
    const article = open.sandbox.world.articles.find(({ category }) => category === "marketing-agency-x");
    open.sandbox.world.happen({ type: "article-trashed", id: article?.id ?? 0 });
    const { runs, changes } = await jsonOf<typeof reconciled>("Runs and changes", "sync", "blog", "--json");
    expect(runs).toMatchObject([{ kind: "sync", source: "blog", state: "complete", absent: 1, awards: 1 }]);
    expect(changes).toEqual([
      { slug: "marketing-agency-x", name: "Marketing Agency X", delta: -5, points: 25, lines: 1 },
    ]);
  });

  test("says so where nothing changed", async () => {
    const { code, stdout, stderr } = await call("sync", "fairs", "blog");
    expect({ code, stdout }).toEqual({ code: 0, stdout: "Nothing changed: 0 new ledger lines.\n" });
    expect(stderr).toMatch(/^ {2}fairs +complete 1 page, \d+ pieces of evidence$/m);
    expect(stderr).toMatch(/^ {2}blog +complete 1 page, \d+ pieces of evidence$/m);
  });

  test("shows who gained and who lost as a table", async () => {
    const account = open.sandbox.world.clientAccounts.find(
      ({ crm, closedOn }) => crm === "1042" && closedOn === undefined,
    );
    open.sandbox.world.happen({ type: "account-closed", key: account?.key ?? "" });
    expect(await linesOf("sync", "accounts")).toEqual([
      "1 new ledger line; 1 partner changed:",
      "partner             change  points",
      "──────────────────  ──────  ──────",
      "Marketing Agency X      -5      20",
    ]);
  });

  test("refuses a source that is not configured, and names those that are", async () => {
    const { code, stderr } = await call("sync", "blog", "nosuch");
    expect({ code, stderr }).toEqual({
      code: 2,
      stderr: `standings: there is no source nosuch; expected one of ${open.context.sources.sources.map(({ key }) => key).join(", ")}\n`,
    });
  });

  test("that fails says which connection and why, and nobody loses a point", async () => {
    const before = await countLines();
    open.sandbox.faults.set("blog", { mode: "429", retryAfter: 3600 });
    const { code, stdout, stderr } = await call("sync", "blog");
    open.sandbox.faults.set("blog", { mode: "none" });
    expect({ code, stdout }).toEqual({ code: 1, stdout: "Nothing changed: 0 new ledger lines.\n" });
    expect(stderr).toMatch(/Run \d+ \(blog\) ended partial; no points were taken because of it:/);
    expect(stderr).toMatch(/^main +deferred +quota +GET 127\.0\.0\.1:\d+\/blog\S* answered 429$/m);
    expect(await countLines()).toBe(before);
  });
});

describe("ranking", () => {
  test("shows the first n, numbers to the right", async () => {
    const standings = await jsonOf<Standing[]>("A standing", "ranking", "--json");
    expect(standings).toHaveLength(40);
    expect(await jsonOf("A standing", "ranking", "--json", "--top", "3")).toEqual(standings.slice(0, 3));
    const [header, rule, ...rows] = await linesOf("ranking", "--top", "3");
    expect(header).toMatch(/^rank {2}partner +points$/);
    expect(rule).toMatch(/^─{4} {2}─+ {2}─{6} {2}─+$/);
    expect(rows.map((row) => row.replace(/ +█+$/, "").trim().split(/ {2,}/))).toEqual(
      standings.slice(0, 3).map(({ rank, name, points }) => [String(rank), name, String(points)]),
    );
  });

  test("gives equal points one rank, and the next rank counts them all", async () => {
    const standings = await jsonOf<Standing[]>("A standing", "ranking", "--json");
    for (const { points, rank } of standings) {
      expect(rank).toBe(1 + standings.filter((other) => other.points > points).length);
    }
  });
});

describe("explain", () => {
  test("lists nine achievements whose points add up, each with its evidence, source and date", async () => {
    const lines = await linesOf("explain", "marketing-agency-x");
    expect(lines[0]).toMatch(/^Marketing Agency X: 20 of 100 points, rank \d+$/);
    expect(lines.filter((line) => /^[✔◐✘] .+: -?\d+ of \d+ points$/.test(line))).toHaveLength(9);
    // The example's world is as old as today.
    const { registeredOn } = open.sandbox.world.registrations.find(({ crm }) => crm === "1042") ?? {};
    expect(lines).toContain(`    ${registeredOn ?? ""}  registrations  Marketing Agency X`);
    expect(lines).toContain("    1 of 3 client accounts; the second brings 5 points more");
    expect(lines).toContain("    → Take a desk on our stand at a trade fair.");
    expect(lines.at(-1)).toBe("10 + 5 + 0 + 0 + 0 + 5 + 0 + 0 + 0 = 20 points");
  });

  test("says the same as JSON, with all of the evidence", async () => {
    const { partner, points, perfect, achievements, pending } = await jsonOf<SpokenExplanation>(
      "An explanation",
      ...["explain", "marketing-agency-x", "--json"],
    );
    expect({ partner, points, perfect, pending }).toEqual({
      partner: { slug: "marketing-agency-x", name: "Marketing Agency X" },
      points: 20,
      perfect: 100,
      pending: false,
    });
    expect(achievements.map((achievement) => [achievement.points, achievement.maximum])).toEqual([
      [10, 10],
      [5, 5],
      [0, 10],
      [0, 12],
      [0, 8],
      [5, 15],
      [0, 15],
      [0, 15],
      [0, 10],
    ]);
    expect(achievements[0]?.evidence).toMatchObject([{ source: "registrations", kind: "registration" }]);
  });

  test("says of what the last sync could not confirm since when, and what it is worth", async () => {
    // The blog answered 429 above.
    const { points, unconfirmedPoints, unconfirmedSince, achievements } = await jsonOf<SpokenExplanation>(
      "An explanation",
      ...["explain", "wolkenpost", "--json"],
    );
    expect(unconfirmedPoints).toBe(10);
    expect(achievements.flatMap((one) => (one.unconfirmedPoints > 0 ? [one.key] : []))).toEqual([
      "joint-articles",
    ]);
    const lines = await linesOf("explain", "wolkenpost");
    const since =
      /not confirmed since [A-Z][a-z]+day \d+ [A-Z][a-z]+/.exec(lines.at(-1) ?? "")?.[0] ?? "none";
    expect(lines.at(-1)).toMatch(new RegExp(`= ${points} points, of which 10 points ${since}$`));
    expect(lines).toContain(`    10 points are ${since}.`);
    expect(lines.filter((line) => line.endsWith(`/  (${since})`))).toHaveLength(2);
    expect(new Date(unconfirmedSince ?? 0) < new Date()).toBe(true);
  });

  test("speaks Dutch and German, and says an adjustment on a line of its own", async () => {
    const { db } = open.context;
    const [partner] = await db.execute<{ id: number }>(
      sql`select id from partners where slug = 'noordzicht-e-mail'`,
    );
    const adjustment = {
      partnerId: partner?.id ?? 0,
      points: -3,
      reason: "Te laat",
      by: "Ada",
      now: new Date(),
    };
    await adjust(db, { ...adjustment, until: new Date("2199-01-01T00:00:00Z") });
    await call("rescore", "--partner", "noordzicht-e-mail");
    const said = await jsonOf<SpokenExplanation>("An explanation", "explain", "noordzicht-e-mail", "--json");
    expect(said.adjustments).toMatchObject([{ points: -3, reason: "Te laat", by: "Ada" }]);
    const dutch = await linesOf("explain", "noordzicht-e-mail", "--lang", "nl");
    expect(dutch[0]).toMatch(/^Noordzicht E-mail: -?\d+ van 100 punten, plaats \d+$/);
    expect(dutch).toContain("± Correctie 1: -3 punten");
    expect(dutch.at(-1)).toMatch(new RegExp(` - 3 = ${said.points} punten,? ?`));
    const german = await linesOf("explain", "noordzicht-e-mail", "--lang", "de");
    expect(german[0]).toMatch(/^Noordzicht E-mail: -?\d+ von 100 Punkten, Platz \d+$/);
    expect((await call("explain", "noordzicht-e-mail", "--lang", "fr")).code).toBe(2);
  });

  test("refuses a partner that does not exist", async () => {
    expect(await call("explain", "nobody")).toEqual({
      code: 2,
      stdout: "",
      stderr: "standings: there is no partner nobody; see: standings ranking\n",
    });
  });
});

describe("rescore", () => {
  test("of one partner finds nothing where nothing differs", async () => {
    const { runs, changes } = await jsonOf<typeof reconciled>(
      "Runs and changes",
      ...["rescore", "--partner", "wolkenpost", "--achievement", "trade-fair", "--json"],
    );
    expect(runs).toMatchObject([{ kind: "rescore", state: "complete", parts: 1, partsDone: 1, awards: 0 }]);
    expect(changes).toEqual([]);
    expect(await linesOf("rescore", "--all")).toEqual(["Nothing changed: 0 new ledger lines."]);
  });

  test("refuses to guess whom, and what there is not", async () => {
    const refused = [
      await call("rescore"),
      await call("rescore", "--json"),
      await call("rescore", "--partner", "nobody"),
      await call("rescore", "--achievement", "nothing"),
    ];
    expect(refused.map(({ code }) => code)).toEqual([2, 2, 2, 2]);
    expect(refused.map(({ stdout }) => stdout)).toEqual(["", "", "", ""]);
    expect(refused[0]?.stderr).toContain(
      "expected --partner <slug>, --achievement <key>, --source <key>, --all or",
    );
    expect(refused[2]?.stderr).toContain("there is no partner nobody");
    expect(refused[3]?.stderr).toContain("there is no achievement nothing; expected one of registered,");
  });
});

describe("runs", () => {
  test("lists the latest, newest first, with what they saw", async () => {
    const runs = await jsonOf<RunReport[]>("A run", "runs", "--json");
    expect(runs.map(({ id }) => id)).toEqual(runs.map(({ id }) => id).sort((a, b) => b - a));
    expect(runs.filter(({ kind }) => kind === "reconcile")).toHaveLength(1);
    const [header, , first, ...rest] = await linesOf("runs", "--limit", "2");
    expect(header).toMatch(/^run +kind +source +asked by +started \(UTC\) +state +parts +seen +new +gone/);
    expect(first).toMatch(new RegExp(`^ *${runs[0]?.id} +rescore +command line +\\d{4}-\\d\\d-\\d\\d `));
    expect(rest).toHaveLength(1);
  });

  test("approve refuses a run that is not held", async () => {
    const { code, stderr } = await call("runs", "approve", "1", "--by", "ann");
    expect({ code, stderr }).toEqual({
      code: 2,
      stderr: "standings: run 1 is not held; see: standings runs held\n",
    });
  });

  test("approve lets the next complete listing take the points a run has held", async () => {
    const { db } = open.context;
    // Evidence the calendar does not have: so much of it that its absence is held.
    await db.execute(sql`
      insert into evidence (source, connection_id, external_id, partner_id, kind, occurred_at, title, digest, recorded_at)
      select 'fairs', connections.id, 'gone-' || n, case when n = 1 then partners.id end, 'nothing-that-counts', now(), 'Stand ' || n, 'x', now()
      from connections, generate_series(1, 60) as n, partners where source = 'fairs' and slug = 'wolkenpost'`);
    const held = await call("sync", "fairs", "--full");
    expect(held.code).toBe(1);
    const id = /believe it with: standings runs approve (\d+)/.exec(held.stderr)?.[1] ?? "";
    const shown = await linesOf("runs", "held", id);
    expect(shown[2]).toMatch(
      /^fairs\/main +Stand 1 +nothing-that-counts +\d{4}-\d\d-\d\d +wolkenpost +waits$/,
    );
    expect(shown.at(-1)).toBe("… and 10 more");
    expect(await linesOf("runs", "reject", id, "--by", "ann")).toEqual([
      `The loss of 60 pieces of evidence of 1 connection of fairs is rejected: the evidence stays, unconfirmed; to approve it later: standings runs approve ${id}`,
    ]);
    expect((await call("sync", "fairs", "--full")).code).toBe(0);
    const kept = {
      source: "fairs",
      connection: "main",
      decision: "rejected",
      evidence: 60,
      decidedBy: "ann",
    };
    expect(await jsonOf("A kept loss", "runs", "held", "--json")).toMatchObject([
      { run: Number(id), ...kept },
    ]);
    expect((await linesOf("runs", "held"))[2]).toMatch(
      /^ *\d+ +fairs\/main +60 +rejected +ann +\d{4}-\d\d-\d\d$/,
    );
    expect(await linesOf("runs", "approve", id, "--by", "ben")).toEqual([
      "The loss of 60 pieces of evidence of 1 connection of fairs is approved; it is taken by: standings sync fairs --full",
    ]);
    const losses = await jsonOf<{ decision: string; decidedBy: string }[]>(
      "A loss",
      "runs",
      "held",
      id,
      "--json",
    );
    expect(losses).toHaveLength(60);
    expect(losses[0]).toMatchObject({ decision: "approved", decidedBy: "ben" });
    const { runs } = await jsonOf<typeof reconciled>(
      "Runs and changes",
      ...["sync", "fairs", "--full", "--json"],
    );
    expect(runs).toMatchObject([{ state: "complete", absent: 60 }]);
    expect(await linesOf("runs", "held", id)).toEqual([`Nothing of run ${id} waits for a decision.`]);
  });
});

describe("evidence", () => {
  test("quarantined lists what cannot be read, with the reason", async () => {
    expect(await linesOf("evidence", "quarantined")).toEqual(["Every row can be read."]);
    await open.context.db.execute(sql`
      insert into quarantined_rows (connection_id, external_id, source, reason, run_id, first_seen_at, last_seen_at)
      select id, 'stand-1', source, 'stand-1: no date', 1, now(), now() from connections where source = 'fairs'`);
    await jsonOf("A quarantined row", "evidence", "quarantined", "--json");
    const [, , row] = await linesOf("evidence", "quarantined");
    expect(row).toMatch(/^fairs\/main +stand-1 +\d{4}-\d\d-\d\d +1 +unknown +stand-1: no date$/);
    await open.context.db.execute(sql`delete from quarantined_rows`);
  });

  test("that waits for a partner is listed with its points, and an identity awards them at once", async () => {
    const [partner] = await open.context.db.execute<{ slug: string; name: string }>(sql`
      select slug, name from partners where status = 'active' and listed and slug <> 'marketing-agency-x' and not exists (
        select from achievements_held where partner_id = partners.id and achievement = 'certified-people')
      order by length(slug) desc limit 1`);
    const { slug = "", name = "" } = partner ?? {};
    const key = `${slug}-digital.example`;
    await open.context.db.execute(sql`
      insert into evidence (source, connection_id, external_id, namespace, identity_key, kind, occurred_at, attributes, digest, recorded_at)
      select 'certifications', connections.id, 'waiting-' || n, 'email-domain', ${key}, 'certification',
        now() - interval '1 day', ('{"level": "advanced", "holder": "' || n || '"}')::jsonb, 'x', now()
      from connections, generate_series(1, 2) as n where source = 'certifications'`);
    const { groups } = await jsonOf<{ groups: { key: string; points: number; count: number }[] }>(
      "Unmatched evidence",
      ...["evidence", "unmatched", "--json"],
    );
    const group = groups.find((one) => one.key === key);
    expect(group).toMatchObject({
      count: 2,
      suggestions: expect.arrayContaining([
        expect.objectContaining({ partner: slug, because: "name" }),
      ]) as unknown,
    });
    expect(group?.points).toBeGreaterThan(0);
    const listed = await linesOf("evidence", "unmatched");
    const line = listed.find((one) => one.startsWith(`email-domain:${key} `));
    expect(line).toMatch(/ 2 +certification 2 +\d+ +/);
    expect(line).toContain(`${slug} (name)`);
    const identity = [slug, "email-domain", key];
    const pointsOf = async () =>
      (await jsonOf<Standing[]>("A standing", "ranking", "--json")).find((one) => one.slug === slug)
        ?.points ?? 0;
    const before = await pointsOf();
    const [added] = await linesOf("identities", "add", ...identity);
    const after = before + (group?.points ?? 0);
    expect(added).toBe(`2 pieces of evidence now belong to ${name}: ${before} → ${after} points.`);
    expect(await pointsOf()).toBe(after);
    await jsonOf("An identity", "identities", "list", slug, "--json");
    expect(await linesOf("identities", "list", slug)).toContainEqual(
      expect.stringMatching(new RegExp(`^email-domain +${key} +2$`)),
    );
    expect(await linesOf("identities", "remove", ...identity)).toEqual([
      `2 pieces of evidence are unmatched again: ${after} → ${before} points.`,
    ]);
    expect((await call("identities", "remove", ...identity)).code).toBe(2);
    const taken = await call("identities", "add", "fjordpost", "crm", "1042");
    expect(taken).toMatchObject({ code: 2 });
    expect(taken.stderr).toContain("belongs to partner marketing-agency-x already");
    await open.context.db.execute(sql`delete from evidence where external_id like 'waiting-%'`);
  });
});

describe("partners forget", () => {
  test("asks whether it is meant, and then leaves nothing in the standings", async () => {
    const slug = "to-be-forgotten";
    await linesOf("partners", "import", await fileWith("forget.csv", `slug,name\n${slug},To Be Forgotten\n`));
    const asked = await call("partners", "forget", slug, "--by", "ann");
    expect(asked).toMatchObject({ code: 2 });
    expect(asked.stderr).toContain("cannot be undone; add --yes to confirm");
    const [said] = await linesOf("partners", "forget", slug, "--yes", "--by", "ann");
    expect(said).toMatch(/^Forgotten: the partner is now forgotten-\d+\. Erased from 0 pieces of evidence/);
    expect((await call("explain", slug)).code).toBe(2);
    expect(await answerOf(open.env, "ranking", "--json")).not.toMatch(/forgotten/i);
    // So that the tests that follow count the partners they know.
    await open.context.db.execute(sql`delete from pending_standings`);
    await open.context.db.execute(sql`delete from partners where forgotten_at is not null`);
  });
});

describe("partners import", () => {
  test("counts what it did, and the same list again changes nothing", async () => {
    const file = await fileWith(
      "more.csv",
      "slug,name,identities\nnieuwe-molen,Nieuwe Molen,crm:9999;blog-category:molen\n",
    );
    expect(await linesOf("partners", "import", file)).toEqual([
      "1 added, 0 changed, 0 as before; 0 pieces of evidence matched.",
    ]);
    expect(await linesOf("partners", "import", file)).toEqual([
      "0 added, 0 changed, 1 as before; 0 pieces of evidence matched.",
    ]);
  });

  test("names every mistake by file and line, and imports nothing", async () => {
    const file = await fileWith("broken.csv", "slug,name\ngood-one,Good\nBad One,Bad\nno-name,\n");
    const { code, stdout, stderr } = await call("partners", "import", file);
    expect({ code, stdout, stderr }).toEqual({
      code: 2,
      stdout: "",
      stderr: `standings: ${file}:3: slug: expected lower-case letters, digits and single hyphens, not "Bad One"\n${file}:4: name: expected a name\n`,
    });
    expect((await call("explain", "good-one")).code).toBe(2);
    const missing = await call("partners", "import", `${file}.not`);
    expect(missing).toMatchObject({ code: 2, stderr: `standings: ${file}.not: cannot be read (ENOENT)\n` });
  });
});

describe("connections import", () => {
  test("counts what it did, and keeps the secret to itself", async () => {
    const file = await fileWith("connections.csv", "key,partner,use,secret\nmain,wolkenpost,own,tr0ub4dor\n");
    expect(await linesOf("connections", "import", "blog", file)).toEqual([
      "0 added, 1 changed, 0 as before.",
    ]);
    expect(await linesOf("connections", "import", "blog", file)).toEqual([
      "0 added, 0 changed, 1 as before.",
    ]);
    const [stored] = await open.context.db.execute<{ secret: string }>(
      sql`select secret from connections where source = 'blog'`,
    );
    expect(stored?.secret).toMatch(/^v1\./);
    expect(stored?.secret).not.toContain("tr0ub4dor");
  });

  test("names mistakes by file and line without the secret, and imports nothing", async () => {
    const file = await fileWith(
      "broken-connections.csv",
      "key,partner,use,secret\nsecond,,own,s3cret\nmain,nobody,both,s3cret\n",
    );
    const { code, stderr } = await call("connections", "import", "blog", file);
    expect({ code, stderr }).toEqual({
      code: 2,
      stderr: `standings: ${file}:3: use: expected own or client, not "both"\n`,
    });
    const [second] = await open.context.db.execute(sql`select from connections where key = 'second'`);
    expect(second).toBeUndefined();
    expect((await call("connections", "import", "nosuch", file)).code).toBe(2);
  });
});

describe("simulate", () => {
  const draft = fileURLToPath(new URL("../../examples/copernica/programme-2027.yaml", import.meta.url));

  test("says what a draft would change, and writes nothing", async () => {
    const before = await countLines();
    const { partners, gaining, losing, histogram, warnings, points } = await jsonOf<Shown>(
      "A simulation",
      ...["simulate", draft, "--json"],
    );
    expect(histogram.reduce((sum, bar) => sum + bar.partners, 0)).toBe(partners);
    expect(warnings).toContain(
      "No partner reaches certified-team (A team of five with the advanced certificate).",
    );
    const lines = await linesOf("simulate", draft);
    expect(lines[0]).toMatch(
      /^Beside version 1 of the programme, at \d{4}-\d\d-\d\d \d\d:\d\d:\d\d \(Europe\/Amsterdam\)\.$/,
    );
    expect(lines).toContain(
      `${partners} partners: ${gaining} up, ${losing} down, ${partners - gaining - losing} unchanged.`,
    );
    expect(lines.join("\n")).toContain(` gained - ${points.lost} lost = `);
    expect(lines).toContain(`! ${warnings[0]}`);
    expect(lines.at(-1)).toBe(`Nothing is written. Publish it with: standings publish ${draft}`);
    expect(await countLines()).toBe(before);
    expect(await open.context.db.execute(sql`select from programme_versions`)).toHaveLength(1);
  });

  test("names the instant of a draft that begins later", async () => {
    const text = (await readFile(draft, "utf8")).replace("# effective-from: 2027", "effective-from: 2099");
    const file = await fileWith("later.yaml", text);
    expect((await linesOf("simulate", file))[0]).toBe(
      "Beside version 1 of the programme, at 2099-01-01 00:00:00 (Europe/Amsterdam), when the draft comes into force, with what is known now.",
    );
    expect(await jsonOf("A simulation", "simulate", file, "--json")).toMatchObject({
      atOnce: false,
      at: "2098-12-31T23:00:00.000Z",
    });
  });

  test("refuses a draft whose perfect score is not what its awards add up to", async () => {
    const text = await readFile(draft, "utf8");
    const file = await fileWith("imperfect.yaml", text.replace("perfect: 100", "perfect: 105"));
    const line = text.slice(0, text.indexOf("perfect: 100")).split("\n").length;
    const said = `standings: ${file}:${line}: perfect: expected 100 = 5 + 5 + 10 + 15 (category own-marketing: 12 + 8, capped at 15) + 20 + 15 + 20 + 5 + 5, not 105\n`;
    expect(await call("simulate", file)).toEqual({ code: 2, stdout: "", stderr: said });
    expect(await call("publish", file)).toEqual({ code: 2, stdout: "", stderr: said });
  });
});

describe("publish", () => {
  test("of a programme with a mistake names file and line, and changes nothing", async () => {
    const text = await readFile(programme, "utf8");
    const file = await fileWith("broken.yaml", text.replace("evidence: registration\n", "evidence: regis\n"));
    const { code, stdout, stderr } = await call("publish", file);
    const line = text.slice(0, text.indexOf("evidence: registration\n")).split("\n").length;
    expect({ code, stdout }).toEqual({ code: 2, stdout: "" });
    expect(stderr).toContain(`standings: ${file}:${line}: achievements.registered.evidence: `);
    const versions = await open.context.db.execute(sql`select from programme_versions`);
    expect(versions).toHaveLength(1);
  });

  test("of the text that is in force changes nothing, and says so", async () => {
    const before = await countLines();
    const file = await fileWith("same.yaml", await readFile(programme, "utf8"));
    expect(await linesOf("publish", file)).toEqual(["Version 1 already has this text; nothing changed."]);
    expect(await countLines()).toBe(before);
  });

  test("of a version that begins later says when, and changes nothing until then", async () => {
    const before = await countLines();
    const text = (await readFile(programme, "utf8")).replace(
      "perfect: 100",
      "perfect: 100\neffective-from: 2099-03-29T02:30",
    );
    const file = await fileWith("later.yaml", text);
    // That local time does not exist: the clocks go from 02:00 to 03:00.
    const beginning =
      "Version 2 comes into force on 2099-03-29 03:00:00 (Europe/Amsterdam); until then version 1 is in force.";
    expect(await linesOf("publish", file)).toEqual([beginning]);
    expect(await linesOf("publish", file)).toEqual([
      "Version 2 already has this text; nothing changed.",
      beginning,
    ]);
    expect(await countLines()).toBe(before);
    await open.context.db.execute(sql`delete from programme_versions where id = 2`);
  });

  test("of a draft writes what its simulation has said, partner by partner", async () => {
    const text = await readFile(
      new URL("../../examples/copernica/programme-2027.yaml", import.meta.url),
      "utf8",
    );
    const file = await fileWith("draft.yaml", text);
    const [last] = await open.context.db.execute<{ id: number }>(sql`select max(id) as id from ledger`);
    const { gains, losses, gaining, losing, points, topAfter } = await jsonOf<Shown>(
      "A simulation",
      ...["simulate", file, "--json"],
    );
    const said = await linesOf("publish", file);
    expect(said[0]).toMatch(/^Version \d+ is in force\.$/);
    const changes = await readScoreChanges(open.context.db, { afterLine: last?.id ?? 0 });
    // Whoever gains as much as it loses has ledger lines and the same points.
    expect(changes.filter(({ delta }) => delta !== 0)).toHaveLength(gaining + losing);
    const sumOf = (sign: 1 | -1) => changes.reduce((sum, { delta }) => sum + Math.max(0, sign * delta), 0);
    expect({ gained: sumOf(1), lost: sumOf(-1) }).toEqual({ gained: points.gained, lost: points.lost });
    for (const { slug, before, after } of [...gains, ...losses]) {
      expect(changes).toContainEqual(expect.objectContaining({ slug, delta: after - before, points: after }));
    }
    const standings = await jsonOf<Standing[]>("A standing", "ranking", "--json", "--top", "10");
    expect(standings.map(({ slug, rank, points }) => [slug, rank, points])).toEqual(
      topAfter.map(({ slug, rankAfter, after }) => [slug, rankAfter, after]),
    );
    expect(await jsonOf("A verification", "verify", "--json")).toMatchObject({ pending: 0, drift: 0 });
    // Back to the example's own, for what follows.
    await answerOf(open.env, "publish", fileURLToPath(programme));
  });

  test("of another text scores everybody under it", async () => {
    const text = await readFile(programme, "utf8");
    const changed = text
      .replace("award: { points: 10, at-least: 1 }", "award: { points: 7, at-least: 1 }")
      .replace("award: { points: 5, at-least: 1 }", "award: { points: 8, at-least: 1 }");
    const said = await linesOf("publish", await fileWith("changed.yaml", changed));
    expect(said[0]).toMatch(/^Version \d+ is in force\.$/);
    expect(said[1]).toMatch(/^\d+ new ledger lines; \d+ partners changed:$/);
    const { programmeVersion, pending, points, achievements } = await jsonOf<SpokenExplanation>(
      "An explanation",
      ...["explain", "marketing-agency-x", "--json"],
    );
    expect({ programmeVersion, pending, points }).toEqual({
      programmeVersion: Number(/\d+/.exec(said[0] ?? "")?.[0]),
      pending: false,
      points: 20,
    });
    expect(achievements.slice(0, 2).map((achievement) => achievement.points)).toEqual([7, 8]);
    const replay = async (...options: string[]) => {
      const said = await jsonOf<SpokenExplanation>(
        "An explanation",
        ...["explain", "marketing-agency-x", "--json", ...options],
      );
      return [said.programmeVersion, ...said.achievements.slice(0, 2).map((one) => one.points)];
    };
    expect(await replay("--programme", "1")).toEqual([1, 10, 5]);
    const draft = await fileWith(
      "draft.yaml",
      changed.replace("points: 7, at-least: 1", "points: 3, at-least: 1"),
    );
    const refused = await call("explain", "marketing-agency-x", "--programme", draft);
    expect(refused).toMatchObject({ code: 2, stdout: "" });
    expect(refused.stderr).toContain("perfect");
    expect(await replay("--programme", await fileWith("same.yaml", text))).toEqual([null, 10, 5]);
    expect(await jsonOf("A verification", "verify", "--json")).toMatchObject({ pending: 0, drift: 0 });
  });
});

describe("verify", () => {
  test("finds 0 where nobody has tampered, as a line and as JSON", async () => {
    expect(await linesOf("verify")).toEqual(["41 partners, 0 waiting for their score, drift 0."]);
    expect(await linesOf("verify", "--json")).toEqual([
      '{"partners":41,"pending":0,"drift":0,"evaluation":[],"achievements":[],"ledger":[],"overlapping":[]}',
    ]);
  });

  test("names whom somebody has tampered with, and fails", async () => {
    await open.context.db.execute(sql`
      update scores set points = points + 1 from partners where partners.id = partner_id and slug = 'wolkenpost'`);
    await open.context.db.execute(sql`
      delete from ledger using partners where partners.id = partner_id and slug = 'fjordpost'`);
    const said = await call("verify");
    expect({ code: said.code, stdout: said.stdout }).toEqual({
      code: 1,
      stdout:
        "41 partners, 0 waiting for their score, drift 2.\n  achievements: wolkenpost\n  ledger: fjordpost\n",
    });
    const json = await call("verify", "--json");
    expect(json.code).toBe(1);
    const verification = JSON.parse(json.stdout) as Verification;
    expect(departures("A verification", verification, seen)).toEqual([]);
    expect(verification).toMatchObject({ drift: 2, achievements: ["wolkenpost"], ledger: ["fjordpost"] });
  });
});

describe("explain at another instant", () => {
  test("shows what was known then, and what the score was", async () => {
    const at = new Date().toISOString();
    const options = ["--at", at, "--known-at", at];
    const { points, scoredThen, knownAt, scoreVersion } = await jsonOf<SpokenExplanation>(
      "An explanation",
      ...["explain", "marketing-agency-x", "--json", ...options],
    );
    expect({ points, scoredThen, knownAt, scoreVersion }).toEqual({
      points: 20,
      scoredThen: 20,
      knownAt: at,
      scoreVersion: null,
    });
    const [, rules] = await linesOf("explain", "marketing-agency-x", ...options);
    expect(rules).toMatch(/^As of .+, as known on .+; Programme version \d+; the score then was 20 points$/);
  });

  test("takes a date for its last instant in the programme's zone, and says what it cannot read", async () => {
    const { at } = await jsonOf<SpokenExplanation>(
      "An explanation",
      ...["explain", "marketing-agency-x", "--json", "--at", "2026-10-25", "--programme", "1"],
    );
    expect(at).toBe("2026-10-25T22:59:59.999Z");
    const early = await call("explain", "marketing-agency-x", "--at", "2020-02-29");
    expect(early.stderr).toContain("no programme was in force at 2020-02-29T22:59:59.999Z");
    const refused = [
      await call("explain", "marketing-agency-x", "--at", "2026-02-30"),
      await call("explain", "marketing-agency-x", "--known-at", "yesterday"),
      await call("explain", "marketing-agency-x", "--programme", "77"),
      await call("history", "marketing-agency-x", "--from", "2026-1-1"),
      await call("history", "marketing-agency-x", "--achievement", "nothing"),
    ];
    expect(refused.map(({ code, stdout }) => ({ code, stdout }))).toEqual(
      refused.map(() => ({ code: 2, stdout: "" })),
    );
    expect(refused[0]?.stderr).toContain("--at: expected a date such as 2026-06-30");
    expect(refused[2]?.stderr).toContain("there is no version 77 of the programme");
    expect(refused[4]?.stderr).toContain("there is no achievement nothing; expected one of registered,");
  });
});

describe("history", () => {
  const historyOf = (...args: string[]) => jsonOf<SpokenHistory>("A history", "history", ...args, "--json");

  test("names the evidence, the rules and the adjustment behind every line", async () => {
    const { points, lines } = await historyOf("marketing-agency-x");
    expect(lines.at(-1)?.total).toBe(points);
    expect(lines.map(({ unexplained }) => unexplained)).toEqual(lines.map(() => 0));
    const [article] = lines.filter(({ delta, achievement }) => delta < 0 && achievement === "joint-articles");
    expect(article?.causes).toMatchObject([
      { type: "evidence", delta: -5, evidence: [{ how: "vanished", source: "blog" }] },
    ]);
    expect(lines.at(-1)?.causes).toMatchObject([{ type: "rules", version: lines.at(-1)?.programmeVersion }]);
    const adjusted = await historyOf("noordzicht-e-mail", "--achievement", "adjustment:1");
    expect(adjusted.lines.map(({ causes }) => causes[0])).toMatchObject([
      { type: "adjustment", adjustment: 1 },
    ]);
    const said = await linesOf("history", "marketing-agency-x", "--achievement", "joint-articles");
    expect(said[0]).toBe("Marketing Agency X: 20 points");
    expect(
      said.filter((line) => /^\d{4}-\d\d-\d\d \d\d:\d\d +[+-]5 → \d+ {2}Joint articles/.test(line)),
    ).toHaveLength(2);
    expect(said.join("\n")).toMatch(
      / {4}Evidence changed \(run \d+\)\n {6}gone: \d{4}-\d\d-\d\d {2}blog {2}/,
    );
  });

  test("is half-open between two instants, and says what was before", async () => {
    const { lines } = await historyOf("marketing-agency-x");
    const at = new Date(lines.at(-1)?.at ?? 0);
    const last = lines.filter((line) => new Date(line.at).getTime() === at.getTime());
    const from = await historyOf("marketing-agency-x", "--from", at.toISOString());
    expect(from.lines).toEqual(last);
    expect(from.before).toBe(lines.at(-1 - last.length)?.total);
    const to = await historyOf("marketing-agency-x", "--to", at.toISOString());
    expect(to.lines).toEqual(lines.slice(0, -last.length));
    expect(await linesOf("history", "marketing-agency-x", "--from", "2199-01-01")).toEqual([
      "Marketing Agency X: 20 points",
      "Before: 20 points",
      "Nothing has changed in this time.",
    ]);
  });

  test("says so where nothing that is stored explains a line", async () => {
    await open.context.db.execute(sql`
      update ledger set delta = delta + 1 where id = (
        select min(ledger.id) from ledger join partners on partners.id = partner_id
        where slug = 'grachtwerk-digital' and achievement = 'registered')`);
    const { lines } = await historyOf("grachtwerk-digital", "--achievement", "registered");
    expect(lines[0]).toMatchObject({ delta: 11, unexplained: 1 });
    expect(lines[0]?.doubt).toMatch(/^What is stored explains \+10 of it; for the rest nothing was found/);
  });

  test("of a partner that was merged is that of the partner it is now", async () => {
    const merge = { partner: "wolkenpost", into: "grachtwerk-digital", by: "Ada", now: new Date() };
    await mergePartners(open.context.db, merge);
    await call("rescore", "--partner", "grachtwerk-digital");
    const { partner, lines } = await historyOf("wolkenpost");
    expect(partner).toEqual({ slug: "grachtwerk-digital", name: "Grachtwerk Digital" });
    const found = lines.flatMap(({ causes }) => causes.flatMap(({ evidence }) => evidence));
    expect(found).toEqual(
      expect.arrayContaining([expect.objectContaining({ how: "merged-in", partner: "wolkenpost" })]),
    );
    const { stdout, stderr } = await call("explain", "wolkenpost");
    expect(stdout).toMatch(/^Grachtwerk Digital: /);
    expect(stderr).toContain(
      "wolkenpost was merged into Grachtwerk Digital (grachtwerk-digital), which is shown.",
    );
  });
});

test("every field that is documented was printed with a value", () => {
  // Findings depend on what is wrong; adjustments are made in adjustments.test.ts, checks and trials in connectors-*.test.ts.
  const elsewhere =
    /^(Findings|A finding|An adjustment|A check|A stream|A sampled fact|A refused row|A trial|A case)\.|^Unmatched evidence\.withoutSuggestions$/;
  const never = documentedFields().filter((field) => !seen.has(field) && !elsewhere.test(field));
  expect(never).toEqual([]);
});
