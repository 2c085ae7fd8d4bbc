// What issuers publish: badges, badge classes, profiles, keys, lists of what was revoked. Each address is asked once a pull,
// so that a hundred badges of one issuer cost one request for its key, and every pull asks anew.
import { z } from "zod";
import { SourceError } from "../../platform/errors.ts";
import { readJson } from "../client/answers.ts";
import type { Fetch } from "../client/fetcher.ts";
import { parseUrl } from "../client/guard.ts";
import { isRedirect } from "../client/redirects.ts";
import { BadgeRefusal, refused, revoked } from "./refusal.ts";

const MOST_REDIRECTS = 3;
const ACCEPTED = "application/ld+json, application/json;q=0.9, */*;q=0.5";

export interface Documents {
  /** What a badge leads to. Throws a BadgeRefusal where its address knows it no more: 410 is how a hosted badge is revoked. */
  readOfBadge(address: string): Promise<string>;
  /** What an issuer says of itself. Throws a SourceError (config) where it is not there: then nothing of it can be checked. */
  readOfIssuer(address: string): Promise<string>;
}

/** Every other failure is a SourceError of the fetcher. */
type Loaded = { text: string } | { status: number };

export function openDocuments(fetch: Fetch): Documents {
  const loaded = new Map<string, Promise<Loaded>>();
  const load = (address: string) => {
    const known = loaded.get(address);
    if (known !== undefined) return known;
    const asked = ask(fetch, address);
    loaded.set(address, asked);
    return asked;
  };
  return {
    async readOfBadge(address) {
      if (parseUrl(address) === undefined) throw new BadgeRefusal("unreadable", "it leads to no web address");
      const answer = await load(address);
      if ("text" in answer) return answer.text;
      if (answer.status === 410) throw revoked();
      if (answer.status === 404) throw refused(`${whereOf(address)} is not there (404)`);
      throw refused(`${whereOf(address)} leads to another host, which cannot speak for it`);
    },
    async readOfIssuer(address) {
      const answer = await load(address);
      if ("text" in answer) return answer.text;
      throw new SourceError("config", `GET ${whereOf(address)} answered ${answer.status}`, {
        status: answer.status,
      });
    },
  };
}

/** Redirects are followed within the origin only: with an open redirect anybody could speak from under the issuer's address. */
async function ask(fetch: Fetch, address: string): Promise<Loaded> {
  let url = parseUrl(address);
  for (let hops = 0; ; hops++) {
    const { text, status, headers } = await fetch({
      url: url?.href ?? address,
      headers: { accept: ACCEPTED },
      // A token in the compact form is no JSON, and no markup either, which is all that is looked at.
      expect: "json",
      accept: (answer) => answer.status === 404 || answer.status === 410 || isRedirect(answer.status),
    });
    if (status < 300) return { text };
    const next = isRedirect(status) ? parseUrl(headers["location"] ?? "", url) : undefined;
    if (next === undefined || next.origin !== url?.origin || hops === MOST_REDIRECTS) return { status };
    url = next;
  }
}

/** For messages: never the query string. */
export function whereOf(address: string): string {
  const url = parseUrl(address);
  return url === undefined ? "an address that is none" : `${url.host}${url.pathname}`;
}

/** The JSON an issuer published. Throws a SourceError: `transient` when it is cut off, `data` when it is something else. */
export async function readIssuerJson<Schema extends z.ZodType>(
  documents: Documents,
  address: string,
  schema: Schema,
): Promise<z.output<Schema>> {
  const text = await documents.readOfIssuer(address);
  return readJson({ status: 200, headers: {}, text }, schema, whereOf(address));
}

/** The JSON a badge leads to. Throws a SourceError (transient) when it is cut off. */
export async function readBadgeJson(documents: Documents, address: string): Promise<unknown> {
  const text = await documents.readOfBadge(address);
  return readJson({ status: 200, headers: {}, text }, z.unknown(), whereOf(address));
}

/** A part of a badge, checked. Throws a BadgeRefusal (unreadable) with the first place that is not as it should be. */
export function readPart<Schema extends z.ZodType>(value: unknown, schema: Schema): z.output<Schema> {
  const checked = schema.safeParse(value);
  if (checked.success) return checked.data;
  const [issue] = checked.error.issues;
  throw new BadgeRefusal("unreadable", `${issue?.path.map(String).join(".") ?? ""}: ${issue?.message ?? ""}`);
}

/** JSON-LD says one or several in the same place. */
export function listOf<Item>(value: Item | Item[] | null | undefined): Item[] {
  return [value ?? []].flat() as Item[];
}
