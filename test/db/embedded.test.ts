// The embedded Postgres, hosted by processes of their own that are stopped and killed.
import { spawn } from "node:child_process";
import { once } from "node:events";
import { chmodSync, existsSync, mkdtempSync, readFileSync, rmSync, statSync, writeFileSync } from "node:fs";
import { createServer } from "node:net";
import { tmpdir } from "node:os";
import { dirname, join } from "node:path";
import { type SQL, sql } from "drizzle-orm";
import { afterAll, afterEach, beforeAll, beforeEach, describe, expect, test } from "vitest";
import { openDatabase } from "../../db/client.ts";
import { openEmbedded } from "../../db/embedded.ts";
import { isServing, readPostmaster } from "../../db/embedded-server.ts";
import { type Script, startScript } from "./script.ts";

const asRoot = process.getuid?.() === 0;
const settings = { fsync: "off" };

const HOST = `
  import { openEmbedded } from "./db/embedded.ts";
  import { openDatabase } from "./db/client.ts";
  import { sql } from "drizzle-orm";
  const { url, joined, close } = await openEmbedded(process.argv[1], { settings: { fsync: "off" } });
  const { db, close: disconnect } = await openDatabase(url, { max: 1 });
  process.on("SIGTERM", async () => {
    const slow = await db.execute(sql\`select 'drained' as word, pg_sleep(0.3)\`);
    console.log(slow[0].word);
    await disconnect();
    await close();
    console.log("closed");
  });
  console.log(JSON.stringify({ url, joined }));`;

let home: string;
let hosts: Script[];
const makeHome = () => {
  const folder = mkdtempSync(join(tmpdir(), "standings-embedded-"));
  if (asRoot) chmodSync(folder, 0o755);
  return folder;
};
beforeAll(() => {
  home = makeHome();
});
beforeEach(() => {
  hosts = [];
});
afterEach(async () => {
  for (const host of hosts) host.process.kill("SIGKILL");
  await Promise.all(hosts.map((host) => host.ended));
  await stopServer(home);
});
afterAll(() => {
  rmSync(home, { recursive: true });
});

/** Whatever a test left running is joined, and stopped by the last one out. */
async function stopServer(folder: string): Promise<void> {
  if (readPostmaster(dataOf(folder)) === undefined) return;
  const { close } = await openEmbedded(folder, { settings });
  await close();
  expect(readPostmaster(dataOf(folder))).toBeUndefined();
}

const dataOf = (folder: string) => {
  const marker = join(folder, "postgres.place");
  return existsSync(marker) ? readFileSync(marker, "utf8").trim() : join(folder, "postgres");
};
const postmasterOf = (folder: string) => readPostmaster(dataOf(folder))!;

async function host(
  folder = home,
  env?: NodeJS.ProcessEnv,
): Promise<Script & { url: string; joined: boolean }> {
  const script = startScript(HOST, [folder], env);
  hosts.push(script);
  const opened = JSON.parse(await script.line()) as { url: string; joined: boolean };
  return { ...script, ...opened };
}

async function query(url: string, statement: SQL): Promise<Record<string, unknown>[]> {
  const { db, close } = await openDatabase(url, { max: 1 });
  try {
    return [...(await db.execute(statement))];
  } finally {
    await close();
  }
}

const write = (url: string) => query(url, sql`create table if not exists kept as select 42 as n`);
const read = (url: string) => query(url, sql`select n from kept`);

function kill(pid: number): void {
  process.kill(pid, "SIGKILL");
}

describe("opening", () => {
  test("starts on new data, and later on the same data at the same address", async () => {
    const first = await openEmbedded(home, { settings });
    expect(first.joined).toBe(false);
    await write(first.url);
    await first.close();
    expect(readPostmaster(dataOf(home))).toBeUndefined();
    const second = await openEmbedded(home, { settings });
    expect(second).toMatchObject({ url: first.url, joined: false });
    expect(await read(second.url)).toEqual([{ n: 42 }]);
    await second.close();
  });

  test("makes a UTF-8 database whatever the environment says", async () => {
    const fresh = makeHome();
    const env = { PATH: process.env["PATH"], LC_ALL: "POSIX", PGPORT: "1", PGDATA: "/nonexistent" };
    const { url, process: child, ended } = await host(fresh, env);
    const [row] = await query(
      url,
      sql`select current_setting('server_encoding') as encoding, upper('ä€') as upper,
      (select datlocprovider::text from pg_database where datname = current_database()) as provider`,
    );
    expect(row).toEqual({ encoding: "UTF8", upper: "Ä€", provider: "b" });
    child.kill("SIGTERM");
    expect(await ended).toMatchObject({ code: 0, stderr: "" });
    rmSync(fresh, { recursive: true });
  });

  test("keeps a random password for its owner alone, asks for it, and listens on the loopback interface only", async () => {
    const { url, close } = await openEmbedded(home, { settings });
    const file = join(home, "postgres.password");
    expect(statSync(file).mode & 0o777).toBe(0o600);
    expect(new URL(url).password).toBe(readFileSync(file, "utf8"));
    expect(new URL(url).password).toMatch(/^[0-9a-f]{48}$/);
    const wrong = Object.assign(new URL(url), { password: "password" }).href;
    await expect(query(wrong, sql`select 1`)).rejects.toThrow("password authentication failed");
    const [row] = await query(
      url,
      sql`select current_setting('listen_addresses') as listen,
      current_setting('unix_socket_directories') as sockets, current_setting('max_connections')::int as connections,
      (select string_agg(distinct auth_method, ',') from pg_hba_file_rules) as methods`,
    );
    expect(row).toEqual({ listen: "127.0.0.1", sockets: "", connections: 100, methods: "scram-sha-256" });
    await close();
  });

  test("by three processes at once starts it once, and the last to leave stops it", async () => {
    const fresh = makeHome();
    const three = await Promise.all([host(fresh), host(fresh), host(fresh)]);
    expect(new Set(three.map(({ url }) => url)).size).toBe(1);
    expect(three.filter(({ joined }) => !joined)).toHaveLength(1);
    const starter = three.find(({ joined }) => !joined)!;
    const others = three.filter(({ joined }) => joined);
    starter.process.kill("SIGTERM");
    expect((await starter.ended).code).toBe(0);
    await write(others[0]!.url);
    for (const { process: child, ended } of others) {
      expect(isServing(postmasterOf(fresh).pid, dataOf(fresh))).toBe(true);
      child.kill("SIGTERM");
      await ended;
    }
    expect(readPostmaster(dataOf(fresh))).toBeUndefined();
    rmSync(fresh, { recursive: true });
  });

  test("takes another port when somebody else listens on the one it had", async () => {
    const first = await openEmbedded(home, { settings });
    await first.close();
    const stranger = createServer().listen(Number(new URL(first.url).port), "127.0.0.1");
    await once(stranger, "listening");
    const second = await openEmbedded(home, { settings });
    expect(second.url).not.toBe(first.url);
    expect(await query(second.url, sql`select 1 as n`)).toEqual([{ n: 1 }]);
    await second.close();
    stranger.close();
  });

  test("refuses data whose password is gone, and says which file", async () => {
    const { close } = await openEmbedded(home, { settings });
    await close();
    const file = join(home, "postgres.password");
    const password = readFileSync(file);
    rmSync(file);
    await expect(openEmbedded(home, { settings })).rejects.toThrow(file);
    writeFileSync(file, "another");
    await expect(openEmbedded(home, { settings })).rejects.toThrow(file);
    writeFileSync(file, password);
  });

  test("says what the server said when it does not start", async () => {
    const { close } = await openEmbedded(home, { settings });
    await close();
    await expect(openEmbedded(home, { settings: { shared_buffers: "nonsense" } })).rejects.toThrow(
      /does not start:[\s\S]*invalid value for parameter "shared_buffers"/,
    );
  });
});

describe("after a death", () => {
  test("of the hosting process the next one joins its server, with all data, and stops it when done", async () => {
    const { url, process: child, ended } = await host();
    await write(url);
    child.kill("SIGKILL");
    await ended;
    const next = await openEmbedded(home, { settings });
    expect(next).toMatchObject({ url, joined: true });
    expect(await read(next.url)).toEqual([{ n: 42 }]);
    await next.close();
    expect(readPostmaster(dataOf(home))).toBeUndefined();
  });

  test("of both the process and the server it starts again on the same data", async () => {
    const { url, process: child, ended } = await host();
    await write(url);
    child.kill("SIGKILL");
    await ended;
    kill(postmasterOf(home).pid);
    const next = await openEmbedded(home, { settings });
    expect(next).toMatchObject({ url, joined: false });
    expect(await read(next.url)).toEqual([{ n: 42 }]);
    await next.close();
  });

  test("of both it starts although the number of the dead server belongs to a stranger now", async () => {
    const { url, process: child, ended } = await host();
    await write(url);
    child.kill("SIGKILL");
    await ended;
    const { pid } = postmasterOf(home);
    const { uid, gid } = statSync(dataOf(home));
    const stranger = spawn("sleep", ["600"], { ...(asRoot ? { uid, gid } : {}), cwd: "/" });
    await once(stranger, "spawn");
    kill(pid);
    const file = join(dataOf(home), "postmaster.pid");
    writeFileSync(file, readFileSync(file, "utf8").replace(/^\d+/, String(stranger.pid)));
    const next = await openEmbedded(home, { settings });
    expect(await read(next.url)).toEqual([{ n: 42 }]);
    await next.close();
    stranger.kill();
  });

  test("of the server alone it is started again, at the same address, while somebody has it open", async () => {
    let runsAgain: (() => void) | undefined;
    const again = new Promise<void>((resolve) => {
      runsAgain = resolve;
    });
    const log = (line: string) => {
      if (line.includes("runs again")) runsAgain?.();
    };
    const { url, close } = await openEmbedded(home, { settings, log });
    await write(url);
    kill(postmasterOf(home).pid);
    await again;
    expect(await read(url)).toEqual([{ n: 42 }]);
    await close();
  });
});

test("SIGTERM leaves the order of the shutdown to the process: its last queries succeed, then the server stops", async () => {
  const { process: child, line, ended } = await host();
  child.kill("SIGTERM");
  expect(await line()).toBe("drained");
  expect(await line()).toBe("closed");
  expect(await ended).toMatchObject({ code: 0, signal: null, stderr: "" });
  expect(readPostmaster(dataOf(home))).toBeUndefined();
});

test.runIf(asRoot)(
  "as root it runs as an account without rights, and keeps the data where that can reach it",
  async () => {
    const closed = makeHome();
    chmodSync(closed, 0o700);
    const lines: string[] = [];
    // A careful umask must not lock the account out of what is made for it.
    const umask = process.umask(0o077);
    const { url, close } = await openEmbedded(closed, { settings, log: (line) => lines.push(line) });
    process.umask(umask);
    const data = dataOf(closed);
    expect(data).toMatch(/^\/var\/lib\/standings\/[0-9a-f]{16}\/postgres$/);
    expect(lines.join()).toContain(data);
    expect(statSync(data).uid).not.toBe(0);
    await write(url);
    await close();
    const again = await openEmbedded(closed, { settings });
    expect(await read(again.url)).toEqual([{ n: 42 }]);
    await again.close();
    rmSync(dirname(data), { recursive: true });
    rmSync(closed, { recursive: true });
  },
);
