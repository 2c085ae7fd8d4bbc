// A database that is somebody else's: a source of evidence. It is read, never written: each query runs alone, in a read-only
// transaction on a connection of its own.
import type { Socket } from "node:net";
import { openPool } from "./pool.ts";

export interface ForeignDatabase {
  /** postgres://user:password@host:port/database, with nothing else to it. */
  url: string;
  /** Makes the socket, connected, to the host and port of the URL. */
  connect: () => Promise<Socket>;
  statementTimeoutMs: number;
  signal: AbortSignal;
}

/**
 * The rows of a query whose columns are all text. One parameter at least: a text without any goes by the
 * simple protocol, which takes several statements, and one of those could end the transaction. Rejects with the error of
 * Postgres or of the connection, which carry a `code`, and with the signal's reason when it is aborted.
 */
export async function readForeign(
  { url, connect, statementTimeoutMs, signal }: ForeignDatabase,
  query: string,
  params: [string, ...string[]],
): Promise<Record<string, string | null>[]> {
  signal.throwIfAborted();
  const pool = openPool(url, { max: 1, applicationName: "standings", connect: once(connect) });
  const stop = () => void pool.close(0);
  signal.addEventListener("abort", stop, { once: true });
  try {
    return await pool.use(async ({ run }) => {
      await run("begin isolation level repeatable read read only", []);
      await run(`set local statement_timeout = ${Math.round(statementTimeoutMs)}`, []);
      await run("set local datestyle = 'ISO'", []);
      await run("set local timezone = 'UTC'", []);
      const rows = await run(query, params);
      await run("rollback", []);
      return rows.map((row) => ({ ...(row as Record<string, string | null>) }));
    });
  } catch (error) {
    signal.throwIfAborted();
    throw error;
  } finally {
    signal.removeEventListener("abort", stop);
    await pool.close(0);
  }
}

/** The driver connects again, at once and for ever, to a server that closes every connection before it is ready. */
function once(connect: () => Promise<Socket>): () => Promise<Socket> {
  let isFirst = true;
  return () => {
    if (!isFirst) {
      return Promise.reject(
        Object.assign(new Error("The connection was lost"), { code: "CONNECTION_CLOSED" }),
      );
    }
    isFirst = false;
    return connect();
  };
}
