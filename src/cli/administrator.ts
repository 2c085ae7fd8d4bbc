// Who answers for what a command changes: points given by hand, partners merged, runs cancelled.
import { userInfo } from "node:os";
import { UsageError } from "../platform/errors.ts";

/**
 * The name given, or STANDINGS_ADMIN, or the name under which somebody is logged in. Throws a UsageError where none of them
 * names a person: several may act as root.
 */
export function readAdministrator(
  given: string | undefined,
  configured: string | undefined,
  readLogin: () => string | undefined = login,
): string {
  const name = given ?? configured ?? readLogin();
  if (name !== undefined && name !== "root") return name;
  throw new UsageError("who is responsible? expected a name, with --by <name> or as STANDINGS_ADMIN");
}

/** undefined: the system does not know (a container with a user id of its own). */
function login(): string | undefined {
  try {
    return userInfo().username;
  } catch {
    return undefined;
  }
}
