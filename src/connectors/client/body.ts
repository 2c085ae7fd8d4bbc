// The bytes of an answer: bounded before and after inflation, whole, decoded.
import { setImmediate as nextTurn } from "node:timers/promises";
import { promisify } from "node:util";
import { brotliDecompress, gunzip, inflate, inflateRaw } from "node:zlib";
import { Decompress } from "fzstd";
import { SourceError } from "../../platform/errors.ts";
import { judgeZstd } from "./zstd.ts";

/** What `accept-encoding` says. */
export const ENCODINGS = "gzip, deflate, br, zstd";

/** More than one is legal and rare; each costs as much as a body may. */
const MOST_ENCODINGS = 3;

type Inflate = (bytes: Buffer, limit: { maxOutputLength: number }) => Promise<Buffer>;

const inflators = {
  gzip: promisify(gunzip) as Inflate,
  br: promisify(brotliDecompress) as Inflate,
  deflate: promisify(inflate) as Inflate,
  /** What some servers call deflate: without the zlib header of RFC 1950. */
  bareDeflate: promisify(inflateRaw) as Inflate,
  zstd: inflateZstd,
};

/** Not a SourceError yet: only the caller knows where. */
class TooLargeError extends Error {}

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
      const isTooLarge =
        error instanceof TooLargeError || (error as NodeJS.ErrnoException).code === "ERR_BUFFER_TOO_LARGE";
      if (isTooLarge) throw tooLarge();
      throw new SourceError("transient", `${where} answered with a broken or incomplete ${encoding} body`);
    });
  }
  // A byte order mark is no part of the text; what is not UTF-8 becomes U+FFFD, which no id may hold (facts.ts).
  return new TextDecoder().decode(bytes);
}

type Encoding = "gzip" | "br" | "deflate" | "zstd";

/** In the order in which they have to be undone. */
function encodings(header: string | undefined, where: string): Encoding[] {
  const names = (header ?? "").split(",").map((name) => name.trim().toLowerCase().replace(/^x-/, ""));
  const real = names.filter((name) => name !== "" && name !== "identity");
  if (real.length > MOST_ENCODINGS) {
    throw new SourceError("data", `${where} answered in ${real.length} encodings, one over the other`);
  }
  return real.reverse().map((name) => {
    if (name === "gzip" || name === "br" || name === "deflate" || name === "zstd") return name;
    throw new SourceError("data", `${where} answered in an encoding that was not requested`);
  });
}

async function inflateBytes(bytes: Buffer, encoding: Encoding, maxOutputLength: number): Promise<Buffer> {
  if (bytes.length === 0) return bytes;
  const isBare = encoding === "deflate" && ((bytes[0] ?? 0) & 0x0f) !== 8;
  return inflators[isBare ? "bareDeflate" : encoding](bytes, { maxOutputLength });
}

/** In JavaScript, because Node has it from 22.15 on only; piece by piece, so that others have their turn in between. */
async function inflateZstd(bytes: Buffer, { maxOutputLength }: { maxOutputLength: number }): Promise<Buffer> {
  const verdict = judgeZstd(bytes, maxOutputLength);
  if (verdict === "too-large") throw new TooLargeError();
  if (verdict === "broken") throw new Error("no whole zstd frames");
  const pieces: Uint8Array[] = [];
  let size = 0;
  const decompress = new Decompress((piece) => {
    size += piece.length;
    if (size > maxOutputLength) throw new TooLargeError();
    pieces.push(piece);
  });
  const step = 2 ** 14;
  for (let start = 0; start < bytes.length; start += step) {
    decompress.push(bytes.subarray(start, start + step), start + step >= bytes.length);
    await nextTurn();
  }
  return Buffer.concat(pieces);
}
