// How a command says that it failed.
import { UsageError } from "../platform/errors.ts";
import type { Output } from "../platform/terminal/output.ts";

/** Prints the error and its causes. Returns the exit code. */
export function reportFailure(error: unknown, output: Output): number {
  if (error instanceof UsageError) {
    output.note(`standings: ${error.message}`);
    return 2;
  }
  let message = error instanceof Error ? error.message : String(error);
  output.note(`standings: ${message}`);
  for (
    let cause = error instanceof Error ? error.cause : undefined;
    cause instanceof Error;
    cause = cause.cause
  ) {
    if (!message.includes(cause.message)) output.note(`  because: ${cause.message}`);
    message = cause.message;
  }
  return 1;
}
