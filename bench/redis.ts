// A Redis of the bench's own, where a redis-server can be had.
import { spawn, spawnSync } from "node:child_process";
import { once } from "node:events";
import { Redis } from "ioredis";
import { findFreePort } from "../db/embedded-server.ts";

export interface BenchRedis {
  url: string;
  pid: number;
  close(): Promise<void>;
}

/** undefined: there is no redis-server on the PATH. */
export async function openBenchRedis(): Promise<BenchRedis | undefined> {
  if (spawnSync("redis-server", ["--version"]).status !== 0) return undefined;
  const port = await findFreePort();
  const inMemory = ["--save", "", "--appendonly", "no"];
  const server = spawn("redis-server", ["--port", String(port), "--bind", "127.0.0.1", ...inMemory], {
    stdio: "ignore",
  });
  const exited = once(server, "exit");
  const client = new Redis(port, "127.0.0.1", { maxRetriesPerRequest: null });
  // Refused until the server listens; ioredis tries again by itself.
  client.on("error", () => undefined);
  await client.ping();
  client.disconnect();
  return {
    url: `redis://127.0.0.1:${port}`,
    pid: server.pid ?? 0,
    async close() {
      server.kill("SIGTERM");
      await exited;
    },
  };
}
