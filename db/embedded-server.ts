// One embedded Postgres server on its data folder: create, start, look, stop. Postgres itself is the judge of who may run
// on the data (postmaster.pid): a second starter gets `busy`.
import { execFile, spawnSync } from "node:child_process";
import {
  chownSync,
  existsSync,
  mkdirSync,
  mkdtempSync,
  readFileSync,
  renameSync,
  rmSync,
  statSync,
  truncateSync,
  writeFileSync,
} from "node:fs";
import { createServer } from "node:net";
import { dirname, join } from "node:path";
import { promisify } from "node:util";
import type { Account } from "./embedded-binaries.ts";

export interface Server {
  data: string;
  /** The folder with the programs. */
  bin: string;
  account: Account | undefined;
  user: string;
}

const START_SECONDS = 120;
const LOG_LIMIT = 10_000_000;

/** Creates the data, unless it exists: aside and moved into place, so that half of it is never taken for the whole. */
export async function initialise(
  server: Server,
  password: string,
  options: { sync: boolean },
): Promise<void> {
  if (existsSync(join(server.data, "PG_VERSION"))) return;
  mkdirSync(dirname(server.data), { recursive: true });
  const staging = mkdtempSync(`${server.data}.new-`);
  try {
    const passwordFile = join(staging, "password");
    writeFileSync(passwordFile, `${password}\n`, { mode: 0o600 });
    if (server.account !== undefined) {
      for (const path of [staging, passwordFile]) chownSync(path, server.account.uid, server.account.gid);
    }
    await run(server, "initdb", [
      `--pgdata=${join(staging, "data")}`,
      `--username=${server.user}`,
      `--pwfile=${passwordFile}`,
      "--auth=scram-sha-256",
      // Without these the encoding follows LANG, and is SQL_ASCII where there is none.
      "--encoding=UTF8",
      "--locale=C",
      "--locale-provider=builtin",
      "--builtin-locale=C.UTF-8",
      ...(options.sync ? [] : ["--no-sync"]),
    ]);
    renameSync(join(staging, "data"), server.data);
  } catch (error) {
    // Somebody else was faster: theirs has the same password.
    if (!existsSync(join(server.data, "PG_VERSION"))) throw error;
  } finally {
    rmSync(staging, { recursive: true, force: true });
  }
}

/** `busy`: another process starts or still runs on the data. `port`: something else listens there. */
export async function start(
  server: Server,
  port: number,
  settings: Record<string, string>,
): Promise<"started" | "busy" | "port"> {
  const log = join(server.data, "server.log");
  if (existsSync(log) && statSync(log).size > LOG_LIMIT) truncateSync(log);
  const before = existsSync(log) ? statSync(log).size : 0;
  const flags = Object.entries({ ...settings, port: String(port) }).map(([name, value]) => {
    if (!/^[\w.]+$/.test(name) || !/^[\w.,:/+-]*$/.test(value))
      throw new Error(`Not a Postgres setting: ${name}`);
    return `-c ${name}=${value}`;
  });
  try {
    // pg_ctl makes the server a session of its own: neither Ctrl-C nor the end of this process reaches it.
    await run(server, "pg_ctl", [
      ...["start", "--wait", `--timeout=${START_SECONDS}`, "--pgdata", server.data, "--log", log],
      ...["--options", flags.join(" ")],
    ]);
    return "started";
  } catch (error) {
    const output = existsSync(log) ? readFileSync(log).subarray(before).toString() : "";
    if (
      /lock file "postmaster.pid" already exists|pre-existing shared memory block|lock file .* is empty/.test(
        output,
      )
    ) {
      return "busy";
    }
    if (/could not bind/.test(output)) return "port";
    throw new Error(`The embedded Postgres does not start:\n${output.trim() || String(error)}`, {
      cause: error,
    });
  }
}

/** Ends connections and stops; returns when the server is gone. */
export async function stop(server: Server): Promise<void> {
  const args = ["stop", "--wait", "--timeout=60", "--pgdata", server.data, "--mode"];
  try {
    await run(server, "pg_ctl", [...args, "fast"]);
  } catch (error) {
    if (existsSync(join(server.data, "postmaster.pid"))) await run(server, "pg_ctl", [...args, "immediate"]);
    else if (!/is not running|does not exist/i.test(String(error))) throw error;
  }
}

/** What postmaster.pid says: which process, on which port. undefined when there is none, or it is being written. */
export function readPostmaster(data: string): { pid: number; port: number } | undefined {
  try {
    const lines = readFileSync(join(data, "postmaster.pid"), "utf8").split("\n");
    const [pid, port] = [Number(lines[0]), Number(lines[3])];
    return pid > 0 && port > 0 ? { pid, port } : undefined;
  } catch (error) {
    if ((error as NodeJS.ErrnoException).code === "ENOENT") return undefined;
    throw error;
  }
}

/** Whether this process is alive and the server of this data, not another that got its number. */
export function isServing(pid: number, data: string): boolean {
  try {
    process.kill(pid, 0);
  } catch (error) {
    if ((error as NodeJS.ErrnoException).code !== "EPERM") return false;
  }
  if (process.platform === "win32") return true;
  if (process.platform !== "linux") {
    return spawnSync("ps", ["-o", "command=", "-p", String(pid)], { encoding: "utf8" }).stdout.includes(data);
  }
  try {
    return readFileSync(`/proc/${pid}/cmdline`, "utf8").includes(data);
  } catch {
    return false;
  }
}

/**
 * Postgres believes a postmaster.pid whose number is taken, by another process or by a zombie (both
 * happen in containers), and does not start. Gives it the number of a process that has just ended. The rest of the file
 * stays: it is how Postgres makes sure that no old backend still writes to the data.
 */
export function bury(data: string): void {
  const file = join(data, "postmaster.pid");
  const [, ...rest] = readFileSync(file, "utf8").split("\n");
  const { pid } = spawnSync(process.execPath, ["--version"], { stdio: "ignore" });
  writeFileSync(file, [pid, ...rest].join("\n"));
}

/** A port on the loopback interface that is free at this moment. */
export function findFreePort(): Promise<number> {
  return new Promise((resolve, reject) => {
    const probe = createServer().once("error", reject);
    probe.listen(0, "127.0.0.1", () => {
      const address = probe.address();
      probe.close(() => {
        resolve(typeof address === "object" && address !== null ? address.port : 0);
      });
    });
  });
}

async function run(server: Server, program: string, args: string[]): Promise<void> {
  const options = {
    ...(server.account ?? {}),
    // A folder the account may enter; ours may be closed to it.
    cwd: server.bin,
    // Nothing of the environment (LANG, PGPORT, PGOPTIONS …) may reach the server.
    ...(process.platform === "win32" ? {} : { env: { PATH: "/usr/local/bin:/usr/bin:/bin", LC_ALL: "C" } }),
    // A session of its own, so that Ctrl-C does not end it half-way.
    detached: true,
    windowsHide: true,
  };
  try {
    await promisify(execFile)(join(server.bin, program), args, options);
  } catch (error) {
    const { stderr, stdout } = error as { stderr?: string; stdout?: string };
    throw new Error(`${program} failed: ${(stderr ?? "").trim() || (stdout ?? "").trim() || String(error)}`);
  }
}
