// Mailchimp in the shape its documentation shows (https://mailchimp.com/developer/marketing/api/campaigns/list-campaigns/).
import { afterEach, beforeEach, describe, expect, test } from "vitest";
import { HTML, json, send } from "../../src/conformance/server.ts";
import { findConnector } from "../../src/connectors/catalogue.ts";
import { type Fetch, type Fetcher, openFetcher } from "../../src/connectors/client/fetcher.ts";
import type { Json, PullInput } from "../../src/connectors/connector.ts";
import { conforms, factsOf, inputOf, limits, pagesOf } from "./conformance.ts";
import { openSystem, partOf } from "./system.ts";

const KEY = "0123456789abcdef0123456789abcdef-us19";
const BASIC = Buffer.from(`standings:${KEY}`).toString("base64");

const campaign = (n: number) => ({
  id: (0x42694e9e57 + n).toString(16),
  web_id: 5000 + n,
  type: "regular",
  create_time: new Date(Date.UTC(2026, 0, 1, n)).toISOString().replace(/\.000Z$/, "+00:00"),
  send_time: new Date(Date.UTC(2026, 0, 2, n)).toISOString().replace(/\.000Z$/, "+00:00"),
  long_archive_url: `https://mailchi.mp/0a1b2c/campaign-${n + 1}`,
  status: "sent",
  emails_sent: 100 + n,
  content_type: "template",
  recipients: { list_id: "57afe96172", list_name: "Customers", segment_text: "", recipient_count: 100 + n },
  settings: { subject_line: `Autumn ${n + 1}`, title: `Campaign ${n + 1}`, reply_to: "anna@acme.example" },
  delivery_status: { enabled: false },
});
type Campaign = ReturnType<typeof campaign> & { parent_campaign_id?: string };

const mailchimp = findConnector("mailchimp")!;
const open = (count = 250) =>
  openSystem<Campaign>({
    rows: Array.from({ length: count }, (_, n) => campaign(n)),
    routes: {
      "GET /3.0/": () => json({ account_name: "Acme" }),
      "GET /3.0/campaigns": ({ query }, holding) => {
        const since = Date.parse(query.get("since_send_time") ?? "");
        const rows = holding.rows.filter(
          (row) =>
            row.status === query.get("status") && (Number.isNaN(since) || Date.parse(row.send_time) > since),
        );
        const from = Number(query.get("offset") ?? 0);
        const size = Math.min(Number(query.get("count") ?? 10), 1000);
        const { rows: campaigns, total } = partOf(holding, { from, size, another: campaign, rows });
        return json({ campaigns, total_items: total });
      },
    },
    allows: ({ headers }) => headers["authorization"] === `Basic ${BASIC}`,
    settings: (url) => ({ url: `${url}/3.0` }),
    secret: KEY,
    secrets: [BASIC],
    key: "acme",
    written: (n, changedAt) => ({
      ...campaign(n),
      send_time: changedAt.toISOString().replace(/\.\d+Z$/, "+00:00"),
    }),
    isMeant: ({ id }, externalId) => externalId === `acme/campaigns/${id}`,
  });

describe("mailchimp", () => {
  conforms("mailchimp", mailchimp, open);
});

describe("mailchimp, a campaign", () => {
  let bench: Awaited<ReturnType<typeof open>>;
  let fetcher: Fetcher;

  beforeEach(async () => {
    bench = await open(6);
    fetcher = openFetcher({ allowPrivate: [bench.server.host], userAgent: "standings-test", limits });
  });

  afterEach(async () => {
    await fetcher.close();
    await bench.server.close();
  });

  const input = (changes: Partial<PullInput<unknown>> = {}) =>
    inputOf(mailchimp, bench, fetcher.fetchFor(new AbortController().signal), changes);

  test("is a newsletter of its account, with the number of e-mails and nothing of who got them", async () => {
    const [first] = factsOf(await pagesOf(mailchimp.pull(input())));
    expect(first).toEqual({
      externalId: "acme/campaigns/42694e9e57",
      kind: "newsletter",
      occurredAt: new Date("2026-01-02T00:00:00Z"),
      quantity: 100,
      title: "Autumn 1",
      link: "https://mailchi.mp/0a1b2c/campaign-1",
    });
    expect(bench.server.asked[0]?.query.get("fields")).not.toMatch(/recipients|reply_to|list/);
  });

  test("is asked for at the data centre its key names, and a key that names none is refused without it", async () => {
    const hosts: string[] = [];
    const fetch: Fetch = ({ url }) => {
      hosts.push(new URL(url).host);
      return Promise.reject(new Error("no test asks Mailchimp itself"));
    };
    const settings = mailchimp.settings.parse({});
    await expect(pagesOf(mailchimp.pull(input({ settings, fetch })))).rejects.toThrow("no test asks");
    expect(hosts).toEqual(["us19.api.mailchimp.com"]);
    const connection = { key: "acme", secret: "0123456789abcdef", attributes: {} };
    await expect(pagesOf(mailchimp.pull(input({ settings, fetch, connection })))).rejects.toMatchObject({
      class: "auth",
      message:
        "the secret of connection acme has no data-center: mailchimp expects a text that holds, in this order, key, data-center",
    });
  });

  test("that is a part of another one, an automation, or not sent yet is none", async () => {
    const [draft, part, issue, feed, automation] = bench.holding.rows;
    draft!.status = "schedule";
    part!.parent_campaign_id = "42694e9e5c";
    Object.assign(issue!, { type: "rss", parent_campaign_id: feed!.id });
    feed!.type = "rss";
    automation!.type = "automation-email";
    const facts = factsOf(await pagesOf(mailchimp.pull(input())));
    expect(facts.map(({ title }) => title)).toEqual(["Autumn 3", "Autumn 6"]);
  });

  test("is asked for again while it may count up, in the format Mailchimp wants", async () => {
    const [page] = await pagesOf(mailchimp.pull(input()));
    const cursor = JSON.parse(JSON.stringify(page!.cursor)) as Json;
    bench.holding.rows.at(-1)!.emails_sent = 4711;
    const changed = factsOf(await pagesOf(mailchimp.pull(input({ full: false, cursor }))));
    expect(bench.server.asked.at(-1)?.query.get("since_send_time")).toBe("2025-12-30T05:00:00Z");
    expect(changed.at(-1)?.quantity).toBe(4711);
  });

  test.each([
    ["a page of a proxy", { headers: { "content-type": "text/html" }, body: HTML }],
    ["nothing at all", { body: "" }],
  ])("refused with 403 and %s is asked for too often; only the API refuses a key", async (_, answer) => {
    bench.server.breakFrom(1, (response) => {
      send(response, { status: 403, ...answer });
    });
    await expect(pagesOf(mailchimp.pull(input()))).rejects.toMatchObject({
      class: "quota",
      retryAfterMs: 300_000,
    });
    const problem = {
      title: "Forbidden",
      status: 403,
      detail: `The API key ${KEY} is not allowed`,
      instance: "",
    };
    bench.server.breakFrom(1, (response) => {
      const body = JSON.stringify(problem);
      send(response, { status: 403, headers: { "content-type": "application/problem+json" }, body });
    });
    await expect(pagesOf(mailchimp.pull(input()))).rejects.toMatchObject({
      class: "auth",
      message: expect.stringMatching(/answered 403: The API key \*\*\* is not allowed$/) as string,
    });
  });
});
