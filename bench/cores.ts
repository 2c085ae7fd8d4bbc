// Keeps two sides of a measurement on cores of their own. On a machine of two cores the kernel lets whoever wakes up wait for up to
// a tick (4 ms) behind whatever computes on the same core, also where the other core is idle: that is a hundredth of the reads, and
// says nothing about what one side does to the other.
import { spawnSync } from "node:child_process";
import { readFileSync } from "node:fs";
import { availableParallelism } from "node:os";
import { sql } from "drizzle-orm";
import type { Database } from "../db/client.ts";

/** Read before anybody is put anywhere: it is what this process may use. */
const CORES = availableParallelism();

/** Whether processes can be given cores here: Linux with taskset, and two cores. */
export function canKeepApart(): boolean {
  return CORES >= 2 && spawnSync("taskset", ["--version"]).status === 0;
}

/**
 * Puts Postgres and the workers on the first core, and this process, the backends of `reader` and the `others` on the second. Returns
 * what lets all of them run everywhere again.
 */
export async function keepApart(
  db: Database,
  { workers, others, reader }: { workers: number[]; others: number[]; reader: string },
): Promise<() => void> {
  const backends = await db.execute<{ pid: number; reads: boolean }>(
    sql`select pid, application_name = ${reader} as reads from pg_stat_activity`,
  );
  const local = backends.filter(({ pid }) => nameOf(pid) === "postgres");
  const serving = local.filter(({ reads }) => !reads).map(({ pid }) => pid);
  // What it begins later is where it is itself.
  const postmaster = serving.flatMap((pid) => parentOf(pid) ?? []).slice(0, 1);
  const first = [...postmaster, ...serving, ...workers];
  const second = [process.pid, ...others, ...local.filter(({ reads }) => reads).map(({ pid }) => pid)];
  for (const pid of first) put(pid, "0");
  for (const pid of second) put(pid, "1");
  return () => {
    for (const pid of [...first, ...second]) put(pid, `0-${CORES - 1}`);
  };
}

/** All its threads. One that has ended meanwhile needs no core. */
function put(pid: number, cores: string): void {
  spawnSync("taskset", ["--all-tasks", "--cpu-list", "--pid", cores, String(pid)]);
}

function nameOf(pid: number): string | undefined {
  return read(`/proc/${pid}/comm`)?.trim();
}

function parentOf(pid: number): number | undefined {
  const found = /^PPid:\s+(\d+)$/m.exec(read(`/proc/${pid}/status`) ?? "")?.[1];
  return found === undefined ? undefined : Number(found);
}

function read(file: string): string | undefined {
  try {
    return readFileSync(file, "utf8");
  } catch {
    return undefined;
  }
}
