// Reads while Postgres restarts: 503 with Retry-After, never 500.
import { chmodSync, existsSync, mkdtempSync, readFileSync, rmSync } from "node:fs";
import { tmpdir } from "node:os";
import { join } from "node:path";
import { afterEach, beforeEach, expect, test } from "vitest";
import { openDatabase } from "../../db/client.ts";
import { openEmbedded } from "../../db/embedded.ts";
import { readPostmaster } from "../../db/embedded-server.ts";
import { migrate } from "../../db/migrate.ts";
import { openProgrammeVersions } from "../../src/programme/versions.ts";
import { openStandings } from "../../src/standings/reading.ts";
import { createApp } from "../../src/web/app.ts";

const PATHS = ["/api/standings", "/api/partners/nobody", "/api/partners/nobody/forecast", "/healthz"];

let home: string;
const closers: (() => Promise<void>)[] = [];

beforeEach(() => {
  home = mkdtempSync(join(tmpdir(), "standings-outage-"));
  chmodSync(home, 0o755);
});
afterEach(async () => {
  for (const close of closers.splice(0).reverse()) await close();
  rmSync(home, { recursive: true, force: true });
});

test("5,000 reads while Postgres is killed and comes back are answered with the data, 404 or 503", async () => {
  const server = await openEmbedded(home, { settings: { fsync: "off" } });
  closers.push(() => server.close());
  await migrate(server.url);
  const { db, close } = await openDatabase(server.url, { max: 4 });
  closers.push(close);
  const app = createApp({
    db,
    standings: openStandings({ db, prefix: "any" }),
    programme: () => Promise.resolve(undefined),
    programmes: openProgrammeVersions(),
    sources: [],
    now: () => new Date(),
  });
  const counts = new Map<number, number>();
  const read = async (n: number) => {
    const answer = await app.request(PATHS[n % PATHS.length] ?? "");
    counts.set(answer.status, (counts.get(answer.status) ?? 0) + 1);
    if (answer.status === 503 && n % PATHS.length !== 3)
      expect(Number(answer.headers.get("retry-after"))).toBeGreaterThan(0);
    return answer.status;
  };
  const marker = join(home, "postgres.place");
  const data = existsSync(marker) ? readFileSync(marker, "utf8").trim() : join(home, "postgres");
  const postmaster = readPostmaster(data)?.pid;
  if (postmaster === undefined) throw new Error("the embedded Postgres has no postmaster.pid");
  for (let wave = 0; wave < 50; wave += 1) {
    const reads = Array.from({ length: 100 }, (_, n) => read(n));
    if (wave === 5) process.kill(postmaster, "SIGINT");
    await Promise.all(reads);
  }
  await expect.poll(() => read(0), { timeout: 30_000 }).toBe(200);
  expect([...counts.keys()].sort()).toEqual([200, 404, 503]);
});
