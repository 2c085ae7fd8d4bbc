// What a connector may ask a database that is a source: rows, by a query that cannot write, from a host the guard allows.
import { once } from "node:events";
import { connect, type Socket } from "node:net";
import { readForeign } from "../../../db/foreign.ts";
import { quote } from "../../connectors/client/answers.ts";
import { type Guard, parseUrl } from "../../connectors/client/guard.ts";
import type { Query } from "../../connectors/connector.ts";
import { SourceError, type SourceErrorClass } from "../../platform/errors.ts";

const CONNECT_MS = 10_000;
const SSL_MODES = ["disable", "prefer", "require", "verify-full"];

/** Queries of the database whose address is the secret. Nothing is connected before the first one. */
export function toQuery(secret: string | undefined, guard: Guard, signal: AbortSignal): Query {
  return async (text, params, { timeoutMs }) => {
    const { url, place, host, port } = readAddress(secret);
    const refuse = (error: unknown) => toSourceError(error, place, timeoutMs);
    const socket = () => openSocket(guard, host, port, signal);
    const rows = await readForeign(
      { url, connect: socket, statementTimeoutMs: timeoutMs, signal },
      text,
      params,
    ).catch((error: unknown) => {
      signal.throwIfAborted();
      throw refuse(error);
    });
    return rows;
  };
}

interface Address {
  url: string;
  /** For messages. */
  place: string;
  host: string;
  port: number;
}

/** What the driver would fill in from this process's own environment must be there: the password above all. */
function readAddress(secret: string | undefined): Address {
  const given = parseUrl(secret ?? "");
  const database = given?.pathname.slice(1) ?? "";
  const mode = given?.searchParams.get("sslmode") ?? "prefer";
  if (
    given === undefined ||
    !/^postgres(ql)?:$/.test(given.protocol) ||
    [given.hostname, given.username, given.password, database].includes("") ||
    !SSL_MODES.includes(mode)
  ) {
    throw new SourceError(
      "config",
      "the secret of the connection is not of the form postgres://user:password@host:port/database?sslmode=verify-full",
    );
  }
  const port = given.port === "" ? 5432 : Number(given.port);
  const url = `postgres://${given.username}:${given.password}@${given.hostname}:${port}/${database}?sslmode=${mode}`;
  const place = `${given.hostname}:${port}/${database}`;
  return { url, place, host: given.hostname.replace(/^\[|\]$/g, ""), port };
}

async function openSocket(guard: Guard, host: string, port: number, signal: AbortSignal): Promise<Socket> {
  // Node never looks up a literal address, so it is checked here; a name is checked as it is resolved.
  guard.check(new URL(`http://${host.includes(":") ? `[${host}]` : host}:${port}`));
  const socket = connect({ host, port, lookup: guard.lookup(port) });
  try {
    await once(socket, "connect", { signal: AbortSignal.any([signal, AbortSignal.timeout(CONNECT_MS)]) });
  } catch (error) {
    socket.destroy();
    throw error;
  }
  // What the driver verifies a certificate against.
  return Object.assign(socket, { host });
}

const CLASSES: [RegExp, SourceErrorClass][] = [
  // The password, the user, a permission.
  [/^(28...|42501)$/, "auth"],
  // No such database; a query that is wrong, or would write.
  [/^(3D000|42...|25006|0A000)$/, "config"],
  [/^2[12]...$/, "data"],
];

/** The driver's error is no cause to keep: it carries the query and its parameters. */
function toSourceError(error: unknown, place: string, timeoutMs: number): SourceError {
  if (error instanceof SourceError) return error;
  const { code = "unknown error", message, name } = error as NodeJS.ErrnoException;
  if (code === "57014") {
    return new SourceError("transient", `${place} took longer than ${timeoutMs / 1000} s`);
  }
  if (name === "AbortError" || name === "TimeoutError") {
    return new SourceError("transient", `${place} failed: no connection in time`);
  }
  const errorClass = CLASSES.find(([codes]) => codes.test(code))?.[1] ?? "transient";
  // Of what Postgres refuses the words help; of a broken connection the code says all.
  const reason = /^[0-9A-Z]{5}$/.test(code) && errorClass !== "data" ? `${quote(message)} (${code})` : code;
  return new SourceError(errorClass, `${place} failed: ${reason}`);
}
