// What lies ahead of a partner, as other systems read it: quick wins, the forecast, and the forecast in a calendar.
import { sql } from "drizzle-orm";
import { Hono } from "hono";
import { sync as ical, type VEvent } from "node-ical";
import { afterAll, beforeAll, describe, expect, test } from "vitest";
import type { Database } from "../../db/client.ts";
import { openProgrammeVersions } from "../../src/programme/versions.ts";
import { openStandings } from "../../src/standings/reading.ts";
import { aheadHandlers } from "../../src/web/api/ahead.ts";
import { createApp } from "../../src/web/app.ts";
import { type OpenWeb, openWeb } from "../../src/web/server.ts";
import { openTestDatabase, type TestDatabase } from "../database.ts";
import { addConnection, addPartners, fact, list } from "../evidence/collecting.ts";
import { drain, programmeText, publish } from "../scoring/programmes.ts";

const now = new Date("2026-06-15T12:00:00Z");
const day = 86_400_000;
const ago = (days: number) => new Date(now.getTime() - days * day);

let database: TestDatabase;
let db: Database;
let web: OpenWeb;

beforeAll(async () => {
  database = await openTestDatabase();
  db = database.db;
  const programmes = openProgrammeVersions();
  const [first, second] = await addPartners(db, 4);
  await publish(
    db,
    programmeText({
      articles: { evidence: "article", window: { last: "90 days" }, award: { each: 5, cap: 15 } },
      certified: { evidence: "certificate", window: "in-force", award: { points: 10, "at-least": 1 } },
      monthly: { evidence: "visit", window: { previous: "month" }, award: { points: 7, "at-least": 1 } },
    }),
    ago(300),
  );
  const connection = await addConnection(db, { source: "crm", partnerId: first! });
  const title =
    "Über uns: „Ein sehr langer Titel, der in einer Zeile eines Kalenders keinen Platz hat“, mit Komma; und mehr";
  await list(
    db,
    connection,
    [
      fact("a", { occurredAt: ago(80), title, link: "https://partner.example/article" }),
      fact("b", {
        kind: "certificate",
        title: "Vera Brandt",
        occurredAt: ago(400),
        endedAt: new Date("2026-07-01T15:30:00Z"),
      }),
      fact("c", { kind: "visit", occurredAt: ago(30) }),
    ],
    now,
  );
  await list(
    db,
    await addConnection(db, { source: "two", partnerId: second! }),
    [fact("d", { kind: "certificate" })],
    now,
  );
  await db.execute(sql`update partners set listed = false where slug = 'partner-3'`);
  await db.execute(
    sql`update partners set status = 'merged', merged_into = ${first} where slug = 'partner-4'`,
  );
  await drain(db, programmes, now);
  const standings = openStandings({ db, prefix: "any" });
  const programme = () => Promise.resolve(undefined);
  web = await openWeb(createApp({ db, standings, programme, programmes, sources: [], now: () => now }), {
    port: 0,
    host: "127.0.0.1",
  });
});
afterAll(async () => {
  await web.close();
  await database.close();
});

const ask = async (path: string, headers: Record<string, string> = {}) =>
  await fetch(`http://127.0.0.1:${web.port}/api/partners/${path}`, { redirect: "manual", headers });
const eventsOf = (text: string) =>
  Object.values(ical.parseICS(text)).filter((one): one is VEvent => one?.type === "VEVENT");

describe("GET /api/partners/:slug/quick-wins", () => {
  test("gives the steps, the rank they lead to and what to add, most points per effort first", async () => {
    const response = await ask("partner-2/quick-wins");
    const body = (await response.json()) as { wins: unknown[]; obstacles: unknown[] };
    expect(body.wins).toMatchObject([
      {
        achievement: "monthly",
        points: 7,
        total: 17,
        rank: 2,
        countsFrom: "2026-06-30T22:00:00.000Z",
        evidence: [{ kind: "visit", pieces: 1, notBefore: null }],
      },
      { achievement: "articles", points: 5, total: 15, rank: 2, countsFrom: null },
    ]);
    expect(body.obstacles).toEqual([]);
  });
});

describe("GET /api/partners/:slug/forecast", () => {
  // The article is from the winter: ninety days later, at the same local time, it is summer.
  test("gives what is lost, when, why, and the total that is left", async () => {
    const body = (await (await ask("partner-1/forecast")).json()) as Record<string, unknown>;
    expect(body).toMatchObject({
      partner: { slug: "partner-1" },
      days: 90,
      total: 22,
      timeZone: "Europe/Amsterdam",
    });
    expect(body["changes"]).toMatchObject([
      { at: "2026-06-25T11:00:00.000Z", achievement: "articles", points: -5, total: 17, because: "left" },
      { at: "2026-06-30T22:00:00.000Z", achievement: "monthly", points: -7, total: 10, because: "left" },
      { at: "2026-07-01T15:30:00.000Z", achievement: "certified", points: -10, total: 0, because: "ended" },
    ]);
  });
});

describe("what everybody may see of the evidence ahead", () => {
  test("is its title where it has a page of its own, and never what another system calls it", async () => {
    const body = (await (await ask("partner-1/forecast")).json()) as {
      changes: { evidence: Record<string, unknown>[] }[];
    };
    const [article, , certificate] = body.changes.map(({ evidence }) => evidence[0]!);
    expect(article).toMatchObject({ kind: "article", link: "https://partner.example/article" });
    expect(article!["title"]).toContain("Ein sehr langer Titel");
    expect(certificate).toMatchObject({ kind: "certificate", title: null, link: null });
    for (const one of [article, certificate])
      expect(Object.keys(one!).sort()).toEqual(["endedAt", "kind", "link", "occurredAt", "title"]);
    const calendar = await (await ask("partner-1/forecast.ics")).text();
    expect(calendar).not.toContain("Vera Brandt");
    expect(calendar).toContain("certificate (");
  });

  test("ends when it takes too long, and says what to ask instead", async () => {
    const handlers = aheadHandlers({ db, programmes: openProgrammeVersions(), now: () => now, mostMs: 0 });
    const app = new Hono()
      .get("/:slug/forecast", handlers.forecast)
      .get("/:slug/forecast.ics", handlers["forecast.ics"]);
    for (const path of ["/partner-1/forecast", "/partner-1/forecast.ics"])
      expect(await (await app.request(path)).json()).toMatchObject({ error: { code: "too-long" } });
  });

  test("reaches as many days ahead as asked for", async () => {
    const body = (await (await ask("partner-1/forecast?days=12")).json()) as Record<string, unknown>;
    expect(body).toMatchObject({ days: 12, changes: [{ achievement: "articles" }] });
    for (const days of ["0", "91", "many", "1&days=2"])
      expect((await ask(`partner-1/forecast?days=${days}`)).status).toBe(400);
  });
});

describe("GET /api/partners/:slug/forecast.ics", () => {
  test("is a calendar that others can read: a day where a month ends, an instant where a certificate does", async () => {
    const response = await ask("partner-1/forecast.ics");
    expect(response.headers.get("content-type")).toBe("text/calendar; charset=utf-8");
    const text = await response.text();
    const [left, month, certificate] = eventsOf(text);
    expect(left).toMatchObject({ summary: "5 points lost: articles", datetype: "date-time" });
    expect(left!.start.toISOString()).toBe("2026-06-25T11:00:00.000Z");
    expect(left!.description).toContain(
      "Ein sehr langer Titel, der in einer Zeile eines Kalenders keinen Platz hat“, mit Komma; und mehr",
    );
    expect(month).toMatchObject({ summary: "7 points lost: monthly", datetype: "date" });
    expect([month!.start.getFullYear(), month!.start.getMonth(), month!.start.getDate()]).toEqual([
      2026, 6, 1,
    ]);
    expect(certificate!.start.toISOString()).toBe("2026-07-01T15:30:00.000Z");
    expect(certificate!.uid).toBe(`partner-1/certified/${Date.parse("2026-07-01T15:30:00Z")}@standings`);
  });

  test("ends its lines in CRLF and folds them at 75 octets", async () => {
    const text = await (await ask("partner-1/forecast.ics")).text();
    expect([text.slice(0, 17), text.slice(-15)]).toEqual(["BEGIN:VCALENDAR\r\n", "END:VCALENDAR\r\n"]);
    expect(text.replaceAll("\r\n", "")).not.toMatch(/[\r\n]/);
    for (const line of text.split("\r\n")) expect(Buffer.byteLength(line)).toBeLessThanOrEqual(75);
    expect(text).toMatch(/DTSTAMP:\d{8}T\d{6}Z\r\n/);
  });

  test("is the same text until something changes, and says so to who asks again", async () => {
    const first = await ask("partner-1/forecast.ics");
    const etag = first.headers.get("etag")!;
    expect((await ask("partner-1/forecast.ics", { "If-None-Match": etag })).status).toBe(304);
  });

  test("speaks the language that is asked for", async () => {
    const text = await (await ask("partner-1/forecast.ics", { "Accept-Language": "nl" })).text();
    expect(eventsOf(text)[0]!.summary).toBe("5 punten minder: articles");
  });

  test("holds no line that somebody else's text has made", async () => {
    await db.execute(
      sql`update partners set name = ${"Second\r\nATTENDEE:mailto:a@b\rX"} where slug = 'partner-2'`,
    );
    const [row] = await db.execute<{ title: string }>(sql`
      update evidence set title = ${"Long\rATTENDEE:mailto:a@b\nX-B:c\u0007"} where external_id = 'a' returning title`);
    expect(row!.title).toContain("ATTENDEE");
    for (const slug of ["partner-1", "partner-2"]) {
      const text = await (await ask(`${slug}/forecast.ics`)).text();
      expect(text.replaceAll("\r\n", "")).not.toMatch(/\p{Cc}/u);
      expect(text).not.toMatch(/^(ATTENDEE|X-B)/m);
    }
  });

  test("without a loss it is a calendar without events", async () => {
    expect(eventsOf(await (await ask("partner-2/forecast.ics")).text())).toEqual([]);
  });
});

describe.each(["quick-wins", "forecast", "forecast.ics"])("%s", (route) => {
  test("does not say why an adjustment was made", async () => {
    const [row] = await db.execute<{ id: number }>(sql`
      insert into adjustments (partner_id, points, reason, author, created_at, until)
      select id, 3, 'Between us', 'Anna', ${ago(1)}, ${ago(-9)} from partners where slug = 'partner-2' returning id`);
    const text = await (await ask(`partner-2/${route}`)).text();
    await db.execute(sql`delete from adjustments where id = ${row!.id}`);
    expect(text).not.toContain("Between us");
    if (route !== "quick-wins") expect(text).toContain(`Adjustment ${row!.id}`);
  });

  test("of who is not in the standings is not found, and of a merged partner is elsewhere", async () => {
    for (const slug of ["partner-3", "nobody", "a%00b"])
      expect((await ask(`${slug}/${route}`)).status).toBe(404);
    const moved = await ask(`partner-4/${route}`);
    expect([moved.status, moved.headers.get("location")]).toEqual([308, `/api/partners/partner-1/${route}`]);
  });
});
