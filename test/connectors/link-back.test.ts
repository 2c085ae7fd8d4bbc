import { afterEach, beforeEach, describe, expect, test } from "vitest";
import { openServer, type TestServer } from "../../src/conformance/server.ts";
import { type Fetcher, openFetcher } from "../../src/connectors/client/fetcher.ts";
import type { EvidenceFact, Json } from "../../src/connectors/connector.ts";
import { linkBack } from "../../src/connectors/link-back.ts";
import { type Bench, conforms, inputOf, limits, pagesOf } from "./conformance.ts";

const PROFILE = "https://www.vendor.example/partners/";

function page(anchors: string): string {
  return `<!DOCTYPE html><html><head><title>Acme</title></head><body><p>${anchors}</p></body></html>`;
}

const LINKING = page('<a href="https://vendor.example/partners/acme">a partner of Vendor</a>');

async function openBench(): Promise<Bench> {
  const site = { body: LINKING };
  const server = await openServer(() => ({ headers: { "content-type": "text/html" }, body: site.body }));
  return {
    server,
    settings: { "links-to": PROFILE },
    connection: { key: `${server.url}/?key=secret`, secret: undefined, attributes: {} },
    now: new Date("2026-10-28T12:00:00Z"),
    secrets: [],
    remove() {
      site.body = page("nothing");
    },
  };
}

describe("link-back", () => {
  conforms("link-back", linkBack, openBench);

  let server: TestServer;
  let fetcher: Fetcher;
  let pages: Record<string, string>;

  beforeEach(async () => {
    pages = {};
    server = await openServer(({ path }) => {
      const body = pages[path];
      return body === undefined
        ? { status: 404, body: "" }
        : { headers: { "content-type": "text/html" }, body };
    });
    fetcher = openFetcher({ allowPrivate: [server.host], userAgent: "standings-test", limits });
  });

  afterEach(async () => {
    await fetcher.close();
    await server.close();
  });

  interface Look {
    on?: string;
    cursor?: Json | undefined;
    settings?: Record<string, unknown>;
    key?: string;
  }

  async function look({ on = "2026-11-25", cursor, settings = {}, key = server.url }: Look = {}) {
    const bench = {
      settings: { "links-to": PROFILE, ...settings },
      connection: { key, secret: undefined, attributes: {} },
      now: new Date(`${on}T12:00:00Z`),
    } as unknown as Bench;
    const input = inputOf(linkBack, bench, fetcher.fetchFor(new AbortController().signal), {
      cursor,
      full: false,
    });
    const [only] = await pagesOf(linkBack.pull(input as never));
    return { fact: only?.evidence[0], cursor: JSON.parse(JSON.stringify(only?.cursor)) as Json };
  }

  const held = (fact: EvidenceFact | undefined) =>
    fact && [fact.occurredAt, fact.endedAt].map((at) => at?.toISOString().slice(0, 10));

  test("a site that links is one fact, with the page it links from", async () => {
    pages["/"] = LINKING;
    expect((await look()).fact).toEqual({
      externalId: `link/${server.url}`,
      kind: "partner-link",
      occurredAt: new Date("2026-11-25T12:00:00Z"),
      attributes: { rel: "follow" },
      title: `${server.host} links to www.vendor.example`,
      link: `${server.url}/`,
    });
  });

  test.each([
    [
      "http, without www., in capitals, with a slash and more behind it",
      '<a HREF="http://VENDOR.example/Partners/Acme/?utm=1#top">x</a>',
      true,
    ],
    ["the page itself", `<a href="https://vendor.example/partners">x</a>`, true],
    ["a scheme left out", '<a href=" //vendor.example/partners/acme ">x</a>', true],
    ["a base", '<base href="https://vendor.example/"><a href="partners/acme">x</a>', true],
    ["an area of an image", '<map><area href="https://vendor.example/partners/acme"></map>', true],
    ["another page of the same host", '<a href="https://vendor.example/">x</a>', false],
    ["a page whose name only begins so", '<a href="https://vendor.example/partnership">x</a>', false],
    ["another host", '<a href="https://vendor.example.evil.example/partners/">x</a>', false],
    ["another port", '<a href="https://vendor.example:8443/partners/">x</a>', false],
    ["another scheme", "<a href=\"javascript:location='https://vendor.example/partners/'\">x</a>", false],
    ["a comment", '<!-- <a href="https://vendor.example/partners/">x</a> -->', false],
    ["a script", "<script>\"<a href='https://vendor.example/partners/'>x</a>\"</script>", false],
    ["a template", '<template><a href="https://vendor.example/partners/">x</a></template>', false],
    ["plain words", "https://vendor.example/partners/", false],
  ])("%s", async (_, anchors, links) => {
    pages["/"] = page(anchors);
    expect((await look()).fact !== undefined).toBe(links);
  });

  test("a link that search engines are told not to follow says so, unless another one is followed", async () => {
    const anchor = (rel: string) => `<a rel="${rel}" href="${PROFILE}acme">x</a>`;
    pages["/"] = page(anchor("noopener NoFollow"));
    expect((await look()).fact?.attributes).toEqual({ rel: "nofollow" });
    pages["/"] = page(anchor("nofollow") + anchor("noopener"));
    expect((await look()).fact?.attributes).toEqual({ rel: "follow" });
  });

  test("it holds from when it was first seen, the same in every pull", async () => {
    pages["/"] = LINKING;
    const first = await look({ on: "2026-11-01" });
    const second = await look({ on: "2026-11-20", cursor: first.cursor });
    expect(second).toEqual(first);
  });

  test("it ends when it was first missed, once it has been missing for two days; then it may begin anew", async () => {
    pages["/"] = LINKING;
    let { fact, cursor } = await look({ on: "2026-11-01" });
    pages["/"] = page("back soon");
    ({ fact, cursor } = await look({ on: "2026-11-10", cursor }));
    expect(held(fact)).toEqual(["2026-11-01", undefined]);
    pages["/"] = LINKING;
    ({ fact, cursor } = await look({ on: "2026-11-11", cursor }));
    expect(held(fact)).toEqual(["2026-11-01", undefined]);
    pages["/"] = page("no more");
    ({ fact, cursor } = await look({ on: "2026-11-12", cursor }));
    ({ fact, cursor } = await look({ on: "2026-11-13", cursor }));
    expect(held(fact)).toEqual(["2026-11-01", undefined]);
    ({ fact, cursor } = await look({ on: "2026-11-14", cursor }));
    expect(held(fact)).toEqual(["2026-11-01", "2026-11-12"]);
    ({ fact, cursor } = await look({ on: "2026-11-20", cursor }));
    expect(held(fact)).toEqual(["2026-11-01", "2026-11-12"]);
    pages["/"] = LINKING;
    ({ fact, cursor } = await look({ on: "2026-11-25", cursor }));
    expect(held(fact)).toEqual(["2026-11-25", undefined]);
  });

  test("the pages of the settings are tried in their order, no more of them than needed", async () => {
    pages["/"] = page("nothing");
    pages["/about"] = LINKING;
    const settings = { paths: ["/", "/about", "/missing"] };
    expect((await look({ settings })).fact?.link).toBe(`${server.url}/about`);
    pages["/about"] = page("nothing");
    await expect(look({ settings })).rejects.toMatchObject({ class: "config", status: 404 });
  });

  test("what is no web page, or no address of one, is an error and never a site without the link", async () => {
    pages["/"] = "%PDF-1.7";
    await expect(look()).rejects.toMatchObject({ class: "data" });
    await expect(look({ key: "http://" })).rejects.toMatchObject({ class: "config" });
    await expect(look({ key: "localhost" })).rejects.toMatchObject({ class: "config" });
  });
});
