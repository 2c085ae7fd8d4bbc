// standings connectors check <source>: what a source would bring, before it is scheduled. Nothing is written.
import type { Page, QuarantinedRow } from "../connectors/connector.ts";
import type { Context } from "../context.ts";
import { isSpoilt } from "../evidence/quarantine.ts";
import {
  fetchSample,
  readSampledConnection,
  type SampledConnection,
  type SampledListing,
} from "../ingest/runs/sample.ts";
import type { Source } from "../ingest/sources.ts";
import { readWorths, type Worth } from "../insight/worth.ts";
import { SourceError, UsageError } from "../platform/errors.ts";
import type { Output } from "../platform/terminal/output.ts";
import { formatCount, toTable } from "../platform/terminal/table.ts";
import { remedyFor } from "./remedy.ts";

/** Of a page. */
const SHOWN = 5;

interface ShownFact {
  kind: string;
  externalId: string;
  occurredAt: Date;
  quantity: number;
  /** null: it is its connection's. */
  namespace: string | null;
  key: string | null;
  /** The slug; null: nobody's yet. */
  partner: string | null;
  points: number | null;
  achievements: string[];
  stored: boolean;
  askedFor: boolean;
}

interface ShownStream {
  name: string;
  ok: boolean;
  /** Why it is not. */
  message: string | null;
  class: string | null;
  rows: number | null;
  evidence: number;
  facts: ShownFact[];
  quarantined: number;
  refused: { externalId: string; reason: string }[];
}

interface Shown {
  source: string;
  connector: string;
  connection: string;
  ok: boolean;
  /** What the check says, or why the credential is not good, with the remedy. */
  message: string;
  class: string | null;
  streams: ShownStream[];
}

/** Returns whether the source can be scheduled as it is. */
export async function checkSource(
  context: Context,
  output: Output,
  options: { source: string; connection: string | undefined; json: boolean; signal: AbortSignal },
): Promise<boolean> {
  const source = requireSource(context, options.source);
  const connection = await readSampledConnection(context.db, source, options.connection);
  output.progress(`  asking ${source.key}`);
  const { said, listings } = await fetchSample({ ...context, signal: options.signal }, source, connection);
  const streams: ShownStream[] = [];
  for (const listing of listings) streams.push(await toStream(context, source, connection, listing));
  output.endProgress();
  const refused = said instanceof SourceError ? said : undefined;
  const shown: Shown = {
    source: source.key,
    connector: source.connectorName,
    connection: connection.key,
    ok: refused === undefined && streams.every(({ ok }) => ok),
    message: said instanceof SourceError ? withRemedy(said, source) : said,
    class: refused?.class ?? null,
    streams,
  };
  if (options.json) output.print(JSON.stringify(shown, null, 2));
  else print(output, shown, refused === undefined);
  return shown.ok;
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
): Promise<ShownStream> {
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
  const spoilt = isSpoilt(rows, true);
  const shownId = (id: string) => withoutAddresses(id, context);
  return {
    name,
    ok: !spoilt,
    message: spoilt
      ? `${broken.length} of ${rows.read + broken.length} rows cannot be read: a run in which so many are would stop`
      : null,
    class: spoilt ? "data" : null,
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
): ShownFact {
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

function print(output: Output, shown: Shown, isAccepted: boolean): void {
  const of = `${shown.source}/${shown.connection}`;
  output.print(`${isAccepted ? "ok  " : "FAIL"}  ${of}: ${shown.message}`);
  for (const stream of shown.streams) {
    output.print("");
    for (const part of toLines(stream)) output.print(part);
  }
  const unmatched = shown.streams.flatMap(({ facts }) => facts.filter(({ partner }) => partner === null));
  if (unmatched.length > 0) output.print("");
  for (const line of new Set(unmatched.map((fact) => toRemedy(fact, shown)))) output.print(line);
  output.print("\nNothing is written.");
}

function toLines(stream: ShownStream): string[] {
  const { name, rows, evidence, quarantined, facts, refused } = stream;
  const of = rows === null ? "" : `${formatCount(rows)} rows, `;
  const found = `${of}${formatCount(evidence)} pieces of evidence, ${formatCount(quarantined)} that cannot be read`;
  const head =
    rows === null && stream.class !== null && evidence + quarantined === 0
      ? ""
      : `${found} on the first page`;
  const lines = [
    `${stream.ok ? "ok  " : "FAIL"}  ${name}: ${[head, stream.message ?? ""].filter((part) => part !== "").join("; ")}`,
  ];
  if (facts.length > 0) lines.push(toFactTable(facts));
  for (const kind of new Set(facts.filter(({ askedFor }) => !askedFor).map((fact) => fact.kind)))
    lines.push(`No achievement of the programme in force asks for ${kind}.`);
  if (refused.length > 0) lines.push("Would be quarantined:");
  for (const { externalId, reason } of refused) lines.push(`  ${externalId}: ${reason}`);
  if (quarantined > refused.length) lines.push(`  … and ${formatCount(quarantined - refused.length)} more`);
  return lines;
}

function toFactTable(facts: ShownFact[]): string {
  return toTable(
    [
      { title: "kind", cell: ({ kind }) => kind },
      { title: "external id", cell: ({ externalId }) => externalId },
      { title: "occurred at (UTC)", cell: ({ occurredAt }) => occurredAt.toISOString().slice(0, 19) },
      { title: "quantity", align: "right", cell: ({ quantity }) => quantity },
      {
        title: "partner",
        cell: ({ partner, namespace, key }) => partner ?? `nobody (${toIdentity({ namespace, key })})`,
      },
      { title: "points", align: "right", cell: toPoints },
      {
        title: "",
        cell: ({ achievements, stored }) =>
          [...achievements, ...(stored ? ["stored already"] : [])].join(", "),
      },
    ],
    facts,
  );
}

function toPoints({ points, partner }: ShownFact): string {
  if (points === null) return "no programme";
  return `${partner === null ? "alone " : ""}${points >= 0 ? "+" : ""}${points}`;
}

function toIdentity({ namespace, key }: Pick<ShownFact, "namespace" | "key">): string {
  return namespace === null ? "connection" : `${namespace}:${key ?? ""}`;
}

function toRemedy(fact: ShownFact, { source, connection }: Shown): string {
  if (fact.namespace === null) {
    return `connection ${source}/${connection} has no partner; give it one with: standings connections import ${source} connections.csv`;
  }
  return `no partner has ${toIdentity(fact)}; add it with: standings identities add <partner> ${fact.namespace} ${quoted(fact.key ?? "")}`;
}

/** As a shell takes it. */
function quoted(text: string): string {
  return /^[\w.,:/@%+-]+$/.test(text) ? text : `'${text.replaceAll("'", `'\\''`)}'`;
}
