// Brevo in the shape its documentation shows (https://developers.brevo.com/reference/get-email-campaigns).
import { afterEach, beforeEach, describe, expect, test } from "vitest";
import { json, send } from "../../src/conformance/server.ts";
import { findConnector } from "../../src/connectors/catalogue.ts";
import { type Fetcher, openFetcher } from "../../src/connectors/client/fetcher.ts";
import { parseSources } from "../../src/ingest/sources.ts";
import { conforms, factsOf, inputOf, limits, pagesOf } from "./conformance.ts";
import { openSystem, partOf } from "./system.ts";

const KEY = "xkeysib-0123456789abcdef";

const campaign = (n: number) => ({
  id: n + 1,
  name: `Campaign ${n + 1}`,
  subject: `Autumn ${n + 1}`,
  type: n % 7 === 6 ? "trigger" : "classic",
  status: "sent",
  testSent: false,
  header: "[DEFAULT_HEADER]",
  sender: { name: "Acme", email: "news@acme.example", id: 43 },
  replyTo: "news@acme.example",
  createdAt: new Date(Date.UTC(2026, 5, 1 + n, 8)).toISOString(),
  modifiedAt: new Date(Date.UTC(2026, 5, 2 + n, 8)).toISOString(),
  scheduledAt: new Date(Date.UTC(2026, 5, 2 + n, 9)).toISOString(),
  sentDate: new Date(Date.UTC(2026, 5, 2 + n, 9, 5)).toISOString(),
  recipients: { lists: [11], exclusionLists: [] },
  statistics: {
    globalStats: { sent: 100 * (n + 1), delivered: 100 * (n + 1) - 3, hardBounces: 1, softBounces: 2 },
    campaignStats: [{ listId: 11, sent: 100 * (n + 1), delivered: 100 * (n + 1) - 3 }],
  },
});
type Campaign = ReturnType<typeof campaign>;

const brevo = findConnector("brevo")!;
const open = (count = 250) =>
  openSystem<Campaign>({
    rows: Array.from({ length: count }, (_, n) => campaign(n)),
    routes: {
      "GET /v3/account": () =>
        json({ organization_id: "1", email: "anna@acme.example", companyName: "Acme" }),
      "GET /v3/emailCampaigns": ({ query }, holding) => {
        // Both or neither, as the real one has it.
        const [start, end] = [query.get("startDate"), query.get("endDate")];
        if ((start === null) !== (end === null))
          return { ...json({ code: "invalid_parameter" }), status: 400 };
        const rows = holding.rows.filter(
          ({ sentDate }) => start === null || end === null || (sentDate >= start && sentDate <= end),
        );
        const from = Number(query.get("offset") ?? 0);
        const size = Math.min(Number(query.get("limit") ?? 50), 100);
        const { rows: campaigns, total } = partOf(holding, { from, size, another: campaign, rows });
        return json({ count: total, campaigns });
      },
    },
    allows: ({ headers }) => headers["api-key"] === KEY,
    settings: (url) => ({ url: `${url}/v3` }),
    secret: KEY,
    key: "acme",
    written: (n, changedAt) => ({ ...campaign(n * 7), sentDate: changedAt.toISOString() }),
    isMeant: ({ id }, externalId) => externalId === `acme/campaigns/${id}`,
  });

describe("brevo", () => {
  conforms("brevo", brevo, open);
});

describe("brevo, a campaign", () => {
  let bench: Awaited<ReturnType<typeof open>>;
  let fetcher: Fetcher;

  beforeEach(async () => {
    bench = await open(8);
    fetcher = openFetcher({ allowPrivate: [bench.server.host], userAgent: "standings-test", limits });
  });

  afterEach(async () => {
    await fetcher.close();
    await bench.server.close();
  });

  const input = () => inputOf(brevo, bench, fetcher.fetchFor(new AbortController().signal));

  test("is a newsletter of its account, with the number of e-mails; one sent by automation is none", async () => {
    const facts = factsOf(await pagesOf(brevo.pull(input())));
    expect(facts).toHaveLength(7);
    expect(facts[0]).toEqual({
      externalId: "acme/campaigns/1",
      kind: "newsletter",
      occurredAt: new Date("2026-06-02T09:05:00Z"),
      quantity: 100,
      title: "Autumn 1",
    });
  });

  test("whose figures are gone after six months is no evidence, and absent neither", async () => {
    bench.holding.rows[0]!.statistics.globalStats.sent = 0;
    expect(factsOf(await pagesOf(brevo.pull(input())))).toHaveLength(6);
    expect(brevo.canList?.({})).toBe(false);
  });

  test("is asked for within the hour's requests, unless sources.yaml says otherwise", () => {
    const budgetOf = (more: string) =>
      parseSources(`sources: { a: { connector: brevo, every: 1 hour${more} } }`, "s.yaml").sources[0]?.budget;
    expect(budgetOf("")).toEqual({ requests: 90, perMs: 3_600_000, atOnce: undefined });
    expect(budgetOf(", budget: { requests: 5, per: 1 minute, at-once: 1 }")).toMatchObject({
      requests: 5,
      atOnce: 1,
    });
  });

  test("beyond the hour's requests waits as long as the header says", async () => {
    bench.server.breakFrom(1, (response) => {
      send(response, {
        status: 429,
        headers: { "x-sib-ratelimit-reset": "1820", "content-type": "application/json" },
        body: JSON.stringify({ code: "too_many_requests", message: `Slow down, ${KEY}` }),
      });
    });
    await expect(pagesOf(brevo.pull(input()))).rejects.toMatchObject({
      class: "quota",
      retryAfterMs: 1_820_000,
      message: expect.stringMatching(/answered 429: Slow down, \*\*\*$/) as string,
    });
  });
});
