// An embedded Postgres for machines without one: data in the home folder, started by the first process that opens it, shared by
// the next ones, stopped by the last one that closes it.
//
// The count of users is kept by Postgres: each process holds a shared advisory lock on a connection of its own (the keeper), and
// a process that closes stops the server if it can take the lock exclusively. A killed process holds no lock: the next process
// joins the server that it left behind, and stops it.
import { createHash, randomBytes } from "node:crypto";
import { existsSync, linkSync, mkdirSync, readFileSync, realpathSync, rmSync, writeFileSync } from "node:fs";
import { dirname, join } from "node:path";
import { setTimeout as delay } from "node:timers/promises";
import postgres from "postgres";
import { type Account, canReach, makePassable, prepareBinaries, readAccount } from "./embedded-binaries.ts";
import {
  bury,
  findFreePort,
  initialise,
  isServing,
  readPostmaster,
  type Server,
  start,
  stop,
} from "./embedded-server.ts";

export interface EmbeddedOptions {
  /** Told what a person should know: where the data went, that the server was restarted. */
  log?: (line: string) => void;
  /** Further settings of the server, such as { fsync: "off" }. Ignored when it already runs. */
  settings?: Record<string, string>;
}

export interface Embedded {
  /** With the password in it: never show it. */
  url: string;
  /** Whether it was running already. */
  joined: boolean;
  /** Stops the server, unless somebody else has it open. Close every connection before. */
  close: () => Promise<void>;
}

const USER = "standings";
const DATABASE = "standings";
const OPEN_MS = 150_000;
const LOCK = 1937010277;
const SETTINGS = {
  listen_addresses: "127.0.0.1",
  unix_socket_directories: "",
  max_connections: "100",
  timezone: "UTC",
  log_timezone: "UTC",
};

/**
 * Opens the embedded Postgres of this home (`.standings/`): `postgres/` the data, `postgres.password` (readable by its owner
 * only), `postgres.port` where it listens, on 127.0.0.1 alone. Any number of processes may open it at once. While it is
 * open, a server that dies is started again on the same port. As root it runs as an account without rights; where that
 * account cannot reach the home, the data is kept in /var/lib/standings and `postgres.place` says where.
 *
 * Throws when the package with the programs is not installed or the server does not start, with its output.
 */
export async function openEmbedded(home: string, options: EmbeddedOptions = {}): Promise<Embedded> {
  const log = options.log ?? (() => undefined);
  mkdirSync(home, { recursive: true });
  const folder = realpathSync(home);
  const server = prepareServer(folder, log);
  const password = readPassword(folder, server.data);
  const settings = { ...SETTINGS, ...options.settings };
  let closing = false;
  let recovering: Promise<void> = Promise.resolve();

  const attend = (): Promise<Attendance> => attendServer(folder, server, password, settings, onLost);
  const onLost = () => {
    if (closing) return;
    log("The embedded Postgres is gone; starting it again.");
    recovering = attend().then(
      (again) => {
        attendance = again;
        log("The embedded Postgres runs again.");
      },
      (error: unknown) => {
        log(error instanceof Error ? error.message : String(error));
      },
    );
  };
  let attendance = await attend();
  await createDatabase(attendance.keeper);

  return {
    url: toUrl(password, attendance.port, DATABASE),
    joined: !attendance.started,
    close: async () => {
      if (closing) return;
      closing = true;
      await recovering;
      const { keeper } = attendance;
      const last = await isLast(keeper).catch(() => false);
      // While it stops the keeper's exclusive lock tells newcomers to wait.
      try {
        if (last) await stop(server);
      } finally {
        await keeper.end({ timeout: 0 });
      }
    },
  };
}

interface Attendance {
  keeper: postgres.Sql;
  port: number;
  started: boolean;
}

/** Joins the running server or starts it, however often others start and stop it meanwhile. */
async function attendServer(
  home: string,
  server: Server,
  password: string,
  settings: Record<string, string>,
  onLost: () => void,
): Promise<Attendance> {
  const portFile = join(home, "postgres.port");
  const deadline = performance.now() + OPEN_MS;
  let port = existsSync(portFile) ? Number(readFileSync(portFile, "utf8")) : await findFreePort();
  let started = false;
  let lastError: unknown;
  while (performance.now() < deadline) {
    const running = readPostmaster(server.data);
    if (running !== undefined && isServing(running.pid, server.data)) {
      try {
        return {
          keeper: await openKeeper(password, running.port, server.data, onLost),
          port: running.port,
          started,
        };
      } catch (error) {
        // Starting, recovering from a crash, or stopping: the next round will know.
        if ((error as { code?: string }).code === "28P01")
          throw new Error(wrongPassword(home), { cause: error });
        lastError = error;
      }
    } else {
      if (running !== undefined) bury(server.data);
      await initialise(server, password, { sync: settings["fsync"] !== "off" });
      const outcome = await start(server, port, settings);
      started = outcome === "started";
      if (outcome === "port") port = await findFreePort();
      if (started) {
        writeFileSync(portFile, String(port));
        continue;
      }
    }
    await delay(100);
  }
  throw new Error(`The embedded Postgres in ${server.data} does not answer`, { cause: lastError });
}

/** Connects and takes the shared lock. Throws when the server does not answer, is not the one of this data, or is stopping. */
async function openKeeper(
  password: string,
  port: number,
  data: string,
  onLost: () => void,
): Promise<postgres.Sql> {
  let attending = false;
  const keeper = postgres(toUrl(password, port, "postgres"), {
    max: 1,
    fetch_types: false,
    idle_timeout: 0,
    max_lifetime: null,
    connect_timeout: 10,
    connection: { application_name: "standings keeper" },
    onnotice: () => undefined,
    onclose: () => {
      if (attending) onLost();
      attending = false;
    },
  });
  try {
    const [row] = await keeper<{ locked: boolean; data: string }[]>`
      select pg_try_advisory_lock_shared(${LOCK}::bigint) as locked, current_setting('data_directory') as data`;
    if (row?.locked !== true) throw new Error("The embedded Postgres is being stopped");
    if (row.data !== data) throw new Error(`Port ${port} belongs to another Postgres`);
    attending = true;
    return keeper;
  } catch (error) {
    await keeper.end({ timeout: 0 });
    throw error;
  }
}

async function isLast(keeper: postgres.Sql): Promise<boolean> {
  await keeper`select pg_advisory_unlock_shared(${LOCK}::bigint)`;
  const [row] = await keeper<{ last: boolean }[]>`select pg_try_advisory_lock(${LOCK}::bigint) as last`;
  return row?.last === true;
}

async function createDatabase(keeper: postgres.Sql): Promise<void> {
  const there = await keeper`select from pg_database where datname = ${DATABASE}`;
  if (there.length > 0) return;
  await keeper`create database ${keeper(DATABASE)}`.catch((error: unknown) => {
    // Another process made it at the same time.
    if (!["42P04", "23505"].includes((error as { code?: string }).code ?? "")) throw error;
  });
}

function prepareServer(home: string, log: (line: string) => void): Server {
  const beside = join(home, "postgres");
  const marker = join(home, "postgres.place");
  const known = existsSync(marker) ? readFileSync(marker, "utf8").trim() : undefined;
  const account = readAccount(known ?? beside);
  const data = known ?? choosePlace(home, beside, account);
  const bin = prepareBinaries(account, account === undefined ? home : "/var/cache/standings", log);
  if (data !== beside && known === undefined) {
    log(`Postgres does not run as root and its account cannot reach ${home}: the data is kept in ${data}.`);
    makePassable(dirname(data));
    writeFileSync(marker, `${data}\n`);
  }
  return { data, bin, account, user: USER };
}

function choosePlace(home: string, beside: string, account: Account | undefined): string {
  if (account === undefined || existsSync(beside) || canReach(home, account)) return beside;
  return join("/var/lib/standings", createHash("sha256").update(home).digest("hex").slice(0, 16), "postgres");
}

/** The password of this home; made once, whole or not at all, even when several processes come first. */
function readPassword(home: string, data: string): string {
  const file = join(home, "postgres.password");
  if (!existsSync(file)) {
    if (existsSync(data)) throw new Error(wrongPassword(home));
    const draft = `${file}.${process.pid}`;
    writeFileSync(draft, randomBytes(24).toString("hex"), { mode: 0o600 });
    try {
      linkSync(draft, file);
    } catch (error) {
      if ((error as NodeJS.ErrnoException).code !== "EEXIST") throw error;
    } finally {
      rmSync(draft);
    }
  }
  return readFileSync(file, "utf8").trim();
}

function wrongPassword(home: string): string {
  return `The data of the embedded Postgres was made with another password than the one in ${join(home, "postgres.password")}`;
}

function toUrl(password: string, port: number, database: string): string {
  return `postgres://${USER}:${password}@127.0.0.1:${port}/${database}`;
}
