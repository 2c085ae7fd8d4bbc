// Rows of another system's Postgres database, by a query in the settings; columns are mapped as for a table. Pages are ordered
// by (updated-at, id), because many rows may share an instant. A change is read once it is older than the lag: a transaction
// that began earlier may commit later, and its rows would be skipped for ever.
import { z } from "zod";
import { SourceError } from "../platform/errors.ts";
import { defineConnector, type PullInput } from "./connector.ts";
import { sift } from "./facts.ts";
import { columnsOf, mappingShape, toEvidence } from "./table.ts";

/** A query whose updated-at is the present moment would go on for ever. */
const MAX_PAGES = 10_000;

const settingsSchema = z
  .strictObject({
    /** One select, without parameters. */
    query: z.string().min(1),
    ...mappingShape,
    /** timestamptz, or timestamp in UTC: moves with every change of the row. */
    "updated-at": z.string().min(1),
    /** Seconds: longer than the longest transaction that writes these rows. */
    lag: z.int().min(0).max(86_400).default(60),
    "page-rows": z.int().min(1).max(10_000).default(1000),
    /** Seconds for each page. */
    timeout: z.int().min(1).max(600).default(30),
  })
  .transform(
    ({
      "occurred-at": occurredAt,
      "ended-at": endedAt,
      "time-zone": timeZone,
      "updated-at": updatedAt,
      "page-rows": pageRows,
      query,
      ...rest
    }) => ({
      ...rest,
      occurredAt,
      endedAt,
      timeZone,
      updatedAt,
      pageRows,
      where: {},
      query: query.trim().replace(/;$/, ""),
    }),
  );

type SqlSettings = z.output<typeof settingsSchema>;
type Input = PullInput<SqlSettings>;

const placeSchema = z.object({
  /** As Postgres writes it, with its microseconds. */
  updatedAt: z.string(),
  id: z.string(),
});
type Place = z.output<typeof placeSchema>;

const cursorSchema = z.object({
  after: placeSchema.nullable(),
  /** Of a complete listing: the last place that is older than the lag, where the next pull begins. */
  settled: placeSchema.nullable(),
});

/** A secret is needed: postgres://user:password@host:port/database, of a user that may read and nothing else. */
export const sql = defineConnector<SqlSettings>({
  settings: settingsSchema,
  alwaysComplete: false,
  perAccount: false,
  kinds: ({ evidence }) => [evidence],
  async *pull(input) {
    const { full, settings } = input;
    let { after, settled } = cursorSchema.safeParse(input.cursor).data ?? { after: null, settled: null };
    if (full && after === null) await refuseUnplaced(input);
    for (let page = 1; ; page++) {
      const rows = await readRows(input, after);
      // A listing sees what is younger than the lag as well, or that would be called absent; the next pull sees it again.
      settled = placeOf(rows.findLast((row) => row[SETTLED] === "true")) ?? settled;
      after = placeOf(rows.at(-1)) ?? after;
      const isOver = rows.length < settings.pageRows;
      yield { ...toPage(rows, input), cursor: { after: isOver && full ? settled : after, settled } };
      if (isOver) return;
      if (page === MAX_PAGES) {
        throw new SourceError(
          "data",
          `the query does not end: more than ${page} pages of ${rows.length} rows`,
        );
      }
    }
  },
  async check(input) {
    const rows = await readRows(input, null);
    const { evidence, quarantined } = toPage(rows, input);
    const unread = quarantined.length === 0 ? "" : `, ${quarantined.length} cannot be read`;
    return `the query answers: of its first ${rows.length} rows ${evidence.length} are evidence${unread}`;
  },
});

type Row = Record<string, string | null>;

// Names no column of a query has by accident.
const UPDATED_AT = "standings updated at";
const ID = "standings id";
const SETTLED = "standings settled";

function placeOf(row: Row | undefined): Place | undefined {
  return row && { updatedAt: row[UPDATED_AT] ?? "", id: row[ID] ?? "" };
}

const quoted = (name: string) => `"${name.replaceAll('"', '""')}"`;

/** The next rows in order of (updated-at, id). Ids are compared as bytes: a collation may hold two different ones for equal. */
async function readRows({ settings, query, full }: Input, after: Place | null): Promise<Row[]> {
  const updatedAt = quoted(settings.updatedAt);
  const id = `${quoted(settings.id)}::text collate "C"`;
  const columns = columnsOf(settings).map((name) => `${quoted(name)}::text as ${quoted(name)}`);
  const settled = `${updatedAt} <= now() - make_interval(secs => $2::text::int)`;
  const conditions = [
    `${updatedAt} is not null and ${quoted(settings.id)} is not null`,
    ...(full ? [] : [settled]),
    ...(after === null ? [] : [`(${updatedAt}, ${id}) > ($3::text::timestamptz, $4::text)`]),
  ];
  const text = `select ${columns.join(", ")}, ${updatedAt}::timestamptz::text as ${quoted(UPDATED_AT)},
      ${quoted(settings.id)}::text as ${quoted(ID)}, (${settled})::text as ${quoted(SETTLED)}
    from (${settings.query}
    ) as listing where ${conditions.join(" and ")} order by listing.${updatedAt}, listing.${id} limit $1::text::int`;
  const place = after === null ? [] : [after.updatedAt, after.id];
  return query(text, [String(settings.pageRows), String(settings.lag), ...place], {
    timeoutMs: settings.timeout * 1000,
  });
}

/** A row without a value in the ordering column would be skipped without notice. */
async function refuseUnplaced({ settings, query }: Input): Promise<void> {
  const text = `select count(*)::text as unplaced from (${settings.query}
    ) as listing where ${quoted(settings.updatedAt)} is null or ${quoted(settings.id)} is null limit $1::text::int`;
  const [counted] = await query(text, ["1"], { timeoutMs: settings.timeout * 1000 });
  const unplaced = counted?.["unplaced"] ?? "some";
  if (unplaced === "0") return;
  throw new SourceError("data", `${unplaced} rows have no ${settings.updatedAt} or no ${settings.id}`);
}

/** What of the rows cannot be stored is kept aside with its reason. */
function toPage(rows: Row[], input: Input): ReturnType<typeof sift> {
  return sift(rows, {
    id: (row) => row[ID],
    place: (_row, index) => `row ${index + 1}`,
    facts: (row) => {
      const values = Object.entries(row).map(([name, value]) => [name, value?.trim() ?? ""]);
      return toEvidence(
        { where: "row", values: Object.fromEntries(values) as Record<string, string> },
        input,
      );
    },
  });
}
