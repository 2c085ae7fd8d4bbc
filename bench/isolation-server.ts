// The eight systems of the isolation bench, in a process of their own: each with a port of its own, because what a system asks of
// its callers (to wait) holds for its whole host. Who answers how is told from outside.
import { once } from "node:events";
import { createServer } from "node:http";
import type { AddressInfo } from "node:net";
import { setTimeout as delay } from "node:timers/promises";

/** `slow`: after a while. `refuses`: 429 with a Retry-After of an hour. */
export type Manner = "well" | "slow" | "refuses";

const RETRY_AFTER_SECONDS = 3600;
const [systems = 0, rows = 0, slowMs = 0] = process.argv.slice(2).map(Number);

/** Each answer differs from the one before, so that it is read and recorded. */
let answers = 0;
function csv(): string {
  answers += 1;
  const lines = Array.from({ length: rows }, (_, row) => `${row},2026-01-01,${row === 0 ? answers : "same"}`);
  return `id,happened,title\n${lines.join("\n")}\n`;
}

const manners: Manner[] = Array.from({ length: systems }, () => "well");
const ports: number[] = [];
for (let index = 0; index < systems; index += 1) {
  const server = createServer((_, response) => {
    void (async () => {
      const manner = manners[index];
      if (manner === "slow") await delay(slowMs);
      if (manner === "refuses") {
        response.writeHead(429, { "retry-after": String(RETRY_AFTER_SECONDS) }).end();
        return;
      }
      response.setHeader("content-type", "text/csv").end(csv());
    })();
  });
  server.listen(0, "127.0.0.1");
  await once(server, "listening");
  ports.push((server.address() as AddressInfo).port);
}

process.on("message", ({ system, manner }: { system: number; manner: Manner }) => {
  manners[system] = manner;
  process.send?.({ done: true });
});
process.on("disconnect", () => {
  process.exit(0);
});
process.send?.({ ports });
