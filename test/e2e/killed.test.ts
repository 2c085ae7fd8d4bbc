// Workers killed at random pages, again and again: what is left is what one clean run leaves.
import { type ChildProcess, fork } from "node:child_process";
import { randomBytes } from "node:crypto";
import { once } from "node:events";
import { mkdtemp, rm, writeFile } from "node:fs/promises";
import { createServer, type ServerResponse } from "node:http";
import type { AddressInfo } from "node:net";
import { tmpdir } from "node:os";
import { join } from "node:path";
import { fileURLToPath } from "node:url";
import { sql } from "drizzle-orm";
import { afterAll, afterEach, beforeAll, describe, expect, test } from "vitest";
import { chanceOf } from "../../examples/copernica/chance.ts";
import { followRuns } from "../../src/cli/follow.ts";
import { type Context, openContext } from "../../src/context.ts";
import { readOverlapping } from "../../src/evidence/known-times.ts";
import { readRuns } from "../../src/ingest/runs/runs.ts";
import { loadSources } from "../../src/ingest/sources.ts";
import { beginSync } from "../../src/operations/sync.ts";
import { importPartners } from "../../src/partners/import.ts";
import { loadConfig } from "../../src/platform/config.ts";
import { openLog } from "../../src/platform/log.ts";
import { publishProgramme } from "../../src/programme/versions.ts";
import { verify } from "../../src/scoring/verify.ts";
import { openWorkers } from "../../workers/main.ts";
import { compiledFolder } from "../compiled.ts";
import { openTestDatabase } from "../database.ts";
import { holdOpen, untilBlocked } from "../evidence/collecting.ts";
import { redisUrl, testPrefix } from "../redis.ts";
import { backends, quiet, until } from "./deployment.ts";

/** Kills with each queue; DEEP asks for more. */
const KILLS = Number(process.env["DEEP"] ?? 25);
const POSTS = 4 * KILLS + 40;
const PER_PAGE = 2;
const PARTNERS = 12;

const programme = `
programme: Articles
time-zone: UTC
perfect: 1000
evidence: { article: Joint article }
achievements:
  articles:
    title: Articles
    hint: Publish an article together with us.
    evidence: article
    measure: count
    window: ever
    award: { each: 1, cap: 1000 }
`;

interface Post {
  id: number;
  title: string;
  category: number;
}

/**
 * A blog with many small pages. Between two syncs some posts are new, some have another partner or title, and some are gone;
 * no partner loses so much of its own that the loss would be held.
 */
function postsOf(sync: 1 | 2): Post[] {
  const posts = Array.from({ length: POSTS }, (_, n) => ({
    id: n + 1,
    title: `Article ${n + 1}`,
    category: (n * 7) % PARTNERS,
  }));
  if (sync === 1) return posts.slice(0, POSTS - 10);
  return posts
    .filter(({ id }) => id % 11 !== 0)
    .map((post) => ({
      ...post,
      category: post.id % 13 === 0 ? (post.category + 1) % PARTNERS : post.category,
      title: post.id % 4 === 0 ? `${post.title}, second edition` : post.title,
    }));
}

/** `asked`, if there is one, has the answer in its hands: it sends it, or does not. */
const blog = {
  posts: [] as Post[],
  asked: undefined as ((send: () => void, response: ServerResponse) => void) | undefined,
};

const server = createServer((request, response) => {
  const { pathname, searchParams } = new URL(request.url ?? "/", "http://blog");
  const send = () => {
    response.setHeader("content-type", "application/json");
    if (pathname.endsWith("/categories")) {
      const ids = (searchParams.get("include") ?? "").split(",").map(Number);
      response.end(JSON.stringify(ids.map((id) => ({ id, slug: `partner-${id}` }))));
      return;
    }
    const [page, size] = [Number(searchParams.get("page") ?? 1), Number(searchParams.get("per_page"))];
    response.setHeader("x-wp-total", String(blog.posts.length));
    const rows = blog.posts.slice((page - 1) * size, page * size).map(({ id, title, category }) => ({
      id,
      date_gmt: new Date(Date.UTC(2026, 0, 1 + (id % 200))).toISOString().slice(0, 19),
      title: { rendered: title },
      status: "publish",
      link: `https://blog.example/${id}`,
      categories: [category],
    }));
    response.end(JSON.stringify(rows));
  };
  if (blog.asked === undefined) send();
  else blog.asked(send, response);
});

let folder = "";
let sources = "";
beforeAll(async () => {
  server.listen(0, "127.0.0.1");
  await once(server, "listening");
  const host = `127.0.0.1:${(server.address() as AddressInfo).port}`;
  folder = await mkdtemp(join(tmpdir(), "standings-killed-"));
  sources = join(folder, "sources.yaml");
  await writeFile(
    sources,
    `allow-private: ["${host}"]
sources:
  blog:
    connector: wordpress
    every: 1 day
    settings:
      url: http://${host}
      evidence: article
      per-page: ${PER_PAGE}
      attribution: { by: category, namespace: blog }
`,
  );
});
afterAll(async () => {
  server.closeAllConnections();
  server.close();
  await rm(folder, { recursive: true, force: true });
});

const closers: (() => unknown)[] = [];
afterEach(async () => {
  blog.asked = undefined;
  for (const close of closers.splice(0).reverse()) await close();
});

/** A deployment whose first sync is over. */
async function openSynced(
  backend: "redis" | "postgres",
): Promise<{ context: Context; env: Record<string, string> }> {
  const database = await openTestDatabase({ max: 4 });
  closers.push(() => database.close());
  const env = {
    DATABASE_URL: database.url,
    REDIS_URL: backend === "redis" ? `${redisUrl() ?? ""}/0` : "",
    STANDINGS_SECRET_KEY: randomBytes(32).toString("base64"),
    STANDINGS_HOME: folder,
    STANDINGS_SOURCES: sources,
    STANDINGS_PREFIX: testPrefix(),
    STANDINGS_POOL: "4",
    STANDINGS_LEASE_MS: "500",
  };
  const context = await openContext(loadConfig(env), await loadSources(sources), openLog("silent"));
  closers.push(() => context.close());
  const lines = Array.from({ length: PARTNERS - 1 }, (_, n) => `p${n},Partner ${n},blog:partner-${n}`);
  await importPartners(context.db, {
    text: ["slug,name,identities", ...lines].join("\n"),
    file: "partners.csv",
    now: context.now(),
  });
  await publishProgramme(context.db, {
    text: programme,
    file: "programme.yaml",
    publishedBy: "test",
    now: context.now(),
  });
  blog.posts = postsOf(1);
  await syncHere(context);
  blog.posts = postsOf(2);
  return { context, env };
}

async function syncHere(context: Context): Promise<void> {
  const workers = await openWorkers(context, { schedules: false });
  try {
    const ids = await beginSync(context, { sources: [], full: true, askedBy: "test" });
    const [run] = await followRuns(context, quiet(), ids, new AbortController().signal);
    expect(run).toMatchObject({ state: "complete" });
  } finally {
    await workers.close();
  }
}

/** Everything two deployments that saw the same must agree on. */
async function readEffects({ db }: Context) {
  const evidence = await db.execute(sql`
    select external_id, slug, namespace, identity_key, kind, occurred_at, quantity, title, link, superseded_at is null as current
    from evidence left join partners on partners.id = partner_id order by external_id, current, title, identity_key`);
  const points = await db.execute(sql`
    select slug, coalesce(points, 0) as points, (select sum(delta) from ledger where partner_id = partners.id) as ledger,
      (select count(*) from ledger where partner_id = partners.id) > 0 as has_lines
    from partners left join scores on partner_id = partners.id order by slug`);
  return { evidence, points };
}

async function startStandby(env: Record<string, string>): Promise<ChildProcess> {
  const child = fork(fileURLToPath(new URL("standby-worker.mjs", import.meta.url)), [compiledFolder()], {
    execArgv: [],
    env: { PATH: process.env["PATH"] ?? "", ...env },
    stdio: "inherit",
  });
  closers.push(() => {
    child.kill("SIGKILL");
  });
  const [message] = (await once(child, "message")) as [unknown];
  expect(message).toBe("ready");
  return child;
}

/** Kills a worker at its n-th request: before it has its answer, or when it has it in its hands. Resolves once it is dead. */
async function killAt(child: ChildProcess, n: number, when: "before" | "after"): Promise<void> {
  const dead = once(child, "exit");
  let left = n;
  blog.asked = (send, response) => {
    left -= 1;
    if (left !== 0) {
      if (left > 0) send();
      return;
    }
    if (when === "before") child.kill("SIGKILL");
    else {
      response.once("finish", () => {
        child.kill("SIGKILL");
      });
      send();
    }
  };
  child.send("go");
  const [code, signal] = (await dead) as [number | null, string | null];
  expect({ code, signal }).toEqual({ code: null, signal: "SIGKILL" });
}

describe.each(backends)("with the queue on %s", (backend) => {
  test(`killed at ${KILLS} random pages, a sync has the effects of one clean run`, async () => {
    const clean = await openSynced("postgres");
    await syncHere(clean.context);
    const expected = await readEffects(clean.context);

    const seed = process.env["SEED"] ?? randomBytes(4).toString("hex");
    console.log(`killed.test.ts: SEED=${seed}`);
    const random = chanceOf(seed);
    const { context, env } = await openSynced(backend);
    const standbys = [startStandby(env), startStandby(env)];
    const [runId = 0] = await beginSync(context, { sources: [], full: true, askedBy: "test" });
    // A lease is given back or ends; then whoever starts takes the connection at once.
    const isFree = async () =>
      (await context.db.execute(sql`select from connections where lease_until > now()`)).length === 0;
    for (let kill = 0; kill < KILLS; kill++) {
      const child = await standbys.shift()!;
      standbys.push(startStandby(env));
      await until(isFree);
      await killAt(child, random.whole(1, 6), random.pick(["before", "after"]));
    }
    const [midway] = await readRuns(context.db, { ids: [runId] });
    expect(midway?.state).toBe("running");
    blog.asked = undefined;
    await until(isFree);
    (await standbys.shift()!).send("go");
    const isDone = async () => {
      const [run] = await readRuns(context.db, { ids: [runId] });
      if (run?.state === "running") return false;
      expect(run).toMatchObject({ state: "complete" });
      return (await verify(context.db, context.programmes, context.now())).pending === 0;
    };
    await until(isDone);
    expect(await verify(context.db, context.programmes, context.now())).toMatchObject({ drift: 0 });
    expect(await readEffects(context)).toEqual(expected);
    await Promise.all(standbys);
  }, 900_000);

  test("a worker stopped inside a transaction keeps the others waiting for seconds, and does no harm when it wakes", async () => {
    const { context, env } = await openSynced(backend);
    const frozen = await startStandby(env);
    const [runId = 0] = await beginSync(context, { sources: [], full: true, askedBy: "test" });
    const asked = new Promise<() => void>((resolve) => {
      blog.asked = resolve;
    });
    frozen.send("go");
    const send = await asked;
    blog.asked = undefined;
    // Its page waits for this row at the end of its transaction.
    const row = await holdOpen(
      context.db,
      sql`select from run_connections where run_id = ${runId} for update`,
    );
    send();
    await untilBlocked(context.db, 1);
    frozen.kill("SIGSTOP");
    const stoppedAt = performance.now();
    await row.release();

    const workers = await openWorkers(context, { schedules: false });
    closers.push(() => workers.close());
    const [imported] = await Promise.all([
      importPartners(context.db, {
        text: "slug,name,identities\nlate,Late,blog:partner-11",
        file: "late.csv",
        now: context.now(),
      }),
      followRuns(context, quiet(), [runId], new AbortController().signal),
    ]);
    const waitedMs = performance.now() - stoppedAt;
    expect(imported).toMatchObject({ added: 1 });
    expect(waitedMs).toBeLessThan(30_000);

    frozen.kill("SIGCONT");
    const settled = async () => (await verify(context.db, context.programmes, context.now())).pending === 0;
    // It finds its session ended, asks for its lease and loses it.
    await until(async () => (await countOpen(context, frozen.pid)) === 0 && (await settled()));
    frozen.kill("SIGKILL");
    expect(await verify(context.db, context.programmes, context.now())).toMatchObject({ drift: 0 });
    const [current] = await context.db.execute<{ count: number }>(
      sql`select count(*)::int as count from evidence where superseded_at is null`,
    );
    expect(current?.count).toBe(blog.posts.length);
    expect(await readOverlapping(context.db)).toEqual([]);
  }, 120_000);
});

/** How many transactions of a process are open. */
async function countOpen({ db }: Context, pid: number | undefined): Promise<number> {
  const [row] = await db.execute<{ count: number }>(sql`
    select count(*)::int as count from pg_stat_activity
    where datname = current_database() and application_name like ${`%:${pid ?? 0}`} and xact_start is not null`);
  return row?.count ?? 0;
}
