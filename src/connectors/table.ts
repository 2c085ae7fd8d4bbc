// A table: CSV or JSON, from a URL or a file. Client accounts, certification records, registrations, trade-fair lists: what a
// system can export becomes evidence by naming its columns. Every pull reads the whole table, from its beginning.
import { z } from "zod";
import { SourceError } from "../errors.ts";
import { defineConnector, type EvidenceFact } from "./connector.ts";
import { readEnd, readInstant, readQuantity, timeZoneSchema, toFact } from "./facts.ts";
import { openTable, type Row } from "./table-rows.ts";

const FACTS_A_PAGE = 500;

const column = z.string().min(1);
const settingsSchema = z
  .strictObject({
    url: z.url({ protocol: /^https?$/ }).optional(),
    /** Relative to sources.yaml. */
    file: z.string().min(1).optional(),
    format: z.enum(["csv", "json"]),
    /** JSON: the dotted path to the array of rows; without it the document is the array. */
    path: z.string().min(1).optional(),
    delimiter: z.string().min(1).max(5).default(","),
    evidence: z.string().min(1).max(64),
    /** Columns, or dotted paths into the rows of a JSON table. */
    id: column,
    "occurred-at": column,
    /** A date without a time is the last day that counts. */
    "ended-at": column.optional(),
    quantity: column.optional(),
    partner: z.strictObject({ namespace: z.string().min(1).max(100), column }),
    attributes: z.record(z.string().min(1), column).default({}),
    title: column.optional(),
    link: column.optional(),
    /** Only rows with this value, or one of these, in the column. */
    where: z.record(column, z.union([z.string(), z.array(z.string())])).default({}),
    /** Of dates without an offset. */
    "time-zone": timeZoneSchema.default("UTC"),
  })
  .refine(({ url, file }) => (url === undefined) !== (file === undefined), 'expected either "url" or "file"')
  .transform(({ "occurred-at": occurredAt, "ended-at": endedAt, "time-zone": timeZone, ...rest }) => ({
    ...rest,
    occurredAt,
    endedAt,
    timeZone,
  }));

type TableSettings = z.output<typeof settingsSchema>;

/**
 * Rows whose partner is empty, and rows of quantity 0, are no evidence. A secret is sent as a bearer token. The cursor holds
 * nothing: a table has no place to go on from, it may be another one by then.
 */
export const table = defineConnector<TableSettings>({
  settings: settingsSchema,
  alwaysComplete: true,
  perAccount: false,
  kinds: ({ evidence }) => [evidence],
  async *pull(input) {
    const places = new Map<string, string>();
    let evidence: EvidenceFact[] = [];
    const rows = await openTable(input, columnsOf(input.settings));
    if (rows === "unchanged") {
      yield { unchanged: true, evidence, cursor: {} };
      return;
    }
    for await (const row of rows) {
      for (const fact of toEvidence(row, input.settings)) {
        const before = places.get(fact.externalId);
        if (before !== undefined)
          throw new SourceError("data", `${row.where}: the id is that of ${before} too`);
        places.set(fact.externalId, row.where);
        evidence.push(fact);
      }
      if (evidence.length === FACTS_A_PAGE) {
        yield { evidence, cursor: {} };
        evidence = [];
      }
    }
    yield { evidence, cursor: {}, total: places.size };
  },
  async check(input) {
    const rows = await openTable(input, columnsOf(input.settings));
    if (rows === "unchanged") return "unchanged";
    let count = 0;
    let facts = 0;
    for await (const row of rows) {
      count += 1;
      facts += toEvidence(row, input.settings).length;
    }
    return `${count} rows, ${facts} of them evidence`;
  },
});

/** Every column the settings name. */
function columnsOf(settings: TableSettings): string[] {
  const { id, occurredAt, endedAt, quantity, partner, attributes, title, link, where } = settings;
  const named = [id, occurredAt, endedAt, quantity, partner.column, title, link];
  const all = [...named, ...Object.values(attributes), ...Object.keys(where)];
  return [...new Set(all.filter((name) => name !== undefined))];
}

/** One fact, or none: for a row the settings leave out, one without a partner, one of quantity 0. */
function toEvidence({ where, values }: Row, settings: TableSettings): EvidenceFact[] {
  const at = (name: string | undefined) => (name === undefined ? undefined : values[name]);
  const isMeant = Object.entries(settings.where).every(([name, wanted]) =>
    [wanted].flat().includes(at(name) ?? ""),
  );
  const key = at(settings.partner.column) ?? "";
  if (!isMeant || key === "") return [];
  const externalId = at(settings.id) ?? "";
  if (externalId === "") throw new SourceError("data", `${where}: the id is missing`);
  const of = `${where} (${externalId})`;
  const occurredAt = readInstant(at(settings.occurredAt), settings.timeZone, of);
  if (occurredAt === undefined)
    throw new SourceError("data", `${of}: no date in the column ${settings.occurredAt}`);
  const quantity = settings.quantity === undefined ? 1 : readQuantity(at(settings.quantity), of);
  if (quantity === 0) return [];
  const given = Object.entries(settings.attributes).map(([name, from]) => [name, at(from) ?? ""] as const);
  const fact: EvidenceFact = {
    externalId,
    kind: settings.evidence,
    occurredAt,
    endedAt: readEnd(at(settings.endedAt), settings.timeZone, of),
    quantity,
    attributes: Object.fromEntries(given.filter(([, value]) => value !== "")),
    title: at(settings.title),
    link: at(settings.link),
    identity: { namespace: settings.partner.namespace, key },
  };
  return [toFact(fact)];
}
