// CSV that people hand us: a header, then rows; every problem named with its line.
import { CsvError, parse } from "csv-parse/sync";
import { UsageError } from "./errors.ts";

export interface CsvRow {
  /** Where the row begins in the file, from 1: what a person's editor shows. */
  line: number;
  /** By column of the header; trimmed; empty where the row has nothing. */
  values: Record<string, string>;
}

/**
 * Reads a CSV text with a header. `required` columns must be there, `optional` ones may, others are refused, because
 * an unknown column is usually a misspelt one. Throws a UsageError with `file:line` for broken quoting, short or long rows, wrong headers and NUL, which Postgres cannot store.
 */
export function parseCsv(text: string, file: string, required: string[], optional: string[] = []): CsvRow[] {
  let rows: { info: { lines: number }; record: string[] }[];
  try {
    rows = parse(text, {
      bom: true,
      trim: true,
      info: true,
      skip_empty_lines: true,
      max_record_size: 1_000_000,
    }) as never;
  } catch (error) {
    if (!(error instanceof CsvError)) throw error;
    const line = typeof error["lines"] === "number" ? error["lines"] : 1;
    throw new UsageError(`${file}:${line}: ${error.message}`);
  }
  const header = rows[0]?.record ?? [];
  const known = [...required, ...optional];
  const missing = required.filter((column) => !header.includes(column));
  const unknown = header.filter((column) => !known.includes(column));
  const twice = header.filter((column, index) => header.indexOf(column) !== index);
  if (missing.length > 0 || unknown.length > 0 || twice.length > 0) {
    const problem = [
      ...(twice.length > 0 ? [`column ${twice.join(", ")} is there twice`] : []),
      ...(missing.length > 0 ? [`column ${missing.join(", ")} is missing`] : []),
      ...(unknown.length > 0 ? [`column ${unknown.join(", ")} is unknown`] : []),
    ].join(" and ");
    throw new UsageError(`${file}:1: ${problem}; expected ${known.join(", ")}`);
  }
  return rows.slice(1).map(({ info, record }) => {
    // The parser counts to the end of the row; a quoted value may have gone over several lines.
    const line = info.lines - record.reduce((breaks, value) => breaks + value.split("\n").length - 1, 0);
    if (record.some((value) => value.includes("\0")))
      throw new UsageError(`${file}:${line}: expected text without NUL`);
    return { line, values: Object.fromEntries(header.map((column, index) => [column, record[index] ?? ""])) };
  });
}

/** In UTF-8: an index of Postgres holds 2,704 bytes a row, and two of these with what is beside them. */
const LONGEST_KEY = 512;

/** Whether a value is too long to find something by. */
export function isTooLong(value: string): boolean {
  return Buffer.byteLength(value) > LONGEST_KEY;
}

/** What to say of a value that is too long. */
export function tooLong(value: string): string {
  return `expected at most ${LONGEST_KEY} bytes, not the ${Buffer.byteLength(value)} of "${shortened(value)}"`;
}

/** As much of a value as a message can show. */
export function shortened(value: string): string {
  return value.length > 60 ? `${value.slice(0, 60)}…` : value;
}
