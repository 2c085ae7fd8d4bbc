// Salesforce in the shape its documentation shows (https://developer.salesforce.com/docs/platform/api-rest/guide/dome-query.html).
import { afterEach, beforeEach, describe, expect, test } from "vitest";
import { type Asked, json, send } from "../../src/conformance/server.ts";
import { findConnector } from "../../src/connectors/catalogue.ts";
import { type Fetcher, openFetcher } from "../../src/connectors/client/fetcher.ts";
import { conforms, factsOf, inputOf, limits, pagesOf } from "./conformance.ts";
import { type Holding, openSystem, partOf } from "./system.ts";

const SECRET = JSON.stringify({ "client-id": "3MVG9AbCdEf", "client-secret": "E3F0DEADBEEF0123" });
const TOKEN = "00D5g00000abcde!AQ8AQF";
const DATA = "/services/data/v65.0/query";
const FIELD = "Partner_Code__c";
const SIZE = 100;

const written = (at: number) => new Date(at).toISOString().replace("Z", "+0000");
const account = (n: number) => ({
  attributes: { type: "Account", url: `/services/data/v65.0/sobjects/Account/${idOf(n)}` },
  Id: idOf(n),
  Name: `Client ${n + 1}` as string | null,
  Type: n % 2 === 0 ? "Customer" : null,
  CreatedDate: written(Date.UTC(2026, 3, 1, n)),
  SystemModstamp: written(Date.UTC(2026, 4, 1, n)),
  [FIELD]: `acme-${n % 3}` as unknown,
});
type Account = ReturnType<typeof account>;

function idOf(n: number) {
  return `001D000000${String(n).padStart(5, "0")}IAH`;
}

let tokens = 0;
/** The latest token is good, unless another one was said to be. */
let good: string | undefined;
let lost = false;

const refused = (status: number, errorCode: string) => ({
  ...json([{ message: `it is ${errorCode}`, errorCode }]),
  status,
});

function answered(rows: Account[], from: number, holding: Holding<Account>, since: string) {
  const part = partOf(holding, { from, size: SIZE, another: account, rows });
  const isDone = part.next === undefined || part.rows.length === 0;
  const next = isDone ? {} : { nextRecordsUrl: `${DATA}/01g${since}-${part.next}` };
  return json({ totalSize: part.total, done: isDone, ...next, records: part.rows });
}

function changedSince(rows: Account[], since: string) {
  return rows.filter(({ SystemModstamp }) => since === "" || Date.parse(SystemModstamp) >= Number(since));
}

function queried({ query }: Asked, holding: Holding<Account>) {
  const soql = query.get("q") ?? "";
  if (soql === `SELECT COUNT() FROM Account WHERE ${FIELD} != null`)
    return json({ totalSize: holding.rows.length, done: true, records: [] });
  const [, condition, since] =
    /^SELECT Id, Name, Type, CreatedDate, SystemModstamp, [\w.]+ FROM Account WHERE \((.+?)\)(?: AND SystemModstamp >= (\S+Z))? ORDER BY Id$/.exec(
      soql,
    ) ?? [];
  if (condition === undefined) return refused(400, "MALFORMED_QUERY");
  const from = since === undefined ? "" : String(Date.parse(since));
  return answered(changedSince(holding.rows, from), 0, holding, from);
}

function queriedOn({ path, query }: Asked, holding: Holding<Account>) {
  const [, since = "", from = ""] = /01g(\d*)-(\d+)$/.exec(path) ?? [];
  if (lost || query.size > 0) return refused(400, "INVALID_QUERY_LOCATOR");
  return answered(changedSince(holding.rows, since), Number(from), holding, since);
}

const salesforce = findConnector("salesforce")!;
const open = (count = 250) =>
  openSystem<Account>({
    rows: Array.from({ length: count }, (_, n) => account(n)),
    routes: {
      // It does not say how long a token lives.
      "POST /services/oauth2/token": () =>
        json({ access_token: `${TOKEN}${++tokens}`, instance_url: "https://x", token_type: "Bearer" }),
      [`GET ${DATA}`]: queried,
      [`GET ${DATA}/:locator`]: queriedOn,
    },
    allows: ({ path, headers }) =>
      path.endsWith("/token") || headers["authorization"] === `Bearer ${good ?? `${TOKEN}${tokens}`}`,
    settings: (url) => ({ url, field: FIELD, namespace: "partner-code" }),
    secret: SECRET,
    secrets: ["E3F0DEADBEEF0123", TOKEN],
    written: (n, changedAt) => ({ ...account(n), SystemModstamp: written(changedAt.getTime()) }),
    isMeant: ({ Id }, externalId) => externalId === `accounts/${Id}`,
  });

beforeEach(() => {
  tokens = 0;
  good = undefined;
  lost = false;
});

describe("salesforce", () => {
  conforms("salesforce", salesforce, open);
});

describe("salesforce, an account", () => {
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
    pagesOf(
      salesforce.pull(inputOf(salesforce, bench, fetcher.fetchFor(new AbortController().signal), changes)),
    );
  const queries = () => bench.server.asked.map(({ query }) => query.get("q")).filter((soql) => soql !== null);

  test("is a client of the partner its field names, when it was created", async () => {
    bench.holding.rows = bench.holding.rows.slice(0, 3);
    bench.holding.rows[1]![FIELD] = null;
    expect(factsOf(await pull())).toEqual([
      {
        externalId: "accounts/001D00000000000IAH",
        kind: "client",
        occurredAt: new Date("2026-04-01T00:00:00Z"),
        quantity: 1,
        attributes: { type: "Customer" },
        title: "Client 1",
        link: `${bench.server.url}/001D00000000000IAH`,
        identity: { namespace: "partner-code", key: "acme-0" },
      },
      expect.objectContaining({ externalId: "accounts/001D00000000002IAH" }) as unknown,
    ]);
  });

  test("names its partner by a record a look-up leads to, or by none", async () => {
    const [first, second] = bench.holding.rows.map(({ [FIELD]: _, ...row }) => row as Account);
    Object.assign(first!, { Partner__r: { attributes: { type: "Partner__c" }, Code__c: "acme" } });
    Object.assign(second!, { Partner__r: null });
    bench.holding.rows = [first!, second!];
    bench.settings = { ...bench.settings, field: "Partner__r.Code__c", where: "Type = 'Customer'" };
    const [page] = await pull();
    expect(page!.evidence.map(({ identity }) => identity?.key)).toEqual(["acme"]);
    expect(page!.quarantined).toBeUndefined();
    expect(queries()).toEqual([
      "SELECT Id, Name, Type, CreatedDate, SystemModstamp, Partner__r.Code__c FROM Account WHERE (Type = 'Customer') ORDER BY Id",
    ]);
  });

  test("whose field is spelt in another case is set aside, not taken for nobody's", async () => {
    bench.settings = { ...bench.settings, field: "partner_code__c" };
    const [page] = await pull();
    expect(page!.evidence).toEqual([]);
    expect(page!.quarantined?.[0]?.reason).toBe(
      "accounts/001D00000000000IAH: there is no partner_code__c, not even an empty one",
    );
  });

  test("that has changed is asked for, in a condition that holds with the other one", async () => {
    const cursor: unknown = JSON.parse(JSON.stringify((await pull()).at(-1)!.cursor));
    const before = queries().length;
    expect(factsOf(await pull({ full: false, cursor }))).toHaveLength(2);
    expect(queries()[before]).toMatch(
      /WHERE \(IsDeleted = false\) AND SystemModstamp >= 2026-05-11T08:00:00Z ORDER BY Id$/,
    );
  });

  test("is reached although the session ends in the middle of the listing", async () => {
    const signal = new AbortController().signal;
    const pages = [];
    for await (const page of salesforce.pull(inputOf(salesforce, bench, fetcher.fetchFor(signal)))) {
      pages.push(page);
      good = `${TOKEN}2`;
    }
    expect(factsOf(pages)).toHaveLength(250);
    expect(tokens).toBe(2);
  });

  test("is listed again from the beginning where the rest of the query is gone", async () => {
    const [page] = await pull();
    const cursor: unknown = JSON.parse(JSON.stringify(page!.cursor));
    lost = true;
    bench.holding.rows = bench.holding.rows.slice(0, SIZE);
    expect(factsOf(await pull({ cursor }))).toHaveLength(SIZE);
  });

  test.each([
    ["REQUEST_LIMIT_EXCEEDED", 403, { class: "quota", retryAfterMs: 3_600_000 }],
    ["INSUFFICIENT_ACCESS", 403, { class: "auth" }],
    ["INVALID_FIELD", 400, { class: "config" }],
    ["QUERY_TIMEOUT", 400, { class: "transient" }],
  ])("is not told because of %s, which is said as what it is", async (errorCode, status, error) => {
    bench.server.breakFrom(2, (response, asked, proceed) => {
      send(response, asked.path.endsWith("/token") ? proceed() : refused(status, errorCode));
    });
    const message = expect.stringMatching(new RegExp(`answered ${status}: it is ${errorCode}$`)) as string;
    await expect(pull()).rejects.toMatchObject({ ...error, message });
  });
});
