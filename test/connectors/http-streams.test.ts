// What documents say besides paging: tokens, parents, spans of time, errors, rows that cannot be read, and what they may not reach.

import { generateKeyPairSync } from "node:crypto";
import { decodeJwt } from "jose";
import { afterEach, beforeEach, describe, expect, test } from "vitest";
import { type Answer, type Asked, json, openServer, type TestServer } from "../../src/conformance/server.ts";
import { type Fetcher, openFetcher } from "../../src/connectors/client/fetcher.ts";
import type { Json, Page, PullInput } from "../../src/connectors/connector.ts";
import { parseConnector } from "../../src/connectors/http/document.ts";
import { type Bench, factsOf, inputOf, limits, pagesOf } from "./conformance.ts";
import { asConnector } from "./system.ts";

const SECRET = "key-of-the-account-4711";
const HEAD = `
id: made-up
version: "1"
url: "{$settings.url}"
settings: { url: { type: url } }
check: { request: { path: /me }, says: "{name}" }
`;
const EVIDENCE = `
    evidence:
      kind: thing
      occurred-at: at
      identity: { namespace: domain, key: who }`;
const row = (id: number, more: Record<string, unknown> = {}) => ({
  id,
  at: `2026-10-${String(1 + (id % 27)).padStart(2, "0")}T08:00:00Z`,
  who: "acme",
  ...more,
});

let server: TestServer;
let fetcher: Fetcher;
let answer: (asked: Asked) => Answer;

beforeEach(async () => {
  server = await openServer((asked) => answer(asked));
  fetcher = openFetcher({ allowPrivate: [server.host], userAgent: "standings-test", limits });
});

afterEach(async () => {
  await fetcher.close();
  await server.close();
});

function opened(
  text: string,
  changes: Partial<PullInput<unknown>> = {},
  secret: string | undefined = SECRET,
) {
  const connector = asConnector(parseConnector(HEAD + text, "made-up.yaml"));
  const bench = {
    settings: { url: server.url },
    connection: { key: "main", secret, attributes: {} },
    now: new Date("2026-10-28T12:00:00Z"),
  };
  const signal = new AbortController().signal;
  const input = inputOf(connector, bench as unknown as Bench, fetcher.fetchFor(signal), changes);
  return { connector, input };
}

/** The pages up to the end, or up to the error. */
async function pull(text: string, changes: Partial<PullInput<unknown>> = {}, secret?: string) {
  const { connector, input } = opened(text, changes, secret);
  const pages: Page[] = [];
  let error: unknown;
  try {
    for await (const page of connector.pull(input)) pages.push(JSON.parse(JSON.stringify(page)) as Page);
  } catch (thrown) {
    error = thrown;
  }
  return { pages, error, ids: factsOf(pages).map(({ externalId }) => externalId) };
}

const paths = () =>
  server.asked.map(({ path, query }) => `${path}${query.size > 0 ? `?${query.toString()}` : ""}`);

describe("auth", () => {
  const streams = `
streams:
  things:
    request: { path: /things }${EVIDENCE}
`;
  const authorizations = () =>
    server.asked.filter(({ path }) => path === "/things").map(({ headers }) => headers["authorization"]);

  test("by client credentials asks for a token once, and anew when it is refused", async () => {
    let tokens = 0;
    answer = ({ path, headers }) => {
      if (path === "/oauth/token") return json({ access_token: `token-${++tokens}`, expires_in: 7200 });
      return headers["authorization"] === "Bearer token-2" ? json([row(1)]) : { ...json({}), status: 401 };
    };
    const secret = JSON.stringify({ "client-id": "a:b", "client-secret": "c&d" });
    const auth = `
secret: { fields: [client-id, client-secret] }
auth: { type: client-credentials, url: /oauth/token, form: { scope: read } }`;
    const { ids } = await pull(auth + streams, {}, secret);
    expect(ids).toEqual(["things/1"]);
    expect(authorizations()).toEqual(["Bearer token-1", "Bearer token-2"]);
    const sent = new URLSearchParams(server.asked[0]!.body);
    expect(Object.fromEntries(sent)).toEqual({
      grant_type: "client_credentials",
      scope: "read",
      client_id: "a:b",
      client_secret: "c&d",
    });
  });

  test("by client credentials in a header encodes both as RFC 6749 wants it", async () => {
    answer = ({ path }) => (path === "/oauth/token" ? json({ access_token: "t" }) : json([]));
    const auth = `
secret: { fields: [client-id, client-secret] }
auth: { type: client-credentials, url: /oauth/token, in: basic }`;
    await pull(auth + streams, {}, JSON.stringify({ "client-id": "a:b", "client-secret": "c&d" }));
    expect(server.asked[0]!.headers["authorization"]).toBe(
      `Basic ${Buffer.from("a%3Ab:c%26d").toString("base64")}`,
    );
  });

  test("by a signed token that is exchanged sends what it was exchanged for", async () => {
    const { privateKey } = generateKeyPairSync("rsa", { modulusLength: 2048 });
    const pem = privateKey.export({ type: "pkcs1", format: "pem" }).toString();
    let assertion = "";
    answer = ({ path, body }) => {
      if (path !== "/oauth/token") return json([row(1)]);
      assertion = new URLSearchParams(body).get("assertion") ?? "";
      return json({ access_token: "exchanged" });
    };
    const auth = `
auth: { type: signed-jwt, algorithm: RS256, claims: { iss: me, aud: "{$settings.url}" }, exchange: { url: /oauth/token }, sends: "token {$token}" }`;
    await pull(auth + streams, {}, pem);
    expect(authorizations()).toEqual(["token exchanged"]);
    expect(decodeJwt(assertion)).toMatchObject({ iss: "me", aud: server.url });
  });

  test("by a parameter leaves it in no cursor, although links repeat it", async () => {
    answer = ({ query }) =>
      query.get("p") === "2"
        ? json({ rows: [row(2)] })
        : json({ rows: [row(1)], next: `/things?${query.toString()}&p=2` });
    const auth = `
auth: { type: query, name: api_key }
streams:
  things:
    request: { path: /things }
    records: rows
    paging: { type: next-url, next: next }${EVIDENCE}
`;
    const { pages, ids } = await pull(auth);
    expect(ids).toEqual(["things/1", "things/2"]);
    expect(server.asked.map(({ query }) => query.get("api_key"))).toEqual([SECRET, SECRET]);
    expect(JSON.stringify(pages)).not.toContain(SECRET);
  });

  test("without a secret names the connection", async () => {
    answer = () => json([]);
    const { connector, input } = opened(`auth: { type: bearer }${streams}`);
    const none = { ...input, connection: { ...input.connection, secret: undefined } };
    await expect(connector.pull(none).next()).rejects.toMatchObject({
      class: "auth",
      message: "connection main has no secret, and made-up needs one",
    });
  });
});

const BEARER = "auth: { type: bearer }\n";

describe("streams of streams", () => {
  const text = `${BEARER}streams:
  teams:
    request: { path: /teams }
  things:
    for-each: teams
    request: { path: "/teams/{$parent.id}/things" }
    records: rows
    total: total
    paging: { type: offset }
    stable-order: true${EVIDENCE.replace("key: who", "key: $parent.domain")}
`;
  const listings: Record<string, number[]> = { "a/b": [1, 2, 3], c: [], d: [4, 5] };

  beforeEach(() => {
    answer = ({ path, query }) => {
      if (path === "/teams")
        return json(
          Object.keys(listings)
            .map((id) => ({ id, domain: `${id}.example` }))
            .reverse(),
        );
      const team = decodeURIComponent(path.split("/")[2]!);
      const offset = Number(query.get("offset"));
      const all = listings[team]!;
      return json({ rows: all.slice(offset, offset + 2).map((id) => row(id)), total: all.length });
    };
  });

  test("list each parent's rows, the parent's fields at hand", async () => {
    const { pages, ids } = await pull(text);
    expect(ids).toEqual(["things/1", "things/2", "things/3", "things/4", "things/5"]);
    expect(factsOf(pages).map(({ identity }) => identity?.key)).toEqual([
      "a/b.example",
      "a/b.example",
      "a/b.example",
      "d.example",
      "d.example",
    ]);
    expect(paths()).toContain("/teams/a%2Fb/things?offset=0");
  });

  test("go on at the parent where they were left", async () => {
    const { pages, ids } = await pull(text);
    for (const [index, { cursor }] of pages.entries()) {
      const rest = await pull(text, { cursor });
      expect(
        factsOf([...pages.slice(0, index + 1), ...rest.pages]).map(({ externalId }) => externalId),
      ).toEqual(ids);
    }
    server.asked.length = 0;
    await pull(text, { cursor: pages[1]!.cursor });
    expect(paths().filter((path) => path.includes("a%2Fb"))).toEqual([]);
  });

  test("without any parent are one empty page", async () => {
    answer = () => json([]);
    expect((await pull(text)).pages).toMatchObject([{ evidence: [], cursor: { at: null } }]);
  });
});

describe("a listing with a cap", () => {
  const CAP = 10;
  const text = `${BEARER}streams:
  things:
    request: { path: /things, query: { size: 4 } }
    records: rows
    total: total
    paging: { type: offset }
    stable-order: true
    cap: ${CAP}
    incremental: { field: changed, parameter: since, until-parameter: until, start: "2026-01-01" }${EVIDENCE}
`;
  let rows: { id: number; changed: string }[];

  beforeEach(() => {
    rows = Array.from({ length: 67 }, (_, n) => ({
      ...row(n),
      changed: new Date(Date.UTC(2026, 8, 1, n)).toISOString(),
    }));
    answer = ({ query }) => {
      const [since, until] = [query.get("since") ?? "", query.get("until") ?? "9"];
      const found = rows.filter(({ changed }) => changed >= since && changed <= until);
      const offset = Number(query.get("offset"));
      // Beyond the cap this system gives nothing, and says nothing of it.
      return json({ rows: found.slice(offset, Math.min(offset + 4, CAP)), total: found.length });
    };
  });

  test("is cut into spans that fit, and misses nothing", async () => {
    const { ids, error } = await pull(text);
    expect(error).toBeUndefined();
    expect(ids).toHaveLength(67);
  });

  test("goes on in the span where it was left", async () => {
    const { pages } = await pull(text);
    for (const [index, { cursor }] of pages.entries()) {
      const rest = await pull(text, { cursor });
      expect(factsOf([...pages.slice(0, index + 1), ...rest.pages])).toHaveLength(67);
    }
  });

  test("that cannot be cut any smaller is no complete one", async () => {
    for (const each of rows) each.changed = "2026-09-01T00:00:00.000Z";
    expect((await pull(text)).error).toMatchObject({
      class: "data",
      message: expect.stringMatching(/more than the 10 rows.*cannot be asked for in smaller parts/) as string,
    });
  });
});

describe("changes", () => {
  const text = `${BEARER}streams:
  things:
    request: { path: /things, query: { filter: "all" } }
    incremental:
      field: changed
      format: unix
      look-back: 30 minutes
      request: { query: { filter: "changed>{$since}" } }${EVIDENCE}
`;

  test("are asked for from the newest one seen, not from a date in the future", async () => {
    for (const [changed, since] of [
      ["2026-10-28T09:00:00Z", "2026-10-28T08:30:00Z"],
      ["2031-01-01T00:00:00Z", "2026-10-28T11:30:00Z"],
      [Date.parse("2026-10-28T09:00:00Z") / 1000, "2026-10-28T08:30:00Z"],
    ]) {
      answer = () =>
        json([row(1, { changed }), row(2, { changed: "2026-01-01" }), row(3, { changed: null })]);
      const { pages } = await pull(text);
      server.asked.length = 0;
      await pull(text, { cursor: pages.at(-1)!.cursor, full: false });
      expect(paths()).toEqual([
        `/things?${new URLSearchParams({ filter: `changed>${Date.parse(String(since)) / 1000}` }).toString()}`,
      ]);
    }
  });

  test("that are none leave the place where it was", async () => {
    answer = () => json([row(1, { changed: "2026-10-28T09:00:00Z" })]);
    const first = await pull(text);
    answer = () => json([]);
    const second = await pull(text, { cursor: first.pages.at(-1)!.cursor, full: false });
    expect(second.pages.at(-1)!.cursor).toEqual(first.pages.at(-1)!.cursor);
  });

  test("do not stand for a complete listing, which begins anew", async () => {
    answer = () => json([row(1, { changed: "2026-10-28T09:00:00Z" })]);
    const { pages } = await pull(text);
    server.asked.length = 0;
    await pull(text, { cursor: pages.at(-1)!.cursor, full: true });
    expect(paths()).toEqual(["/things?filter=all"]);
  });
});

describe("what an answer means", () => {
  const text = `${BEARER}errors:
  - { when: { status: 403, body: { 0.errorCode: REQUEST_LIMIT_EXCEEDED } }, class: quota, wait: 2 hours }
  - { when: { status: 403, json: false }, class: quota, wait: 1 minute }
  - { when: { status: 429 }, class: quota, wait: { header: X-Reset, unit: unix } }
  - { when: { body: { error: invalid_token } }, class: auth }
  - { when: { status: 400, body: { error: BAD_TOKEN } }, class: transient, begin-again: true }
error-message: said
streams:
  things:
    request: { path: /things }
    records: rows
    paging: { type: cursor, parameter: token, next: next }
    stable-order: true${EVIDENCE}
`;

  test.each<[string, Answer, Record<string, unknown>]>([
    [
      "a 403 that is a quota",
      { status: 403, ...json([{ errorCode: "REQUEST_LIMIT_EXCEEDED" }]) },
      { class: "quota", status: 403, retryAfterMs: 7_200_000 },
    ],
    ["any other 403", { status: 403, ...json([{ errorCode: "X" }]) }, { class: "auth" }],
    ["a 403 without JSON", { status: 403, body: "" }, { class: "quota", retryAfterMs: 60_000 }],
    [
      "a wait up to an instant",
      { status: 429, ...json({}, { "x-reset": "1793106000", date: "Tue, 27 Oct 2026 12:00:00 GMT" }) },
      { class: "quota", retryAfterMs: 1_793_106_000_000 - Date.parse("2026-10-27T12:00:00Z") },
    ],
    ["an error under 200", json({ error: "invalid_token" }), { class: "auth", status: 200 }],
    [
      "no list",
      json({ rows: { id: 1 } }),
      { class: "data", message: expect.stringContaining("a list was expected at rows") as string },
    ],
    [
      "the source's own words",
      { status: 500, ...json({ said: `no\nway, Bearer ${SECRET}` }) },
      { class: "transient", message: expect.stringMatching(/answered 500: no way, \*\*\*$/) as string },
    ],
    ["a link to another host", json({ rows: [row(1)], next: 7 }), { class: "data" }],
  ])("%s", async (_, given, error) => {
    answer = () => given;
    expect((await pull(text)).error).toMatchObject(error);
  });

  test("a place that means nothing any more begins the listing again, once", async () => {
    answer = ({ query }) => {
      if (query.get("token") === "old") return { ...json({ error: "BAD_TOKEN" }), status: 400 };
      return query.has("token") ? json({ rows: [row(2)] }) : json({ rows: [row(1)], next: "new" });
    };
    const { pages } = await pull(text);
    const middle = JSON.parse(JSON.stringify(pages[0]!.cursor).replace('"new"', '"old"')) as Json;
    expect((await pull(text, { cursor: middle })).ids).toEqual(["things/1", "things/2"]);
    answer = () => ({ ...json({ error: "BAD_TOKEN" }), status: 400 });
    server.asked.length = 0;
    expect((await pull(text, { cursor: middle })).error).toMatchObject({ class: "transient" });
    expect(server.asked).toHaveLength(2);
  });
});

describe("a next page on another host", () => {
  test.each([
    [
      "link-header",
      "paging: { type: link-header }",
      json([row(1)], { link: '<https://elsewhere.example/2>; rel="next"' }),
    ],
    [
      "next-url",
      "records: rows\n    paging: { type: next-url, next: next }",
      json({ rows: [row(1)], next: "//elsewhere.example/2" }),
    ],
  ])("is not followed (%s), for the secret would go there", async (_, paging, given) => {
    answer = () => given;
    const text = `${BEARER}streams:\n  things:\n    request: { path: /things }\n    ${paging}${EVIDENCE}\n`;
    expect((await pull(text)).error).toMatchObject({
      class: "data",
      message: expect.stringContaining("another host, elsewhere.example") as string,
    });
    expect(server.asked).toHaveLength(1);
  });
});

describe("rows", () => {
  const text = `${BEARER}streams:
  things:
    request: { path: /things }
    schema: { id: integer, "score.of": number?, name: text }${EVIDENCE}
      quantity: amount
`;

  test("that cannot be read are set aside with the reason, the others are evidence", async () => {
    answer = () =>
      json([
        row(1, { name: "a", amount: 1 }),
        row(2, { name: 7, "score.of": "12.5", amount: "12.5" }),
        row(3, {}),
        row(4, { name: "x", "score.of": "many" }),
        { ...row(5, { name: "x", amount: 1 }), at: "yesterday" },
        { ...row(6, { name: "x", amount: 1 }), at: "9999-12-31" },
        { ...row(0, { name: "x" }), id: 2 ** 53 },
        "text",
        null,
        row(8, { name: "x", amount: "-1" }),
        row(9, { name: "x", amount: 0 }),
        row(10, { name: "x", who: null, amount: 1 }),
        row(12, { name: "x" }),
        row(11, { name: "x", amount: 1, who: "a\ud800b" }),
      ]);
    const { pages } = await pull(text);
    expect(pages[0]!.evidence.map(({ externalId, quantity }) => [externalId, quantity])).toEqual([
      ["things/1", 1],
      ["things/2", 12.5],
    ]);
    expect(pages[0]!.quarantined!.map(({ externalId, reason }) => `${externalId} | ${reason}`)).toEqual([
      "things/3 | things/3: name is missing",
      "things/4 | things/4: score.of is no number",
      "things/5 | things/5: a text of 9 characters is not a date such as 2026-10-25 or 2026-10-25 14:30:00",
      "things/6 | things/6: it happened at no possible date",
      "things, page 1, row 7 | things, page 1, row 7: id is missing, or no id",
      "things, page 1, row 8 | things, page 1, row 8: an object was expected",
      "things, page 1, row 9 | things, page 1, row 9: an object was expected",
      'things/8 | things/8: "-1" is not a number of 0 or more',
      "things/12 | things/12: no quantity",
      "things/11 | things/11: a domain of 1 to 512 undamaged characters was expected",
    ]);
  });
});

describe("a row that cannot be read", () => {
  const text = `${BEARER}streams:
  things:
    request: { path: /things }
    schema: { at: date }
    evidence:
      - kind: thing
        when: { state: sold }
        each: tags
        external-id: "thing/{id}/{$item}"
        occurred-at: at
        identity: { namespace: tag, key: $item }
      - kind: offer
        when: { state: offered }
        external-id: "offer/{id}"
        occurred-at: at
        identity: { namespace: domain, key: who }
`;
  const setAside = async (given: unknown) => {
    answer = () => json([given]);
    return (await pull(text)).pages[0]!.quarantined!.map(({ externalId, unidentified }) => [
      externalId,
      unidentified,
    ]);
  };

  test("is every fact it may have been, so that none of them is absent", async () => {
    expect(await setAside({ id: 1, state: "sold", tags: ["a", "b"] })).toEqual([
      ["thing/1/a", undefined],
      ["thing/1/b", undefined],
    ]);
    expect(await setAside({ id: 1, state: "offered" })).toEqual([["offer/1", undefined]]);
  });

  test("may be any fact where that cannot be told, so that nothing is absent", async () => {
    for (const given of [{ id: 1, state: "sold" }, { id: 1 }, { state: "offered" }]) {
      expect(await setAside(given)).toEqual([[expect.any(String), true]]);
    }
  });
});

describe("a complete listing", () => {
  const text = `${BEARER}streams:
  things:
    request: { path: /things }
    paging: { type: page }
    stable-order: true${EVIDENCE}
`;

  test("says where it begins, and not where it goes on", async () => {
    answer = ({ query }) => json(query.get("page") === "3" ? [] : [row(Number(query.get("page")))]);
    const { pages } = await pull(text);
    expect(pages.map(({ begins }) => begins)).toEqual([true, undefined, undefined]);
    expect((await pull(text, { cursor: pages[0]!.cursor })).pages.map(({ begins }) => begins)).toEqual([
      undefined,
      undefined,
    ]);
    // What is over is begun anew.
    expect((await pull(text, { cursor: pages[2]!.cursor })).pages[0]!.begins).toBe(true);
  });
});

describe("a field that a setting names", () => {
  const text = (more: string) => `${BEARER}streams:
  things:
    request: { path: /things }
    evidence:
      kind: thing
      occurred-at: at
      identity: { namespace: who, key: { at: "{$connection.field}"${more} } }
`;
  const keysBy = async (field: string, more: string) => {
    const connection = { key: "main", secret: SECRET, attributes: { field } };
    const { pages } = await pull(text(more), { connection });
    const [page] = pages;
    return [
      page!.evidence.map(({ identity }) => identity?.key),
      page!.quarantined?.map(({ reason }) => reason),
    ];
  };

  beforeEach(() => {
    answer = () => json([row(1, { team: { name: "a", "x.y": "b" } }), row(2, { team: null })]);
  });

  test("is a path of the row, or of a value in it, and of nothing else", async () => {
    expect(await keysBy("team.name", "")).toEqual([["a"], undefined]);
    expect(await keysBy("x.y", ", of: team")).toEqual([["b"], undefined]);
    expect(await keysBy("id", ", of: team")).toEqual([[], undefined]);
    expect(await keysBy("$connection.key", "")).toEqual([[], undefined]);
  });

  test("and that no row has is told where it matters, not taken for an empty one", async () => {
    expect(await keysBy("team.name", ", strict: true")).toEqual([["a"], undefined]);
    expect(await keysBy("Team.name", ", strict: true")).toEqual([
      [],
      [1, 2].map((id) => `things/${id}: there is no Team.name, not even an empty one`),
    ]);
  });
});

describe("the address", () => {
  const document = `
id: made-up
version: "1"
url: ["{$connection.at}", "http://127.0.0.1:{$secret.place}"]
settings: { url: { type: url } }
secret: { fields: [key, place], separator: "@" }
auth: { type: bearer, token: "{$secret.key}" }
check: { request: { path: /me }, says: "{name}" }
streams:
  things:
    request: { path: /things }${EVIDENCE}
`;
  const pullAt = async (secret: string, attributes: Record<string, string> = {}) => {
    const connector = asConnector(parseConnector(document, "made-up.yaml"));
    const bench = {
      settings: { url: server.url },
      connection: { key: "main", secret, attributes },
      now: new Date("2026-10-28T12:00:00Z"),
    };
    const fetch = fetcher.fetchFor(new AbortController().signal);
    const input = inputOf(connector, bench as unknown as Bench, fetch);
    return factsOf(await pagesOf(connector.pull(input))).map(({ externalId }) => externalId);
  };

  test("is the first that can be filled, with a part of the secret where it is one", async () => {
    answer = () => json([row(1)]);
    const [, port = ""] = server.host.split(":");
    expect(await pullAt(`${SECRET}@${port}`)).toEqual(["things/1"]);
    expect(server.asked[0]?.headers["authorization"]).toBe(`Bearer ${SECRET}`);
    expect(await pullAt(`${SECRET}@1`, { at: server.url })).toEqual(["things/1"]);
  });

  test("is never one the secret leads elsewhere, nor all of the secret", async () => {
    await expect(pullAt(`${SECRET}@80/../@evil.example`)).rejects.toMatchObject({ class: "config" });
    expect(() => parseConnector(document.replace("$secret.place", "$secret"), "a.yaml")).toThrow(
      /a\.yaml:4: url.*expected a field of the secret \(key, place\)/,
    );
  });
});

describe("a path", () => {
  test("cannot climb out of the document's url by what is put into it", async () => {
    answer = ({ path }) => (path === "/teams" ? json([{ id: "../../admin" }]) : json([row(1)]));
    await pull(`${BEARER}streams:
  teams: { request: { path: /teams } }
  things:
    for-each: teams
    request: { path: "/teams/{$parent.id}/things" }${EVIDENCE}
`);
    expect(paths()).toEqual(["/teams", "/teams/..%2F..%2Fadmin/things"]);
  });
});
