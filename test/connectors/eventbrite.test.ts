// Eventbrite in the shape its documentation shows (https://www.eventbrite.com/platform/api#/reference/event).
import { afterEach, describe, expect, test } from "vitest";
import { json, send } from "../../src/conformance/server.ts";
import { findConnector } from "../../src/connectors/catalogue.ts";
import { type Fetcher, openFetcher } from "../../src/connectors/client/fetcher.ts";
import { parseSources } from "../../src/ingest/sources.ts";
import { conforms, factsOf, inputOf, limits, pagesOf } from "./conformance.ts";
import { openSystem, partOf } from "./system.ts";

const TOKEN = "PRIVATETOKEN0123456789";
const ORGANIZATION = "1234567890";
const PAGE = 50;

const event = (n: number) => ({
  id: String(987654300000 + n),
  name: { text: `Webinar ${n + 1}`, html: `<p>Webinar ${n + 1}</p>` },
  url: `https://www.eventbrite.com/e/webinar-${n + 1}-tickets`,
  // The local time has no offset: only "utc" says when it is.
  start: {
    timezone: "Europe/Amsterdam",
    local: `2026-06-${String((n % 28) + 1).padStart(2, "0")}T10:00:00`,
    utc: `2026-06-${String((n % 28) + 1).padStart(2, "0")}T08:00:00Z`,
  },
  end: { timezone: "Europe/Amsterdam", local: "2026-07-01T12:00:00", utc: "2026-07-01T10:00:00Z" },
  organization_id: ORGANIZATION,
  organizer_id: `organizer-${n % 3}` as string | null,
  created: new Date(Date.UTC(2026, 0, 1, n)).toISOString(),
  changed: new Date(Date.UTC(2026, 0, 2, n)).toISOString(),
  status: "completed",
  currency: "EUR",
  online_event: true,
  listed: n % 2 === 0,
  shareable: true,
  is_series: false,
  is_series_parent: false,
  venue_id: null,
  format_id: "2",
  capacity: 100,
});
type Event = ReturnType<typeof event>;

const eventbrite = findConnector("eventbrite")!;

/** Every page has a token, the last one too: whether there is more is said elsewhere. */
const paginationOf = (page: { total: number; from: number; next: number | undefined }) => ({
  object_count: page.total,
  page_number: page.from / PAGE + 1,
  page_size: PAGE,
  page_count: Math.max(1, Math.ceil(page.total / PAGE)),
  continuation: Buffer.from(`place:${page.next ?? page.total}`).toString("base64url"),
  has_more_items: page.next !== undefined,
});

const placeOf = (continuation: string | null) =>
  continuation === null ? 0 : Number(Buffer.from(continuation, "base64url").toString().replace("place:", ""));

const open = (settings: Record<string, unknown> = {}, count = 120) =>
  openSystem<Event>({
    rows: Array.from({ length: count }, (_, n) => event(n)),
    routes: {
      "GET /v3/users/me/organizations/": () =>
        json({
          organizations: [
            { id: ORGANIZATION, name: "Acme Events", vertical: "default", _type: "organization" },
          ],
          pagination: paginationOf({ total: 1, from: 0, next: undefined }),
        }),
      "GET /v3/organizations/:id/events/": ({ query }, holding) => {
        const from = placeOf(query.get("continuation"));
        const { rows: events, total, next } = partOf(holding, { from, size: PAGE, another: event });
        return json({ events, pagination: paginationOf({ total, from, next }) });
      },
    },
    allows: ({ headers }) => headers["authorization"] === `Bearer ${TOKEN}`,
    settings: (url) => ({ url: `${url}/v3`, namespace: "organizer", ...settings }),
    secret: TOKEN,
    written: (n, changedAt) => ({ ...event(n), start: { ...event(n).start, utc: changedAt.toISOString() } }),
    isMeant: ({ id }, externalId) => externalId === `events/${id}`,
  });

describe("eventbrite", () => {
  conforms("eventbrite", eventbrite, open);
});

describe("eventbrite, an event", () => {
  let bench: Awaited<ReturnType<typeof open>>;
  let fetcher: Fetcher;

  async function start(settings: Record<string, unknown> = {}, count = 5) {
    bench = await open(settings, count);
    fetcher = openFetcher({ allowPrivate: [bench.server.host], userAgent: "standings-test", limits });
  }

  const input = () => inputOf(eventbrite, bench, fetcher.fetchFor(new AbortController().signal));

  afterEach(async () => {
    await fetcher.close();
    await bench.server.close();
  });

  test("is evidence for its organizer, when it begins, in whatever zone that is", async () => {
    await start();
    const [first] = factsOf(await pagesOf(eventbrite.pull(input())));
    expect(first).toEqual({
      externalId: "events/987654300000",
      kind: "event",
      occurredAt: new Date("2026-06-01T08:00:00Z"),
      quantity: 1,
      identity: { namespace: "organizer", key: "organizer-0" },
      attributes: { online: "true", listed: "true", format: "2" },
      title: "Webinar 1",
      link: "https://www.eventbrite.com/e/webinar-1-tickets",
    });
  });

  test("may be its organization's, whoever the organizer is", async () => {
    await start({ attribution: "organization", namespace: "eventbrite" });
    bench.holding.rows[0]!.organizer_id = null;
    const facts = factsOf(await pagesOf(eventbrite.pull(input())));
    expect(facts.map(({ identity }) => identity)).toEqual(
      Array.from({ length: 5 }, () => ({ namespace: "eventbrite", key: ORGANIZATION })),
    );
  });

  test("that is a draft, canceled, deleted or the whole of a series is none; one to come is", async () => {
    await start();
    const [first, second, third, fourth, fifth] = bench.holding.rows;
    first!.status = "draft";
    second!.status = "canceled";
    third!.status = "deleted";
    fourth!.is_series_parent = true;
    fifth!.status = "live";
    const facts = factsOf(await pagesOf(eventbrite.pull(input())));
    expect(facts.map(({ title }) => title)).toEqual(["Webinar 5"]);
  });

  test("is listed to the page that says so, although that has a token too", async () => {
    await start({}, 100);
    const pages = await pagesOf(eventbrite.pull(input()));
    expect(factsOf(pages)).toHaveLength(100);
    expect(bench.server.asked.filter(({ path }) => path.endsWith("/events/"))).toHaveLength(2);
  });

  test("is asked for from the beginning when the token of a page is refused, once", async () => {
    await start({}, 120);
    const refuse = () => {
      bench.server.breakFrom(3, (response, { query }, proceed) => {
        const isOld = query.get("continuation") !== null;
        const body = JSON.stringify({
          status_code: 400,
          error: "BAD_CONTINUATION_TOKEN",
          error_description: "Invalid continuation token passed.",
        });
        if (isOld) send(response, { status: 400, body });
        else send(response, proceed());
        if (query.get("continuation") === null) bench.server.mend();
      });
    };
    refuse();
    expect(factsOf(await pagesOf(eventbrite.pull(input())))).toHaveLength(120);
    bench.server.breakFrom(3, (response, { query }, proceed) => {
      if (query.get("continuation") === null) send(response, proceed());
      else send(response, { status: 400, body: JSON.stringify({ error: "BAD_CONTINUATION_TOKEN" }) });
    });
    await expect(pagesOf(eventbrite.pull(input()))).rejects.toMatchObject({ class: "transient" });
  });

  test("cannot be asked for with a token that is refused as a bad request", async () => {
    await start();
    bench.server.breakFrom(1, (response) => {
      send(response, {
        status: 400,
        headers: { "content-type": "application/json" },
        body: JSON.stringify({ status_code: 400, error: "INVALID_AUTH", error_description: `No ${TOKEN}` }),
      });
    });
    await expect(pagesOf(eventbrite.pull(input()))).rejects.toMatchObject({
      class: "auth",
      message: expect.stringMatching(/answered 400: No \*\*\*$/) as string,
    });
  });

  test("is asked for within the hour's requests", async () => {
    await start();
    const yaml =
      "sources: { a: { connector: eventbrite, every: 1 hour, settings: { namespace: organizer } } }";
    expect(parseSources(yaml, "s.yaml").sources[0]?.budget).toMatchObject({
      requests: 1800,
      perMs: 3_600_000,
    });
  });
});
