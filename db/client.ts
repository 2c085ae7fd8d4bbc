// The one way to the database. The driver's and drizzle's defects are contained in pool.ts, session.ts and values.ts.
import { openPool, type Run, type Wire } from "./pool.ts";
import { beginOn, type Database, toDatabase } from "./session.ts";

export type { Database } from "./session.ts";

export interface OpenDatabase {
  db: Database;
  /** Lets running queries and transactions finish, at most five seconds, then disconnects. */
  close: () => Promise<void>;
}

const DRAIN_MS = 5_000;
/** Postgres ends a transaction that is idle for longer, with its locks. */
export const IDLE_IN_TRANSACTION_MS = 15_000;
const IDLE_SESSION_MS = 60_000;
/** Longer than an idle transaction may take: a waiter outlives a holder that was stopped. */
const LOCK_WAIT_MS = 30_000;

/**
 * Connects to Postgres. `max` connections at most (10), opened as they are needed and shown in pg_stat_activity as
 * `applicationName`. Throws when the server does not answer; no error of it or of a query holds the URL.
 *
 * Rows come back with `timestamptz` as Date, `int8` as number (beyond 2^53 the query throws), `jsonb` as its value,
 * `numeric`, `date` and `timestamp` as text. A Date may be a parameter, and an array may as `sql.param(array)` beside a
 * cast (`::bigint[]`, `::timestamptz[]`). The session's time zone is UTC. Text with a NUL is refused by Postgres (22021),
 * JSON with an escaped NUL too (22P05); half a surrogate pair becomes U+FFFD in text and is refused in JSON (22P02).
 *
 * Postgres ends a transaction that is idle for `idleInTransactionMs` (15,000) and releases its locks, so that a process that was
 * stopped, or whose host is gone, does not block others. In a transaction a statement waits at most 30 s for a lock (55P03).
 */
export async function openDatabase(
  url: string,
  options: { max?: number; applicationName?: string; idleInTransactionMs?: number } = {},
): Promise<OpenDatabase> {
  const place = readPlace(url);
  const pool = openPool(url, {
    max: options.max ?? 10,
    applicationName: options.applicationName ?? "standings",
  });
  const run: Run = (query, params, shape) => pool.use((wire) => wire.run(query, params, shape));
  const begin = toBegin(options.idleInTransactionMs ?? IDLE_IN_TRANSACTION_MS);
  try {
    await run("select 1", []);
  } catch (error) {
    await pool.close(0);
    throw new Error(`Cannot use Postgres at ${place}: ${toReason(error)}`, { cause: error });
  }
  return {
    db: toDatabase(run, (work) => pool.use((wire) => inTransaction(wire, begin, work))),
    close: () => pool.close(DRAIN_MS),
  };
}

/**
 * Runs work in a READ COMMITTED transaction on a connection of its own; rolled back when work throws, and when a statement
 * in it failed although work did not throw. Inside another transaction it is a savepoint. Every query must be awaited
 * before work ends. When the connection is lost the rest of work fails: nothing of it runs outside the transaction.
 */
export function transaction<T>(db: Database, work: (tx: Database) => Promise<T>): Promise<T> {
  return beginOn(db)(work);
}

/** Runs work with one connection and a database on it: for what belongs to a session, such as an advisory lock. */
export async function withSession<T>(
  url: string,
  applicationName: string,
  work: (db: Database) => Promise<T>,
): Promise<T> {
  const place = readPlace(url);
  const pool = openPool(url, { max: 1, applicationName });
  try {
    return await pool.use(async (wire) => {
      // What belongs to a session, a lock for instance, ends with a process that was stopped.
      await wire.run(`set idle_session_timeout = ${IDLE_SESSION_MS}`, []).catch((error: unknown) => {
        throw new Error(`Cannot use Postgres at ${place}: ${toReason(error)}`, { cause: error });
      });
      return work(toDatabase(wire.run, (inner) => inTransaction(wire, BEGIN, inner)));
    });
  } finally {
    await pool.close(0);
  }
}

const BEGIN = toBegin(IDLE_IN_TRANSACTION_MS);

/** Limits that end with the transaction, so that they hold behind a pooler too. One text: one round trip. */
function toBegin(idleInTransactionMs: number): string {
  return `begin isolation level read committed;
    set local idle_in_transaction_session_timeout = ${Math.round(idleInTransactionMs)};
    set local lock_timeout = ${LOCK_WAIT_MS}`;
}

async function inTransaction<T>(wire: Wire, begin: string, work: (tx: Database) => Promise<T>): Promise<T> {
  await wire.run(begin, []);
  let over = false;
  let firstError: unknown;
  const run: Run = async (query, params, shape) => {
    if (over) throw new Error("The transaction is over: await every query inside it");
    try {
      return await wire.run(query, params, shape);
    } catch (error) {
      firstError ??= error;
      throw error;
    }
  };
  let result: T;
  try {
    result = await work(inside(run));
  } catch (error) {
    over = true;
    // A connection that cannot roll back is not given back: the next user would be inside this transaction.
    await wire.run("rollback", []).catch(wire.discard);
    throw error;
  }
  over = true;
  const ended = await wire.run("commit", []).catch((error: unknown) => {
    wire.discard();
    throw error;
  });
  // Postgres answers the commit of a transaction in which something failed with ROLLBACK, and no error.
  if (ended.command !== "COMMIT") {
    throw new Error("The transaction was rolled back: a statement in it had failed", { cause: firstError });
  }
  return result;
}

/** A database inside a transaction: transactions in it are savepoints, one at a time, because savepoints form a stack. */
function inside(run: Run): Database {
  let nested = false;
  return toDatabase(run, async (work) => {
    if (nested) throw new Error("A transaction inside this transaction is still running");
    nested = true;
    try {
      await run("savepoint nested", []);
      const result = await work(inside(run)).catch(async (error: unknown) => {
        await run("rollback to savepoint nested", []).catch(() => undefined);
        throw error;
      });
      await run("release savepoint nested", []);
      return result;
    } finally {
      nested = false;
    }
  });
}

/** Host, port and database, for people. Throws when the URL is none, without showing it: it holds a password. */
function readPlace(url: string): string {
  const parsed = URL.canParse(url) ? new URL(url) : undefined;
  if (parsed === undefined || !/^postgres(ql)?:$/.test(parsed.protocol)) {
    throw new Error(
      "The database URL is not of the form postgres://user:password@host:port/database " +
        "(special characters in the password must be percent-encoded)",
    );
  }
  return `${parsed.host}${parsed.pathname}`;
}

function toReason(error: unknown): string {
  if (error instanceof AggregateError) return error.errors.map(toReason).join(", ");
  return error instanceof Error ? error.message : String(error);
}
