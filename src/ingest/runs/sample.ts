// A look at a source before it is scheduled: its credential is proven and one page of each of its listings is fetched. No run
// begins and nothing is recorded: no cursor, no validator and no circuit hears of it. What it shares with pulls it must share,
// for the system counts both: the request budget of host and credential, and the token made from the secret.
import { sql } from "drizzle-orm";
import type { Database } from "../../../db/client.ts";
import type { Listing, Page } from "../../connectors/connector.ts";
import { SourceError, UsageError } from "../../platform/errors.ts";
import type { Source } from "../sources.ts";
import { type PullParts, toPullInput } from "./pull.ts";

export interface SampledConnection {
  key: string;
  secret: string | null;
  attributes: Record<string, string>;
  /** The partner of facts that name none. */
  partnerId: number | null;
}

export interface SampledListing {
  name: string;
  /** Its first page, or why there is none. */
  page: (Page & { rows?: number }) | SourceError;
}

export interface Sample {
  /** What the check says of the credential, or why it was refused; then no listing was asked. */
  checked: string | SourceError;
  listings: SampledListing[];
}

/**
 * The connection that is looked at: the one named, else the first of the source by key. Of a source that was never registered
 * and needs no account, `main` without a secret. Throws a UsageError for a key there is none of, an Error where the source needs
 * an account and has none.
 */
export async function readSampledConnection(
  db: Database,
  source: Source,
  key: string | undefined,
): Promise<SampledConnection> {
  const [found] = await db.execute<Record<string, unknown> & SampledConnection>(sql`
    select key, secret, attributes, partner_id as "partnerId" from connections
    where source = ${source.key} and active and key = coalesce(${key ?? null}, key) order by key limit 1`);
  if (found !== undefined) return found;
  if (key !== undefined) throw new UsageError(`source ${source.key} has no connection ${key}`);
  if (source.connector.perAccount) {
    const remedy = `standings connections import ${source.key} connections.csv`;
    throw new Error(`source ${source.key} has no connections; import them with: ${remedy}`);
  }
  return { key: "main", secret: null, attributes: {}, partnerId: null };
}

/** Asks the source. A listing that fails is told by its error, and the others are asked all the same. */
export async function fetchSample(
  parts: PullParts,
  source: Source,
  connection: SampledConnection,
): Promise<Sample> {
  const ask = { ...connection, cursor: undefined, full: true };
  const open = () => toPullInput(parts, source, ask);
  const { connector } = source;
  const checked = await orSourceError(async () => connector.check(open()));
  if (checked instanceof SourceError) return { checked, listings: [] };
  const whole: Listing = { name: source.key, pages: () => connector.pull(open()) };
  const listings: SampledListing[] = [];
  for (const listing of connector.listings?.(open()) ?? [whole])
    listings.push({ name: listing.name, page: await orSourceError(() => firstOf(listing.pages())) });
  return { checked, listings };
}

/** What is not the source's failure, an interruption above all, is thrown. */
async function orSourceError<T>(work: () => Promise<T>): Promise<T | SourceError> {
  try {
    return await work();
  } catch (error) {
    if (error instanceof SourceError) return error;
    throw error;
  }
}

/** The generator is ended after its first page, so it asks for no other. */
async function firstOf<T>(pages: AsyncGenerator<T>): Promise<T> {
  for await (const page of pages) return page;
  throw new Error("A pull yields one page at least.");
}
