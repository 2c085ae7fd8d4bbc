// Postgres arrays as text (https://www.postgresql.org/docs/current/arrays.html#ARRAYS-IO). postgres.js reads a NULL in an
// array as the text "NULL" (or as NaN), and keeps the state of its reader between calls, so that one element that cannot
// be read spoils the next array of any connection. So arrays are read and written here.

/** null and undefined are NULL, a Date its ISO 8601 text, nested arrays dimensions, other objects JSON. */
export function writeArray(elements: readonly unknown[]): string {
  return `{${elements.map(writeElement).join(",")}}`;
}

function writeElement(value: unknown): string {
  if (value === null || value === undefined) return "NULL";
  if (Array.isArray(value)) return writeArray(value);
  if (value instanceof Date) return quote(value.toISOString());
  if (typeof value === "bigint") return String(value);
  if (value instanceof Uint8Array) return quote(`\\x${Buffer.from(value).toString("hex")}`);
  return quote(typeof value === "string" ? value : JSON.stringify(value));
}

const quote = (text: string) => `"${text.replaceAll(/["\\]/g, "\\$&")}"`;

/** A bare or quoted element, or the end of what stands between two braces or commas. */
const TOKEN = /"((?:[^"\\]|\\.)*)"|([^{},"]+)|([{},])/gs;

/** The reverse: NULL is null, everything else goes through `parse`. */
export function readArray(text: string, parse: (element: string) => unknown): unknown[] {
  // Bounds other than one are written in front: [0:1]={…}
  const body = text.slice(text.indexOf("{"));
  const open: unknown[][] = [[]];
  for (const [, quoted, bare, mark] of body.matchAll(TOKEN)) {
    if (mark === "{") open.push([]);
    else if (mark === "}") {
      const closed = open.pop();
      open.at(-1)?.push(closed);
    } else if (quoted !== undefined) open.at(-1)?.push(parse(quoted.replaceAll(/\\(.)/gs, "$1")));
    else if (bare !== undefined) open.at(-1)?.push(bare === "NULL" ? null : parse(bare));
  }
  return open[0]?.[0] as unknown[];
}
