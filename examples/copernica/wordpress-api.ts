// The vendor's blog as WordPress's REST API shows it to everybody: published posts, categories, users.
// https://developer.wordpress.org/rest-api/reference/posts/
import { Temporal } from "temporal-polyfill";
import { type Answer, json, type Question } from "./answer.ts";
import type { Article } from "./history.ts";
import { timeZone } from "./mailings.ts";
import { partners } from "./partners.ts";
import type { World } from "./world.ts";

const authors = ["Redactie", "Anouk", "Bram", "Friederike"].map((name, n) => ({
  id: n + 1,
  name,
  slug: name.toLowerCase(),
}));

/** One category for each partner, and one for the vendor's own news. */
const categories = [{ slug: "product-news", name: "Product news" }, ...partners].map(({ slug, name }, n) => ({
  id: n + 2,
  slug,
  name,
}));

export function answerWordPress(world: World, { method, path, query, base }: Question): Answer {
  const [root, api, version, list, id] = path.split("/");
  if (root !== "wp-json" || method !== "GET") return failure(404, "rest_no_route", "No route was found.");
  if (api === undefined) {
    const names = { name: "Partner blog", url: base, home: base, namespaces: ["wp/v2"] };
    return json({ ...names, timezone_string: timeZone, gmt_offset: 1, authentication: {} });
  }
  if (`${api}/${String(version)}` !== "wp/v2") return failure(404, "rest_no_route", "No route was found.");
  switch (list) {
    case "posts":
      return id === undefined ? posts(world, query, base) : post(world, Number(id), base);
    case "categories":
      return page(filtered(categories, query), query, `${base}/${path}`, (category) => ({
        ...category,
        count: world.articles.filter((each) => each.category === category.slug && each.status === "publish")
          .length,
        link: `${base}/category/${category.slug}/`,
        taxonomy: "category",
        parent: 0,
      }));
    case "tags":
      return page([], query, `${base}/${path}`, (tag) => tag);
    case "users":
      return page(filtered(authors, query), query, `${base}/${path}`, (author) => ({
        ...author,
        link: `${base}/author/${author.slug}/`,
      }));
    default:
      return failure(404, "rest_no_route", "No route was found.");
  }
}

function posts(world: World, query: URLSearchParams, base: string): Answer {
  if ((query.get("status") ?? "publish") !== "publish")
    return failure(400, "rest_invalid_param", "Invalid: status");
  const wanted = query.get("categories")?.split(",").map(Number);
  const between = (name: string, at: string, sign: 1 | -1) => {
    const bound = query.get(name);
    // Both bounds are strict.
    return bound === null || Math.sign(Date.parse(at) - instantOf(bound)) === sign;
  };
  const rows = filtered(
    world.articles.filter(
      (each) =>
        each.status === "publish" &&
        (wanted === undefined || wanted.includes(categoryOf(each))) &&
        between("after", each.publishedAt, 1) &&
        between("before", each.publishedAt, -1) &&
        between("modified_after", each.modifiedAt, 1) &&
        between("modified_before", each.modifiedAt, -1),
    ),
    query,
  );
  const orders: Record<string, (each: Article) => string | number> = {
    id: (each) => each.id,
    modified: (each) => each.modifiedAt,
  };
  const key = orders[query.get("orderby") ?? "date"] ?? ((each: Article) => each.publishedAt);
  const sign = query.get("order") === "asc" ? 1 : -1;
  rows.sort((a, b) => sign * (key(a) < key(b) ? -1 : key(a) > key(b) ? 1 : a.id - b.id));
  return page(rows, query, `${base}/wp-json/wp/v2/posts`, (article) => toPost(article, base));
}

function post(world: World, id: number, base: string): Answer {
  const article = world.articles.find((each) => each.id === id);
  if (article === undefined) return failure(404, "rest_post_invalid_id", "Invalid post ID.");
  if (article.status === "trash")
    return failure(401, "rest_forbidden", "Sorry, you are not allowed to do that.");
  return json(toPost(article, base));
}

function page<T>(
  rows: T[],
  query: URLSearchParams,
  url: string,
  toRow: (row: T) => Record<string, unknown>,
): Answer {
  const perPage = Number(query.get("per_page") ?? 10);
  const number = Number(query.get("page") ?? 1);
  if (!Number.isInteger(perPage) || perPage < 1 || perPage > 100) {
    return failure(400, "rest_invalid_param", "Invalid parameter(s): per_page");
  }
  const pages = Math.ceil(rows.length / perPage);
  if (!Number.isInteger(number) || number < 1)
    return failure(400, "rest_invalid_param", "Invalid parameter(s): page");
  if (number > Math.max(pages, 1)) {
    return failure(
      400,
      "rest_post_invalid_page_number",
      "The page number requested is larger than the pages available.",
    );
  }
  const fields = query.get("_fields")?.split(",");
  const shown = rows.slice((number - 1) * perPage, number * perPage).map((row) => {
    const entries = Object.entries(toRow(row));
    return Object.fromEntries(
      fields === undefined ? entries : entries.filter(([name]) => fields.includes(name)),
    );
  });
  const link = (to: number, rel: string) => {
    const there = new URLSearchParams(query);
    there.set("page", String(to));
    return `<${url}?${there.toString()}>; rel="${rel}"`;
  };
  const links = [
    ...(number > 1 ? [link(number - 1, "prev")] : []),
    ...(number < pages ? [link(number + 1, "next")] : []),
  ];
  return json(shown, 200, {
    "x-wp-total": String(rows.length),
    "x-wp-totalpages": String(pages),
    ...(links.length > 0 ? { link: links.join(", ") } : {}),
  });
}

function filtered<T extends { id: number; slug?: string }>(rows: readonly T[], query: URLSearchParams): T[] {
  const ids = query.get("include")?.split(",").map(Number);
  const slugs = query.get("slug")?.split(",");
  return rows.filter(
    (row) =>
      (ids?.includes(row.id) ?? true) &&
      (slugs === undefined || slugs.includes(row.slug ?? `post-${row.id}`)),
  );
}

function toPost(article: Article, base: string): Record<string, unknown> {
  return {
    id: article.id,
    date: local(article.publishedAt),
    date_gmt: article.publishedAt.slice(0, 19),
    guid: { rendered: `${base}/?p=${article.id}` },
    modified: local(article.modifiedAt),
    modified_gmt: article.modifiedAt.slice(0, 19),
    slug: `post-${article.id}`,
    status: article.status,
    type: "post",
    link: `${base}/post-${article.id}/`,
    title: { rendered: article.title },
    author: article.author,
    categories: [categoryOf(article)],
    tags: [],
  };
}

function categoryOf(article: Article): number {
  return categories.find((each) => each.slug === article.category)?.id ?? 1;
}

/** Site local time without a zone. */
function local(instant: string): string {
  return Temporal.Instant.from(instant)
    .toZonedDateTimeISO(timeZone)
    .toPlainDateTime()
    .toString({ smallestUnit: "second" });
}

/** A date without a zone is site local time. NaN where it is none: nothing is after or before that. */
function instantOf(bound: string): number {
  if (/(?:Z|[+-]\d\d:?\d\d)$/.test(bound)) return Date.parse(bound);
  try {
    return Temporal.PlainDateTime.from(bound).toZonedDateTime(timeZone).epochMilliseconds;
  } catch {
    return Number.NaN;
  }
}

function failure(status: number, code: string, message: string): Answer {
  return json({ code, message, data: { status } }, status);
}
