// A real HTTP server on loopback that is filled with behaviour and broken on purpose: what stands for a system of others.
import { createServer, type ServerResponse } from "node:http";
import type { AddressInfo } from "node:net";

export interface Asked {
  method: string;
  path: string;
  query: URLSearchParams;
  headers: Record<string, string | string[] | undefined>;
  body: string;
}

export interface Answer {
  status?: number;
  headers?: Record<string, string>;
  body: string | Buffer;
}

/** What happens instead of the answer. `proceed` tells what it would have been. */
export type Fault = (
  response: ServerResponse,
  asked: Asked,
  proceed: () => Answer & { body: Buffer },
) => void;

export interface TestServer {
  url: string;
  /** host:port */
  host: string;
  /** Everything asked so far, oldest first. */
  asked: Asked[];
  /** Breaks the n-th request from now (1 is the next) and all after it. */
  breakFrom(n: number, fault: Fault): void;
  mend(): void;
  close(): Promise<void>;
}

export async function openServer(behave: (asked: Asked) => Answer): Promise<TestServer> {
  let fault: Fault | undefined;
  let untilFault = 0;
  const server = createServer((request, response) => {
    const chunks: Buffer[] = [];
    request.on("data", (chunk: Buffer) => chunks.push(chunk));
    request.on("end", () => {
      const url = new URL(request.url ?? "/", "http://test");
      const asked = {
        method: request.method ?? "",
        path: url.pathname,
        query: url.searchParams,
        headers: request.headers,
        body: Buffer.concat(chunks).toString(),
      };
      opened.asked.push(asked);
      untilFault -= 1;
      const proceed = () => {
        const answer = behave(asked);
        return { ...answer, body: Buffer.from(answer.body) };
      };
      if (fault !== undefined && untilFault <= 0) fault(response, asked, proceed);
      else send(response, behave(asked));
    });
  });
  await new Promise<void>((resolve) => server.listen(0, "127.0.0.1", resolve));
  const { port } = server.address() as AddressInfo;
  const opened: TestServer = {
    url: `http://127.0.0.1:${port}`,
    host: `127.0.0.1:${port}`,
    asked: [],
    breakFrom(n, broken) {
      fault = broken;
      untilFault = n;
    },
    mend() {
      fault = undefined;
    },
    close: async () => {
      server.closeAllConnections();
      await new Promise((resolve) => server.close(resolve));
    },
  };
  return opened;
}

export function send(response: ServerResponse, { status = 200, headers = {}, body }: Answer): void {
  response.writeHead(status, { "content-length": String(Buffer.byteLength(body)), ...headers });
  response.end(body);
}

export const json = (body: unknown, headers: Record<string, string> = {}): Answer => ({
  headers: { "content-type": "application/json", ...headers },
  body: JSON.stringify(body),
});

export const HTML = "<!DOCTYPE html><html><body><h1>Loadbalancer Error</h1>too many requests</body></html>";
