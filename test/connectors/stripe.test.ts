// Stripe in the shape its documentation shows (https://docs.stripe.com/api/customers/list).
import { afterEach, beforeEach, describe, expect, test } from "vitest";
import { json } from "../../src/conformance/server.ts";
import { findConnector } from "../../src/connectors/catalogue.ts";
import { type Fetcher, openFetcher } from "../../src/connectors/client/fetcher.ts";
import { conforms, factsOf, inputOf, limits, pagesOf } from "./conformance.ts";
import { openSystem } from "./system.ts";

const KEY = "rk_test_51AbCdEfGhIjKlMnOp";
const NEWEST = Date.UTC(2026, 9, 20, 8) / 1000;

/** The n-th newest. */
const customer = (n: number) => ({
  id: `cus_${String(n).padStart(14, "0")}`,
  object: "customer",
  address: null,
  balance: 0,
  created: NEWEST - n * 3600,
  currency: n % 2 === 0 ? "eur" : null,
  delinquent: false,
  description: null,
  email: `anna${n}@customer.example`,
  livemode: false,
  metadata: { partner: `acme-${n % 3}`, order: "6735" } as Record<string, string>,
  name: "Anna Example",
  phone: null,
});
type Customer = ReturnType<typeof customer>;

const stripe = findConnector("stripe")!;
const failed = (status: number, error: Record<string, unknown>) => ({ ...json({ error }), status });
const open = (count = 250) =>
  openSystem<Customer>({
    rows: Array.from({ length: count }, (_, n) => customer(n)),
    routes: {
      "GET /v1/customers": ({ query, headers }, { rows, overstatedBy, isEndless, isShort }) => {
        if (headers["stripe-version"] !== "2026-09-30.endive") return failed(400, { message: "no version" });
        const [after, since] = [query.get("starting_after"), Number(query.get("created[gte]") ?? 0)];
        const place = rows.findIndex(({ id }) => id === after);
        if (after !== null && place === -1) {
          const message = `No such customer: '${after}'`;
          return failed(400, { code: "resource_missing", param: "starting_after", message });
        }
        const found = rows.slice(isEndless ? 0 : place + 1).filter(({ created }) => created >= since);
        const data = found.slice(0, Math.min(Number(query.get("limit") ?? 10), isShort === true ? 40 : 100));
        const more = found.length > data.length || overstatedBy > 0;
        return json({ object: "list", url: "/v1/customers", has_more: more, data });
      },
    },
    allows: ({ headers }) => headers["authorization"] === `Bearer ${KEY}`,
    settings: (url) => ({ url: `${url}/v1`, namespace: "partner-code" }),
    secret: KEY,
    written: (n, changedAt) => ({ ...customer(n), created: Math.floor(changedAt.getTime() / 1000) }),
    newest: "first",
    cannot: ["understate"],
    isMeant: ({ id }, externalId) => externalId === `customers/${id}`,
  });

describe("stripe", () => {
  conforms("stripe", stripe, open);
});

describe("stripe, a customer", () => {
  let bench: Awaited<ReturnType<typeof open>>;
  let fetcher: Fetcher;

  beforeEach(async () => {
    bench = await open();
    fetcher = openFetcher({ allowPrivate: [bench.server.host], userAgent: "standings-test", limits });
  });

  afterEach(async () => {
    await fetcher.close();
    await bench.server.close();
  });

  const pull = async (changes = {}) =>
    pagesOf(stripe.pull(inputOf(stripe, bench, fetcher.fetchFor(new AbortController().signal), changes)));

  test("is a client of the partner its metadata name, and says nothing of the person", async () => {
    const [first] = factsOf(await pull());
    expect(first).toEqual({
      externalId: "customers/cus_00000000000000",
      kind: "client",
      occurredAt: new Date("2026-10-20T08:00:00Z"),
      quantity: 1,
      attributes: { currency: "eur", delinquent: "false" },
      title: "Customer cus_00000000000000",
      link: "https://dashboard.stripe.com/customers/cus_00000000000000",
      identity: { namespace: "partner-code", key: "acme-0" },
    });
    expect(JSON.stringify(await pull())).not.toMatch(/Anna|customer\.example/);
  });

  test("whose metadata name nobody is no evidence, whichever key is meant", async () => {
    bench.holding.rows = bench.holding.rows.slice(0, 4);
    const [first, second] = bench.holding.rows;
    first!.metadata = {};
    second!.metadata = { "referred.by": "Acme GmbH", partner: "x" };
    expect(factsOf(await pull())).toHaveLength(3);
    bench.settings = { ...bench.settings, metadata: "referred.by" };
    expect(factsOf(await pull()).map(({ identity }) => identity?.key)).toEqual(["Acme GmbH"]);
    bench.settings = { ...bench.settings, metadata: "$connection.key" };
    expect(factsOf(await pull())).toEqual([]);
  });

  test("that is new is asked for by when it was created, a week back", async () => {
    const cursor: unknown = JSON.parse(JSON.stringify((await pull()).at(-1)!.cursor));
    const asked = bench.server.asked.length;
    expect(factsOf(await pull({ full: false, cursor }))).toHaveLength(169);
    expect(bench.server.asked[asked]?.query.get("created[gte]")).toBe(String(NEWEST - 7 * 86_400));
    expect(stripe.canList?.({})).toBe(true);
  });

  test("after which the next page began, and which was deleted, costs nobody anything", async () => {
    const [page] = await pull();
    const cursor: unknown = JSON.parse(JSON.stringify(page!.cursor));
    await bench.remove("customers/cus_00000000000099");
    const rest = factsOf(await pull({ cursor }));
    expect(rest).toHaveLength(249);
  });

  test("is told by a key that may not read customers, without the key", async () => {
    bench.server.breakFrom(1, (response) => {
      const message = `The provided key '${KEY}' does not have the required permissions for this endpoint`;
      const body = JSON.stringify({ error: { type: "invalid_request_error", message } });
      response.writeHead(403, { "content-type": "application/json" }).end(body);
    });
    await expect(pull()).rejects.toMatchObject({
      class: "auth",
      message: expect.stringContaining(
        "The provided key '***' does not have the required permissions",
      ) as string,
    });
  });
});
