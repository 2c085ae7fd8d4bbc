// docs/connectors/http.md is all a new user has: its document is run as it stands there, and so is everything beside it.
import { mkdtemp, readFile, rm, writeFile } from "node:fs/promises";
import { tmpdir } from "node:os";
import { join } from "node:path";
import { describe, expect, test } from "vitest";
import { parse, stringify } from "yaml";
import { openFetcher } from "../../src/connectors/client/fetcher.ts";
import { parseConnector } from "../../src/connectors/http/document.ts";
import { connectorJsonSchema } from "../../src/connectors/http/schema.ts";
import { importConnections } from "../../src/ingest/connections.ts";
import { loadSources, registerSources } from "../../src/ingest/sources.ts";
import { secretBox } from "../../src/platform/secrets.ts";
import { openTestDatabase } from "../database.ts";
import { conforms, factsOf, inputOf, limits, pagesOf } from "./conformance.ts";
import { blockOf, blocks, CONNECTIONS, DOCUMENT, openReviews, reviews, SOURCES } from "./guide.ts";

describe("the document of the guide", () => {
  test("has at most 40 lines", () => {
    expect(DOCUMENT.trimEnd().split("\n").length).toBeLessThanOrEqual(40);
  });

  conforms("reviews", reviews, openReviews);

  test("makes of the row that is shown the evidence that is meant", async () => {
    const bench = await openReviews();
    const fetcher = openFetcher({ allowPrivate: [bench.server.host], userAgent: "standings-test", limits });
    const input = inputOf(reviews, bench, fetcher.fetchFor(new AbortController().signal));
    const pages = await pagesOf(reviews.pull(input));
    expect(factsOf(pages).find(({ externalId }) => externalId === "reviews/71")).toEqual({
      externalId: "reviews/71",
      kind: "review",
      occurredAt: new Date("2026-09-30T08:15:00Z"),
      quantity: 1,
      attributes: { stars: "5", reviewer: "hash of ben@customer.example" },
      title: "Great work",
      link: "https://reviews.example/71",
      identity: { namespace: "domain", key: "acme.example" },
    });
    expect(await reviews.check(input)).toBe("Anna, large plan");

    // The next pull asks for what has changed since the newest one, less two hours.
    const cursor = pages.at(-1)!.cursor;
    await pagesOf(reviews.pull({ ...input, full: false, cursor }));
    expect(bench.server.asked.at(-1)!.query.get("updated_since")).toBe("2026-10-02T09:59:00.000Z");
    await fetcher.close();
    await bench.server.close();
  });

  test("is a source, and its secret a connection, as the page has them", async () => {
    const folder = await mkdtemp(join(tmpdir(), "standings-guide-"));
    const database = await openTestDatabase();
    await writeFile(join(folder, "reviews.yaml"), DOCUMENT);
    await writeFile(join(folder, "sources.yaml"), SOURCES);
    const { sources } = await loadSources(join(folder, "sources.yaml"));
    expect(sources).toMatchObject([{ key: "reviews", connectorName: "http", everyMs: 900_000 }]);
    await registerSources(database.db, sources);
    const secrets = secretBox(Buffer.alloc(32, 7).toString("base64"));
    const list = { source: "reviews", text: CONNECTIONS, file: "connections.csv", now: new Date() };
    expect(await importConnections(database.db, secrets, list)).toMatchObject({ changed: 1 });
    await database.close();
    await rm(folder, { recursive: true });
  });

  test("tells a mistake where the page says it does", () => {
    const wanted = blockOf("text", "reviews.yaml").trim();
    expect(() =>
      parseConnector(DOCUMENT.replace("parameter: cursor", "paramter: cursor"), "reviews.yaml"),
    ).toThrow(wanted.trim());
  });
});

const BASE = parse(`
id: example
version: "1"
url: https://api.example.com
settings: { url: { type: url }, user: {}, evidence: {} }
secret: { fields: [client-id, client-secret, private-key] }
auth: { type: none }
check: { request: { path: /me }, says: "{name}" }
`) as Record<string, unknown>;
const EVIDENCE = {
  kind: "example",
  "occurred-at": "created",
  identity: { namespace: "domain", key: "domain" },
};

/** A piece of a document as the page shows it, completed to a whole one. */
function completed(piece: Record<string, unknown>): Record<string, unknown> {
  const stream = { request: { path: "/rows" }, evidence: EVIDENCE };
  const { incremental, evidence, streams = {}, ...rest } = piece;
  const shown = Object.entries(streams as Record<string, Record<string, unknown>>);
  const parents = shown.map(([, { "for-each": parent }]) => parent);
  const whole = shown.map(([name, its]) => [
    name,
    parents.includes(name) ? its : { evidence: EVIDENCE, ...its },
  ]);
  const usual = {
    rows: {
      ...stream,
      ...(incremental !== undefined && { incremental }),
      ...(evidence !== undefined && { evidence }),
    },
  };
  return { ...BASE, ...rest, streams: whole.length > 0 ? Object.fromEntries(whole) : usual };
}

describe("every piece of a document on the page", () => {
  const pieces = blocks.filter(
    ({ language, text }) => language === "yaml" && text !== DOCUMENT && text !== SOURCES,
  );

  test("is seen", () => {
    expect(pieces.length).toBeGreaterThan(8);
  });

  test.each(pieces.map(({ text }) => [text.trim().split("\n").slice(0, 3).join(" / "), text]))(
    "%s",
    (_, text) => {
      parseConnector(stringify(completed(parse(text) as Record<string, unknown>)), "example.yaml");
    },
  );
});

describe("the JSON Schema for editors", () => {
  test("is stored as it is generated", async () => {
    const stored = await readFile(new URL("../../docs/connector.schema.json", import.meta.url), "utf8");
    expect(stored, "write it anew as docs/connectors/README.md says").toBe(
      `${JSON.stringify(connectorJsonSchema(), null, 2)}\n`,
    );
  });
});
