// How values travel between Postgres and JavaScript, for every query: `db.execute` and drizzle's builders alike.
import type postgres from "postgres";
import { readArray, writeArray } from "./arrays.ts";

/** As text that Postgres reads the same in every session: an instant in ISO 8601, the rest as it stands. */
const toText = (value: unknown): string => (value instanceof Date ? value.toISOString() : String(value));

/**
 * drizzle encodes JSON columns itself and `${JSON.stringify(x)}::jsonb` is text already: encoding either again, as
 * postgres.js does, would store a JSON string that contains JSON. So text passes and everything else is encoded.
 */
const toJson = (value: unknown): string => (typeof value === "string" ? value : JSON.stringify(value));

function toSafeInteger(text: string): number {
  const value = Number(text);
  if (!Number.isSafeInteger(value))
    throw new RangeError(`${text} is beyond the integers a number holds exactly`);
  return value;
}

function toInstant(text: string): Date {
  const instant = new Date(text);
  if (Number.isNaN(instant.getTime())) throw new RangeError(`${text} is not an instant JavaScript can hold`);
  return instant;
}

const asIs = (text: string): string => text;
const toNumber = (text: string): number => Number(text);
const toBoolean = (text: string): boolean => text === "t";
const fromJson = (text: string): unknown => JSON.parse(text);

/** An array type by its number in pg_type. Parameters are text already when the driver sees them. */
const arrayType = (oid: number, parse: (element: string) => unknown) => ({
  to: oid,
  from: [oid],
  serialize: String,
  parse: (text: string) => readArray(text, parse),
});

/**
 * `int8` is a number (throws beyond 2^53), `timestamptz` a Date, `json` and `jsonb` their value, `date` and `timestamp`
 * the text Postgres writes (postgres.js would read them in the process's time zone), `numeric` text, arrays likewise.
 */
export const valueTypes = {
  int8: { to: 20, from: [20], serialize: toText, parse: toSafeInteger },
  instant: { to: 1184, from: [1184], serialize: toText, parse: toInstant },
  local: { to: 1114, from: [1082, 1114], serialize: toText, parse: asIs },
  json: { to: 3802, from: [114, 3802], serialize: toJson, parse: fromJson },
  booleans: arrayType(1000, toBoolean),
  int2s: arrayType(1005, toNumber),
  int4s: arrayType(1007, toNumber),
  int8s: arrayType(1016, toSafeInteger),
  float4s: arrayType(1021, toNumber),
  float8s: arrayType(1022, toNumber),
  texts: arrayType(1009, asIs),
  varchars: arrayType(1015, asIs),
  names: arrayType(1003, asIs),
  uuids: arrayType(2951, asIs),
  numerics: arrayType(1231, asIs),
  dates: arrayType(1182, asIs),
  timestamps: arrayType(1115, asIs),
  instants: arrayType(1185, toInstant),
  jsons: arrayType(199, fromJson),
  jsonbs: arrayType(3807, fromJson),
} satisfies Record<string, postgres.PostgresType>;

/**
 * A parameter as the driver takes it without guessing: an array as text, whose type Postgres infers from the cast beside
 * it (postgres.js would call it by the type of its first element). undefined is left for the driver to refuse.
 */
export function toParameter(value: unknown): unknown {
  return Array.isArray(value) ? writeArray(value) : value;
}
