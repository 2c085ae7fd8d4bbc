// A stand-in for Copernica's API with many mailings, run as a process of its own so that its work is not the pipeline's.
// Every answer is made before it listens: the bench measures Standings, not this.
import { createServer } from "node:http";

const [accounts = 0, mailings = 0, pageLimit = 0, startAtMs = 0] = process.argv.slice(2).map(Number);
const JWT = "header.claims.signature";

/** The mailings since an instant that an incremental pull asks for: as few as have come since. */
const NOTHING = Buffer.from(JSON.stringify({ start: 0, limit: pageLimit, count: 0, total: 0, data: [] }));
const newestAtMs = startAtMs + 300 * 86_400_000;

/** An account's listing of one product: /v4/publisher/emailings and /v4/ms/emailings answer with the same shape. */
const pages = new Map<string, Buffer>();
const SPAN_MS = 300 * 86_400_000;
for (let account = 1; account <= accounts; account += 1) {
  for (const product of ["publisher", "ms"]) {
    for (let start = 0; start < mailings; start += pageLimit) {
      const data = Array.from({ length: Math.min(pageLimit, mailings - start) }, (_, index) => {
        const number = start + index;
        const at = new Date(startAtMs + Math.floor((number / mailings) * SPAN_MS));
        return {
          id: String(account * 1_000_000 + number),
          timestamp: at.toISOString().slice(0, 19).replace("T", " "),
          destinations: 25 + (number % 4000),
          subject: `Newsletter ${number} of account ${account}`,
          type: "mass",
        };
      });
      const body = { start, limit: pageLimit, count: data.length, total: mailings, data };
      pages.set(`${account}/${product}/${start}`, Buffer.from(JSON.stringify(body)));
    }
  }
}

const server = createServer((request, response) => {
  const url = new URL(request.url ?? "/", "http://localhost");
  const json = (body: Buffer | string) => response.setHeader("content-type", "application/json").end(body);
  if (url.pathname === "/authenticate") {
    let form = "";
    request.setEncoding("utf8").on("data", (piece: string) => {
      form += piece;
    });
    // The token is the account, and the JWT names it.
    request.on("end", () => {
      const account = new URLSearchParams(form).get("access_token") ?? "";
      response.setHeader("content-type", "text/plain").end(`${JWT}-${account}`);
    });
    return;
  }
  const account = /-(\d+)$/.exec(request.headers.authorization ?? "")?.[1] ?? "";
  const product = /^\/v4\/(publisher|ms)\/emailings$/.exec(url.pathname)?.[1];
  if (url.pathname === "/v4/consumption") {
    json('{"emails":"0"}');
    return;
  }
  const fromMs = Date.parse(`${(url.searchParams.get("fromdate") ?? "").replace(" ", "T")}Z`);
  if (fromMs >= newestAtMs - 5 * 86_400_000) {
    json(NOTHING);
    return;
  }
  const start = Number(url.searchParams.get("start"));
  if (start >= mailings) {
    json(JSON.stringify({ start, limit: pageLimit, count: 0, total: mailings, data: [] }));
    return;
  }
  const page = pages.get(`${account}/${product ?? ""}/${start}`);
  if (page === undefined) response.statusCode = 404;
  json(page ?? '{"error":{"message":"Invalid method"}}');
});
server.listen(0, "127.0.0.1", () => {
  const address = server.address();
  process.send?.({ port: typeof address === "object" ? address?.port : undefined });
});
process.on("disconnect", () => {
  process.exit(0);
});
