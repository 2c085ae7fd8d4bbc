// Entries of a feed (RSS 2.0, RSS 1.0, Atom, JSON Feed), attributed to partners by author, category or domain. A feed shows its
// newest entries only: one that is no longer in it has most likely scrolled out, so nothing is called absent unless the
// settings say that the feed shows everything.
import { createHash } from "node:crypto";
import { z } from "zod";
import { SourceError } from "../../platform/errors.ts";
import { parseUrl } from "../client/guard.ts";
import { defineConnector, type EvidenceFact, type PullInput, type QuarantinedRow } from "../connector.ts";
import { timeZoneSchema, toFact } from "../facts.ts";
import { toPlainText } from "../markup.ts";
import { readFeedDate } from "./dates.ts";
import type { Entry } from "./entries.ts";

const FACTS_A_PAGE = 500;

const settingsSchema = z
  .strictObject({
    url: z.url({ protocol: /^https?$/ }),
    evidence: z.string().min(1).max(64).default("article"),
    attribution: z.strictObject({
      by: z.enum(["author", "author-domain", "category", "link-domain"]),
      /** Of the identities. */
      namespace: z.string().min(1).max(100),
      /** Only what begins with this is a partner's, and the key is the rest of it. */
      prefix: z.string().default(""),
    }),
    /** newest: entries scroll out of it, so none is ever called absent. */
    shows: z.enum(["newest", "everything"]).default("newest"),
    /** Of dates that name no zone. */
    "time-zone": timeZoneSchema.default("UTC"),
  })
  .transform(({ "time-zone": timeZone, ...rest }) => ({ ...rest, timeZone }));

type FeedSettings = z.output<typeof settingsSchema>;
type Input = PullInput<FeedSettings>;

/** The connection's secret is optional: "user:password". The cursor holds nothing: a feed has no place to go on from. */
export const feed = defineConnector<FeedSettings>({
  settings: settingsSchema,
  alwaysComplete: false,
  canList: ({ shows }) => shows === "everything",
  perAccount: false,
  kinds: ({ evidence }) => [evidence],
  async *pull(input) {
    const facts = await readFacts(input);
    if (facts === "unchanged") {
      yield { unchanged: true, evidence: [], cursor: {} };
      return;
    }
    const { evidence, quarantined } = facts;
    yield {
      evidence: evidence.slice(0, FACTS_A_PAGE),
      cursor: {},
      total: evidence.length,
      quarantined,
      begins: true,
    };
    for (let first = FACTS_A_PAGE; first < evidence.length; first += FACTS_A_PAGE) {
      yield { evidence: evidence.slice(first, first + FACTS_A_PAGE), cursor: {}, total: evidence.length };
    }
  },
  async check(input) {
    const facts = await readFacts(input);
    if (facts === "unchanged") return "unchanged";
    const { entries, evidence, quarantined } = facts;
    const unread = quarantined.length === 0 ? "" : `, ${quarantined.length} cannot be read`;
    return `${whereOf(input)}, ${entries} entries, ${evidence.length} pieces of evidence${unread}`;
  },
});

function whereOf({ settings }: Input): string {
  const { host, pathname } = new URL(settings.url);
  return `${host}${pathname}`;
}

interface FeedFacts {
  entries: number;
  evidence: EvidenceFact[];
  quarantined: QuarantinedRow[];
}

async function readFacts(input: Input): Promise<FeedFacts | "unchanged"> {
  const { settings, connection, fetch } = input;
  const { secret } = connection;
  const answer = await fetch({
    url: settings.url,
    headers: secret === undefined ? {} : { authorization: `Basic ${Buffer.from(secret).toString("base64")}` },
    expect: "text",
    conditional: true,
  });
  if (answer.status === 304) return "unchanged";
  const { readEntries } = await import("./entries.ts");
  const entries = readEntries(answer, new URL(settings.url), whereOf(input));
  const facts = new Map<string, EvidenceFact>();
  const quarantined: QuarantinedRow[] = [];
  for (const [index, entry] of entries.entries()) {
    try {
      // An entry that is there twice counts once, as it stands first: feeds put the newest on top.
      for (const fact of toEvidence(entry, settings)) {
        if (!facts.has(fact.externalId)) facts.set(fact.externalId, fact);
      }
    } catch (error) {
      if (!(error instanceof SourceError)) throw error;
      const { message: reason } = error;
      const { id } = entry;
      if (id === undefined)
        quarantined.push({ externalId: `entry ${index + 1}`, reason, unidentified: true });
      else
        quarantined.push(
          ...keysOf(entry, settings.attribution).map((key) => ({ externalId: `${idOf(id)}/${key}`, reason })),
        );
    }
  }
  return { entries: entries.length, evidence: [...facts.values()], quarantined };
}

/** One fact for each partner an entry names. */
function toEvidence(entry: Entry, settings: FeedSettings): EvidenceFact[] {
  const { evidence, attribution, timeZone } = settings;
  const keys = keysOf(entry, attribution);
  if (keys.length === 0) return [];
  if (entry.id === undefined) throw new SourceError("data", "an entry with neither an id nor a link");
  const of = idOf(entry.id);
  const occurredAt = readFeedDate(entry.date, timeZone, of);
  if (occurredAt === undefined) throw new SourceError("data", `${of}: an entry without a date`);
  return keys.map((key) =>
    toFact({
      externalId: `${of}/${key}`,
      kind: evidence,
      occurredAt,
      title: toPlainText(entry.title),
      link: entry.link,
      identity: { namespace: attribution.namespace, key },
    }),
  );
}

/** Ids are URLs as a rule, of any length. */
function idOf(id: string): string {
  return `entry/${id.length <= 200 ? id : createHash("sha256").update(id).digest("hex")}`;
}

/** The partners an entry names, each once. `link-domain` is for feeds that collect what appears on the partners' sites. */
function keysOf(entry: Entry, { by, prefix }: FeedSettings["attribution"]): string[] {
  const named = {
    author: () => entry.authors.map(({ name }) => name),
    "author-domain": () => entry.authors.map(({ address }) => domainOf(address)),
    category: () => entry.categories,
    "link-domain": () => [domainOf(entry.link)],
  }[by]();
  const keys = named
    .map((name) => toPlainText(name ?? ""))
    .filter((name) => name.startsWith(prefix) && name.length > prefix.length)
    .map((name) => name.slice(prefix.length));
  return [...new Set(keys)];
}

/** Of an e-mail address or a web address, without www. */
function domainOf(address: string | undefined): string | undefined {
  const text = address?.trim() ?? "";
  const domain = /^[^\s@/]+@([^\s@/]+)$/.exec(text)?.[1] ?? parseUrl(text)?.hostname;
  return domain?.toLowerCase().replace(/^www\./, "");
}
