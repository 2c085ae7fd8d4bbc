// The commands as processes: what goes to which output, how they are called wrongly, and how they end before their time.
import type { Readable } from "node:stream";
import { sql } from "drizzle-orm";
import { afterAll, beforeAll, describe, expect, test } from "vitest";
import { type Deployment, openDeployment, until } from "../e2e/deployment.ts";
import { answerOf, callUnder } from "./calling.ts";
import { documentedCommands } from "./reference.ts";

let open: Deployment;
beforeAll(async () => {
  open = await openDeployment("postgres");
});
afterAll(async () => {
  await open.close();
});

test("--help names every command and the exit codes, and needs neither configuration nor database", async () => {
  const help = (await answerOf({ DATABASE_URL: "nonsense" }, "--help")).replaceAll(/\s+/g, " ");
  for (const { title } of documentedCommands) expect(help).toContain(` ${nameOf(title)}`);
  expect(help).toContain("Exit codes: 0 done, 1 failed, 2 the call was wrong.");
  for (const { title } of documentedCommands) {
    const page = await answerOf({}, ...nameOf(title).split(" "), "--help");
    expect(page).toContain(`Usage: standings ${nameOf(title)} [options]`);
  }
});

/** "partners import <csv>" without its arguments. */
function nameOf(title: string): string {
  return title.split(/ [[<]/)[0] ?? "";
}

describe("a wrong call ends with 2, and a line that helps", () => {
  test.each([
    [["partner"], /unknown command 'partner'[\s\S]*Did you mean partners\?/],
    [["explain"], /missing required argument 'partner'/],
    [["ranking", "--tpo", "3"], /unknown option '--tpo'[\s\S]*Did you mean --top\?/],
    [["ranking", "--top", "0"], /'--top <n>' argument '0' is invalid\. Expected a whole number from 1/],
    [["runs", "approve", "1.5"], /'1\.5' is invalid for argument 'run'\. Expected a whole number from 1/],
    [["verify", "more"], /too many arguments/],
    [[], /Usage: standings/],
  ])("standings %j", async (args, line) => {
    const { code, stdout, stderr } = await callUnder({}, ...args);
    expect({ code, stdout }).toEqual({ code: 2, stdout: "" });
    expect(stderr).toMatch(line);
  });

  test("of the process, too", async () => {
    const { code, stdout, stderr } = await open.spawn("rank").ended;
    expect({ code, stdout }).toEqual({ code: 2, stdout: "" });
    expect(stderr).toMatch(/^error: unknown command 'rank'\n/);
  });
});

test("in a pipe the answer is all of standard output, and nothing has control characters", async () => {
  const { code, stdout, stderr } = await open.spawn("sync", "blog", "fairs", "--json").ended;
  expect(code, stderr).toBe(0);
  expect(JSON.parse(stdout)).toMatchObject({ runs: [{ source: "blog" }, { source: "fairs" }] });
  expect(stderr).toMatch(/^ {2}blog +complete 1 page, 46 pieces of evidence, 46 new, 3 unmatched$/m);
  // biome-ignore lint/suspicious/noControlCharactersInRegex: it is what must not be there
  expect(stdout + stderr).not.toMatch(/[\u0000-\u0009\u000b-\u001f\u007f-\u009f]/);
});

test("nobody reading on is no failure", async () => {
  const ranking = open.spawn("ranking");
  ranking.process.stdout?.destroy();
  const { code, stderr } = await ranking.ended;
  expect({ code, stderr }).toEqual({ code: 0, stderr: "" });
});

test("a sync that is interrupted says so and ends, and the same command again goes on with its run", async () => {
  const { db } = open.context;
  const readOpen = async () => {
    const [run] = await db.execute<{ id: number; pages: number }>(sql`
      select runs.id, sum(pages)::int as pages from run_connections join runs on runs.id = run_id
      where source = 'copernica' and runs.state = 'running' group by runs.id`);
    return run;
  };
  let pages = 0;
  for (const signal of ["SIGINT", "SIGTERM"] as const) {
    const sync = open.spawn("sync", "copernica");
    await until(async () => ((await readOpen())?.pages ?? 0) > pages + 10);
    sync.process.kill(signal);
    const { code, stderr } = await sync.ended;
    expect({ code, said: stderr.trimEnd().split("\n").at(-1) }).toEqual({
      code: 1,
      said: "Interrupted: a worker, or the same command again, goes on where this one stopped.",
    });
    pages = (await readOpen())?.pages ?? 0;
  }
  const left = await readOpen();
  const again = JSON.parse(await answerOf(open.env, "sync", "copernica", "--json")) as unknown;
  expect(again).toMatchObject({ runs: [{ id: left?.id, state: "complete", parts: 96, partsDone: 96 }] });
});

test("start serves the standings, shows every change of points as it happens, and ends when it is told to", async () => {
  const start = open.spawn("start");
  const listening = await heard(start.process.stderr, /The API is on (http:\S+)\/api\/standings; stop with/);
  const page = await fetch(`${listening[1] ?? ""}/api/standings`);
  expect(await page.json()).toMatchObject({ total: 40 });

  const shown = heard(start.process.stdout, /^\d\d:\d\d:\d\d +-5 {2}Marketing Agency X: .+$/m);
  const article = open.sandbox.world.articles.find(({ category }) => category === "marketing-agency-x");
  open.sandbox.world.happen({ type: "article-trashed", id: article?.id ?? 0 });
  await answerOf(open.env, "sync", "blog");
  expect((await shown)[0]).toMatch(/Marketing Agency X: joint-articles \(evidence\), now 55$/);

  start.process.kill("SIGTERM");
  const { code, stdout, stderr } = await start.ended;
  expect(code, stderr).toBe(0);
  expect(stdout).toMatch(/^ {3}1 {2}De Verzendfabriek +100 {2}█+$/m);
});

/** Resolves once what a process says matches. */
async function heard(stream: Readable | null, pattern: RegExp): Promise<RegExpExecArray> {
  let said = "";
  return new Promise((resolve) => {
    stream?.on("data", (text: string) => {
      said += text;
      const found = pattern.exec(said);
      if (found !== null) resolve(found);
    });
  });
}
