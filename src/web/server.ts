// The HTTP server: one port, opened and closed in order.
import type { Server } from "node:http";
import type { AddressInfo } from "node:net";
import { createAdaptorServer } from "@hono/node-server";
import type { Hono } from "hono";
import { UsageError } from "../platform/errors.ts";

export interface OpenWeb {
  /** The one it got, where 0 was asked for. */
  port: number;
  /** Takes no more requests, lets those under way finish (for ten seconds at most), then resolves. */
  close(): Promise<void>;
}

const drainMs = 10_000;

/** Serves the application. A UsageError where the port is taken or not ours to use. */
export async function openWeb(app: Hono, { port, host }: { port: number; host: string }): Promise<OpenWeb> {
  const server = createAdaptorServer({ fetch: app.fetch }) as Server;
  await new Promise<void>((resolve, reject) => {
    server.once("error", (error: NodeJS.ErrnoException) => {
      reject(toUsageError(error, port, host));
    });
    server.listen(port, host, resolve);
  });
  return {
    port: (server.address() as AddressInfo).port,
    async close() {
      const impatience = setTimeout(() => {
        server.closeAllConnections();
      }, drainMs);
      await new Promise<void>((resolve) => {
        server.close(() => {
          resolve();
        });
        server.closeIdleConnections();
      });
      clearTimeout(impatience);
    },
  };
}

function toUsageError(error: NodeJS.ErrnoException, port: number, host: string): Error {
  const reasons: Record<string, string> = {
    EADDRINUSE: "another process listens there",
    EACCES: "this user may not listen there",
    EADDRNOTAVAIL: "this machine does not have that address",
  };
  const reason = reasons[error.code ?? ""];
  if (reason === undefined) return error;
  return new UsageError(
    `Cannot listen on ${host}:${port}: ${reason}. Choose with STANDINGS_HOST and STANDINGS_PORT.`,
    {
      cause: error,
    },
  );
}
