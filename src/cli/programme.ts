// The programme that a command needs to have been published.
import type { Context } from "../context.ts";
import { UsageError } from "../platform/errors.ts";
import type { ProgrammeVersion } from "../programme/versions.ts";

/** The version in force; throws a UsageError that says how to publish one where there is none. */
export async function requireProgramme(context: Context, at: Date): Promise<ProgrammeVersion> {
  const version = await context.programmes.inForce(context.db, at);
  if (version !== undefined) return version;
  throw new UsageError("no programme is published; publish one with: standings publish programme.yaml");
}
