// standings connectors check <source>: what a source would bring, before it is scheduled. Nothing is written.
import type { Context } from "../context.ts";
import {
  type CheckedFact,
  type CheckedSource,
  type CheckedStream,
  checkSource,
} from "../operations/check-source.ts";
import type { Output } from "../platform/terminal/output.ts";
import { formatCount, toTable } from "../platform/terminal/table.ts";

/** Returns whether the source can be scheduled as it is. */
export async function checkAndReport(
  context: Context,
  output: Output,
  options: { source: string; connection: string | undefined; json: boolean; signal: AbortSignal },
): Promise<boolean> {
  output.progress(`  asking ${options.source}`);
  const checked = await checkSource(context, options);
  output.endProgress();
  if (options.json) output.print(JSON.stringify(checked, null, 2));
  else print(output, checked);
  return checked.ok;
}

function print(output: Output, shown: CheckedSource): void {
  // A source without a class has passed its check; a stream may still fail.
  const isAccepted = shown.class === null;
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

function toLines(stream: CheckedStream): string[] {
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

function toFactTable(facts: CheckedFact[]): string {
  return toTable(
    [
      { title: "kind", cell: ({ kind }) => kind },
      { title: "external id", cell: ({ externalId }) => externalId },
      { title: "occurred at (UTC)", cell: ({ occurredAt }) => occurredAt.toISOString().slice(0, 19) },
      { title: "quantity", align: "right", cell: ({ quantity }) => quantity },
      {
        title: "partner",
        cell: ({ partner, namespace, key }) => partner ?? `no partner (${toIdentity({ namespace, key })})`,
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

function toPoints({ points, partner }: CheckedFact): string {
  if (points === null) return "no programme";
  return `${partner === null ? "alone " : ""}${points >= 0 ? "+" : ""}${points}`;
}

function toIdentity({ namespace, key }: Pick<CheckedFact, "namespace" | "key">): string {
  return namespace === null ? "connection" : `${namespace}:${key ?? ""}`;
}

function toRemedy(fact: CheckedFact, { source, connection }: CheckedSource): string {
  if (fact.namespace === null) {
    return `connection ${source}/${connection} has no partner; give it one with: standings connections import ${source} connections.csv`;
  }
  return `no partner has ${toIdentity(fact)}; add it with: standings identities add <partner> ${fact.namespace} ${quoted(fact.key ?? "")}`;
}

/** As a shell takes it. */
function quoted(text: string): string {
  return /^[\w.,:/@%+-]+$/.test(text) ? text : `'${text.replaceAll("'", `'\\''`)}'`;
}
