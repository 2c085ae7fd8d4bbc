// The bytes of an answer: bounded before and after inflation, whole, decoded.
import { promisify } from "node:util";
import { brotliDecompress, gunzip, inflate, inflateRaw } from "node:zlib";
import { SourceError } from "../errors.ts";

const inflators = {
  gzip: promisify(gunzip),
  br: promisify(brotliDecompress),
  deflate: promisify(inflate),
  /** What some servers call deflate: without the zlib header of RFC 1950. */
  bareDeflate: promisify(inflateRaw),
};

/**
 * Reads a body to its end. Throws a SourceError: `data` when it is larger than `maxBytes`, before or after inflation;
 * `transient` when it is shorter than announced or cannot be inflated. `where` begins the message.
 */
export async function readBody(
  body: AsyncIterable<Buffer>,
  headers: Record<string, string>,
  { maxBytes, where }: { maxBytes: number; where: string },
): Promise<string> {
  const tooLarge = () => new SourceError("data", `${where} answered with more than ${maxBytes} bytes`);
  const declared = Number(headers["content-length"] ?? Number.NaN);
  if (declared > maxBytes) throw tooLarge();
  const chunks: Buffer[] = [];
  let size = 0;
  for await (const chunk of body) {
    size += chunk.length;
    if (size > maxBytes) throw tooLarge();
    chunks.push(chunk);
  }
  if (Number.isFinite(declared) && size !== declared) {
    throw new SourceError("transient", `${where} answered with ${size} of ${declared} bytes`);
  }
  let bytes: Buffer = Buffer.concat(chunks);
  for (const encoding of encodings(headers["content-encoding"], where)) {
    bytes = await inflateBytes(bytes, encoding, maxBytes).catch((error: unknown) => {
      if ((error as NodeJS.ErrnoException).code === "ERR_BUFFER_TOO_LARGE") throw tooLarge();
      throw new SourceError("transient", `${where} answered with a broken or incomplete ${encoding} body`);
    });
  }
  // A byte order mark is no part of the text; what is not UTF-8 becomes U+FFFD, which no id may hold (facts.ts).
  return new TextDecoder().decode(bytes);
}

type Encoding = "gzip" | "br" | "deflate";

/** In the order in which they have to be undone. */
function encodings(header: string | undefined, where: string): Encoding[] {
  const names = (header ?? "").split(",").map((name) => name.trim().toLowerCase().replace(/^x-/, ""));
  return names
    .filter((name) => name !== "" && name !== "identity")
    .reverse()
    .map((name) => {
      if (name === "gzip" || name === "br" || name === "deflate") return name;
      throw new SourceError("data", `${where} answered in an encoding nobody asked for`);
    });
}

async function inflateBytes(bytes: Buffer, encoding: Encoding, maxOutputLength: number): Promise<Buffer> {
  if (bytes.length === 0) return bytes;
  const isBare = encoding === "deflate" && ((bytes[0] ?? 0) & 0x0f) !== 8;
  return inflators[isBare ? "bareDeflate" : encoding](bytes, { maxOutputLength });
}
