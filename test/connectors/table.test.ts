import { mkdtemp, rm, writeFile } from "node:fs/promises";
import { tmpdir } from "node:os";
import { join } from "node:path";
import { afterEach, beforeEach, describe, expect, test } from "vitest";
import { type Answer, type Asked, json, openServer } from "../../src/conformance/server.ts";
import { type Fetcher, openFetcher } from "../../src/connectors/client/fetcher.ts";
import type { Page, PullInput } from "../../src/connectors/connector.ts";
import { table } from "../../src/connectors/table.ts";
import { type Bench, conforms, factsOf, inputOf, limits, pagesOf } from "./conformance.ts";
import { JUST_LATE_MS } from "./system.ts";

const SECRET = "export-key-1234";

interface TestRow {
  id: string;
  partner: string;
  person: string;
  since: string;
  until: string;
}

const COLUMNS = ["id", "partner", "person", "since", "until"] as const;

function rows(count: number): TestRow[] {
  return Array.from({ length: count }, (_, index) => ({
    id: `cert-${String(index).padStart(4, "0")}`,
    partner: index % 5 === 4 ? "" : `acme-${index % 7}.example`,
    person: `Person, "${index}"`,
    since: "2026-01-31",
    until: index % 3 === 0 ? "" : "2026-12-31",
  }));
}

/** A system that exports its rows as CSV and, in pages, as JSON. */
function openExport() {
  const source = { rows: rows(700), overstatedBy: 0, isEndless: false, pageSize: 300 };

  function behave({ path, query }: Asked): Answer {
    const total = { "x-total-count": String(source.rows.length + source.overstatedBy) };
    if (path === "/certs.csv") {
      const lines = source.rows.map((row) =>
        COLUMNS.map((name) => `"${row[name].replaceAll('"', '""')}"`).join(","),
      );
      const headers = { "content-type": "text/csv", ...total };
      return { headers, body: `\ufeff${COLUMNS.join(",")}\r\n${lines.join("\r\n")}\r\n` };
    }
    const page = Number(query.get("page") ?? 1);
    const nextLink = {
      link: `</certs.json?page=${page - 1}&key=secret>; rel="prev", </certs.json?page=${page + 1}&key=secret>; rel="next"`,
    };
    if (source.isEndless) return json({ data: { certs: [{ ...rows(1)[0], id: `page-${page}` }] } }, nextLink);
    const end = page * source.pageSize;
    const certs = source.rows.slice(end - source.pageSize, end);
    return json({ data: { certs } }, { ...total, ...(end < source.rows.length ? nextLink : {}) });
  }

  return { source, behave };
}

const mapping = {
  evidence: "certified-person",
  id: "id",
  "occurred-at": "since",
  "ended-at": "until",
  partner: { namespace: "domain", column: "partner" },
  attributes: { person: "person" },
  "time-zone": "Europe/Amsterdam",
};

async function openBench(
  format: "csv" | "json",
): Promise<Bench & { source: ReturnType<typeof openExport>["source"] }> {
  const { source, behave } = openExport();
  const server = await openServer(behave);
  return {
    source,
    server,
    settings: {
      url: `${server.url}/certs.${format}?key=secret`,
      format,
      ...mapping,
      ...(format === "json" ? { path: "data.certs" } : {}),
    },
    connection: { key: "main", secret: SECRET, attributes: {} },
    now: new Date("2026-10-28T12:00:00Z"),
    secrets: [SECRET, "key=secret"],
    remove(externalId) {
      source.rows = source.rows.filter(({ id }) => id !== externalId);
    },
    lateMs: JUST_LATE_MS,
    add: (changedAt) => {
      const [first] = rows(1);
      source.rows.push({
        ...first!,
        id: `cert-${5000 + source.rows.length}`,
        since: changedAt.toISOString(),
      });
    },
    repeat: (externalId) => {
      source.rows.push(source.rows.find(({ id }) => id === externalId)!);
    },
    overstate: () => {
      source.overstatedBy = 1;
    },
    understate: () => {
      source.overstatedBy = -1;
    },
    setLocal: (externalId, local) => {
      for (const row of source.rows) if (row.id === externalId) row.since = local;
    },
    ...(format === "json" && {
      shorten: () => {
        source.pageSize = 140;
      },
      neverEnd: () => {
        source.isEndless = true;
      },
    }),
  };
}

describe("table, CSV", () => {
  conforms("table, CSV", table, () => openBench("csv"));
});

describe("table, JSON", () => {
  conforms("table, JSON", table, () => openBench("json"));
});

describe("table", () => {
  let folder: string;
  let fetcher: Fetcher;

  beforeEach(async () => {
    folder = await mkdtemp(join(tmpdir(), "standings-table-"));
    fetcher = openFetcher({ allowPrivate: [], userAgent: "standings-test", limits });
  });

  afterEach(async () => {
    await fetcher.close();
    await rm(folder, { recursive: true });
  });

  /** Pulls a file with this content. */
  async function pull(text: string | Buffer, settings: Record<string, unknown> = {}): Promise<Page[]> {
    const file = join(folder, "table");
    await writeFile(file, text);
    return pullFile(file, settings);
  }

  function pullFile(file: string, settings: Record<string, unknown>): Promise<Page[]> {
    const input: PullInput<unknown> = inputOf(
      table,
      {
        settings: { file, format: "csv", ...mapping, ...settings },
        connection: { key: "main", secret: undefined, attributes: {} },
        now: new Date(),
      } as unknown as Bench,
      fetcher.fetchFor(new AbortController().signal),
    );
    return pagesOf(table.pull(input as never));
  }

  const HEADER = "id,partner,person,since,until\n";

  test("a row becomes a fact whose last day still counts", async () => {
    const [fact] = factsOf(await pull(`${HEADER}c1, acme.example ,Anna,2026-03-28,2026-10-25\n`));
    expect(fact).toEqual({
      externalId: "c1",
      kind: "certified-person",
      occurredAt: new Date("2026-03-27T23:00:00Z"),
      // 26 October begins in winter time.
      endedAt: new Date("2026-10-25T23:00:00Z"),
      quantity: 1,
      attributes: { person: "Anna" },
      identity: { namespace: "domain", key: "acme.example" },
    });
  });

  test("rows without a partner, of quantity 0 or left out by a filter are no facts", async () => {
    const text = `id,partner,person,since,until,level,n
c1,acme,Anna,2026-03-28,,advanced,2.5
c2,,Ben,2026-03-28,,advanced,1
c3,acme,Cleo,2026-03-28,,advanced,0
c4,acme,Dan,2026-03-28,,basic,1
c5,acme,Eve,2026-03-28,9999-12-31,expert,1
`;
    const facts = factsOf(await pull(text, { quantity: "n", where: { level: ["advanced", "expert"] } }));
    expect(facts.map(({ externalId, quantity, endedAt }) => [externalId, quantity, endedAt])).toEqual([
      ["c1", 2.5, undefined],
      ["c5", 1, undefined],
    ]);
  });

  test("JSON rows may be nested, sparse and typed", async () => {
    const text = JSON.stringify({
      all: [
        { id: 7, by: { domain: "acme" }, since: "2026-10-25T02:30:00Z", person: true, until: null },
        { id: 8, by: null, since: "2026-01-01", person: "x" },
      ],
    });
    const facts = factsOf(
      await pull(text, { format: "json", path: "all", partner: { namespace: "d", column: "by.domain" } }),
    );
    expect(facts).toHaveLength(1);
    expect(facts[0]).toMatchObject({
      externalId: "7",
      attributes: { person: "true" },
      identity: { key: "acme" },
    });
  });

  test.each([
    [
      "a missing column",
      "id,partner,since,until\n",
      "table, line 1: no column person among id, partner, since, until",
    ],
    ["a column that is there twice", "id,id,partner,person,since,until\n", "the column id is there twice"],
    ["an empty file", "", "a header line was expected"],
    [
      "a short row",
      `${HEADER}c1,acme,Anna,2026-01-01,\nc2,acme,Ben\n`,
      "table, line 3: as many columns as in the header were expected",
    ],
    ["an open quote", `${HEADER}c1,acme,"Anna,2026-01-01,\n`, "no valid CSV"],
    [
      "an id that is there twice",
      `${HEADER}c1,acme,A,2026-01-01,\nc1,acme,B,2026-01-01,\n`,
      "line 3: the id is that of",
    ],
  ])("%s is named with its place", async (_, text, message) => {
    await expect(pull(text)).rejects.toMatchObject({
      class: "data",
      message: expect.stringContaining(message) as string,
    });
  });

  test.each([
    ["a missing id", `${HEADER},acme,A,2026-01-01,\n`, "line 2: the id is missing"],
    ["an impossible date", `${HEADER}c1,acme,A,2026-02-30,\n`, 'line 2 (c1): "2026-02-30" is not a date'],
    ["a missing date", `${HEADER}c1,acme,A,,\n`, "no date in the column since"],
    ["an event in the year 9999", `${HEADER}c1,acme,A,9999-12-31,\n`, "c1: it happened at no possible date"],
    [
      "an end before the beginning",
      `${HEADER}c1,acme,A,2026-02-01,2026-01-01\n`,
      "c1: it ends before it begins",
    ],
    [
      "text in another encoding that would change who is meant",
      Buffer.from(`${HEADER}c1,caf\u00e9,A,2026-01-01,\n`, "latin1"),
      "c1: a domain of 1 to 512 undamaged characters was expected",
    ],
  ])("a row with %s is quarantined, and the others are evidence", async (_, text, reason) => {
    const others = "c7,acme,G,2026-01-01,\nc8,acme,H,2026-01-01,\n";
    const [page] = await pull(Buffer.concat([Buffer.from(text), Buffer.from(others)]));
    expect(page?.evidence.map(({ externalId }) => externalId)).toEqual(["c7", "c8"]);
    expect(page?.quarantined).toEqual([
      expect.objectContaining({ reason: expect.stringContaining(reason) as string }),
    ]);
  });

  test("a row without an id is known by its line, and may be any fact", async () => {
    const [page] = await pull(`${HEADER},acme,A,2026-01-01,\n`);
    expect(page?.quarantined).toMatchObject([
      { externalId: expect.stringMatching(/line 2$/) as string, unidentified: true },
    ]);
  });

  test("a name that slipped into the column of a date is not repeated in the reason", async () => {
    const [page] = await pull(`${HEADER}c1,acme,,Anna Example,\n`);
    expect(page?.quarantined?.[0]?.reason).toMatch(/line 2 \(c1\): a text of 12 characters is not a date/);
  });

  test("a column of people can be read as pseudonyms: two people stay two, and nobody is named", async () => {
    const people =
      "c1,acme,Anna@x.example,2026-01-01,\nc2,acme,anna@x.example,2026-01-01,\nc3,acme,Ben,2026-01-01,\nc4,acme,,2026-01-01,\n";
    const [page] = await pull(HEADER + people, {
      attributes: { person: { column: "person", pseudonym: true } },
    });
    expect(page?.evidence.map(({ attributes }) => attributes?.["person"])).toEqual([
      "hash of anna@x.example",
      "hash of anna@x.example",
      "hash of ben",
      undefined,
    ]);
  });

  test("a JSON column that no row has is a mistake in the settings, not an absent value", async () => {
    const text = JSON.stringify([{ id: 1, partner: "acme", since: "2026-01-01", person: "A" }]);
    await expect(pull(text, { format: "json" })).rejects.toMatchObject({
      message: expect.stringContaining("no row has the column until") as string,
    });
  });

  test("a JSON document without the array is refused", async () => {
    for (const text of ['{"error":"denied"}', "null", '{"data":{}}']) {
      await expect(pull(text, { format: "json" })).rejects.toMatchObject({ class: "data" });
    }
  });

  test("a file that is not there is a matter of the settings", async () => {
    await expect(pullFile(join(folder, "missing.csv"), {})).rejects.toMatchObject({
      class: "config",
      message: expect.stringContaining("ENOENT") as string,
    });
  });

  test("a page on another host is not followed, since the secret would go there", async () => {
    const server = await openServer(() =>
      json([], { link: '<https://elsewhere.example/?page=2>; rel="next"' }),
    );
    const open = openFetcher({ allowPrivate: [server.host], userAgent: "standings-test", limits });
    const bench = {
      settings: { url: server.url, format: "json", ...mapping },
      connection: { key: "main", secret: SECRET, attributes: {} },
      now: new Date(),
    };
    const input = inputOf(table, bench as unknown as Bench, open.fetchFor(new AbortController().signal));
    await expect(pagesOf(table.pull(input as never))).rejects.toMatchObject({
      class: "data",
      message: expect.stringContaining("another host") as string,
    });
    await open.close();
    await server.close();
  });

  test("settings name either a url or a file, and no other keys", () => {
    expect(table.settings.safeParse({ format: "csv", ...mapping }).success).toBe(false);
    expect(
      table.settings.safeParse({ format: "csv", ...mapping, file: "a", url: "https://a.example" }).success,
    ).toBe(false);
    expect(table.settings.safeParse({ format: "csv", ...mapping, file: "a", occuredAt: "x" }).success).toBe(
      false,
    );
    expect(table.settings.safeParse({ format: "csv", ...mapping, file: "a" }).success).toBe(true);
  });
});
