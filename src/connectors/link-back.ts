// Whether a partner's site links to its page at the programme. Each connection is one site: its key is the address, its
// partner the one who earns it. One page is looked at, or the few the settings name; nothing is crawled.
//
// The fact must be the same in every pull, and a site does not say since when it links. So the cursor remembers when the link
// was first seen; that works because no pull of this connector is a complete listing, which would begin without a cursor.
import { z } from "zod";
import { SourceError } from "../platform/errors.ts";
import { parseUrl } from "./client/guard.ts";
import { defineConnector, type Json, type PullInput } from "./connector.ts";
import { toFact } from "./facts.ts";
import { type Anchor, readAnchors } from "./markup.ts";

const DAY_MS = 86_400_000;

const settingsSchema = z
  .strictObject({
    /** Links to this address, and to everything below it, count. */
    "links-to": z.url({ protocol: /^https?$/ }),
    evidence: z.string().min(1).max(64).default("partner-link"),
    /** Pages of the site, tried in this order until one links; without it the address of the connection. */
    paths: z.array(z.string().startsWith("/")).min(1).max(5).optional(),
    /** Days without the link before it is called gone: the page of a maintenance has none either. */
    "gone-after-days": z.int().min(0).max(90).default(2),
  })
  .transform(({ "links-to": linksTo, "gone-after-days": goneAfterDays, ...rest }) => ({
    ...rest,
    linksTo: new URL(linksTo),
    goneAfterDays,
  }));

type LinkBackSettings = z.output<typeof settingsSchema>;
type Input = PullInput<LinkBackSettings>;

/** What is known of the link from pull to pull; instants in ISO 8601. */
const knownSchema = z.object({
  since: z.iso.datetime().optional(),
  rel: z.string().optional(),
  page: z.string().optional(),
  /** It was there, and the pulls from then on did not find it. */
  missedSince: z.iso.datetime().optional(),
});
type Known = z.output<typeof knownSchema>;

export const linkBack = defineConnector<LinkBackSettings>({
  settings: settingsSchema,
  alwaysComplete: false,
  canList: () => false,
  perAccount: true,
  kinds: ({ evidence }) => [evidence],
  async *pull(input) {
    const before = knownSchema.safeParse(input.cursor).data ?? {};
    const known = toKnown(before, await look(input), input);
    const { since, rel = "", page = "", missedSince } = known;
    // JSON has no undefined.
    const cursor = JSON.parse(JSON.stringify(known)) as Json;
    if (since === undefined) {
      yield { evidence: [], cursor, total: 0 };
      return;
    }
    const isGone = missedSince !== undefined && hasGone(missedSince, input);
    const fact = toFact({
      externalId: `link/${input.connection.key}`,
      kind: input.settings.evidence,
      occurredAt: new Date(since),
      endedAt: isGone ? new Date(missedSince) : undefined,
      attributes: { rel },
      title: `${siteOf(input).host} links to ${input.settings.linksTo.host}`,
      link: page,
    });
    yield { evidence: [fact], cursor, total: 1 };
  },
  async check(input) {
    const found = await look(input);
    const { host } = input.settings.linksTo;
    if (found === undefined) return `${siteOf(input).host} does not link to ${host}`;
    return `${siteOf(input).host} links to ${host}${found.rel === "nofollow" ? " (nofollow)" : ""}`;
  },
});

interface Found {
  rel: "follow" | "nofollow";
  page: string;
}

function toKnown(before: Known, found: Found | undefined, input: Input): Known {
  const now = input.now.toISOString();
  if (found === undefined) {
    return before.since === undefined ? {} : { ...before, missedSince: before.missedSince ?? now };
  }
  const wasGone = before.missedSince !== undefined && hasGone(before.missedSince, input);
  return { since: wasGone ? now : (before.since ?? now), ...found };
}

function hasGone(missedSince: string, { now, settings }: Input): boolean {
  return now.getTime() - Date.parse(missedSince) >= settings.goneAfterDays * DAY_MS;
}

/** The first page that links; undefined where none does. Throws a SourceError where a page before that cannot be read. */
async function look(input: Input): Promise<Found | undefined> {
  const { settings, fetch } = input;
  const site = siteOf(input);
  for (const page of settings.paths?.map((path) => new URL(path, site)) ?? [site]) {
    const answer = await fetch({ url: page.href, expect: "text" });
    if (!/<[a-z!]/i.test(answer.text)) {
      throw new SourceError("data", `${page.host}${page.pathname} is no web page`);
    }
    const links = readAnchors(answer.text, page).filter((anchor) => leadsTo(settings.linksTo, anchor));
    if (links.length === 0) continue;
    const isFollowed = links.some(({ rel }) => !rel.includes("nofollow"));
    return { rel: isFollowed ? "follow" : "nofollow", page: page.href };
  }
  return undefined;
}

/** Of the connection's key: "https://acme.example/about" or "acme.example". */
function siteOf({ connection }: Input): URL {
  const text = /^https?:\/\//i.test(connection.key) ? connection.key : `https://${connection.key}`;
  const site = parseUrl(text);
  if (site === undefined) {
    throw new SourceError("config", "the key of the connection is not the address of a site");
  }
  site.hash = "";
  return site;
}

/** http or https, with www. or without, in capitals or not, with a slash at the end or not: it is the same page. */
function leadsTo(target: URL, { url }: Anchor): boolean {
  if (toHost(url) !== toHost(target)) return false;
  const [wanted, path] = [toPath(target), toPath(url)];
  return path === wanted || path.startsWith(`${wanted}/`);
}

function toHost({ hostname, port }: URL): string {
  return `${hostname.replace(/^www\./, "")}:${port}`;
}

function toPath({ pathname }: URL): string {
  return pathname.toLowerCase().replace(/\/+$/, "");
}
