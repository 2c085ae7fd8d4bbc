import { afterEach, beforeEach, describe, expect, test } from "vitest";
import { type Answer, type Asked, json, openServer } from "../../src/conformance/server.ts";
import { type Fetcher, openFetcher } from "../../src/connectors/client/fetcher.ts";
import type { Page, PullInput } from "../../src/connectors/connector.ts";
import { wordpress } from "../../src/connectors/wordpress.ts";
import { type Bench, conforms, factsOf, inputOf, limits, pagesOf } from "./conformance.ts";
import { JUST_LATE_MS } from "./system.ts";

const SECRET = "standings:abcd efgh ijkl";

function openSite() {
  const site = {
    posts: [
      post(3, { categories: [1], title: "Nobody&#8217;s" }),
      post(5, { categories: [7], tags: [70], author: 2, title: "Case &#8211; <em>Acme</em> &amp; Co" }),
      post(8, { categories: [7, 8, 9] }),
      post(9, { categories: [8] }),
      post(12, { categories: [9], status: "private" }),
      post(13, { categories: [8] }),
      post(20, { categories: [10] }),
    ],
    terms: {
      1: "uncategorized",
      7: "partner-acme",
      8: "partner-brightly",
      9: "news",
      10: "partner-c%c3%b4te",
      70: "joint",
      2: "anna",
    } as Record<string, string>,
    overstatedBy: 0,
    isEndless: false,
    isShort: false,
    hidesTotal: false,
  };

  function behave({ path, query }: Asked): Answer {
    const list = /^\/wp-json\/wp\/v2\/(\w+)$/.exec(path)?.[1];
    if (list === "posts") {
      const [page, perPage] = [Number(query.get("page") ?? 1), Number(query.get("per_page"))];
      if (site.isEndless) {
        const posts = Array.from({ length: perPage }, (_, index) =>
          post(page * perPage + index, { categories: [7] }),
        );
        return json(posts, { "x-wp-total": String((page + 1) * perPage) });
      }
      const all = [...site.posts].sort((a, b) => a.id - b.id);
      const posts = all.slice((page - 1) * perPage, page * perPage - (site.isShort ? 1 : 0));
      const pages = Math.ceil(all.length / perPage);
      if (page > 1 && posts.length === 0) {
        const code = "rest_post_invalid_page_number";
        return {
          ...json({ code, message: "The page number is larger than the pages.", data: { status: 400 } }),
          status: 400,
        };
      }
      const totals = {
        "x-wp-total": String(all.length + site.overstatedBy),
        "x-wp-totalpages": String(pages),
      };
      return json(posts, site.hidesTotal ? {} : totals);
    }
    const include = (query.get("include") ?? "").split(",");
    if (list !== undefined)
      return json(
        include.flatMap((id) =>
          site.terms[id] === undefined ? [] : [{ id: Number(id), slug: site.terms[id] }],
        ),
      );
    return { ...json({ code: "rest_no_route", data: { status: 404 } }), status: 404 };
  }

  return { site, behave };
}

function post(
  id: number,
  { categories = [1], tags = [] as number[], author = 1, status = "publish", title = `Post ${id}` },
) {
  const day = String((id % 28) + 1).padStart(2, "0");
  return {
    id,
    date_gmt: `2026-03-${day}T12:00:00`,
    link: `https://blog.example.com/${id}`,
    title: { rendered: title },
    status,
    author,
    categories,
    tags,
  };
}

async function openBench(): Promise<Bench & { site: ReturnType<typeof openSite>["site"] }> {
  const { site, behave } = openSite();
  const server = await openServer(behave);
  return {
    site,
    server,
    settings: {
      url: server.url,
      attribution: { by: "category", namespace: "blog-category", prefix: "partner-" },
      "per-page": 2,
    },
    connection: { key: "main", secret: SECRET, attributes: {} },
    now: new Date("2026-10-28T12:00:00Z"),
    secrets: [SECRET, Buffer.from(SECRET).toString("base64")],
    remove(externalId) {
      const [, id, slug] = externalId.split("/");
      const term = Object.entries(site.terms).find(([, name]) => name === slug)?.[0];
      for (const one of site.posts) {
        if (one.id === Number(id))
          one.categories = one.categories.filter((category) => category !== Number(term));
      }
    },
    lateMs: JUST_LATE_MS,
    add: (changedAt) => {
      const one = post(100 + site.posts.length, { categories: [7] });
      site.posts.push({ ...one, date_gmt: changedAt.toISOString().slice(0, 19) });
    },
    repeat: (externalId) => {
      site.posts.push(site.posts.find(({ id }) => id === Number(externalId.split("/")[1]))!);
    },
    overstate: () => {
      site.overstatedBy = 1;
    },
    understate: () => {
      site.overstatedBy = -1;
    },
    shorten: () => {
      site.isShort = true;
    },
    neverEnd: () => {
      site.isEndless = true;
    },
  };
}

describe("wordpress", () => {
  conforms("wordpress", wordpress, openBench);

  let bench: Awaited<ReturnType<typeof openBench>>;
  let fetcher: Fetcher;

  beforeEach(async () => {
    bench = await openBench();
    fetcher = openFetcher({ allowPrivate: [bench.server.host], userAgent: "standings-test", limits });
  });

  afterEach(async () => {
    await fetcher.close();
    await bench.server.close();
  });

  function pull(changes: Partial<PullInput<unknown>> = {}): Promise<Page[]> {
    return pagesOf(
      wordpress.pull(
        inputOf(wordpress, bench, fetcher.fetchFor(new AbortController().signal), changes) as never,
      ),
    );
  }

  test("a post is one fact for each partner's category, named by its slug", async () => {
    const facts = factsOf(await pull());
    expect(facts.map(({ externalId, identity }) => [externalId, identity?.key])).toEqual([
      ["post/13/partner-brightly", "brightly"],
      ["post/20/partner-c%c3%b4te", "c%c3%b4te"],
      ["post/5/partner-acme", "acme"],
      ["post/8/partner-acme", "acme"],
      ["post/8/partner-brightly", "brightly"],
      ["post/9/partner-brightly", "brightly"],
    ]);
    expect(facts[2]).toMatchObject({
      kind: "joint-article",
      title: "Case – Acme & Co",
      link: "https://blog.example.com/5",
      occurredAt: new Date("2026-03-06T12:00:00Z"),
      identity: { namespace: "blog-category" },
    });
  });

  test("tags and authors attribute posts as well", async () => {
    bench.settings["attribution"] = { by: "tag", namespace: "blog-tag" };
    expect(factsOf(await pull()).map(({ externalId }) => externalId)).toEqual(["post/5/joint"]);
    bench.settings["attribution"] = { by: "author", namespace: "author", prefix: "an" };
    bench.site.terms[1] = "editor";
    expect(factsOf(await pull()).map(({ identity }) => identity)).toEqual([
      { namespace: "author", key: "na" },
    ]);
  });

  test("a new post during the listing is taken in, a deleted one makes it fail", async () => {
    for (const [change, outcome] of [
      ["add", 7],
      ["delete", "changed while it was listed"],
    ] as const) {
      bench.site.posts = openSite().site.posts;
      let changed = false;
      const listing = (async () => {
        const pages: Page[] = [];
        for await (const page of wordpress.pull(
          inputOf(wordpress, bench, fetcher.fetchFor(new AbortController().signal)) as never,
        )) {
          pages.push(page);
          if (!changed && change === "add") bench.site.posts.push(post(30, { categories: [7] }));
          if (!changed && change === "delete") bench.site.posts.shift();
          changed = true;
        }
        return factsOf(pages).length;
      })();
      if (change === "add") expect(await listing).toBe(outcome);
      else
        await expect(listing).rejects.toMatchObject({
          class: "transient",
          message: expect.stringContaining(outcome) as string,
        });
    }
  });

  test("a listing left at a page that is gone by now begins again", async () => {
    const pages = await pull();
    bench.site.posts = bench.site.posts.slice(0, 3);
    const rest = await pull({ cursor: pages.at(-2)?.cursor });
    expect(factsOf(rest).map(({ externalId }) => externalId)).toEqual([
      "post/5/partner-acme",
      "post/8/partner-acme",
      "post/8/partner-brightly",
    ]);
  });

  test("a page 1 beyond the end is no empty site", async () => {
    bench.server.breakFrom(1, (response) => {
      response.writeHead(400, { "content-type": "application/json" });
      response.end('{"code":"rest_post_invalid_page_number"}');
    });
    await expect(pull()).rejects.toMatchObject({ name: "SourceError" });
  });

  test("a site without posts is a complete, empty listing", async () => {
    bench.site.posts = [];
    expect(factsOf(await pull())).toEqual([]);
  });

  test("without its total a listing cannot be known to be whole", async () => {
    bench.site.hidesTotal = true;
    await expect(pull()).rejects.toMatchObject({
      class: "data",
      message: expect.stringContaining("X-WP-Total") as string,
    });
  });

  test("a category that vanished while a post still names it makes the listing fail", async () => {
    delete bench.site.terms[8];
    await expect(pull()).rejects.toMatchObject({ class: "transient" });
  });
});
