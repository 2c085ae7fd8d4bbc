// Published posts of a WordPress site (https://developer.wordpress.org/rest-api/reference/posts/), attributed to partners by
// category, tag or author. Every pull lists them all, so that trashed, vanished and re-attributed posts are noticed: the
// API's "modified after" tells of none of those, and it loses posts in the hour the autumn clock change repeats.
import { z } from "zod";
import { SourceError } from "../platform/errors.ts";
import { type FetchResponse, readJson } from "./client/answers.ts";
import { defineConnector, type EvidenceFact, type PullInput } from "./connector.ts";
import { readInstant, readQuantity, readRow, sift, toFact } from "./facts.ts";
import { progressSchema, Tally } from "./tally.ts";

const settingsSchema = z
  .strictObject({
    /** The site, such as https://blog.example.com; its API is below /wp-json. */
    url: z.url({ protocol: /^https?$/ }),
    evidence: z.string().min(1).max(64).default("joint-article"),
    attribution: z.strictObject({
      by: z.enum(["category", "tag", "author"]),
      /** Of the identities: the term's slug (without the prefix) is the key. */
      namespace: z.string().min(1).max(100),
      /** Only terms whose slug begins with this are partners'; "partner-" makes partner-acme the key acme. */
      prefix: z.string().default(""),
    }),
    "per-page": z.int().min(1).max(100).default(100),
  })
  .transform(({ "per-page": perPage, url, ...rest }) => ({ ...rest, url: url.replace(/\/+$/, ""), perPage }));

type WordpressSettings = z.output<typeof settingsSchema>;
type Input = PullInput<WordpressSettings>;

const TERMS = {
  category: { path: "categories", field: "categories" },
  tag: { path: "tags", field: "tags" },
  author: { path: "users", field: "author" },
} as const;

const postSchema = z.object({
  id: z.int(),
  date_gmt: z.string(),
  link: z.string().nullish(),
  title: z.object({ rendered: z.string() }).nullish(),
  status: z.string().default("publish"),
  author: z.int().optional(),
  categories: z.array(z.int()).optional(),
  tags: z.array(z.int()).optional(),
});
type Post = z.output<typeof postSchema>;
type Row = { id: number; status?: unknown };
const rowsSchema = z.array(z.looseObject({ id: z.int(), status: z.unknown().optional() }));

const termsSchema = z.array(z.object({ id: z.int(), slug: z.string() }));

/** The connection's secret is optional: "user:application password", for sites whose posts need a login. */
export const wordpress = defineConnector<WordpressSettings>({
  settings: settingsSchema,
  alwaysComplete: true,
  perAccount: false,
  kinds: ({ evidence }) => [evidence],
  async *pull(input) {
    const { settings } = input;
    const where = `the listing of posts of ${new URL(settings.url).host}`;
    const { field } = TERMS[settings.attribution.by];
    const slugs = new Map<number, string>();
    const tally = new Tally(where, progressSchema.safeParse(input.cursor).data);
    for (;;) {
      const page = Math.floor(tally.progress.position / settings.perPage) + 1;
      const ask = (number: number) =>
        call(input, "posts", {
          per_page: String(settings.perPage),
          page: String(number),
          // By id, because ids do not move: a new post goes to the end and shifts nothing.
          orderby: "id",
          order: "asc",
          status: "publish",
          _fields: `id,date_gmt,link,title,status,${field}`,
        });
      const answer = await ask(page);
      // Posts vanished meanwhile, so that this page is beyond the end: no post is announced here any more.
      const isBeyond = page > 1 && answer.status === 400;
      const total = isBeyond ? 0 : totalOf(answer, where);
      if (tally.beginsAgain(total)) continue;
      const begins = tally.progress.position === 0 ? true : undefined;
      const rows: Row[] = isBeyond ? [] : readJson(answer, rowsSchema, where);
      const fresh = tally.take(
        rows.map(({ id }) => String(id)),
        total,
        settings.perPage,
      );
      // A full page may be followed by another one, whatever the site announces.
      const beyond = tally.isOver && rows.length === settings.perPage ? await ask(page + 1) : undefined;
      if (beyond !== undefined && beyond.status !== 400 && readJson(beyond, rowsSchema, where).length > 0)
        throw new SourceError("data", `${where} has more posts than the ${total} it announces`);
      const published = rows.filter(
        ({ id, status = "publish" }) => fresh.delete(String(id)) && status === "publish",
      );
      const read = (row: Row) => readRow(row, postSchema, `post/${row.id}`);
      const terms = published.flatMap((row) => {
        const post = postSchema.safeParse(row);
        return post.success ? termsOf(post.data, input) : [];
      });
      await nameTerms(input, slugs, terms);
      const { evidence, quarantined } = sift(published, {
        // What it names is not known, and so is which of its facts these are.
        id: () => undefined,
        place: ({ id }) => `post/${id}`,
        facts: (row) => toEvidence(read(row), input, slugs),
      });
      // A listing that is over leaves no place to go on from: the next one begins at the first post.
      yield { evidence, quarantined, cursor: tally.isOver ? {} : tally.progress, total, begins };
      if (tally.isOver) return;
    }
  },
  async check(input) {
    const answer = await call(input, "posts", { per_page: "1", _fields: "id" });
    return `${new URL(input.settings.url).host}, ${totalOf(answer, "the site")} posts`;
  },
});

/** One request below /wp-json/wp/v2. A page beyond the end is returned as the 400 it is; other 400s are errors. */
async function call(
  { settings, connection, fetch }: Input,
  path: string,
  query: Record<string, string>,
): Promise<FetchResponse> {
  const url = new URL(`${settings.url}/wp-json/wp/v2/${path}`);
  url.search = new URLSearchParams(query).toString();
  const { secret } = connection;
  return fetch({
    url: url.href,
    headers: secret === undefined ? {} : { authorization: `Basic ${Buffer.from(secret).toString("base64")}` },
    expect: "json",
    accept: ({ status, text }) => status === 400 && text.includes('"rest_post_invalid_page_number"'),
  });
}

/** Without its total a listing cannot be known to be whole (some proxies strip the header). */
function totalOf(answer: FetchResponse, where: string): number {
  const total = answer.headers["x-wp-total"];
  if (total === undefined) throw new SourceError("data", `${where} came without the X-WP-Total header`);
  return readQuantity(total, where);
}

function termsOf(post: Post, { settings }: Input): number[] {
  const { by } = settings.attribution;
  if (by === "author") return post.author === undefined ? [] : [post.author];
  return (by === "tag" ? post.tags : post.categories) ?? [];
}

/** Adds the slugs of those terms that are not among `slugs` yet, 100 a request. */
async function nameTerms(input: Input, slugs: Map<number, string>, terms: number[]): Promise<void> {
  const { path } = TERMS[input.settings.attribution.by];
  const unknown = [...new Set(terms)].filter((id) => !slugs.has(id));
  for (let first = 0; first < unknown.length; first += 100) {
    const asked = unknown.slice(first, first + 100);
    const answer = await call(input, path, { include: asked.join(","), per_page: "100", _fields: "id,slug" });
    const where = `the ${path} of ${new URL(input.settings.url).host}`;
    for (const { id, slug } of readJson(answer, termsSchema, where)) slugs.set(id, slug);
    const missing = asked.find((id) => !slugs.has(id));
    if (missing !== undefined)
      throw new SourceError("transient", `${where} do not hold ${missing}, which a post names`);
  }
}

/** One fact for each partner a post names; none for a post that names no partner. */
function toEvidence(post: Post, input: Input, slugs: Map<number, string>): EvidenceFact[] {
  const { evidence, attribution } = input.settings;
  const named = termsOf(post, input).map((id) => slugs.get(id) ?? "");
  return (
    named
      .filter((slug) => slug.startsWith(attribution.prefix) && slug.length > attribution.prefix.length)
      // WordPress puts a post without a category into this one.
      .filter((slug) => attribution.by !== "category" || slug !== "uncategorized")
      .map((slug) => {
        const externalId = `post/${post.id}/${slug}`;
        const occurredAt = readInstant(post.date_gmt, "UTC", externalId);
        if (occurredAt === undefined)
          throw new SourceError("data", `${externalId}: a published post has no date`);
        const identity = { namespace: attribution.namespace, key: slug.slice(attribution.prefix.length) };
        const title = toText(post.title?.rendered ?? "");
        return toFact({
          externalId,
          kind: evidence,
          occurredAt,
          identity,
          title,
          link: post.link ?? undefined,
        });
      })
  );
}

const ENTITIES: Record<string, string> = { amp: "&", lt: "<", gt: ">", quot: '"', apos: "'", nbsp: " " };

/** The words of a rendered title. */
function toText(html: string): string {
  return html
    .replace(/<[^>]*>/g, "")
    .replace(/&(?:#x([\da-f]{1,6})|#(\d{1,7})|(\w+));/gi, (entity, hex, decimal, name) => {
      if (typeof name === "string") return ENTITIES[name] ?? entity;
      const code = typeof hex === "string" ? Number.parseInt(hex, 16) : Number(decimal);
      return code <= 0x10ffff ? String.fromCodePoint(code) : entity;
    });
}
