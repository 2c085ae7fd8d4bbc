// CSV that people hand us: a header, then rows; every problem named with its line.
import { CsvError, parse } from "csv-parse/sync";
import { UsageError } from "./errors.ts";

export interface CsvRow {
  /** In the file, from 1: what a person's editor shows. */
  line: number;
  /** By column; trimmed; empty where the row has nothing. */
  values: Record<string, string>;
}

/**
 * Reads a CSV text with a header. `required` columns must be there, `optional` ones may, others are refused: a column nobody
 * reads is a misspelt one. Throws a UsageError with `file:line` for broken quoting, short or long rows and wrong headers.
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
  if (missing.length > 0 || unknown.length > 0) {
    const problem = [
      ...(missing.length > 0 ? [`column ${missing.join(", ")} is missing`] : []),
      ...(unknown.length > 0 ? [`column ${unknown.join(", ")} is unknown`] : []),
    ].join(" and ");
    throw new UsageError(`${file}:1: ${problem}; expected ${known.join(", ")}`);
  }
  return rows.slice(1).map(({ info, record }) => ({
    line: info.lines,
    values: Object.fromEntries(header.map((column, index) => [column, record[index] ?? ""])),
  }));
}
