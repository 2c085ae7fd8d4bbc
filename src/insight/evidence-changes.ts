// What differs in the evidence that counts, between two instants or two states of knowledge.
import { sql } from "drizzle-orm";
import type { Database } from "../../db/client.ts";
import type { Achievement } from "../programme/document.ts";
import { type EvidenceRow, type EvidenceShown, toShown } from "./evidence-behind.ts";

/** How evidence came to count, or ceased to, as time passed. */
export interface PassedEvidence {
  how: "began" | "entered" | "matured" | "ended" | "left" | "became-before";
  evidence: EvidenceShown;
}

/** What became known of a piece of evidence. */
export interface ChangedEvidence {
  how:
    | "appeared"
    | "returned"
    | "changed"
    | "vanished"
    | "identified"
    | "unidentified"
    | "merged-in"
    | "merged-out";
  /** When it became known. */
  at: Date;
  /** The run that recorded it, or whose listing lacked it; null: none did, or it is not known which. */
  run: number | null;
  /** Of a merge: the other partner's slug. */
  partner: string | null;
  /** Of a change: what it was and what it is. */
  fields: { name: string; from: string; to: string }[];
  /** As it is; where it is gone, as it was. */
  evidence: EvidenceShown;
  /** The rows of this partner that are counted since, and were counted before. */
  rows: { since: number | null; before: number | null };
}

/** Of the evidence counted at two instants with the same knowledge. */
export function toPassed(
  { measure, window, matures }: Pick<Achievement, "measure" | "window" | "matures">,
  before: EvidenceShown[],
  after: EvidenceShown[],
  span: { from: Date; to: Date },
): PassedEvidence[] {
  const was = new Map(before.map((one) => [one.id, one]));
  const is = new Map(after.map((one) => [one.id, one]));
  const gone = before.flatMap((evidence): PassedEvidence[] => {
    // Of a reading, only the latest is counted: it has not left, a later one has come.
    if (measure.type === "latest" && after.length > 0) return [];
    const now = is.get(evidence.id);
    if (now !== undefined) return now.before && !evidence.before ? [{ how: "became-before", evidence }] : [];
    const { endedAt } = evidence;
    const hasEnded = window.type === "in-force" && endedAt !== null && endedAt <= span.to;
    return [{ how: hasEnded ? "ended" : "left", evidence }];
  });
  const come = after.flatMap((evidence): PassedEvidence[] => {
    if (was.has(evidence.id)) return [];
    if (evidence.occurredAt > span.from) return [{ how: "began", evidence }];
    return [{ how: matures === undefined ? "entered" : "matured", evidence }];
  });
  return [...come, ...gone];
}

/**
 * Of a reading, whose evidence is listed latest first: what comes before the latest that has not changed. Without it the latest
 * would be named alone, and its points would be due to others as well, which became known with it and say the same.
 */
export function decisive(lists: { before: EvidenceShown[]; after: EvidenceShown[] }): typeof lists {
  const until = (list: EvidenceShown[], other: EvidenceShown[]) => {
    const unchanged = new Set(other.map(({ id }) => id));
    const first = list.findIndex(({ id }) => unchanged.has(id));
    return first === -1 ? list : list.slice(0, first);
  };
  return { before: until(lists.before, lists.after), after: until(lists.after, lists.before) };
}

interface VersionRow extends EvidenceRow {
  partner_id: number | null;
  partner: string | null;
  run_id: number | null;
  superseded_at: Date | null;
  ended_by: number | null;
}

/** Of the evidence counted at one instant, as known at two: why it is another. */
export async function readChanged(
  db: Database,
  counted: { before: EvidenceShown[]; after: EvidenceShown[] },
  question: { partnerId: number; from: Date; to: Date },
): Promise<ChangedEvidence[]> {
  const was = new Set(counted.before.map(({ id }) => id));
  const is = new Set(counted.after.map(({ id }) => id));
  const differing = [
    ...counted.after.filter(({ id }) => !was.has(id)),
    ...counted.before.filter(({ id }) => !is.has(id)),
  ];
  const named = new Map(differing.map((one) => [JSON.stringify([one.source, one.externalId]), one]));
  const versions = await readVersions(db, [...named.values()]);
  return [...named].flatMap(([name, one]) => {
    const all = versions.get(name) ?? [];
    const change = toChange(all, question);
    // What has nothing to do with it: counted differently because another became the latest, or only its title changed.
    return change === undefined ? [] : [{ ...change, evidence: change.evidence ?? one }];
  });
}

function toChange(
  versions: VersionRow[],
  { partnerId, from, to }: { partnerId: number; from: Date; to: Date },
): (Omit<ChangedEvidence, "evidence"> & { evidence: EvidenceShown | undefined }) | undefined {
  const knownAt = (at: Date) =>
    versions.find((row) => row.recorded_at <= at && (row.superseded_at === null || row.superseded_at > at));
  const [before, since] = [knownAt(from), knownAt(to)];
  if (before?.id === since?.id) return undefined;
  const mine = (row: VersionRow | undefined) => row?.partner_id === partnerId;
  const rows = {
    since: mine(since) ? (since?.id ?? null) : null,
    before: mine(before) ? (before?.id ?? null) : null,
  };
  const shown = mine(since) ? since : before;
  const evidence = shown === undefined ? undefined : toShown(shown);
  const plain = { partner: null, fields: [], rows, evidence, run: since?.run_id ?? null };
  if (since === undefined) {
    const gone = versions.filter((row) => row.superseded_at !== null && row.superseded_at <= to).at(-1);
    return { ...plain, how: "vanished", at: gone?.superseded_at ?? to, run: gone?.ended_by ?? null };
  }
  const at = since.recorded_at;
  if (since.partner_id === null) {
    // Without another change its run is still the previous one.
    const run = since.run_id === before?.run_id ? null : since.run_id;
    return { ...plain, how: "unidentified", at, run };
  }
  if (!mine(since)) return { ...plain, how: "merged-out", at, partner: since.partner };
  if (before === undefined) {
    const isKnownOfOld = versions.some((row) => row.superseded_at !== null && row.superseded_at <= from);
    return { ...plain, how: isKnownOfOld ? "returned" : "appeared", at };
  }
  if (before.partner_id === null) return { ...plain, how: "identified", at, run: null };
  if (!mine(before)) return { ...plain, how: "merged-in", at, run: null, partner: before.partner };
  const fields = fieldsChanged(toShown(before), toShown(since));
  return fields.length === 0 ? undefined : { ...plain, how: "changed", at, fields };
}

/** Only what a rule can look at. */
function fieldsChanged(before: EvidenceShown, since: EvidenceShown): ChangedEvidence["fields"] {
  const textsOf = ({ kind, occurredAt, endedAt, quantity, attributes }: EvidenceShown) => ({
    kind,
    occurredAt: occurredAt.toISOString(),
    endedAt: endedAt?.toISOString() ?? "–",
    quantity: String(quantity),
    ...attributes,
  });
  const [from, to]: Record<string, string>[] = [textsOf(before), textsOf(since)];
  const names = new Set([...Object.keys(from ?? {}), ...Object.keys(to ?? {})]);
  return [...names]
    .map((name) => ({ name, from: from?.[name] ?? "–", to: to?.[name] ?? "–" }))
    .filter((field) => field.from !== field.to);
}

/**
 * Every version of pieces of evidence, oldest first: the current ones by evidence_current_key, the others by
 * evidence_versions_idx. What was taken back was taken back by the one run of its connection that was under way then and called
 * anything absent.
 */
async function readVersions(
  db: Database,
  named: { source: string; externalId: string }[],
): Promise<Map<string, VersionRow[]>> {
  if (named.length === 0) return new Map();
  const of = sql`evidence.source = named.source and evidence.external_id = named.external_id`;
  const rows = await db.execute<Record<string, unknown> & VersionRow>(sql`
    select found.*, false as before, partners.slug as partner, ended.by as ended_by
    from unnest(${sql.param(named.map(({ source }) => source))}::text[],
      ${sql.param(named.map(({ externalId }) => externalId))}::text[]) as named (source, external_id)
    cross join lateral (
      select * from evidence where ${of} and superseded_at is null
      union all select * from evidence where ${of} and superseded_at is not null) as found
    left join partners on partners.id = found.partner_id
    left join lateral (
      select min(runs.id) as by from runs join run_connections on run_connections.run_id = runs.id
      where runs.source = found.source and run_connections.connection_id = found.connection_id and absent > 0
        and started_at <= found.superseded_at and (finished_at is null or finished_at >= found.superseded_at)
      having count(*) = 1) as ended on true
    order by found.id`);
  const versions = new Map<string, VersionRow[]>();
  for (const row of rows) {
    const name = JSON.stringify([row.source, row.external_id]);
    versions.set(name, [...(versions.get(name) ?? []), row]);
  }
  return versions;
}
