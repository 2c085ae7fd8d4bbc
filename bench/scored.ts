// What the rescore benches share: a scored history, the two programmes its points swing between, workers, and a rescore as
// an administrator sees it: from asking for it until the standings show it.
import { fork } from "node:child_process";
import { once } from "node:events";
import { readFile } from "node:fs/promises";
import { fileURLToPath } from "node:url";
import { sql } from "drizzle-orm";
import type { Database } from "../db/client.ts";
import { readOpenRanges, startRescore } from "../src/ingest/runs/rescore.ts";
import { openProgrammeVersions, publishProgramme } from "../src/programme/versions.ts";
import { scorePending } from "../src/scoring/score.ts";
import { writeHistory } from "./history.ts";
import { tell, timed, workerArguments } from "./lines.ts";
import type { BenchServer } from "./postgres.ts";
import type { Order, Report } from "./rescore-worker.ts";

/** As workers/score.ts. */
const BATCH = 500;
const example = fileURLToPath(new URL("../examples/copernica/programme.yaml", import.meta.url));

export interface Scored {
  db: Database;
  url: string;
  /** The instant of everything that is evaluated. */
  at: Date;
  rows: number;
  /** Seconds in which everybody was scored for the first time, by two transactions at a time in this process. */
  firstSeconds: number;
  /** Workers, each a process of its own. Returns what ends them and says how much memory each of them has needed. */
  openWorkers(count: number): Promise<() => Promise<number[]>>;
  /** Of the workers that are open. */
  workerPids(): number[];
  /** A rescore of everybody by the workers that are open. Returns how many partners' points it has changed. */
  rescore(): Promise<number>;
  /**
   * Publishes the other of two programmes, in which everything is worth twice, or half, as much; and forgets who was marked
   * because of it, so that a rescore has to find them. Returns the seconds of the publishing.
   */
  swing(): Promise<number>;
  close(): Promise<void>;
}

export async function openScored(
  server: BenchServer,
  size: { partners: number; rows: number },
  redisUrl?: string,
): Promise<Scored> {
  const { db, url, close } = await server.openFresh({ max: 6 });
  try {
    const history = await timed(() => writeHistory(db, size));
    tell(
      `${size.partners} partners: ${history.result.rows} pieces of evidence in ${history.seconds.toFixed(0)} s`,
    );
    const original = await readFile(example, "utf8");
    const texts = [original, doubled(original)];
    const at = new Date();
    const publish = async (text: string) => {
      await publishProgramme(db, { text, file: "programme.yaml", publishedBy: "bench", now: at });
    };
    await publish(original);
    const first = await timed(() => Promise.all([drain(db, at), drain(db, at)]));
    tell(`everybody scored for the first time in ${first.seconds.toFixed(1)} s`);
    await db.execute(sql`delete from pending_standings`);
    await vacuum(db);
    let workers: Worker[] = [];
    return {
      db,
      url,
      at,
      rows: history.result.rows,
      firstSeconds: first.seconds,
      async openWorkers(count) {
        workers = await openWorkers(count, { url, at, redisUrl });
        return async () => {
          const ending = workers.map((worker) => worker.end());
          workers = [];
          return Promise.all(ending);
        };
      },
      workerPids: () => workers.map(({ pid }) => pid),
      rescore: () => rescore(db, workers, at),
      async swing() {
        texts.reverse();
        const publishing = await timed(() => publish(texts[0] ?? original));
        await db.execute(sql`delete from pending_partners`);
        await vacuum(db);
        return publishing.seconds;
      },
      close,
    };
  } catch (error) {
    await close();
    throw error;
  }
}

/** The same programme with twice the points everywhere: whoever has any has others then. */
function doubled(programme: string): string {
  return programme.replace(
    /\b(perfect|points|each|cap): (\d+)/g,
    (_, key: string, points: string) => `${key}: ${2 * Number(points)}`,
  );
}

/** What autovacuum does in a quiet minute, so that it does not happen in one round and not in another. */
async function vacuum(db: Database): Promise<void> {
  await db.execute(
    sql`vacuum (analyze) achievements_held, scores, ledger, pending_partners, pending_standings`,
  );
}

async function drain(db: Database, at: Date): Promise<void> {
  const programmes = openProgrammeVersions();
  while ((await scorePending(db, programmes, { now: at, limit: BATCH })).claimed > 0);
}

/** Each worker takes the next range until there is none. */
async function rescore(db: Database, workers: Worker[], at: Date): Promise<number> {
  const { runId } = await startRescore(db, openProgrammeVersions(), { askedBy: "bench", now: at });
  const ranges = await readOpenRanges(db, runId);
  await Promise.all(
    workers.map(async (worker) => {
      for (let range = ranges.shift(); range !== undefined; range = ranges.shift()) await worker.take(range);
    }),
  );
  const [run] = await db.execute<{ state: string; shown: boolean; changed: number }>(sql`
    select state, not exists (select from pending_partners) and not exists (select from pending_standings) as shown,
      (select coalesce(sum(changed), 0) from run_ranges where run_id = ${runId})::int as changed
    from runs where id = ${runId}`);
  if (run?.state !== "complete" || !run.shown)
    throw new Error(`The rescore is not over: ${JSON.stringify(run)}`);
  return run.changed;
}

interface Worker {
  pid: number;
  /** Rescores a range and brings it into the standings. */
  take(range: { runId: number; first: number }): Promise<void>;
  /** Megabytes: the most it has needed. */
  end(): Promise<number>;
}

async function openWorkers(
  count: number,
  { url, at, redisUrl }: { url: string; at: Date; redisUrl: string | undefined },
): Promise<Worker[]> {
  const file = fileURLToPath(new URL("rescore-worker.ts", import.meta.url));
  const opening = Array.from({ length: count }, async (): Promise<Worker> => {
    const child = fork(file, [url, at.toISOString(), redisUrl ?? ""], { execArgv: workerArguments });
    const heard = async () => ((await once(child, "message")) as [Report])[0];
    const ask = (order: Order) => {
      const answer = heard();
      child.send(order);
      return answer;
    };
    await heard();
    return {
      pid: child.pid ?? 0,
      async take(range) {
        const report = await ask(range);
        if ("failed" in report) throw new Error(`A worker of the bench has failed: ${report.failed}`);
      },
      async end() {
        const ended = once(child, "exit");
        const report = await ask({ end: true });
        await ended;
        return "peakRssMb" in report ? report.peakRssMb : Number.NaN;
      },
    };
  });
  return Promise.all(opening);
}
