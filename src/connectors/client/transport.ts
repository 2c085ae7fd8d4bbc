// undici's part of the fetcher, loaded at the first request: a command that only reads sends none.
import { Agent, buildConnector, request } from "undici";
import { type Guard, portOf } from "./guard.ts";

export interface Transport {
  /** Sends one request and returns the response with its body unread. Throws what undici throws. */
  request(url: URL, options: RequestOptions): ReturnType<typeof request>;
  close(): Promise<void>;
}

interface RequestOptions {
  method: "GET" | "POST";
  headers: Record<string, string>;
  body: string | null;
  signal: AbortSignal;
}

/** Times in milliseconds. */
interface TransportLimits {
  connectMs: number;
  headersMs: number;
  bodyMs: number;
}

export function openTransport(limits: TransportLimits, guard: Guard): Transport {
  const agent = new Agent({
    // A connector for each connection, because only here the port is known to the lookup.
    connect: (target, callback) => {
      buildConnector({ timeout: limits.connectMs, lookup: guard.lookup(portOf(target)) })(target, callback);
    },
    headersTimeout: limits.headersMs,
    bodyTimeout: limits.bodyMs,
  });
  return {
    request: (url, options) => request(url, { ...options, dispatcher: agent }),
    close: () => agent.destroy(),
  };
}
