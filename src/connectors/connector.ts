// The contract between Standings and the code that can talk to one kind of external system.
// A connector sees its settings, one connection and the fetcher: never the database, Redis, the queue or a logger.
import type { z } from "zod";
import type { Fetch } from "./client/fetcher.ts";

/** JSON a cursor may hold. */
export type Json = string | number | boolean | null | Json[] | { [key: string]: Json };

/** One fact as a source tells it. Recording gives it its partner, its run and its known time. */
export interface EvidenceFact {
  /** Unique within the source and the same in every pull; at most 512 characters. Carries the account where ids are per account. */
  externalId: string;
  kind: string;
  occurredAt: Date;
  /** Until when it holds (exclusive); absent: no end known. */
  endedAt?: Date | undefined;
  /** Decimal, at most four decimals; 1 where the fact is merely there. */
  quantity?: number | undefined;
  /** What rules may filter on. Strings; 1 kB in all. */
  attributes?: Record<string, string> | undefined;
  /** For people only: what it is called, and where to look at it. */
  title?: string | undefined;
  link?: string | undefined;
  /** Whom the source names. Absent: the connection's own partner. */
  identity?: { namespace: string; key: string } | undefined;
}

/** A part of a pull that is recorded, with its cursor, in one transaction. */
export interface Page {
  evidence: EvidenceFact[];
  /**
   * Where a pull goes on after this page: given back as `cursor`. After the last page it is where the next
   * pull starts (with a look-back, so that late and back-dated facts are seen).
   */
  cursor: Json;
  /** How many facts this pull will yield in all, as far as the source has declared it. For progress only. */
  total?: number | undefined;
  /**
   * Rows that are there and cannot be read: kept aside with the reason, seen by an administrator, never called absent.
   */
  quarantined?: QuarantinedRow[] | undefined;
  /**
   * A complete listing begins with this page, also where `cursor` was given: what an earlier attempt of the same run named
   * counts no more. For connectors that cannot go on in the middle, or find that the place has moved.
   */
  begins?: true | undefined;
  /**
   * The source says that nothing has changed since the last complete listing (304 to a conditional request): what is known
   * stays, and nothing is absent. The only page of its pull, without evidence.
   */
  unchanged?: true;
}

/** A row of a source that breaks the schema, or holds what nothing can store. */
export interface QuarantinedRow {
  /** As a fact's. Where a row names none, its place in the listing. */
  externalId: string;
  /** What is wrong with it, for a person; one line, without what the row holds of people. */
  reason: string;
  /**
   * The row names no id, so it may be any fact: a complete listing that holds it calls nothing absent.
   */
  unidentified?: true;
}

/**
 * Rows of a query on the database whose address is the connection's secret (postgres://user:password@host/database), in a
 * read-only transaction of its own, in UTC. Every value as text, or null. One parameter at least. Throws a SourceError: `auth`,
 * `config` (a wrong query, one that would write, a refused host), `transient` (time-outs and broken connections), `data`.
 */
export type Query = (
  text: string,
  params: [string, ...string[]],
  options: { timeoutMs: number },
) => Promise<Record<string, string | null>[]>;

/** What was sent to the source, in the order in which it was stored. Only of messages whose sender is proven. */
export interface Message {
  /** Rises from message to message, with gaps. No message is ever stored at a position that has been read past. */
  position: number;
  /** The sender's, or a digest. */
  id: string;
  receivedAt: Date;
  /** JSON; null: nothing was kept of it, or it was erased. */
  content: string | null;
}

/** The messages behind a position, `most` of them at most; or the last one. */
export type Messages = (which: { after: number; most: number } | { last: true }) => Promise<Message[]>;

export interface PullInput<Settings> {
  settings: Settings;
  connection: {
    /** The connection's key within its source (for Copernica: the account id). */
    key: string;
    /** The credential, in clear; undefined where none is stored. */
    secret: string | undefined;
    /** For instance { use: "own" | "client" }. */
    attributes: Record<string, string>;
  };
  /** What an earlier page of this connection carried (with `full`, of the same listing); undefined: from the beginning. */
  cursor: Json | undefined;
  /**
   * true: a complete listing is wanted. Every fact that exists must be yielded, from the beginning or, where
   * `cursor` is given, from there on (the earlier pages of the same listing are recorded already).
   */
  full: boolean;
  /** When this pull began: the time of every decision in it. */
  now: Date;
  fetch: Fetch;
  query: Query;
  messages: Messages;
  /**
   * A pseudonym: a keyed hash (HMAC), the same for the same text in every pull and source. For people whom rules count
   * (`distinct`) and whose names are not stored.
   */
  pseudonym(text: string): string;
  /**
   * A credential derived from the secret (a JWT), shared by all workers and kept until it expires. `renew`: the one this pull
   * was given was refused; one that another worker has made meanwhile is used before a new one is created. `create` receives
   * the previous refresh token.
   */
  credential(
    create: (refresh?: string) => Promise<Credential>,
    options?: { renew: boolean },
  ): Promise<string>;
  signal: AbortSignal;
}

export interface Credential {
  value: string;
  expiresAt: Date;
  /** What the next one is made with, where the system gives a new one each time (a rotating refresh token). */
  refresh?: string | undefined;
}

/** One of the listings a pull consists of, by itself. */
export interface Listing {
  /** What a person knows it by: a stream of a document. */
  name: string;
  /** Its pages, as a complete listing has them. `rows`: how many rows of the source a page was made of, where that is known. */
  pages(): AsyncGenerator<Page & { rows?: number }, void, undefined>;
}

export interface Connector<Settings = unknown> {
  /** The `settings` of a source in sources.yaml. */
  settings: z.ZodType<Settings>;
  /** Whether every pull is a complete listing, even if `full` is false (a file, a table: there is nothing smaller). */
  alwaysComplete: boolean;
  /**
   * Whether there is a complete listing to be had, under these settings; without it there always is. false: a pull never
   * calls anything absent, even if a listing is asked for (a feed shows its newest entries only).
   */
  canList?(settings: Settings): boolean;
  /** Another one makes every pull begin anew, as other settings do: what it yields may have changed. */
  revision?: string;
  /** How often its system may be asked under one credential, where sources.yaml does not say. */
  budget?: { requests: number; perMs: number; atOnce: number | undefined } | undefined;
  /** Whether each connection is an account of its own, so that there is none before one is imported. */
  perAccount: boolean;
  /** Another source, that is to be synced as soon as a message comes to this one; undefined: this one is. */
  wakes?(settings: Settings): string | undefined;
  /** The evidence kinds this source yields under these settings. */
  kinds(settings: Settings): string[];
  /**
   * Yields pages until there are no more; one at least, also when there is nothing. Returning means: everything asked for was yielded and every count the source
   * declared was met. Anything less throws a SourceError; what was yielded before it stays, and nothing is called absent.
   */
  pull(input: PullInput<Settings>): AsyncGenerator<Page, void, undefined>;
  /**
   * The listings of a pull, each of which can be looked at by itself; without it a pull is one listing. For looking: only a
   * pull knows what is complete, and what these yield is never recorded.
   */
  listings?(input: PullInput<Settings>): Listing[];
  /** One request that proves the credential. Returns what a person should read ("account 4711, Marketing Agency X"). */
  check(input: PullInput<Settings>): Promise<string>;
}

/** Only for the types: lets a connector infer its settings. */
export function defineConnector<Settings>(connector: Connector<Settings>): Connector<Settings> {
  return connector;
}
