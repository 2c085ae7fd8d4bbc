// Trying a source before it is scheduled: its credential, a page of each stream, and the points it would bring.
import type { Page, QuarantinedRow } from "../connectors/connector.ts";
import type { Context } from "../context.ts";
import { exceedsErrorRate } from "../evidence/quarantine.ts";
import {
  fetchSample,
  readSampledConnection,
  type SampledConnection,
  type SampledListing,
} from "../ingest/runs/sample.ts";
import type { Source } from "../ingest/sources.ts";
import { readWorths, type Worth } from "../insight/worth.ts";
import { SourceError, UsageError } from "../platform/errors.ts";
import { remedyFor } from "./remedy.ts";

/** Of a page. */
const SHOWN = 5;

export interface CheckedFact {
  kind: string;
  externalId: string;
  occurredAt: Date;
  quantity: number;
  /** null: it is its connection's. */
  namespace: string | null;
  key: string | null;
  /** The slug; null: unmatched. */
  partner: string | null;
  points: number | null;
  achievements: string[];
  stored: boolean;
  askedFor: boolean;
}

export interface CheckedStream {
  name: string;
  ok: boolean;
  /** Why it is not. */
  message: string | null;
  class: string | null;
  rows: number | null;
  evidence: number;
  facts: CheckedFact[];
  quarantined: number;
  refused: { externalId: string; reason: string }[];
}

export interface CheckedSource {
  source: string;
  connector: string;
  connection: string;
  ok: boolean;
  /** What the check says, or why the credential is not good, with the remedy. */
  message: string;
  class: string | null;
  streams: CheckedStream[];
}

/**
 * Makes the check's request, fetches one page of each stream, and computes the points each shown piece of evidence would
 * bring. Writes nothing. Throws a UsageError for an unknown source or connection.
 */
export async function checkSource(
  context: Context,
  options: { source: string; connection: string | undefined; signal: AbortSignal },
): Promise<CheckedSource> {
  const source = requireSource(context, options.source);
  const connection = await readSampledConnection(context.db, source, options.connection);
  const { checked, listings } = await fetchSample({ ...context, signal: options.signal }, source, connection);
  const streams: CheckedStream[] = [];
  for (const listing of listings) streams.push(await toStream(context, source, connection, listing));
  const refused = checked instanceof SourceError ? checked : undefined;
  return {
    source: source.key,
    connector: source.connectorName,
    connection: connection.key,
    ok: refused === undefined && streams.every(({ ok }) => ok),
    message: checked instanceof SourceError ? withRemedy(checked, source) : checked,
    class: refused?.class ?? null,
    streams,
  };
}

function requireSource({ sources }: Context, key: string): Source {
  const source = sources.sources.find((candidate) => candidate.key === key);
  if (source !== undefined) return source;
  const known = sources.sources.map((candidate) => candidate.key).join(", ");
  throw new UsageError(`there is no source ${key}; expected one of ${known}`);
}

async function toStream(
  context: Context,
  source: Source,
  { partnerId }: SampledConnection,
  { name, page }: SampledListing,
): Promise<CheckedStream> {
  if (page instanceof SourceError) {
    const failed = { name, ok: false, message: withRemedy(page, source), class: page.class };
    return { ...failed, rows: null, evidence: 0, facts: [], quarantined: 0, refused: [] };
  }
  const now = context.now();
  const facts = latest(page, now);
  const question = { facts, source: source.key, ownerId: partnerId, now };
  const worths = await readWorths(context.db, context.programmes, question);
  const broken = page.quarantined ?? [];
  // As if the page were all there is: of the rest nothing is known.
  const rows = { read: page.evidence.length, quarantined: broken.length, total: undefined };
  const isRefused = exceedsErrorRate(rows, true);
  const shownId = (id: string) => withoutAddresses(id, context);
  return {
    name,
    ok: !isRefused,
    message: isRefused
      ? `${broken.length} of ${rows.read + broken.length} rows cannot be read: a run in which so many are would stop`
      : null,
    class: isRefused ? "data" : null,
    rows: page.rows ?? null,
    evidence: page.evidence.length,
    facts: facts.map((fact, index) => toShown(fact, worths[index], shownId)),
    quarantined: broken.length,
    refused: broken.slice(0, SHOWN).map(({ externalId, reason }: QuarantinedRow) => ({
      externalId: shownId(externalId),
      reason: shownId(reason),
    })),
  };
}

/** What happened last says most about the points of today; what is still to come says least. */
function latest({ evidence }: Page, now: Date): Page["evidence"] {
  const rank = (at: Date) => (at <= now ? at.getTime() : -at.getTime());
  return [...evidence].sort((a, b) => rank(b.occurredAt) - rank(a.occurredAt)).slice(0, SHOWN);
}

function toShown(
  { kind, externalId, occurredAt, quantity = 1, identity }: Page["evidence"][number],
  worth: Worth | undefined,
  shownId: (id: string) => string,
): CheckedFact {
  return {
    kind,
    externalId: shownId(externalId),
    occurredAt,
    quantity,
    namespace: identity?.namespace ?? null,
    key: identity?.key ?? null,
    partner: worth?.partner?.slug ?? null,
    points: worth?.points ?? null,
    achievements: worth?.achievements.map(({ key }) => key) ?? [],
    stored: worth?.isStored ?? false,
    askedFor: worth?.isAskedFor ?? false,
  };
}

/** A document may make an id of a person's address. It would be stored like that; on a screen it need not be read. */
function withoutAddresses(text: string, { secrets }: Context): string {
  return text.replaceAll(/[^\s/@"]+@[^\s/@"]+\.[^\s/@."]+/g, (address) =>
    secrets.pseudonym(address.toLowerCase()).slice(0, 12),
  );
}

function withRemedy(error: SourceError, source: Source): string {
  return `${error.message}; ${remedyFor(error, source)}`;
}
