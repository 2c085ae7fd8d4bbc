// HubSpot in the shape its documentation shows (https://developers.hubspot.com/docs/api-reference/latest/crm/objects/companies/guide).
import { afterEach, beforeEach, describe, expect, test } from "vitest";
import { type Asked, HTML, json, send } from "../../src/conformance/server.ts";
import { findConnector } from "../../src/connectors/catalogue.ts";
import { type Fetcher, openFetcher } from "../../src/connectors/client/fetcher.ts";
import { conforms, factsOf, inputOf, limits, pagesOf } from "./conformance.ts";
import { type Holding, openSystem } from "./system.ts";

const KEY = "pat-eu1-01234567-89ab-cdef-0123-456789abcdef";
const COMPANIES = "/crm/objects/2026-09/companies";
const CAP = 10_000;

const company = (n: number) => ({
  id: String(8_500_000_000 + n),
  properties: {
    createdate: new Date(Date.UTC(2026, 3, 1, n)).toISOString(),
    hs_lastmodifieddate: new Date(Date.UTC(2026, 4, 1, n)).toISOString(),
    hs_object_id: String(8_500_000_000 + n),
    name: `Client ${n + 1}`,
    lifecyclestage: n % 2 === 0 ? "customer" : "lead",
    referring_partner: `acme-${n % 3}` as string | null,
  },
  createdAt: new Date(Date.UTC(2026, 3, 1, n)).toISOString(),
  updatedAt: new Date(Date.UTC(2026, 4, 1, n)).toISOString(),
  archived: false,
  url: `https://app-eu1.hubspot.com/contacts/1/record/0-2/${8_500_000_000 + n}`,
});
type Company = ReturnType<typeof company>;

/** What is searched by is written twice. */
function changedCompany(n: number, changedAt: Date): Company {
  const at = changedAt.toISOString();
  const before = company(n);
  return { ...before, updatedAt: at, properties: { ...before.properties, hs_lastmodifieddate: at } };
}

interface Search {
  filterGroups: { filters: { propertyName: string; operator: string; value: string }[] }[];
  sorts: string[];
  properties: string[];
  limit: number;
  after: string;
}

const refused = (status: number, message: string) => ({
  ...json({ status: "error", message, correlationId: "0", category: "VALIDATION_ERROR" }),
  status,
});

function listed({ query }: Asked, { rows, overstatedBy, isEndless, isShort }: Holding<Company>) {
  const after = query.get("after") ?? "";
  const size = Math.min(Number(query.get("limit") ?? 10), isShort === true ? 40 : 100);
  const place = isEndless ? 0 : rows.filter(({ id }) => id <= after).length;
  const results = rows.slice(place, place + size);
  const hasMore = place + size < rows.length || overstatedBy > 0;
  const next = { after: results.at(-1)?.id ?? after, link: "https://api.hubapi.com/" };
  return json({ results, ...(hasMore && { paging: { next } }) });
}

/** The place of a search is an offset, as the real one has it. */
function searched({ body }: Asked, { rows }: Holding<Company>) {
  const search = JSON.parse(body) as Search;
  if (search.sorts[0] !== "hs_object_id") return refused(400, "unknown sort");
  const [since = 0, until = 0] = search.filterGroups[0]!.filters.map(({ value }) => Number(value));
  const found = rows.filter(
    (row) => Date.parse(row.updatedAt) >= since && Date.parse(row.updatedAt) <= until,
  );
  const from = Number(search.after);
  if (from + search.limit > CAP) return refused(400, "paging past 10000 results is not allowed");
  const results = found.slice(from, from + Math.min(search.limit, 200));
  const end = from + results.length;
  return json({
    total: found.length,
    results,
    ...(end < found.length && { paging: { next: { after: String(end) } } }),
  });
}

const hubspot = findConnector("hubspot")!;
const open = (count = 250) =>
  openSystem<Company>({
    rows: Array.from({ length: count }, (_, n) => company(n)),
    routes: { [`GET ${COMPANIES}`]: listed, [`POST ${COMPANIES}/search`]: searched },
    allows: ({ headers }) => headers["authorization"] === `Bearer ${KEY}`,
    settings: (url) => ({ url, property: "referring_partner", namespace: "partner-code" }),
    secret: KEY,
    written: changedCompany,
    cannot: ["understate"],
    isMeant: ({ id }, externalId) => externalId === `companies/${id}`,
  });

describe("hubspot", () => {
  conforms("hubspot", hubspot, open);
});

describe("hubspot, a company", () => {
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

  const pull = async (changes = {}) =>
    pagesOf(hubspot.pull(inputOf(hubspot, bench, fetcher.fetchFor(new AbortController().signal), changes)));
  const cursorOf = async () => JSON.parse(JSON.stringify((await pull()).at(-1)!.cursor)) as unknown;

  test("is a client of the partner its property names, with its stage; others are none", async () => {
    bench.holding.rows[1]!.properties.referring_partner = null;
    bench.holding.rows[2]!.properties.referring_partner = "";
    bench.holding.rows[3]!.archived = true;
    const [first, ...others] = factsOf(await pull());
    expect(first).toEqual({
      externalId: "companies/8500000000",
      kind: "client",
      occurredAt: new Date("2026-04-01T00:00:00Z"),
      quantity: 1,
      attributes: { stage: "customer" },
      title: "Client 1",
      link: "https://app-eu1.hubspot.com/contacts/1/record/0-2/8500000000",
      identity: { namespace: "partner-code", key: "acme-0" },
    });
    expect(others).toHaveLength(2);
    expect(bench.server.asked[0]?.query.get("properties")).toBe("name,lifecyclestage,referring_partner");
  });

  test("that has changed is searched for, with all that HubSpot requires", async () => {
    const cursor = await cursorOf();
    bench.holding.rows[4]!.properties.lifecyclestage = "customer";
    bench.holding.rows[1]!.updatedAt = "2026-10-28T11:59:00.000Z";
    const asked = bench.server.asked.length;
    const facts = factsOf(await pull({ full: false, cursor }));
    expect(facts.map(({ externalId }) => externalId)).toEqual(
      [1, 4, 5].map((n) => `companies/${company(n).id}`),
    );
    expect(bench.server.asked[asked]).toMatchObject({ method: "POST", path: `${COMPANIES}/search` });
    const since = Date.UTC(2026, 4, 1, 4);
    expect(JSON.parse(bench.server.asked[asked]!.body)).toEqual({
      filterGroups: [
        {
          filters: [
            { propertyName: "hs_lastmodifieddate", operator: "GTE", value: String(since) },
            {
              propertyName: "hs_lastmodifieddate",
              operator: "LTE",
              value: String(Date.UTC(2026, 9, 29, 12)),
            },
          ],
        },
      ],
      sorts: ["hs_object_id"],
      properties: ["name", "lifecyclestage", "referring_partner"],
      limit: 200,
      after: "0",
    });
  });

  test("is not lost where more have changed than a search gives", async () => {
    const cursor = await cursorOf();
    bench.holding.rows = Array.from({ length: CAP + 500 }, (_, n) => ({
      ...company(n),
      updatedAt: new Date(Date.UTC(2026, 9, 1) + n * 60_000).toISOString(),
    }));
    expect(factsOf(await pull({ full: false, cursor }))).toHaveLength(CAP + 500);
  });

  test("may be one of more than a search gives, for the complete listing is none", async () => {
    bench.holding.rows = Array.from({ length: CAP + 1 }, (_, n) => company(n));
    expect(factsOf(await pull())).toHaveLength(CAP + 1);
  });

  test.each([
    [
      "the day's requests",
      { status: 429, ...json({ errorType: "RATE_LIMIT", policyName: "DAILY", message: "daily limit" }) },
      { class: "quota", retryAfterMs: 3_600_000 },
    ],
    [
      "a moment's requests",
      { status: 429, ...json({ errorType: "RATE_LIMIT", policyName: "SECONDLY", message: "slow down" }) },
      { class: "quota", retryAfterMs: undefined },
    ],
    [
      "a token that is none",
      { status: 530, headers: { "content-type": "text/html" }, body: HTML },
      { class: "auth" },
    ],
    [
      "a move to another data centre",
      { status: 477, ...json({ message: "migration in progress" }, { "retry-after": "7200" }) },
      { class: "transient", retryAfterMs: 7_200_000 },
    ],
    ["a scope that is missing", { status: 403, ...json({ category: "MISSING_SCOPES" }) }, { class: "auth" }],
  ])("is not told because of %s, which is said as what it is", async (_, answer, error) => {
    bench.server.breakFrom(1, (response) => {
      send(response, answer);
    });
    await expect(pull()).rejects.toMatchObject(error);
  });
});
