import { readFileSync } from "node:fs";
import { sql } from "drizzle-orm";
import { afterEach, beforeEach, describe, expect, test } from "vitest";
import { type Database, transaction } from "../../db/client.ts";
import { parseProgramme } from "../../src/programme/document.ts";
import { openProgrammeVersions } from "../../src/programme/versions.ts";
import { openStandings } from "../../src/standings/reading.ts";
import { type AppParts, createApp, routesOf } from "../../src/web/app.ts";
import { type OpenWeb, openWeb } from "../../src/web/server.ts";
import { openTestDatabase, type TestDatabase } from "../database.ts";
import { addPartners } from "../standings/partners.ts";

const now = new Date("2026-06-15T12:00:00Z");
const ago = (ms: number) => new Date(now.getTime() - ms);
const hour = 3_600_000;

const rule = { measure: "count", window: "ever" };
const programme = parseProgramme(
  JSON.stringify({
    programme: "Programme",
    "time-zone": "Europe/Amsterdam",
    perfect: 35,
    evidence: { registration: "Registration", article: "Article", fair: "Trade fair" },
    achievements: {
      registered: {
        ...{ title: "Registered", hint: "Register.", evidence: "registration", ...rule },
        award: { points: 10, "at-least": 1 },
      },
      articles: {
        ...{ title: "Joint articles", hint: "Publish an article with us.", evidence: "article", ...rule },
        unit: "articles",
        award: { each: 5, cap: 15 },
      },
      fair: {
        ...{ title: "Trade fair", hint: "Come to the fair.", evidence: "fair", ...rule },
        requires: "articles",
        award: { points: 10, "at-least": 1 },
      },
    },
  }),
  "programme.yaml",
);

const paths = [...new Set(routesOf({} as AppParts).map(({ path }) => path))];

describe("the API", () => {
  let database: TestDatabase;
  let db: Database;
  let web: OpenWeb;
  const opened: OpenWeb[] = [];

  beforeEach(async () => {
    database = await openTestDatabase();
    db = database.db;
    web = await serve({});
  });
  afterEach(async () => {
    for (const one of opened.splice(0)) await one.close();
    await database.close();
  });

  async function serve(parts: Partial<AppParts>): Promise<OpenWeb> {
    const standings = openStandings({ db, prefix: "any" });
    const app = createApp({
      db,
      standings,
      programme: () => Promise.resolve(programme),
      programmes: openProgrammeVersions(),
      sources: [{ key: "blog", freshWithinMs: hour }],
      now: () => now,
      ...parts,
    });
    const one = await openWeb(app, { port: 0, host: "127.0.0.1" });
    opened.push(one);
    return one;
  }

  const ask = async (path: string, init: RequestInit = {}, port = web.port) =>
    await fetch(`http://127.0.0.1:${port}${path}`, { redirect: "manual", ...init });
  const read = async (path: string, port = web.port) => {
    const response = await ask(path, {}, port);
    return { status: response.status, body: await response.json() };
  };

  /** As the score job does it: achievements and total in one transaction. */
  async function award(partnerId: number, held: Record<string, number>): Promise<void> {
    await transaction(db, async (tx) => {
      await tx.execute(sql`delete from achievements_held where partner_id = ${partnerId}`);
      for (const [key, points] of Object.entries(held)) {
        await tx.execute(
          sql`insert into achievements_held values (${partnerId}, ${key}, ${points / 5}, ${points}, ${now})`,
        );
      }
      const total = Object.values(held).reduce((sum, points) => sum + points, 0);
      await tx.execute(sql`insert into scores values (${partnerId}, ${total}, ${now}, 1) on conflict (partner_id)
        do update set points = excluded.points, reached_at = excluded.reached_at, version = scores.version + 1`);
    });
  }

  describe("GET /api/standings", () => {
    beforeEach(async () => {
      const score = (points: number) => ({ points, reachedAt: now });
      await addPartners(db, [
        { name: "Second", score: score(20) },
        { name: "First", score: score(30) },
        { name: "Equal", score: score(20) },
        { name: "Last", createdAt: ago(hour) },
      ]);
    });

    test("gives the standings in order, fifty at a time unless asked otherwise", async () => {
      const { status, body } = await read("/api/standings");
      expect(status).toBe(200);
      const reachedAt = now.toISOString();
      expect(body).toEqual({
        offset: 0,
        limit: 50,
        total: 4,
        standings: [
          { rank: 1, slug: "partner-2", name: "First", points: 30, scoreVersion: 1, reachedAt },
          { rank: 2, slug: "partner-3", name: "Equal", points: 20, scoreVersion: 1, reachedAt },
          { rank: 2, slug: "partner-1", name: "Second", points: 20, scoreVersion: 1, reachedAt },
          {
            rank: 4,
            slug: "partner-4",
            name: "Last",
            points: 0,
            scoreVersion: 0,
            reachedAt: ago(hour).toISOString(),
          },
        ],
      });
    });

    test("pages with offset and limit", async () => {
      const { body } = await read("/api/standings?offset=2&limit=1");
      expect(body).toMatchObject({ offset: 2, limit: 1, total: 4, standings: [{ rank: 2, name: "Second" }] });
      expect((await read("/api/standings?offset=1000000000&limit=200")).body).toMatchObject({
        total: 4,
        standings: [],
      });
    });

    test.each([
      ["limit", "limit=0", 200],
      ["limit", "limit=201", 200],
      ["limit", "limit=ten", 200],
      ["limit", "limit=", 200],
      ["limit", "limit=1e1", 200],
      ["limit", "limit=5&limit=6", 200],
      ["offset", "offset=-1", 1_000_000_000],
      ["offset", "offset=1.5", 1_000_000_000],
      ["offset", "offset=99999999999999999999", 1_000_000_000],
      ["offset", "offset=1'; drop table partners; --", 1_000_000_000],
    ])("refuses a wrong %s by name (%s)", async (parameter, query, most) => {
      const { status, body } = await read(`/api/standings?${query}`);
      expect(status).toBe(400);
      const least = parameter === "limit" ? 1 : 0;
      const message = `${parameter} must be one whole number from ${least} to ${most}.`;
      expect(body).toEqual({ error: { code: "bad-parameter", message, parameter } });
    });
  });

  describe("GET /api/partners/:slug", () => {
    test("shows the place and every achievement, with a hint where there are points left to earn", async () => {
      const [id, other] = await addPartners(db, [{ name: "One" }, { name: "Other" }]);
      await award(id!, { registered: 10, articles: 5 });
      await award(other!, { registered: 10, articles: 15 });
      expect(await read("/api/partners/partner-1")).toEqual({
        status: 200,
        body: {
          slug: "partner-1",
          name: "One",
          rank: 2,
          points: 15,
          perfect: 35,
          scoreVersion: 1,
          reachedAt: now.toISOString(),
          achievements: [
            {
              key: "registered",
              title: "Registered",
              units: 2,
              points: 10,
              maximum: 10,
              sentence: "Registration: 2; 1 is enough",
              notes: [],
            },
            {
              key: "articles",
              title: "Joint articles",
              units: 1,
              points: 5,
              maximum: 15,
              sentence: "1 of 3 articles; the second brings 5 points more",
              notes: [],
              hint: "Publish an article with us.",
            },
            {
              key: "fair",
              title: "Trade fair",
              units: 0,
              points: 0,
              maximum: 10,
              sentence: "Trade fair: 0 of 1; the first brings 10 points",
              notes: [],
              hint: "Come to the fair.",
            },
          ],
        },
      });
    });

    test("shows points of an achievement the programme no longer has, so that the sum is the total", async () => {
      const [id] = await addPartners(db, [{ name: "One" }]);
      await award(id!, { registered: 10, gone: 7 });
      const { body } = await read("/api/partners/partner-1");
      expect(body).toMatchObject({ points: 17 });
      expect((body as { achievements: unknown[] }).achievements.at(-1)).toEqual({
        key: "gone",
        title: "gone",
        units: 1.4,
        points: 7,
        maximum: null,
        sentence: "gone: 7 points under an older version of the programme, until it is scored again",
        notes: [],
      });
    });

    test.each([
      [undefined, "en", "1 of 3 articles; the second brings 5 points more"],
      ["nl-NL,nl;q=0.9,en;q=0.8", "nl", "1 van 3 articles; de tweede levert 5 punten meer op"],
      ["fr, de;q=0.5", "de", "1 von 3 articles; 2 bringen 5 Punkte mehr"],
    ])(
      "speaks the language asked for by %s, and says that it depends on it",
      async (asked, language, said) => {
        const [id] = await addPartners(db, [{ name: "One" }]);
        await award(id!, { articles: 5, "adjustment:4": -3 });
        const headers: Record<string, string> = asked === undefined ? {} : { "Accept-Language": asked };
        const answer = await ask("/api/partners/partner-1", { headers });
        expect(answer.headers.get("content-language")).toBe(language);
        expect(answer.headers.get("vary")).toBe("Accept-Language");
        const { achievements, points } = (await answer.json()) as {
          points: number;
          achievements: { key: string; points: number; sentence: string; notes: string[] }[];
        };
        expect(achievements.map(({ sentence }) => sentence)).toContain(said);
        expect(achievements.at(-1)).toMatchObject({ key: "adjustment:4", points: -3, maximum: null });
        expect(points).toBe(2);
      },
    );

    test("says which gate keeps points back", async () => {
      await addPartners(db, [{ name: "One" }]);
      const { body } = await read("/api/partners/partner-1");
      expect((body as { achievements: unknown[] }).achievements.at(-1)).toMatchObject({
        sentence: "Trade fair: 0 of 1",
        notes: ["No points until “Joint articles” has been reached."],
      });
    });

    test("leads from a merged partner to the one it is now, however often it was merged", async () => {
      const [a, b, c] = await addPartners(db, [{ name: "A" }, { name: "B" }, { name: "C" }]);
      await db.execute(sql`update partners set status = 'merged', merged_into = ${b!} where id = ${a!}`);
      await db.execute(sql`update partners set status = 'merged', merged_into = ${c!} where id = ${b!}`);
      const response = await ask("/api/partners/partner-1");
      expect(response.status).toBe(308);
      expect(response.headers.get("location")).toBe("/api/partners/partner-3");
      expect((await fetch(response.url)).url).toMatch(/partner-3$/);
    });

    test("partners merged in a circle are not there, and the question ends", async () => {
      const [a, b] = await addPartners(db, [{ name: "A" }, { name: "B" }]);
      await db.execute(sql`update partners set status = 'merged', merged_into = ${b!} where id = ${a!}`);
      await db.execute(sql`update partners set status = 'merged', merged_into = ${a!} where id = ${b!}`);
      expect((await read("/api/partners/partner-1")).status).toBe(404);
    });

    test.each(["partner-1", "partner-2", "partner-3", "nobody", "%00", "%F0%28", "Partner-1", "a'b"])(
      "%s is not in the standings and not found",
      async (slug) => {
        await addPartners(db, [
          { name: "Suspended", status: "suspended" },
          { name: "Unlisted", listed: false },
          { name: "Merged into one that is not shown" },
        ]);
        await db.execute(sql`update partners set status = 'merged', merged_into = 2 where id = 3`);
        expect(await read(`/api/partners/${slug}`)).toEqual({
          status: 404,
          body: { error: { code: "not-found", message: "There is no such partner in the standings." } },
        });
      },
    );
  });

  describe("every answer", () => {
    test.each(["/api/standings", "/api/partners/partner-1"])(
      "%s has a tag that changes with it alone",
      async (path) => {
        const [id] = await addPartners(db, [{ name: "One" }]);
        const first = await ask(path);
        const tag = first.headers.get("etag") ?? "";
        expect(tag).toMatch(/^"[0-9a-f]+"$/);
        expect(first.headers.get("cache-control")).toBe("no-cache");
        const same = await ask(path, { headers: { "If-None-Match": `"other", W/${tag}` } });
        expect(same.status).toBe(304);
        expect(same.headers.get("etag")).toBe(tag);
        expect(same.headers.get("cache-control")).toBe("no-cache");
        expect(await same.text()).toBe("");
        await award(id!, { registered: 10 });
        const changed = await ask(path, { headers: { "If-None-Match": tag } });
        expect(changed.status).toBe(200);
        expect(changed.headers.get("etag")).not.toBe(tag);
      },
    );

    test("are the ones docs/api.md names", () => {
      const page = readFileSync(new URL("../../docs/api.md", import.meta.url), "utf8");
      const [table = ""] = page.split("| parameter");
      const named = [...table.matchAll(/^\| `(\/[^`]+)`/gm)].map(([, path]) => path);
      expect(named.sort()).toEqual([...paths].sort());
    });

    test.each(paths.filter((path) => !path.startsWith("/inbox/")))(
      "%s answers HEAD like GET without the body, and refuses what writes",
      async (route) => {
        await addPartners(db, [{ name: "One" }]);
        const path = route.replace(":slug", "partner-1");
        const got = await ask(path);
        const head = await ask(path, { method: "HEAD" });
        expect(head.status).toBe(got.status);
        expect(head.headers.get("etag")).toBe(got.headers.get("etag"));
        expect(await head.text()).toBe("");
        for (const method of ["POST", "PUT", "PATCH", "DELETE", "OPTIONS"]) {
          const refused = await ask(path, { method });
          expect(refused.status).toBe(405);
          expect(refused.headers.get("allow")).toBe("GET, HEAD");
          expect(await refused.json()).toMatchObject({ error: { code: "method-not-allowed" } });
        }
      },
    );

    test.each(["/healthz", "/api/standings", "/api/standings?limit=x", "/api/partners/nobody", "/nothing"])(
      "%s carries the headers of safety and none for other sites",
      async (path) => {
        const { headers } = await ask(path, { headers: { Origin: "https://elsewhere.example" } });
        expect(headers.get("content-type")).toMatch(/^application\/json/);
        expect(headers.get("x-content-type-options")).toBe("nosniff");
        expect(headers.get("content-security-policy")).toBe("default-src 'none'; frame-ancestors 'none'");
        expect(headers.get("referrer-policy")).toBe("no-referrer");
        expect(headers.get("access-control-allow-origin")).toBeNull();
        expect(headers.get("x-powered-by")).toBeNull();
      },
    );

    test("a path that does not exist is a JSON 404", async () => {
      expect(await read("/api")).toEqual({
        status: 404,
        body: { error: { code: "not-found", message: "There is nothing at this path." } },
      });
    });

    test("a failure on our side says nothing about itself", async () => {
      await addPartners(db, [{ name: "One" }]);
      const failing = await serve({
        programme: () => Promise.reject(new Error("secret detail in src/file.ts")),
      });
      const answer = await read("/api/partners/partner-1", failing.port);
      const message = "Something went wrong on our side. It has been logged.";
      expect(answer).toEqual({ status: 500, body: { error: { code: "internal", message } } });
      expect((await ask("/api/partners/partner-1", {}, failing.port)).headers.get("cache-control")).toBe(
        "no-store",
      );
    });
  });

  describe("GET /healthz", () => {
    const setSource = async (state: string, lastCompleteAt: Date | null) =>
      await db.execute(sql`insert into sources (key, connector, settings_digest, state, last_complete_at)
        values ('blog', 'wordpress', '', ${state}, ${lastCompleteAt})
        on conflict (key) do update set state = excluded.state, last_complete_at = excluded.last_complete_at`);

    test("never ran yet: nothing has been collected, and that is healthy", async () => {
      const source = {
        key: "blog",
        freshWithinMs: hour,
        state: "never-ran",
        lastCompleteAt: null,
        lastRun: "new",
        heldLosses: 0,
        rejectedLosses: 0,
      };
      const rest = { database: "reachable", redis: "none", oldestPendingSince: null, sources: [source] };
      expect(await read("/healthz")).toEqual({
        status: 200,
        body: { healthy: true, state: "never-ran", ...rest },
      });
      await setSource("new", null);
      expect(await read("/healthz")).toMatchObject({ status: 200, body: { state: "never-ran" } });
    });

    test("fresh: every source was complete within its target, whatever its last attempt said", async () => {
      await setSource("partial", ago(hour));
      expect(await read("/healthz")).toMatchObject({
        status: 200,
        body: {
          state: "fresh",
          sources: [{ state: "fresh", lastCompleteAt: ago(hour).toISOString(), lastRun: "partial" }],
        },
      });
    });

    test("stale: a source was last complete too long ago, or its first runs failed", async () => {
      await setSource("complete", ago(hour + 1));
      expect(await read("/healthz")).toMatchObject({ status: 503, body: { healthy: false, state: "stale" } });
      await setSource("failed", null);
      expect(await read("/healthz")).toMatchObject({ status: 503, body: { state: "stale" } });
    });

    test("stuck: a partner waits for its score for more than ten minutes, although the sources are fresh", async () => {
      await setSource("complete", now);
      await addPartners(db, [{ name: "One" }, { name: "Two" }]);
      await db.execute(sql`insert into pending_partners values (1, ${ago(600_000)}, 'test', null)`);
      expect(await read("/healthz")).toMatchObject({ status: 200, body: { state: "fresh" } });
      await db.execute(sql`insert into pending_partners values (2, ${ago(600_001)}, 'test', null)`);
      expect(await read("/healthz")).toMatchObject({
        status: 503,
        body: { state: "stuck", oldestPendingSince: ago(600_001).toISOString() },
      });
    });

    test("says that the database cannot be reached, and is not cached", async () => {
      const other = await openTestDatabase();
      const orphan = await serve({ db: other.db });
      await other.close();
      expect(await read("/healthz", orphan.port)).toMatchObject({
        status: 503,
        body: { healthy: false, state: "database-unreachable", database: "unreachable" },
      });
      expect((await ask("/healthz", {}, orphan.port)).headers.get("cache-control")).toBe("no-store");
    });
  });

  describe("the server", () => {
    test("finishes what is under way before it closes, and takes nothing more", async () => {
      await addPartners(db, [{ name: "One" }]);
      let finish = (): void => undefined;
      let begun = (): void => undefined;
      const underWay = new Promise<void>((resolve) => (begun = resolve));
      const slow = await serve({
        programme: async () => {
          begun();
          await new Promise<void>((resolve) => (finish = resolve));
          return programme;
        },
      });
      const answer = ask("/api/partners/partner-1", {}, slow.port);
      await underWay;
      const closed = slow.close();
      await expect(ask("/healthz", {}, slow.port)).rejects.toThrow();
      finish();
      expect((await answer).status).toBe(200);
      await closed;
    });

    test("says how to choose another port when this one is taken", async () => {
      const standings = openStandings({ db, prefix: "any" });
      const app = createApp({
        db,
        standings,
        programme: () => Promise.resolve(programme),
        programmes: openProgrammeVersions(),
        sources: [],
        now: () => new Date(),
      });
      await expect(openWeb(app, { port: web.port, host: "127.0.0.1" })).rejects.toThrow(
        `Cannot listen on 127.0.0.1:${web.port}: another process listens there. Choose with STANDINGS_HOST and STANDINGS_PORT.`,
      );
    });
  });
});
