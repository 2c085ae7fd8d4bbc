// The body of a request from anybody: no larger and no slower than it may be.

/** Why there is no body, for the client. */
export class BrokenBodyError extends Error {
  override readonly name = "BrokenBodyError";
  readonly status: 400 | 408 | 413;
  constructor(status: 400 | 408 | 413, message: string) {
    super(message);
    this.status = status;
  }
}

/** The bytes as they came. Throws a BrokenBodyError as soon as there are too many, when they take too long, or break off. */
export async function readBody(
  request: Request,
  { mostBytes, withinMs }: { mostBytes: number; withinMs: number },
): Promise<Buffer> {
  const tooLarge = () => new BrokenBodyError(413, `The body is larger than ${mostBytes} bytes.`);
  if (Number(request.headers.get("Content-Length") ?? 0) > mostBytes) throw tooLarge();
  const reader = (request.body as ReadableStream<Uint8Array> | null)?.getReader();
  if (reader === undefined) return Buffer.alloc(0);
  let timer: NodeJS.Timeout | undefined;
  const late = new Promise<"late">((resolve) => {
    timer = setTimeout(resolve, withinMs, "late");
  });
  const chunks: Uint8Array[] = [];
  let bytes = 0;
  try {
    for (;;) {
      const next = await Promise.race([reader.read(), late]);
      if (next === "late")
        throw new BrokenBodyError(408, `The body has not come within ${withinMs / 1000} s.`);
      if (next.done) return Buffer.concat(chunks);
      bytes += next.value.byteLength;
      if (bytes > mostBytes) throw tooLarge();
      chunks.push(next.value);
    }
  } catch (error) {
    throw error instanceof BrokenBodyError ? error : new BrokenBodyError(400, "The body has broken off.");
  } finally {
    clearTimeout(timer);
    // Not cancelled: that would end the connection before the answer.
    reader.releaseLock();
  }
}
