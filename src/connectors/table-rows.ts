// The rows of a table, from a URL or a file, CSV or JSON. A table is whole when its rows all have the header's columns and
// are as many as X-Total-Count says, where it says so.
import { readFile, stat } from "node:fs/promises";
import { Readable } from "node:stream";
import { parse } from "csv-parse";
import { z } from "zod";
import { SourceError } from "../platform/errors.ts";
import { type FetchResponse, quote, readJson } from "./client/answers.ts";
import { toNextUrl } from "./client/redirects.ts";
import type { PullInput } from "./connector.ts";

export interface TableLocation {
  url?: string | undefined;
  file?: string | undefined;
  format: "csv" | "json";
  path?: string | undefined;
  delimiter: string;
}

export interface Row {
  /** "example.com/accounts.csv, line 17": the beginning of a message about it. */
  where: string;
  /** The columns asked for, without spaces around them; "" where a row has none. */
  values: Record<string, string>;
}

const MAX_FILE_BYTES = 32 * 2 ** 20;
const MAX_PAGES = 1000;

/**
 * Begins to read every row; "unchanged" where the source says that the table is as it was at the last complete listing.
 * Throws a SourceError, at once or while the rows are read: `config` where the file is not there; `data`, naming file and
 * line, for a missing column, a short row, text that is no table; `transient` where fewer or more rows came than were
 * announced. A JSON table may go on in further documents (a Link header with rel="next", on the same origin).
 */
export async function openTable(
  input: PullInput<TableLocation>,
  columns: string[],
): Promise<AsyncGenerator<Row, void, undefined> | "unchanged"> {
  const { url, file = "" } = input.settings;
  const first = url === undefined ? await readLocal(file) : await readRemote(input, url, true);
  return first.answer.status === 304 ? "unchanged" : readRows(input, columns, first);
}

async function* readRows(
  input: PullInput<TableLocation>,
  columns: string[],
  first: Document,
): AsyncGenerator<Row, void, undefined> {
  const { settings } = input;
  const asked = new Set<string>();
  const unseen = new Set(columns);
  let from: string | undefined = settings.url;
  let rows = 0;
  for (let document = first; ; ) {
    const { where, answer } = document;
    if (from !== undefined) asked.add(from);
    const documentRows =
      settings.format === "csv"
        ? csvRows(answer.text, where, settings, columns)
        : jsonRows(answer, where, settings, columns);
    for await (const { seen, ...row } of documentRows) {
      rows += 1;
      for (const column of seen) unseen.delete(column);
      yield row;
    }
    const next = nextOf(answer, from, where);
    if (next === undefined) {
      const announced = answer.headers["x-total-count"];
      if (announced !== undefined && Number(announced) !== rows)
        throw new SourceError("transient", `${where} came with ${rows} of ${quote(announced)} rows`);
      const [missing] = unseen;
      if (rows > 0 && missing !== undefined)
        throw new SourceError("data", `${where}: no row has the column ${missing}`);
      return;
    }
    if (asked.has(next) || asked.size >= MAX_PAGES) {
      throw new SourceError(
        "data",
        `${where} does not end: it points to a page it gave before, or to more than ${MAX_PAGES}`,
      );
    }
    from = next;
    document = await readRemote(input, next, false);
  }
}

interface Document {
  where: string;
  answer: FetchResponse;
}

async function readRemote(
  { settings, connection, fetch }: PullInput<TableLocation>,
  url: string,
  isFirst: boolean,
): Promise<Document> {
  const { secret } = connection;
  const answer = await fetch({
    url,
    headers: secret === undefined ? {} : { authorization: `Bearer ${secret}` },
    expect: settings.format,
    ...(isFirst && { conditional: true }),
  });
  const { host, pathname } = new URL(url);
  return { where: `${host}${pathname}`, answer };
}

async function readLocal(file: string): Promise<Document> {
  try {
    const { size } = await stat(file);
    if (size > MAX_FILE_BYTES)
      throw new SourceError("data", `${file} is larger than ${MAX_FILE_BYTES} bytes`);
    const text = new TextDecoder().decode(await readFile(file));
    return { where: file, answer: { status: 200, headers: {}, text } };
  } catch (error) {
    if (error instanceof SourceError) throw error;
    const { code = "unknown error" } = error as NodeJS.ErrnoException;
    throw new SourceError("config", `${file} cannot be read (${code})`);
  }
}

/** The address in a Link header with rel="next" (RFC 8288). It may not lead to another origin, where the secret would go along. */
function nextOf(answer: FetchResponse, from: string | undefined, where: string): string | undefined {
  const link = /<([^>]*)>[^,]*;\s*rel="?next"?/i.exec(answer.headers["link"] ?? "")?.[1];
  if (link === undefined || from === undefined) return undefined;
  return toNextUrl(link, from, where);
}

interface SeenRow extends Row {
  /** Which of the columns the row has. */
  seen: string[];
}

async function* csvRows(
  text: string,
  where: string,
  { delimiter }: TableLocation,
  columns: string[],
): AsyncGenerator<SeenRow, void, undefined> {
  const parser = Readable.from(slices(text)).pipe(
    parse({ delimiter, info: true, skip_empty_lines: true, trim: true }),
  );
  let header: string[] | undefined;
  try {
    for await (const parsed of parser) {
      const { record, info } = parsed as { record: string[]; info: { lines: number } };
      if (header === undefined) {
        header = checkHeader(record, columns, where);
        continue;
      }
      const all = header;
      const values = Object.fromEntries(columns.map((column) => [column, record[all.indexOf(column)] ?? ""]));
      yield { where: `${where}, line ${info.lines}`, values, seen: columns };
    }
  } catch (error) {
    throw error instanceof SourceError ? error : brokenCsv(error, where);
  }
  if (header === undefined) throw new SourceError("data", `${where} is empty: a header line was expected`);
}

/** So that the parser gives way between two of them. */
function* slices(text: string): Generator<string> {
  const length = 2 ** 16;
  for (let start = 0; start < text.length; start += length) yield text.slice(start, start + length);
}

function checkHeader(header: string[], columns: string[], where: string): string[] {
  const found = quote(header.join(", "));
  const missing = columns.find((column) => !header.includes(column));
  if (missing !== undefined)
    throw new SourceError("data", `${where}, line 1: no column ${missing} among ${found}`);
  const twice = columns.find((column) => header.indexOf(column) !== header.lastIndexOf(column));
  if (twice !== undefined)
    throw new SourceError("data", `${where}, line 1: the column ${twice} is there twice`);
  return header;
}

function brokenCsv(error: unknown, where: string): Error {
  const { code, lines } = error as { code?: string; lines?: number };
  if (code?.startsWith("CSV_") !== true) return error as Error;
  const expected = code.includes("INCONSISTENT")
    ? "as many columns as in the header were expected"
    : `no valid CSV (${code})`;
  return new SourceError("data", `${where}, line ${lines ?? "?"}: ${expected}`);
}

function* jsonRows(
  answer: FetchResponse,
  where: string,
  { path }: TableLocation,
  columns: string[],
): Generator<SeenRow, void, undefined> {
  const rows: unknown =
    path === undefined
      ? readJson(answer, z.unknown(), where)
      : valueAt(readJson(answer, z.unknown(), where), path);
  if (!Array.isArray(rows)) {
    throw new SourceError(
      "data",
      `${where}: an array was expected${path === undefined ? "" : ` at ${path}`}`,
    );
  }
  for (const [index, row] of rows.entries()) {
    const at = `${where}, row ${index + 1}`;
    if (typeof row !== "object" || row === null)
      throw new SourceError("data", `${at}: an object was expected`);
    const found = columns.map((column) => [column, valueAt(row, column)] as const);
    const values = Object.fromEntries(found.map(([column, value]) => [column, toText(value, column, at)]));
    yield {
      where: at,
      values,
      seen: found.filter(([, value]) => value !== undefined).map(([column]) => column),
    };
  }
}

/** The value of a key, or at a dotted path where there is no such key. */
function valueAt(holder: unknown, path: string): unknown {
  const own = (from: unknown, key: string): unknown =>
    typeof from === "object" && from !== null && Object.hasOwn(from, key)
      ? (from as Record<string, unknown>)[key]
      : undefined;
  return own(holder, path) ?? path.split(".").reduce(own, holder);
}

function toText(value: unknown, column: string, where: string): string {
  if (value === undefined || value === null) return "";
  if (typeof value === "string") return value.trim();
  if (typeof value === "number" || typeof value === "boolean") return String(value);
  throw new SourceError("data", `${where}: the column ${column} is not a plain value`);
}
