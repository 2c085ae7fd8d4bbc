// The engine of documents against one system that speaks every way of paging there is.
import { describe } from "vitest";
import { type Asked, json } from "../../src/conformance/server.ts";
import { parseConnector } from "../../src/connectors/http/document.ts";
import { conforms } from "./conformance.ts";
import { asConnector, type Holding, openSystem, type Part, partOf } from "./system.ts";

const SECRET = "key-of-the-account-4711";
const SIZE = 5;

interface Row {
  id: number;
  updated_at: string;
  created_at: string;
  partner: string;
  amount: string;
  subject: string;
}

const rowOf = (n: number): Row => ({
  id: n + 1,
  updated_at: new Date(Date.UTC(2026, 8, 1, n)).toISOString(),
  created_at: new Date(Date.UTC(2026, 7, 1, n)).toISOString(),
  partner: `acme-${n % 3}.example`,
  amount: `${n + 1}.50`,
  subject: `Number ${n + 1}`,
});

const DOCUMENT = `
id: made-up
version: "1"
url: "{$settings.url}/api"
settings:
  url: { type: url }
auth: { type: bearer }
check: { request: { path: /me }, says: "account {name}" }
limits: { max-pages: 300 }
streams:
  things:
    request: { path: /things, query: { kind: sold } }
    records: data
    stable-order: true
    schema: { id: integer, updated_at: date, subject: text? }
    evidence:
      kind: thing
      occurred-at: created_at
      time-zone: Europe/Amsterdam
      quantity: amount
      title: subject
      identity: { namespace: domain, key: { domain: partner } }
`;

/** The document with the stream's paging, and whatever else it says. */
function documentOf(...lines: string[]): string {
  return DOCUMENT.replace(
    "    stable-order: true\n",
    `    stable-order: true\n${lines.map((line) => `    ${line}\n`).join("")}`,
  );
}

/** One page: which part is asked for, and how the answer says what comes after it. */
interface Dialect {
  from: (asked: Asked, rows: Row[]) => number;
  says: (
    part: Part<Row> & { from: number },
    asked: Asked,
  ) => { body?: Record<string, unknown>; headers?: Record<string, string> };
}

const number = (asked: Asked, name: string) => Number(asked.query.get(name) ?? 0);
/** The position of the first row after (or at) the one named. What a system that never ends names is its position. */
const following = (rows: Row[], id: number, isMeant: (row: Row) => boolean) => {
  const index = rows.findIndex(isMeant);
  return index === -1 ? id : index;
};
const after = (asked: Asked, rows: Row[]) =>
  following(rows, number(asked, "after"), ({ id }) => id > number(asked, "after"));
const dialects: Record<string, { lines: string[]; dialect: Dialect }> = {
  "page, with a total": {
    lines: ["paging: { type: page }", "total: meta.total"],
    dialect: {
      from: (asked) => (number(asked, "page") - 1) * SIZE,
      says: ({ total }) => ({ body: { meta: { total } } }),
    },
  },
  "page, until an empty one, with a total in a header": {
    lines: ["paging: { type: page, parameter: p, first: 0 }", "total: { header: X-Total }"],
    dialect: {
      from: (asked) => number(asked, "p") * SIZE,
      says: ({ total }) => ({ headers: { "x-total": String(total) } }),
    },
  },
  "page, with a number of pages": {
    lines: ["paging: { type: page, last-page: pages }", "total: count"],
    dialect: {
      from: (asked) => (number(asked, "page") - 1) * SIZE,
      says: ({ total }) => ({ body: { count: total, pages: Math.ceil(total / SIZE) } }),
    },
  },
  offset: {
    lines: ["paging: { type: offset, parameter: start }", "total: total"],
    dialect: { from: (asked) => number(asked, "start"), says: ({ total }) => ({ body: { total } }) },
  },
  cursor: {
    lines: ["paging: { type: cursor, parameter: after, next: meta.next }", "total: meta.total"],
    dialect: {
      from: (asked) => Number((asked.query.get("after") ?? "token-0").slice(6)),
      says: ({ next, total }) => ({
        body: { meta: { total, next: next === undefined ? null : `token-${next}` } },
      }),
    },
  },
  "cursor that is always there": {
    lines: ["paging: { type: cursor, parameter: continuation, next: token, more: more }", "total: total"],
    dialect: {
      from: (asked) => Number((asked.query.get("continuation") ?? "c0").slice(1)),
      says: ({ next, total }) => ({ body: { total, token: `c${next ?? 9999}`, more: next !== undefined } }),
    },
  },
  "link header": {
    lines: ["paging: { type: link-header }", "total: { header: X-Total-Count }"],
    dialect: {
      from: (asked) => number(asked, "from"),
      says: ({ next, total }, asked) => {
        const links = `<${asked.path}?from=0&kind=sold>; rel="first"`;
        const more =
          next === undefined ? "" : `, <${asked.path}?kind=sold&from=${next}>; rel="next"; title="a, b"`;
        return { headers: { "x-total-count": String(total), link: links + more } };
      },
    },
  },
  "next url": {
    lines: ["paging: { type: next-url, next: links.next }", "total: total"],
    dialect: {
      from: (asked) => number(asked, "from"),
      says: ({ next, total }, asked) => ({
        body: { total, links: { next: next === undefined ? null : `${asked.path}?kind=sold&from=${next}` } },
      }),
    },
  },
  keyset: {
    lines: ["paging: { type: keyset, parameter: after, field: id, more: more }"],
    dialect: {
      from: after,
      says: ({ next }) => ({ body: { more: next !== undefined } }),
    },
  },
  "keyset whose total is of the rest": {
    lines: ["paging: { type: keyset, parameter: after, field: id }", "total: { path: total, counts: rest }"],
    dialect: {
      from: after,
      says: ({ total, from }) => ({ body: { total: Math.max(0, total - from) } }),
    },
  },
  "keyset that gives its last row again": {
    lines: ["paging: { type: keyset, parameter: since, field: id, inclusive: true }", "total: total"],
    dialect: {
      from: (asked, rows) =>
        following(rows, number(asked, "since") - 1, ({ id }) => id >= number(asked, "since")),
      says: ({ total }) => ({ body: { total } }),
    },
  },
};

function answerOf({ from, says }: Dialect, asked: Asked, holding: Holding<Row>) {
  const since = asked.query.get("updated_since");
  const rows = holding.rows.filter((row) => since === null || row.updated_at >= since);
  const position = from(asked, rows);
  const part = partOf(holding, { from: position, size: SIZE, another: rowOf, rows });
  const { body = {}, headers = {} } = says({ ...part, from: position }, asked);
  return json({ data: part.rows, ...body }, headers);
}

/** `post`: the listing is asked for with a JSON body, in which places are too. */
function bench(dialect: Dialect, post = false) {
  return () =>
    openSystem<Row>({
      rows: Array.from({ length: 12 }, (_, n) => rowOf(n)),
      routes: {
        "GET /api/me": () => json({ name: "Acme & Sons" }),
        [`${post ? "POST" : "GET"} /api/things`]: (asked, holding) => {
          const inBody = post ? (JSON.parse(asked.body) as Record<string, string>) : {};
          const query = new URLSearchParams([...asked.query, ...Object.entries(inBody)]);
          return answerOf(dialect, { ...asked, query }, holding);
        },
      },
      allows: ({ headers }) => headers["authorization"] === `Bearer ${SECRET}`,
      settings: (url) => ({ url }),
      secret: SECRET,
      isMeant: ({ id }, externalId) => externalId === `things/${id}`,
      written: (n, changedAt) => ({ ...rowOf(n), updated_at: changedAt.toISOString() }),
      writeLocal: (row, local) => {
        row.created_at = local;
      },
    });
}

describe.each(Object.entries(dialects))("a document, paged by %s", (_, { lines, dialect }) => {
  conforms("made-up", asConnector(parseConnector(documentOf(...lines), "made-up.yaml")), bench(dialect));
});

describe.each(Object.entries(dialects).slice(3, 5))(
  "a document of changes, paged by %s",
  (_, { lines, dialect }) => {
    const changes = "incremental: { field: updated_at, parameter: updated_since }";
    conforms(
      "made-up",
      asConnector(parseConnector(documentOf(...lines, changes), "made-up.yaml")),
      bench(dialect),
    );
  },
);

describe("a document that posts its requests, the place in the body", () => {
  const { dialect } = dialects["offset"]!;
  const text = documentOf("paging: { type: offset, parameter: start, in: body }", "total: total").replace(
    "request: { path: /things, query: { kind: sold } }",
    "request: { method: POST, path: /things, body: { kind: sold } }",
  );
  conforms("made-up", asConnector(parseConnector(text, "made-up.yaml")), bench(dialect, true));
});
