// What of a web page or of a piece of HTML is looked at: its words, and where it links to.
import { Parser } from "htmlparser2";
import { parseUrl } from "./client/guard.ts";

export interface Anchor {
  /** http or https, resolved against the page and its base. */
  url: URL;
  /** In lower case: nofollow, sponsored. */
  rel: string[];
}

/** The words of HTML, without scripts and styles, white space made single. Text without markup stays as it is. */
export function toPlainText(html: string): string {
  let text = "";
  let hidden = 0;
  const change = (name: string, by: number) => {
    if (name === "script" || name === "style") hidden += by;
    else if (/^(?:p|div|br|li|h\d|tr|td)$/.test(name)) text += " ";
  };
  const parser = new Parser({
    onopentagname: (name) => {
      change(name, 1);
    },
    onclosetag: (name) => {
      change(name, -1);
    },
    ontext: (words) => {
      if (hidden === 0) text += words;
    },
  });
  parser.end(html);
  return text.replace(/\s+/g, " ").trim();
}

/** The anchors of a page, in their order. What stands in comments, scripts and templates is none. */
export function readAnchors(html: string, page: URL): Anchor[] {
  const found: { href: string; rel: string[] }[] = [];
  let base: string | undefined;
  let templates = 0;
  const parser = new Parser({
    onopentag: (name, { href, rel = "" }) => {
      if (name === "template") templates += 1;
      if (href === undefined) return;
      // The first one counts (HTML, 4.2.3).
      if (name === "base") base ??= href;
      const isLink = name === "a" || name === "area";
      if (isLink && templates === 0)
        found.push({ href, rel: rel.toLowerCase().split(/\s+/).filter(Boolean) });
    },
    onclosetag: (name) => {
      if (name === "template") templates -= 1;
    },
  });
  parser.end(html);
  const from = (base === undefined ? undefined : parseUrl(base.trim(), page)) ?? page;
  return found.flatMap(({ href, rel }) => {
    const url = parseUrl(href.trim(), from);
    return url !== undefined && /^https?:$/.test(url.protocol) ? [{ url, rel }] : [];
  });
}
