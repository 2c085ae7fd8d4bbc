// Whether an error means that Postgres is away or busy: the request was right, and the same one may succeed later.

/** Node's and postgres.js's codes of connections that were refused, lost or not made in time. */
const CONNECTION_CODES = new Set([
  "CONNECTION_CLOSED",
  "CONNECTION_DESTROYED",
  "CONNECTION_ENDED",
  "CONNECT_TIMEOUT",
  "EAI_AGAIN",
  "ECONNREFUSED",
  "ECONNRESET",
  "EHOSTUNREACH",
  "ENETUNREACH",
  "ENOTFOUND",
  "EPIPE",
  "ETIMEDOUT",
]);

/**
 * SQLSTATE class 08 (connection exceptions), 25P03 (idle in a transaction for too long), 53300 (too many connections), 55P03
 * (waited too long for a lock) and 57P01 to 57P05 (shutdown, crash, starting up, dropped database, idle session).
 * https://www.postgresql.org/docs/current/errcodes-appendix.html
 */
const SQLSTATES = /^(08...|25P03|53300|55P03|57P0[1-5])$/;

export function isOutage(error: unknown): boolean {
  for (let at = error; at instanceof Error; at = at.cause) {
    const { code } = at as NodeJS.ErrnoException;
    if (code !== undefined && (CONNECTION_CODES.has(code) || SQLSTATES.test(code))) return true;
  }
  return false;
}
