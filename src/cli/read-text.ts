// Files that are named on the command line.
import { readFile } from "node:fs/promises";
import { UsageError } from "../platform/errors.ts";

/** The text of a file; a UsageError that names the file when it cannot be read. */
export async function readText(file: string): Promise<string> {
  return readFile(file, "utf8").catch((cause: unknown) => {
    throw new UsageError(
      `${file}: cannot be read (${(cause as NodeJS.ErrnoException).code ?? "unknown error"})`,
    );
  });
}
