// How a command says that it failed.
import { UsageError } from "../platform/errors.ts";
import type { Output } from "../platform/terminal/output.ts";

/** Says what went wrong in words for whoever called. Returns the exit code. */
export function reportFailure(error: unknown, output: Output): number {
  if (error instanceof UsageError) {
    output.note(`standings: ${error.message}`);
    return 2;
  }
  let said = error instanceof Error ? error.message : String(error);
  output.note(`standings: ${said}`);
  for (
    let cause = error instanceof Error ? error.cause : undefined;
    cause instanceof Error;
    cause = cause.cause
  ) {
    if (!said.includes(cause.message)) output.note(`  because: ${cause.message}`);
    said = cause.message;
  }
  return 1;
}
