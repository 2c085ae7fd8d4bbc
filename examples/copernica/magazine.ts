// A trade magazine in which partners write: an Atom feed (RFC 4287) of its newest articles, and nothing else that a program can read.
import { type Answer, html, json, type Question, text, unlessKnown } from "./answer.ts";
import type { Feature } from "./history.ts";
import { partnerOf } from "./partners.ts";
import type { World } from "./world.ts";

/** How many articles the feed shows. */
const shown = 50;

/** `feed.atom`, and a page for each article. */
export function answerMagazine(world: World, question: Question): Answer {
  const { method, path, base } = question;
  const [list, id] = path.split("/");
  const feature = world.features.find((each) => list === "articles" && String(each.id) === id);
  if (method === "GET" && feature !== undefined) return html(escaped(feature.title), 200);
  if (method !== "GET" || path !== "feed.atom") return json({ error: `the magazine knows no ${path}` }, 404);
  const newest = world.features.toSorted((a, b) => (a.publishedAt < b.publishedAt ? 1 : -1)).slice(0, shown);
  const updated = newest[0]?.publishedAt ?? world.anchor.toISOString();
  const body = `<?xml version="1.0" encoding="utf-8"?>
<feed xmlns="http://www.w3.org/2005/Atom">
  <title>Post &amp; Letter, the trade magazine</title>
  <id>${base}/</id>
  <link rel="self" href="${base}/feed.atom"/>
  <updated>${updated}</updated>
${newest.map((each) => toEntry(each, base)).join("\n")}
</feed>
`;
  return unlessKnown(question, text(body, 200, "application/atom+xml"));
}

/** Who writes for a partner has an address there; of the editors the feed names none. */
function toEntry({ id, partner: slug, title, publishedAt }: Feature, base: string): string {
  const partner = slug === undefined ? undefined : partnerOf(slug);
  const author =
    partner === undefined
      ? "<name>The editors</name>"
      : `<name>${escaped(partner.name)}</name><email>editor@${partner.domain}</email>`;
  return `  <entry>
    <id>${base}/articles/${id}</id>
    <title>${escaped(title)}</title>
    <link href="${base}/articles/${id}"/>
    <author>${author}</author>
    <published>${publishedAt}</published>
    <updated>${publishedAt}</updated>
  </entry>`;
}

function escaped(words: string): string {
  return words.replaceAll("&", "&amp;").replaceAll("<", "&lt;").replaceAll('"', "&quot;");
}
