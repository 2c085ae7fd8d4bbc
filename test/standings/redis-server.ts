// A Redis of one test's own, to be emptied, stopped and killed.
import { spawn } from "node:child_process";
import { once } from "node:events";
import { Redis } from "ioredis";

export interface RedisServer {
  signal(signal: "SIGKILL" | "SIGSTOP" | "SIGCONT"): void;
  /** Resolves when the process is gone. */
  exited: Promise<unknown>;
}

/** Resolves when it answers. */
export async function startRedisServer(port: number): Promise<RedisServer> {
  const args = ["--port", String(port), "--bind", "127.0.0.1", "--save", "", "--appendonly", "no"];
  const server = spawn("redis-server", args, { stdio: "ignore" });
  const exited = once(server, "exit");
  const client = new Redis(port, "127.0.0.1", { maxRetriesPerRequest: null });
  client.on("error", () => undefined);
  await client.ping();
  client.disconnect();
  return { signal: (signal) => void server.kill(signal), exited };
}
