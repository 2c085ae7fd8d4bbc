// A table: CSV or JSON, from a URL or a file. Client accounts, certification records, registrations, trade-fair lists: what a
// system can export becomes evidence by naming its columns. Every pull reads the whole table, from its beginning.
import { z } from "zod";
import { SourceError } from "../platform/errors.ts";
import { defineConnector, type EvidenceFact, type PullInput, type QuarantinedRow } from "./connector.ts";
import { readEnd, readInstant, readQuantity, sift, timeZoneSchema, toFact } from "./facts.ts";
import { openTable, type Row } from "./table-rows.ts";

const FACTS_A_PAGE = 500;

const column = z.string().min(1);
/** Which column says what of a row. */
export const mappingShape = {
  evidence: z.string().min(1).max(64),
  /** Columns, or dotted paths into the rows of a JSON table. */
  id: column,
  "occurred-at": column,
  /** A date without a time is the last day that counts. */
  "ended-at": column.optional(),
  quantity: column.optional(),
  partner: z.strictObject({ namespace: z.string().min(1).max(100), column }),
  /** A column; for people whom rules only count, with a pseudonym in the place of what the column says. */
  attributes: z
    .record(z.string().min(1), z.union([column, z.strictObject({ column, pseudonym: z.boolean() })]))
    .default({}),
  title: column.optional(),
  link: column.optional(),
  /** Of dates without an offset. */
  "time-zone": timeZoneSchema.default("UTC"),
};

const settingsSchema = z
  .strictObject({
    url: z.url({ protocol: /^https?$/ }).optional(),
    /** Relative to sources.yaml. */
    file: z.string().min(1).optional(),
    format: z.enum(["csv", "json"]),
    /** JSON: the dotted path to the array of rows; without it the document is the array. */
    path: z.string().min(1).optional(),
    delimiter: z.string().min(1).max(5).default(","),
    ...mappingShape,
    /** Only rows with this value, or one of these, in the column. */
    where: z.record(column, z.union([z.string(), z.array(z.string())])).default({}),
  })
  .refine(({ url, file }) => (url === undefined) !== (file === undefined), 'expected either "url" or "file"')
  .transform(({ "occurred-at": occurredAt, "ended-at": endedAt, "time-zone": timeZone, ...rest }) => ({
    ...rest,
    occurredAt,
    endedAt,
    timeZone,
  }));

type TableSettings = z.output<typeof settingsSchema>;
export type Mapping = Omit<TableSettings, "url" | "file" | "format" | "path" | "delimiter">;

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
    const { settings } = input;
    const places = new Map<string, string>();
    const rows = await openTable(input, columnsOf(settings));
    if (rows === "unchanged") {
      yield { unchanged: true, evidence: [], cursor: {} };
      return;
    }
    let begins: true | undefined = true;
    let page: { evidence: EvidenceFact[]; quarantined: QuarantinedRow[] } = { evidence: [], quarantined: [] };
    for await (const row of rows) {
      const { evidence, quarantined } = sift([row], {
        id: ({ values }) => values[settings.id],
        place: ({ where }) => where,
        facts: (one) => toEvidence(one, input),
      });
      for (const { externalId } of [...evidence, ...quarantined]) {
        const before = places.get(externalId);
        if (before !== undefined)
          throw new SourceError("data", `${row.where}: the id is that of ${before} too`);
        places.set(externalId, row.where);
      }
      page.evidence.push(...evidence);
      page.quarantined.push(...quarantined);
      if (page.evidence.length + page.quarantined.length === FACTS_A_PAGE) {
        yield { ...page, cursor: {}, begins };
        begins = undefined;
        page = { evidence: [], quarantined: [] };
      }
    }
    yield { ...page, cursor: {}, total: places.size, begins };
  },
  async check(input) {
    const rows = await openTable(input, columnsOf(input.settings));
    if (rows === "unchanged") return "unchanged";
    let count = 0;
    let facts = 0;
    let broken = 0;
    for await (const row of rows) {
      const reading = { id: () => undefined, place: () => "", facts: (one: Row) => toEvidence(one, input) };
      const { evidence, quarantined } = sift([row], reading);
      count += 1;
      facts += evidence.length;
      broken += quarantined.length;
    }
    return `${count} rows, ${facts} of them evidence${broken > 0 ? `, ${broken} that cannot be read` : ""}`;
  },
});

const columnOf = (from: string | { column: string }) => (typeof from === "string" ? from : from.column);

/** Every column the settings name. */
export function columnsOf(settings: Mapping): string[] {
  const { id, occurredAt, endedAt, quantity, partner, attributes, title, link, where } = settings;
  const named = [id, occurredAt, endedAt, quantity, partner.column, title, link];
  const all = [...named, ...Object.values(attributes).map(columnOf), ...Object.keys(where)];
  return [...new Set(all.filter((name) => name !== undefined))];
}

/** One fact, or none: for a row the settings leave out, one without a partner, one of quantity 0. */
export function toEvidence(
  { where, values }: Row,
  input: Pick<PullInput<Mapping>, "settings" | "pseudonym">,
): EvidenceFact[] {
  const { settings } = input;
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
  const given = Object.entries(settings.attributes).map(([name, from]) => {
    const text = at(columnOf(from)) ?? "";
    const isPerson = typeof from !== "string" && from.pseudonym && text !== "";
    return [name, isPerson ? input.pseudonym(text.toLowerCase()) : text] as const;
  });
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
