import { afterEach, beforeEach, describe, expect, test } from "vitest";
import { openServer, type TestServer } from "../../src/conformance/server.ts";
import { type Fetcher, openFetcher } from "../../src/connectors/client/fetcher.ts";
import type { Page } from "../../src/connectors/connector.ts";
import { readFeedDate } from "../../src/connectors/feed/dates.ts";
import { feed } from "../../src/connectors/feed/feed.ts";
import { type Bench, conforms, factsOf, inputOf, limits, pagesOf } from "./conformance.ts";
import { JUST_LATE_MS } from "./system.ts";

const SECRET = "reader:feed-pass-1234";

function rss(...items: string[]): string {
  return `<?xml version="1.0" encoding="UTF-8"?>
<rss version="2.0" xmlns:dc="http://purl.org/dc/elements/1.1/"><channel>
<title>Partners write</title><link>https://blog.example.com</link><description>All of it</description>
${items.join("\n")}
</channel></rss>
<!-- Cached by a plugin --> `;
}

const item = (id: string, ...more: string[]) =>
  `<item><title>Post ${id}</title><link>https://blog.example.com/${id}</link><guid isPermaLink="false">${id}</guid>${
    more.length > 0
      ? more.join("")
      : "<category>acme</category><pubDate>Tue, 03 Mar 2026 10:00:00 +0100</pubDate>"
  }</item>`;

const settings = { attribution: { by: "category", namespace: "blog-category" } };

/** A feed of 520 entries, in RSS or as JSON Feed. */
async function openBench(format: "rss" | "json"): Promise<Bench> {
  const source = { posts: Array.from({ length: 520 }, (_, index) => `post-${index}`), isCut: false };
  const dates = new Map<string, string>();
  const server = await openServer(() => {
    const text =
      format === "rss"
        ? rss(...source.posts.map((id) => item(id, ...dated(dates.get(id)))))
        : jsonFeed(
            ...source.posts.map((id) => {
              return { id, date_published: dates.get(id) ?? "2026-03-03T10:00:00Z", tags: ["acme"] };
            }),
          );
    // It begins what it does not give.
    return {
      body: source.isCut ? text.slice(0, text.lastIndexOf(format === "rss" ? "</channel>" : "]")) : text,
    };
  });
  return {
    server,
    settings: { url: `${server.url}/feed?key=secret`, ...settings, "time-zone": "Europe/Amsterdam" },
    connection: { key: "main", secret: SECRET, attributes: {} },
    now: new Date("2026-10-28T12:00:00Z"),
    secrets: [SECRET, Buffer.from(SECRET).toString("base64"), "key=secret"],
    remove(externalId) {
      source.posts = source.posts.filter((id) => externalId !== `entry/${id}/acme`);
    },
    lateMs: JUST_LATE_MS,
    add: (changedAt) => {
      const id = `post-${5000 + source.posts.length}`;
      dates.set(id, changedAt.toISOString());
      source.posts.unshift(id);
    },
    repeat: (externalId) => {
      source.posts.push(externalId.split("/")[1]!);
    },
    setLocal: (externalId, local) => {
      dates.set(externalId.split("/")[1]!, local);
    },
    overstate: () => {
      source.isCut = true;
    },
  };
}

const dated = (date: string | undefined) =>
  date === undefined ? [] : [`<category>acme</category><pubDate>${date}</pubDate>`];

function jsonFeed(...items: unknown[]): string {
  return JSON.stringify({ version: "https://jsonfeed.org/version/1.1", title: "Partners write", items });
}

describe("feed, RSS", () => {
  conforms("feed", feed, () => openBench("rss"));
});

describe("feed, JSON Feed", () => {
  conforms("feed", feed, () => openBench("json"));
});

describe("feed", () => {
  let server: TestServer;
  let fetcher: Fetcher;
  let body: string | Buffer;

  beforeEach(async () => {
    server = await openServer(() => ({ body }));
    fetcher = openFetcher({ allowPrivate: [server.host], userAgent: "standings-test", limits });
  });

  afterEach(async () => {
    await fetcher.close();
    await server.close();
  });

  function pull(text: string | Buffer, changes: Record<string, unknown> = {}): Promise<Page[]> {
    body = text;
    const bench = {
      settings: { url: `${server.url}/blog/feed.xml`, ...settings, ...changes },
      connection: { key: "main", secret: undefined, attributes: {} },
      now: new Date("2026-11-25T12:00:00Z"),
    } as unknown as Bench;
    return pagesOf(feed.pull(inputOf(feed, bench, fetcher.fetchFor(new AbortController().signal)) as never));
  }

  const quarantinedOf = (pages: Page[]) => pages.flatMap(({ quarantined = [] }) => quarantined);

  test("an RSS item is one fact for each category, its title in plain words", async () => {
    const post = `<item><title>A &lt;em&gt;case&lt;/em&gt; &amp;amp; more</title><link>../7</link><guid>7</guid>
      <category>acme</category><category>brightly</category><category>acme</category>
      <pubDate>Tue, 03 Mar 2026 10:00 EST</pubDate></item>`;
    expect(factsOf(await pull(rss(post)))).toEqual(
      ["acme", "brightly"].map((key) => ({
        externalId: `entry/7/${key}`,
        kind: "article",
        occurredAt: new Date("2026-03-03T15:00:00Z"),
        title: "A case & more",
        link: `${server.url}/7`,
        identity: { namespace: "blog-category", key },
      })),
    );
  });

  test("RDF, Atom and JSON Feed say the same in their own words", async () => {
    const rdf = `<rdf:RDF xmlns:rdf="http://www.w3.org/1999/02/22-rdf-syntax-ns#" xmlns="http://purl.org/rss/1.0/"
      xmlns:dc="http://purl.org/dc/elements/1.1/"><channel rdf:about="https://a.example"><title>x</title></channel>
      <item rdf:about="7"><title>Case</title><link>https://blog.example.com/7</link><dc:date>2026-03-03T10:00:00Z</dc:date>
      <dc:subject>acme</dc:subject><dc:creator>Anna</dc:creator></item></rdf:RDF>`;
    const atom = `<feed xmlns="http://www.w3.org/2005/Atom" xml:base="https://blog.example.com/"><title>x</title><id>f</id>
      <updated>2026-05-05T00:00:00Z</updated><author><name>Anna</name><email>anna@acme.example</email></author>
      <entry><id>7</id><title type="html">&lt;b&gt;Case&lt;/b&gt;</title><link rel="edit" href="no"/><link href="7"/>
      <published>2026-03-03T11:00:00+01:00</published><updated>2026-04-04T00:00:00Z</updated><category term="acme"/></entry></feed>`;
    const json = jsonFeed({
      id: 7,
      url: "https://blog.example.com/7",
      title: "Case",
      date_published: "2026-03-03T10:00:00Z",
      date_modified: "2026-04-04T00:00:00Z",
      tags: ["acme"],
      authors: [{ name: "Anna", url: "https://www.acme.example/anna" }],
    });
    for (const text of [rdf, atom, json]) {
      expect(factsOf(await pull(text))).toEqual([
        {
          externalId: "entry/7/acme",
          kind: "article",
          occurredAt: new Date("2026-03-03T10:00:00Z"),
          title: "Case",
          link: "https://blog.example.com/7",
          identity: { namespace: "blog-category", key: "acme" },
        },
      ]);
      const keys = async (by: string) =>
        factsOf(await pull(text, { attribution: { by, namespace: "n" } })).map(
          ({ identity }) => identity?.key,
        );
      expect(await keys("author")).toEqual(["Anna"]);
      expect(await keys("author-domain")).toEqual(text === rdf ? [] : ["acme.example"]);
      expect(await keys("link-domain")).toEqual(["blog.example.com"]);
    }
  });

  test("an RSS author is known by its name, its address and its domain", async () => {
    const text = rss(
      item("1", "<author>anna@acme.example (Anna)</author><pubDate>2026-03-03</pubDate>"),
      item("2", "<dc:creator>agency-brightly</dc:creator><pubDate>2026-03-03</pubDate>"),
    );
    const keys = async (attribution: Record<string, unknown>) =>
      factsOf(await pull(text, { attribution: { namespace: "n", ...attribution } })).map(
        ({ identity }) => identity?.key,
      );
    expect(await keys({ by: "author" })).toEqual(["Anna", "agency-brightly"]);
    expect(await keys({ by: "author", prefix: "agency-" })).toEqual(["brightly"]);
    expect(await keys({ by: "author-domain" })).toEqual(["acme.example"]);
  });

  test("an item is known by its guid, else by its link; the same one twice counts once, as it stands first", async () => {
    const dated = "<category>acme</category><pubDate>2026-03-03</pubDate>";
    const pages = await pull(
      rss(
        item("1", dated),
        `<item><title>Older</title><guid>1</guid>${dated}</item>`,
        `<item><title>No guid</title><link>/2</link>${dated}</item>`,
        `<item><title>Long</title><guid>${"x".repeat(600)}</guid>${dated}</item>`,
      ),
    );
    const facts = factsOf(pages).map(({ externalId, title }) => `${externalId.slice(0, 40)} ${title ?? ""}`);
    expect(facts.slice(0, 1)).toEqual(["entry/1/acme Post 1"]);
    expect(facts.filter((fact) => fact.includes(`${server.url}/2`.slice(0, 20)))).toHaveLength(1);
    expect(facts).toHaveLength(3);
  });

  test("an item without a date, without a name, or with a date nobody can read is kept aside with the reason", async () => {
    const pages = await pull(
      rss(
        item("1", "<category>acme</category>"),
        item("2", "<category>acme</category><pubDate>Tue, 03 Mar 2026 10:00 IST</pubDate>"),
        item("3", "<category>acme</category><pubDate>yesterday</pubDate>"),
        "<item><title>Nameless</title><category>acme</category><pubDate>2026-03-03</pubDate></item>",
        item("5"),
        // Names no partner: what is wrong with it is nobody's loss.
        item("6", "<pubDate>yesterday</pubDate>"),
      ),
    );
    expect(factsOf(pages).map(({ externalId }) => externalId)).toEqual(["entry/5/acme"]);
    expect(quarantinedOf(pages).map(({ externalId }) => externalId)).toEqual([
      "entry/1/acme",
      "entry/2/acme",
      "entry/3/acme",
      "entry 4",
    ]);
    expect(quarantinedOf(pages)[1]?.reason).toContain("the time zone IST is not known");
  });

  test("what is no whole feed is an error, never an empty one", async () => {
    const whole = rss(item("1"));
    for (const [text, errorClass] of [
      [whole.slice(0, whole.indexOf("</rss>")), "transient"],
      [whole.replace("</rss>", "</rs>"), "transient"],
      ["<!-- x --><!DOCTYPE html><html><body></body></html>", "transient"],
      [jsonFeed({ id: 1 }).slice(0, -3), "transient"],
      ["", "data"],
      ['{"error":"denied"}', "data"],
      ["<opml></opml>", "data"],
      ["<rss></rss>", "data"],
    ]) {
      await expect(pull(text ?? ""), text).rejects.toMatchObject({ class: errorClass });
    }
    expect(factsOf(await pull(rss()))).toEqual([]);
    expect(factsOf(await pull(jsonFeed()))).toEqual([]);
  });

  test("a feed in another encoding is refused where it matters", async () => {
    const latin = (name: string) => Buffer.from(rss(item(name)).replace("UTF-8", "ISO-8859-1"), "latin1");
    expect(factsOf(await pull(latin("cafe")))).toHaveLength(1);
    await expect(pull(latin("caf\u00e9"))).rejects.toMatchObject({
      class: "data",
      message: expect.stringContaining("ISO-8859-1: only UTF-8") as string,
    });
  });

  test("hostile prologues and endings cost no time", async () => {
    for (const text of [
      "<??>".repeat(200_000),
      `${rss()}${"<!-- x -->".repeat(100_000)}`,
      `<rss>${" ".repeat(2_000_000)}x`,
    ]) {
      await pull(text).catch((error: unknown) => {
        expect(error).toMatchObject({ name: "SourceError" });
      });
    }
  }, 5000);

  test("a feed that has not changed since the last listing is not read", async () => {
    const bench = {
      settings: { url: "https://a.example/feed", ...settings, shows: "everything" },
      connection: { key: "main", secret: undefined, attributes: {} },
      now: new Date("2026-11-25T12:00:00Z"),
    } as unknown as Bench;
    const asked: unknown[] = [];
    const input = inputOf(feed, bench, (request) => {
      asked.push(request.conditional);
      return Promise.resolve({ status: 304, headers: {}, text: "" });
    });
    expect(await pagesOf(feed.pull(input as never))).toEqual([{ unchanged: true, evidence: [], cursor: {} }]);
    expect(asked).toEqual([true]);
  });

  test("only a feed that shows everything may call anything absent", () => {
    const canList = (changes: Record<string, unknown>) =>
      feed.canList?.(feed.settings.parse({ url: "https://a.example", ...settings, ...changes }));
    expect(canList({})).toBe(false);
    expect(canList({ shows: "everything" })).toBe(true);
  });
});

describe("dates of feeds", () => {
  test.each([
    ["Tue, 03 Mar 2026 10:00:00 GMT", "2026-03-03T10:00:00.000Z"],
    ["3 Mar 2026 10:00 +0530", "2026-03-03T04:30:00.000Z"],
    ["Tue, 3 March 2026 9:05:07 PST", "2026-03-03T17:05:07.000Z"],
    ["Tue, 03 Mar 26 10:00:00 CEST", "2026-03-03T08:00:00.000Z"],
    ["Tue 03-Mar-2026 10:00:00", "2026-03-03T09:00:00.000Z"],
    ["03 Mar 2026", "2026-03-02T23:00:00.000Z"],
    ["2026-03-03T10:00:00-05:00", "2026-03-03T15:00:00.000Z"],
    ["2026-03-03", "2026-03-02T23:00:00.000Z"],
    ["", undefined],
    [undefined, undefined],
  ])("%s", (text, expected) => {
    expect(readFeedDate(text, "Europe/Amsterdam", "entry/1")?.toISOString()).toBe(expected);
  });

  test.each([
    "31 Feb 2026 10:00 GMT",
    "03 Foo 2026",
    "03 Mar 2026 25:00 GMT",
    "03 Mar 2026 10:00 BST",
    "1772532000",
  ])("%s is refused by its name", (text) => {
    expect(() => readFeedDate(text, "UTC", "entry/1")).toThrow("entry/1");
  });
});
