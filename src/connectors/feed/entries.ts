// The entries of a feed, whichever its format: RSS 2.0, RDF (RSS 1.0), Atom or JSON Feed, read by feedsmith. feedsmith takes half a
// feed for a whole one, so the end of it is looked for here.
import { type AtomFeed, type JsonFeed, parseFeed, type RdfFeed, type RssFeed } from "feedsmith";
import { z } from "zod";
import { SourceError } from "../../platform/errors.ts";
import { type FetchResponse, quote, readJson } from "../client/answers.ts";
import { parseUrl } from "../client/guard.ts";

export interface Entry {
  /** What the feed calls it, or its link where it has no name. */
  id: string | undefined;
  title: string;
  link: string | undefined;
  /** As the feed writes it: when it was published or, where it does not say that, changed. */
  date: string | undefined;
  authors: { name: string | undefined; address: string | undefined }[];
  categories: string[];
}

/**
 * Every entry, in the order of the feed. `url` is where the feed is: its links are relative to it. Throws a SourceError:
 * `transient` for a web page and for a feed that breaks off, `data` for what is no feed, or is in another encoding than UTF-8.
 */
export function readEntries(answer: FetchResponse, url: URL, where: string): Entry[] {
  const text = answer.text.trim();
  const document: unknown = text.startsWith("{")
    ? readJson(answer, z.unknown(), where)
    : checkMarkup(text, where);
  const parsed = parse(document, where);
  if (parsed.format === "rss") return (parsed.feed.items ?? []).map((item) => fromRss(item, url));
  if (parsed.format === "rdf") return (parsed.feed.items ?? []).map((item) => fromRdf(item, url));
  return parsed.format === "atom" ? fromAtomFeed(parsed.feed, url) : fromJsonFeed(parsed.feed, url);
}

function parse(document: unknown, where: string): ReturnType<typeof parseFeed<string>> {
  try {
    return parseFeed(document);
  } catch (error) {
    throw new SourceError("data", `${where} is no feed that can be read: ${quote((error as Error).message)}`);
  }
}

// Each alternative can end in one place only: a hostile prologue is passed once.
const ROOT =
  /^(?:\s|<\?(?:(?!\?>)[\s\S])*\?>|<!--(?:(?!-->)[\s\S])*-->|<!DOCTYPE[^>]*>)*<([A-Za-z_][\w:.-]*)/i;

/** That it is a feed and ends as it began. Caches put comments behind it. */
function checkMarkup(text: string, where: string): string {
  const root = ROOT.exec(text.slice(0, 10_000))?.[1] ?? "";
  if (/^html$/i.test(root) || (root === "" && text.startsWith("<"))) {
    throw new SourceError("transient", `${where} answered with a web page where a feed was expected`);
  }
  if (!/^(?:[\w.-]+:)?(?:rss|feed|RDF)$/.test(root)) {
    throw new SourceError("data", `${where} is no feed: RSS, Atom or JSON Feed was expected`);
  }
  let end = text;
  while (end.endsWith("-->") && end.includes("<!--")) end = end.slice(0, end.lastIndexOf("<!--")).trimEnd();
  const tag = end.slice(end.lastIndexOf("</"));
  if (tag.replace(/\s*>$/, "") !== `</${root}`) {
    throw new SourceError("transient", `${where} breaks off: it does not end with </${root}>`);
  }
  const encoding = /^\s*<\?xml[^>]*\sencoding=["']([\w-]+)["']/i.exec(text)?.[1] ?? "utf-8";
  if (!/^(?:utf-?8|us-ascii)$/i.test(encoding) && text.includes("\ufffd")) {
    throw new SourceError("data", `${where} is in ${encoding}: only UTF-8 can be read`);
  }
  return text;
}

function fromRss(item: RssFeed.Item<string>, url: URL): Entry {
  const link = resolve(item.link ?? item.atom?.links?.[0]?.href, url);
  const { guid } = item;
  // A guid is a permalink unless it says otherwise, and often enough it says nothing and is none.
  const permalink = guid?.isPermaLink === false ? undefined : parseUrl(guid?.value ?? "")?.href;
  return {
    id: given(guid?.value) ?? link,
    title: item.title ?? "",
    link: link ?? permalink,
    date: item.pubDate ?? item.dc?.dates?.[0],
    authors: [
      ...(item.authors ?? []).map(({ name, email, link: page }) => ({ name, address: email ?? page })),
      ...(item.dc?.creators ?? []).map((name) => ({ name, address: undefined })),
    ],
    categories: [...(item.categories ?? []).map(({ name }) => name ?? ""), ...(item.dc?.subjects ?? [])],
  };
}

function fromRdf(item: RdfFeed.Item<string>, url: URL): Entry {
  const link = resolve(item.link, url);
  return {
    id: given(item.rdf?.about) ?? link,
    title: item.title ?? "",
    link,
    date: item.dc?.dates?.[0],
    authors: (item.dc?.creators ?? []).map((name) => ({ name, address: undefined })),
    categories: item.dc?.subjects ?? [],
  };
}

/** An entry without authors has the feed's (RFC 4287, 4.2.1). */
function fromAtomFeed(feed: AtomFeed.Feed<string>, url: URL): Entry[] {
  const from = baseOf(feed, url);
  return (feed.entries ?? []).map((entry) => {
    const links = entry.links ?? [];
    const alternate = links.find(({ rel = "alternate" }) => rel === "alternate");
    const link = resolve(alternate?.href, baseOf(entry, from));
    return {
      id: given(entry.id) ?? link,
      title: entry.title?.value ?? "",
      link,
      date: entry.published ?? entry.updated,
      authors: (entry.authors ?? entry.source?.authors ?? feed.authors ?? []).map(({ name, email, uri }) => ({
        name,
        address: email ?? uri,
      })),
      categories: (entry.categories ?? []).map(({ term }) => term ?? ""),
    };
  });
}

function baseOf(element: { xml?: { base?: string } }, url: URL): URL {
  return parseUrl(element.xml?.base ?? "", url) ?? url;
}

/** An entry without authors has the feed's (JSON Feed 1.1). */
function fromJsonFeed(feed: JsonFeed.Feed<string>, url: URL): Entry[] {
  return (feed.items ?? []).map((item) => {
    const link = resolve(item.url ?? item.external_url, url);
    return {
      id: given(item.id) ?? link,
      title: item.title ?? "",
      link,
      date: item.date_published ?? item.date_modified,
      authors: (item.authors ?? feed.authors ?? []).map(({ name, url: page }) => ({ name, address: page })),
      categories: item.tags ?? [],
    };
  });
}

function given(text: string | undefined): string | undefined {
  const trimmed = text?.trim() ?? "";
  return trimmed === "" ? undefined : trimmed;
}

function resolve(link: string | undefined, url: URL): string | undefined {
  const text = given(link);
  return text === undefined ? undefined : parseUrl(text, url)?.href;
}
