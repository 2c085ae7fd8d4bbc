// What a zstd body will cost to inflate, read from its own headers (RFC 8878, 3.1.1) before a byte of it is inflated. The
// decompressor believes them: it takes the window a frame declares (up to 2 GB), and moves all of it with every block.

/** What RFC 9659 lets a server use: 8 MB. A frame that declares its whole size has a window of that size. */
const MOST_WINDOW = 8 * 2 ** 20;
const MOST_BLOCK = 128 * 2 ** 10;
const MOST_FRAMES = 1000;
/** Blocks times their window, in bytes: some two seconds of moving memory. 32 MB in blocks of a proper size need an eighth. */
const MOST_MOVES = 16 * 2 ** 30;

export type ZstdVerdict = "fits" | "too-large" | "broken";

/** Walks from block to block. `too-large`: what is declared exceeds `maxBytes` or the limits above. */
export function judgeZstd(bytes: Buffer, maxBytes: number): ZstdVerdict {
  let at = 0;
  let moves = 0;
  for (let frames = 0; at < bytes.length; frames++) {
    if (frames === MOST_FRAMES) return "too-large";
    if (bytes.length - at < 8) return "broken";
    const magic = bytes.readUInt32LE(at);
    if (magic >>> 4 === 0x184d2a5) {
      at += 8 + bytes.readUInt32LE(at + 4);
      continue;
    }
    const header = magic === 0xfd2fb528 ? readHeader(bytes, at + 4) : undefined;
    if (header === undefined) return "broken";
    if (header.content > maxBytes || header.window > Math.max(MOST_WINDOW, header.content))
      return "too-large";
    const { end, blocks } = skipBlocks(bytes, header.end, Math.min(header.window, MOST_BLOCK));
    if (end === undefined) return "broken";
    moves += blocks * header.window;
    if (moves > MOST_MOVES) return "too-large";
    at = end + (header.hasChecksum ? 4 : 0);
  }
  return at === bytes.length ? "fits" : "broken";
}

interface Header {
  end: number;
  window: number;
  /** 0 where it is not declared. */
  content: number;
  hasChecksum: boolean;
}

/** undefined: cut off, with a reserved bit, or in need of a dictionary. */
function readHeader(bytes: Buffer, start: number): Header | undefined {
  const flags = bytes[start] ?? 0;
  const isSingle = (flags & 0x20) !== 0;
  if ((flags & 0x0b) !== 0) return undefined;
  const sizeBytes = [isSingle ? 1 : 0, 2, 4, 8][flags >> 6] ?? 0;
  const sizeAt = start + (isSingle ? 1 : 2);
  const end = sizeAt + sizeBytes;
  if (end > bytes.length) return undefined;
  let content = 0;
  for (let index = sizeBytes - 1; index >= 0; index--) content = content * 256 + (bytes[sizeAt + index] ?? 0);
  if (sizeBytes === 2) content += 256;
  const descriptor = bytes[start + 1] ?? 0;
  const base = 2 ** (10 + (descriptor >> 3));
  const window = isSingle ? content : base + (base / 8) * (descriptor & 7);
  return { end, window, content, hasChecksum: (flags & 4) !== 0 };
}

/** `end` is undefined where the blocks are cut off, of the reserved type or larger than a block may be. */
function skipBlocks(bytes: Buffer, start: number, most: number): { end: number | undefined; blocks: number } {
  let at = start;
  for (let blocks = 1; at + 3 <= bytes.length; blocks++) {
    const header = bytes.readUIntLE(at, 3);
    const type = (header >> 1) & 3;
    const size = header >> 3;
    if (type === 3 || size > most) return { end: undefined, blocks };
    at += 3 + (type === 1 ? 1 : size);
    if ((header & 1) === 1) return { end: at, blocks };
  }
  return { end: undefined, blocks: 0 };
}
