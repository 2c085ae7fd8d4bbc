// One number everywhere: two surfaces never show two values under one score version.
import { once } from "node:events";
import { sql } from "drizzle-orm";
import { Redis } from "ioredis";
import { afterEach, beforeEach, describe, expect, test } from "vitest";
import { type Database, transaction } from "../../db/client.ts";
import { parseProgramme } from "../../src/programme/document.ts";
import { openProgrammeVersions } from "../../src/programme/versions.ts";
import { openStandings, redisForReading } from "../../src/standings/reading.ts";
import { redisStandings } from "../../src/standings/redis.ts";
import { markStandingsPending, refreshStandings } from "../../src/standings/refresh.ts";
import { createApp } from "../../src/web/app.ts";
import { openWeb } from "../../src/web/server.ts";
import { openTestDatabase, type TestDatabase } from "../database.ts";
import { redisUrl, testPrefix } from "../redis.ts";
import { programmeText } from "../scoring/programmes.ts";
import { addPartners } from "../standings/partners.ts";

const award = { points: 1000, "at-least": 1 };
const rules = parseProgramme(
  programmeText({
    a: { evidence: "a", award },
    b: { evidence: "b", award },
    c: { evidence: "c", award },
  }),
  "programme.yaml",
);
const programme = () => Promise.resolve(rules);

interface Shown {
  slug: string;
  rank: number;
  points: number;
  scoreVersion: number;
  achievements?: { points: number }[];
}

let database: TestDatabase;
let db: Database;
let ids: number[];

beforeEach(async () => {
  database = await openTestDatabase({ max: 10 });
  db = database.db;
  ids = await addPartners(db, [{ name: "One" }, { name: "Two" }, { name: "Three" }]);
});
afterEach(() => database.close());

/** As the score job does it: achievements, total, version and mark in one transaction. */
async function score(partnerId: number, held: number[]): Promise<void> {
  await transaction(db, async (tx) => {
    const total = held.reduce((sum, points) => sum + points, 0);
    await tx.execute(sql`insert into scores values (${partnerId}, ${total}, now(), 1) on conflict (partner_id)
      do update set points = excluded.points, reached_at = excluded.reached_at, version = scores.version + 1`);
    for (const [at, points] of held.entries()) {
      await tx.execute(sql`insert into achievements_held values (${partnerId}, ${"abc"[at]}, 1, ${points}, now())
        on conflict (partner_id, achievement) do update set points = excluded.points`);
    }
    await markStandingsPending(tx, [partnerId]);
  });
}

/** Reads both surfaces again and again while scores change and are refreshed, and returns all that was shown. */
async function readDuringChanges(port: number, refresh: () => Promise<unknown>): Promise<[string, Shown][]> {
  const shown: [string, Shown][] = [];
  let reading = 4;
  const read = async (path: string) => await (await fetch(`http://127.0.0.1:${port}${path}`)).json();
  const lanes = Array.from({ length: reading }, async (_, lane) => {
    for (let round = 0; round < 100; round += 1) {
      const page = (await read("/api/standings")) as { standings: Shown[] };
      for (const standing of page.standings) shown.push(["standings", standing]);
      const slug = `partner-${1 + ((lane + round) % 3)}`;
      shown.push(["partner", (await read(`/api/partners/${slug}`)) as Shown]);
    }
    reading -= 1;
  });
  const changes = async () => {
    for (let round = 1; reading > 0; round += 1) {
      await score(ids[round % 3]!, [(round * 7) % 50, (round * 11) % 50, (round * 13) % 50]);
    }
  };
  const refreshes = async () => {
    while (reading > 0) await refresh();
  };
  await Promise.all([...lanes, changes(), refreshes()]);
  return shown;
}

function expectOneNumber(shown: [string, Shown][]): void {
  const byVersion = new Map<string, Set<number>>();
  const surfaces = new Map<string, Set<string>>();
  for (const [surface, { slug, points, scoreVersion, achievements: parts }] of shown) {
    const key = `${slug} version ${scoreVersion}`;
    byVersion.set(key, (byVersion.get(key) ?? new Set()).add(points));
    surfaces.set(key, (surfaces.get(key) ?? new Set()).add(surface));
    if (parts !== undefined) expect(parts.reduce((sum, part) => sum + part.points, 0)).toBe(points);
  }
  expect([...byVersion].filter(([, values]) => values.size > 1)).toEqual([]);
  // The test saw something: many versions, and many of them on both surfaces.
  expect(byVersion.size).toBeGreaterThan(20);
  expect([...surfaces.values()].filter((seen) => seen.size === 2).length).toBeGreaterThan(5);
}

describe("while scores change", () => {
  test("page and overview agree under every version, from Postgres", async () => {
    const standings = openStandings({ db, prefix: "any" });
    const web = await openWeb(
      createApp({
        db,
        standings,
        programme,
        programmes: openProgrammeVersions(),
        sources: [],
        now: () => new Date(),
      }),
      {
        port: 0,
        host: "127.0.0.1",
      },
    );
    expectOneNumber(await readDuringChanges(web.port, () => refreshStandings(db, undefined)));
    await web.close();
  });

  test.runIf(redisUrl() !== undefined)(
    "page and overview agree under every version, with Redis",
    async () => {
      const prefix = testPrefix();
      const writing = new Redis(redisUrl()!);
      const redis = new Redis(redisUrl()!, redisForReading);
      await once(redis, "ready");
      const cache = redisStandings(writing, prefix);
      await refreshStandings(db, cache);
      const standings = openStandings({ db, redis, prefix });
      const web = await openWeb(
        createApp({
          db,
          standings,
          programme,
          programmes: openProgrammeVersions(),
          sources: [],
          now: () => new Date(),
        }),
        {
          port: 0,
          host: "127.0.0.1",
        },
      );
      let round = 0;
      const refresh = () => refreshStandings(db, cache, { rebuild: round++ % 10 === 0 });
      expectOneNumber(await readDuringChanges(web.port, refresh));
      expect(await standings.cacheState()).toBe("built");
      // Once everything is refreshed, the two show the same.
      await refreshStandings(db, cache);
      const { standings: overview } = await standings.page({ offset: 0, limit: 10 });
      for (const { slug, points, scoreVersion, rank } of overview) {
        const page = (await (
          await fetch(`http://127.0.0.1:${web.port}/api/partners/${slug}`)
        ).json()) as Shown;
        expect(page).toMatchObject({ points, scoreVersion, rank });
      }
      await web.close();
      await redis.quit();
      await writing.quit();
    },
  );
});
