// A rescore as processes know it: cancelled, interrupted, killed, and one that cannot succeed.
import { mkdtemp, writeFile } from "node:fs/promises";
import { tmpdir } from "node:os";
import { join } from "node:path";
import { sql } from "drizzle-orm";
import { afterAll, beforeAll, beforeEach, describe, expect, test } from "vitest";
import { transaction } from "../../db/client.ts";
import { readRuns } from "../../src/ingest/runs/runs.ts";
import { verify } from "../../src/scoring/verify.ts";
import { type Deployment, openDeployment, until } from "../e2e/deployment.ts";
import { answerOf, callUnder } from "./calling.ts";

let open: Deployment;

beforeAll(async () => {
  open = await openDeployment("postgres", { sources: ["registrations"] });
  const { db } = open.context;
  await answerOf(open.env, "sync");
  await db.execute(
    sql`insert into partners (slug, name) select 'idle-' || n, 'Idle' from generate_series(1, 10000) as n`,
  );
});
afterAll(async () => {
  await open.close();
});

/** Scores that are wrong, behind the back of everybody: only an evaluation of everybody finds them. */
async function spoil(): Promise<void> {
  await open.context.db.execute(sql`
    update achievements_held set points = points + 1`);
}
beforeEach(spoil);

const readLatest = async () => (await readRuns(open.context.db, { limit: 1 }))[0]!;

/** Lets nobody score anybody meanwhile: whoever would, waits for the clock. */
async function withClockHeld(work: () => Promise<void>): Promise<void> {
  await open.context.db.execute(sql`insert into clock (ticked_at) values (now()) on conflict do nothing`);
  await transaction(open.context.db, async (tx) => {
    await tx.execute(sql`select from clock for update`);
    await work();
  });
}

async function isWaiting(): Promise<boolean> {
  const waiting = await open.context.db.execute(sql`
    select from pg_stat_activity where datname = current_database() and wait_event_type = 'Lock'`);
  return waiting.length > 0;
}

describe("a rescore", () => {
  test("whose process is killed goes on where it stopped when it is resumed", async () => {
    await withClockHeld(async () => {
      const killed = open.spawn("rescore", "--all");
      await until(isWaiting);
      killed.process.kill("SIGKILL");
      await killed.ended;
    });
    const { id, state, parts } = await readLatest();
    expect({ state, parts }).toEqual({ state: "running", parts: 3 });
    const { runs } = JSON.parse(await answerOf(open.env, "rescore", "--resume", String(id), "--json")) as {
      runs: unknown[];
    };
    expect(runs).toMatchObject([{ id, state: "complete", parts: 3, partsDone: 3 }]);
    expect(await verify(open.context.db, open.context.programmes, new Date())).toMatchObject({
      evaluation: [],
      pending: 0,
    });
  });

  test("that is interrupted says how to go on, and goes on after it was cancelled, too", async () => {
    await withClockHeld(async () => {
      const interrupted = open.spawn("rescore", "--all");
      await until(isWaiting);
      let said = "";
      interrupted.process.stderr?.on("data", (text: string) => {
        said += text;
      });
      interrupted.process.kill("SIGINT");
      await until(() => Promise.resolve(said.includes("Interrupted")));
      expect(said).toMatch(
        /^Interrupted: a worker, or standings rescore --resume \d+, goes on where this one stopped\.$/m,
      );
      interrupted.process.kill("SIGKILL");
      await interrupted.ended;
    });
    const { id } = await readLatest();
    const { stdout } = await callUnder(
      { ...open.env, STANDINGS_ADMIN: "Jane" },
      "runs",
      "cancel",
      String(id),
    );
    expect(stdout).toBe(
      `Run ${id} is cancelled: 0 of 3 ranges are done, and those that are being evaluated end by themselves. Go on with: standings rescore --resume ${id}\n`,
    );
    expect(await readLatest()).toMatchObject({ state: "partial", reason: "cancelled by Jane" });
    await answerOf(open.env, "rescore", "--resume", String(id));
    expect(await readLatest()).toMatchObject({ id, state: "complete", partsDone: 3 });
  });

  test("of a partner by the slug it had before a merge is one of the partner it leads to", async () => {
    const { db } = open.context;
    const csv = "slug,name\nnow-merged,Now Merged\n";
    const file = join(await mkdtemp(join(tmpdir(), "standings-rescore-")), "partners.csv");
    await writeFile(file, csv);
    await answerOf(open.env, "partners", "import", file);
    const [into] = await db.execute<{ id: number; slug: string }>(
      sql`select id, slug from partners where status = 'active' and slug <> 'now-merged' order by id limit 1`,
    );
    await answerOf(open.env, "partners", "merge", "now-merged", into!.slug, "--by", "Jane");
    await answerOf(open.env, "rescore", "--partner", "now-merged");
    const { id } = await readLatest();
    const ranges = await db.execute(
      sql`select first_partner, last_partner from run_ranges where run_id = ${id}`,
    );
    expect(ranges).toEqual([{ first_partner: into!.id, last_partner: into!.id }]);
  });

  test("that can never write ends with 1 and the reason, instead of waiting for ever", async () => {
    const { db } = open.context;
    await db.execute(sql`
      create function refuse() returns trigger language plpgsql as $$ begin raise 'no room for a line'; end $$`);
    await db.execute(
      sql`create trigger refuse before insert on ledger for each row execute function refuse()`,
    );
    const { code, stderr } = await callUnder(open.env, "rescore", "--all");
    await db.execute(sql`drop function refuse cascade`);
    expect(code).toBe(1);
    expect(stderr).toMatch(
      /^standings: the scores cannot be (evaluated again|computed), \d+ attempts in a row have failed; the workers go on trying: .*no room for a line$/m,
    );
    // Once it can, the same run is finished, and nobody remembers.
    await answerOf(open.env, "rescore", "--resume", String((await readLatest()).id));
    expect(await db.execute(sql`select from job_failures where job = 'rescore'`)).toEqual([]);
  });

  test.each([
    [["rescore"], "the scope of the rescore is missing; expected --partner"],
    [
      ["rescore", "--all", "--resume", "1"],
      "--resume <run> continues with the scope of that run; it cannot be combined with another scope",
    ],
    [["rescore", "--resume", "99999"], "there is no run 99999; see: standings runs"],
    [["rescore", "--source", "nosuch"], "there is no source nosuch; expected one of registrations"],
    [["runs", "cancel", "99999", "--by", "Jane"], "there is no run 99999; see: standings runs"],
  ])("refuses standings %j", async (args, said) => {
    const { code, stderr } = await callUnder(open.env, ...args);
    expect(code).toBe(2);
    expect(stderr).toContain(said);
  });
});
