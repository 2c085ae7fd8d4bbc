// Ghost 6 in the shape it was seen to answer, its tokens verified as it verifies them.
import { jwtVerify } from "jose";
import { afterEach, beforeEach, describe, expect, test } from "vitest";
import { json } from "../../src/conformance/server.ts";
import { findConnector } from "../../src/connectors/catalogue.ts";
import { type Fetcher, openFetcher } from "../../src/connectors/client/fetcher.ts";
import { conforms, factsOf, inputOf, limits, pagesOf } from "./conformance.ts";
import { openSystem, partOf } from "./system.ts";

const ID = "6523a1f0c3a4b5d6e7f80912";
const HEX = "a1b2c3d4e5f60718293a4b5c6d7e8f90a1b2c3d4e5f60718293a4b5c6d7e8f90";
const SECRET = `${ID}:${HEX}`;
const NOW = new Date("2026-10-28T12:00:00Z");

const post = (n: number) => ({
  id: (0x652300000000 + n).toString(16).padStart(24, "0"),
  uuid: `00000000-0000-4000-8000-${String(n).padStart(12, "0")}`,
  title: `Post ${n + 1}`,
  slug: `post-${n + 1}`,
  status: "published",
  visibility: "public",
  created_at: new Date(Date.UTC(2026, 3, 1, n)).toISOString(),
  updated_at: new Date(Date.UTC(2026, 4, 1, n)).toISOString(),
  published_at: new Date(Date.UTC(2026, 4, 1, n)).toISOString(),
  url: `https://blog.example.com/post-${n + 1}/`,
  tags: [
    { id: "t1", name: "Acme", slug: `partner-acme-${n % 3}` },
    { id: "t2", name: "News", slug: "news" },
  ],
  authors: [{ id: "1", name: "Anna", slug: "anna" }],
  email: null as null | Record<string, unknown>,
});
type Post = ReturnType<typeof post>;

const ghost = findConnector("ghost")!;
const tokens: string[] = [];
const SETTINGS = { attribution: "tag", namespace: "blog-tag", prefix: "partner-" };

function open(settings: Record<string, unknown> = SETTINGS, count = 120) {
  return openSystem<Post>({
    rows: Array.from({ length: count }, (_, n) => post(n)),
    routes: {
      "GET /ghost/api/admin/posts/": ({ query }, holding) => {
        const [, since] = /updated_at:>='([^']+)'/.exec(query.get("filter") ?? "") ?? [];
        const rows = holding.rows.filter(({ updated_at }) => since === undefined || updated_at >= since);
        const page = Number(query.get("page") ?? 1);
        const limit = Math.min(Number(query.get("limit") ?? 15), 100);
        const {
          rows: posts,
          total,
          next,
        } = partOf(holding, { from: (page - 1) * limit, size: limit, another: post, rows });
        const pages = Math.max(1, Math.ceil(total / limit));
        const pagination = {
          page,
          limit,
          pages,
          total,
          next: next === undefined ? null : page + 1,
          prev: null,
        };
        return json({ posts, meta: { pagination } });
      },
    },
    allows: ({ headers }) => {
      const [scheme, token = ""] = String(headers["authorization"]).split(" ");
      tokens.push(token);
      return scheme === "Ghost" && token.split(".").length === 3;
    },
    settings: (url) => ({ url, ...settings }),
    secret: SECRET,
    secrets: [HEX],
    now: NOW,
    written: (n, changedAt) => ({ ...post(n), updated_at: changedAt.toISOString() }),
    isMeant: ({ id }, externalId) => externalId.startsWith(`post/${id}/`),
  });
}

describe("ghost", () => {
  conforms("ghost", ghost, open);
});

describe("ghost, a post", () => {
  let bench: Awaited<ReturnType<typeof open>>;
  let fetcher: Fetcher;

  async function pull(settings: Record<string, unknown>, change: (posts: Post[]) => void) {
    bench = await open(settings, 2);
    change(bench.holding.rows);
    fetcher = openFetcher({ allowPrivate: [bench.server.host], userAgent: "standings-test", limits });
    return factsOf(
      await pagesOf(ghost.pull(inputOf(ghost, bench, fetcher.fetchFor(new AbortController().signal)))),
    );
  }

  beforeEach(() => {
    tokens.length = 0;
  });

  afterEach(async () => {
    await fetcher.close();
    await bench.server.close();
  });

  test("is evidence for each partner it is tagged with, and for nobody else", async () => {
    const [first, ...others] = await pull(SETTINGS, () => {});
    expect(first).toMatchObject({
      externalId: `post/${post(0).id}/partner-acme-0`,
      kind: "joint-article",
      occurredAt: new Date("2026-05-01T00:00:00Z"),
      identity: { namespace: "blog-tag", key: "acme-0" },
      title: "Post 1",
      link: "https://blog.example.com/post-1/",
    });
    expect(others).toHaveLength(1);
  });

  test("that was sent is a newsletter too, with the number of e-mails", async () => {
    const facts = await pull({ ...SETTINGS, attribution: "site", namespace: "site" }, ([first]) => {
      first!.email = {
        id: "e1",
        status: "submitted",
        email_count: 812,
        subject: "May",
        submitted_at: "2026-05-01T06:00:00.000Z",
      };
    });
    expect(facts.map(({ kind, quantity }) => [kind, quantity])).toEqual([
      ["newsletter", 812],
      ["joint-article", 1],
      ["joint-article", 1],
    ]);
    expect(new Set(facts.map(({ identity }) => identity?.key))).toEqual(new Set(["127.0.0.1"]));
    await fetcher.close();
    await bench.server.close();
    const tagged = await pull(SETTINGS, ([first]) => {
      first!.email = {
        id: "e1",
        status: "submitted",
        email_count: 812,
        subject: "May",
        submitted_at: "2026-05-01T06:00:00.000Z",
      };
    });
    expect(tagged.find(({ kind }) => kind === "newsletter")).toMatchObject({
      externalId: "email/e1/partner-acme-0",
      occurredAt: new Date("2026-05-01T06:00:00Z"),
      quantity: 812,
      title: "May",
    });
  });

  test("is asked for with a token Ghost accepts: HS256 over the decoded key, for five minutes, for the Admin API", async () => {
    await pull(SETTINGS, () => {});
    const { payload, protectedHeader } = await jwtVerify(tokens[0]!, Buffer.from(HEX, "hex"), {
      audience: "/admin/",
      currentDate: NOW,
    });
    expect(protectedHeader).toEqual({ alg: "HS256", typ: "JWT", kid: ID });
    expect(payload.exp! - payload.iat!).toBe(300);
  });

  test("cannot be asked for with half a key, which is said without the half", async () => {
    bench = await open(SETTINGS, 1);
    fetcher = openFetcher({ allowPrivate: [bench.server.host], userAgent: "standings-test", limits });
    const signal = fetcher.fetchFor(new AbortController().signal);
    for (const secret of [ID, `${ID}:not-hexadecimal`]) {
      const input = { ...inputOf(ghost, bench, signal), connection: { key: "main", secret, attributes: {} } };
      const error = await pagesOf(ghost.pull(input)).catch((thrown: unknown) => thrown);
      expect(error).toMatchObject({ class: "auth" });
      expect((error as Error).message).not.toContain(ID);
      expect((error as Error).message).not.toContain("not-hexadecimal");
    }
  });
});
