// The other way: a job for each partner, ORM reads and writes (naive-worker.ts), measured on a sample of the partners, for all
// of them would take too long. Two processes, as the rescore has two workers. What it writes is checked: the same points.
import { fork } from "node:child_process";
import { once } from "node:events";
import { fileURLToPath } from "node:url";
import { createPostgresBackend, createRedisBackend, type Queue, withBackend } from "bullmq";
import { sql } from "drizzle-orm";
import { Redis } from "ioredis";
import pg from "pg";
import { round, tell, timed } from "./lines.ts";
import { openBenchRedis } from "./redis.ts";
import type { Scored } from "./scored.ts";

const NAIVE_QUEUE = "naive-score";
const onRedis = withBackend(createRedisBackend);
const onPostgres = withBackend(createPostgresBackend);
const PROCESSES = 2;

export interface Naive {
  jobs: number;
  secondsPerPartner: number;
  /** What its queue was on: Redis, the quicker one, where there is a redis-server. */
  queue: "redis" | "postgres";
}

/** Rescores a sample of partners, every one of whom has other points afterwards, by a job each. */
export async function measureNaive(scored: Scored, sample: number): Promise<Naive> {
  const redis = await openBenchRedis();
  const file = fileURLToPath(new URL("naive-worker.ts", import.meta.url));
  await scored.swing();
  const workers = Array.from({ length: PROCESSES }, () =>
    fork(file, [scored.url, scored.at.toISOString(), redis?.url ?? ""], { execArgv: ["--import", "tsx"] }),
  );
  const client = redis && new Redis(redis.url);
  const queue = openQueue(scored.url, client);
  try {
    await Promise.all(workers.map((worker) => once(worker, "message")));
    const rows = await scored.db.execute<{ id: number }>(
      sql`select partner_id as id from scores where points > 0 order by partner_id % 1009, partner_id limit ${sample}`,
    );
    const before = await sumOf(scored);
    const done = new Promise<void>((resolve, reject) => {
      let left = rows.length;
      for (const worker of workers) {
        worker.on("message", (message: { failed?: string }) => {
          if (message.failed !== undefined) reject(new Error(message.failed));
          left -= 1;
          if (left === 0) resolve();
        });
      }
    });
    const measured = await timed(async () => {
      await queue.addBulk(rows.map(({ id }) => ({ name: "score", data: { partnerId: id } })));
      await done;
    });
    if ((await sumOf(scored)) === before) throw new Error("The naive way has changed no points.");
    tell(
      `naive: ${rows.length} jobs in ${measured.seconds.toFixed(1)} s, ${round(rows.length / measured.seconds)} a second`,
    );
    await refuseDifference(
      scored,
      rows.map(({ id }) => id),
    );
    return {
      jobs: rows.length,
      secondsPerPartner: measured.seconds / rows.length,
      queue: redis === undefined ? "postgres" : "redis",
    };
  } finally {
    for (const worker of workers) worker.kill();
    await queue.close();
    client?.disconnect();
    await redis?.close();
  }
}

function openQueue(url: string, redis: Redis | undefined): Queue {
  if (redis === undefined) {
    const pool = new pg.Pool({ connectionString: url, max: 2, options: "-c search_path=bullmq" });
    return new onPostgres.Queue(NAIVE_QUEUE, { connection: pool as never }) as unknown as Queue;
  }
  return new onRedis.Queue(NAIVE_QUEUE, { connection: redis });
}

async function sumOf({ db }: Scored): Promise<number> {
  const [row] = await db.execute<{ points: number }>(sql`select sum(points) as points from scores`);
  return row?.points ?? 0;
}

/** A rescore of everybody finds nothing to change for those the jobs have scored: both ways are worth the same points. */
async function refuseDifference(scored: Scored, partners: number[]): Promise<void> {
  const ids = sql`${sql.param(partners)}::bigint[]`;
  const read = () =>
    scored.db.execute(sql`select partner_id, version from scores where partner_id = any(${ids}) order by 1`);
  const before = JSON.stringify(await read());
  const end = await scored.openWorkers(2);
  await scored.rescore();
  await end();
  if (JSON.stringify(await read()) !== before) throw new Error("The naive way gives other points.");
}
