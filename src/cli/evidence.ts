// standings evidence quarantined and evidence unmatched: what could not be read, and what waits for a partner.
import type { Context } from "../context.ts";
import { readQuarantined } from "../evidence/quarantine.ts";
import { readUnmatched, type UnmatchedGroup } from "../partners/unmatched.ts";
import type { Output } from "../platform/terminal/output.ts";
import { formatCount, toTable } from "../platform/terminal/table.ts";

/** How many lines are shown; --json shows them all. */
const SHOWN = 50;

export async function printQuarantined(
  context: Context,
  output: Output,
  { json }: { json: boolean },
): Promise<void> {
  const rows = await readQuarantined(context.db);
  if (json) {
    output.print(JSON.stringify(rows, null, 2));
    return;
  }
  if (rows.length === 0) {
    output.print("Every row can be read.");
    return;
  }
  output.print(
    toTable(
      [
        { title: "connection", cell: (row) => `${row.source}/${row.connection}` },
        { title: "row", cell: (row) => row.externalId },
        { title: "since (UTC)", cell: (row) => row.firstSeenAt.toISOString().slice(0, 10) },
        { title: "run", align: "right", cell: (row) => row.run },
        { title: "before", cell: (row) => (row.known ? "evidence, unconfirmed" : "unknown") },
        { title: "reason", cell: (row) => row.reason },
      ],
      rows.slice(0, SHOWN),
    ),
  );
  if (rows.length > SHOWN) output.print(`… and ${formatCount(rows.length - SHOWN)} more`);
}

export async function printUnmatched(
  context: Context,
  output: Output,
  { json }: { json: boolean },
): Promise<void> {
  const { groups, withoutSuggestions } = await readUnmatched(context.db, context.programmes, context.now());
  if (json) {
    output.print(JSON.stringify({ groups, withoutSuggestions }, null, 2));
    return;
  }
  if (groups.length === 0) {
    output.print("All evidence has its partner.");
    return;
  }
  output.print(
    toTable(
      [
        { title: "identity", cell: (group) => `${group.namespace ?? "connection"}:${group.key}` },
        { title: "evidence", align: "right", cell: (group) => formatCount(group.count) },
        { title: "kinds", cell: (group) => toKinds(group) },
        { title: "points", align: "right", cell: (group) => group.points ?? "" },
        { title: "perhaps", cell: (group) => toSuggestions(group) },
      ],
      groups.slice(0, SHOWN),
    ),
  );
  if (groups.length > SHOWN) output.print(`… and ${formatCount(groups.length - SHOWN)} more`);
  if (withoutSuggestions !== null) output.note(withoutSuggestions);
  const first = groups.find(({ namespace }) => namespace !== null);
  if (first !== undefined) {
    const [perhaps] = first.suggestions;
    output.note(
      `Give it to its partner with: standings identities add ${perhaps?.partner ?? "<partner>"} ${first.namespace ?? ""} ${first.key}`,
    );
  }
  const owned = groups.find(({ namespace }) => namespace === null);
  if (owned !== undefined) {
    const [source = ""] = owned.sources;
    output.note(`Connections get their partner with: standings connections import ${source} connections.csv`);
  }
}

function toKinds({ kinds }: UnmatchedGroup): string {
  return Object.entries(kinds)
    .map(([kind, count]) => `${kind} ${formatCount(count)}`)
    .join(", ");
}

function toSuggestions({ suggestions }: UnmatchedGroup): string {
  return suggestions.map(({ partner, because }) => `${partner} (${because})`).join(", ");
}
