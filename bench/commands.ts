// What does a command cost besides its answer? Processor time of short commands in a clone, against an empty Node.js process
// in the same run. The database is there already: the start of an embedded Postgres is not part of the figure.
import { spawnSync } from "node:child_process";
import { randomBytes } from "node:crypto";
import { mkdtempSync, rmSync } from "node:fs";
import { tmpdir } from "node:os";
import { join } from "node:path";
import { fileURLToPath } from "node:url";
import { type BenchLine, median, round, tell, toLine } from "./lines.ts";
import type { BenchServer } from "./postgres.ts";

const launcher = fileURLToPath(new URL("../standings.mjs", import.meta.url));

/** Processor time by that of `node -e 0`: how often as much. An empty process takes about 0.05 s. */
const LIMITS = { describes: { atMost: 5 }, reads: { atMost: 16 } };
const COMMANDS = {
  describes: [["--version"], ["--help"], ["explain", "--help"]],
  reads: [
    ["ranking", "--top", "3"],
    ["explain", "marketing-agency-x"],
    ["history", "marketing-agency-x"],
  ],
};
const ROUNDS = { full: 9, small: 1 };

export async function commands(server: BenchServer, size: keyof typeof ROUNDS): Promise<BenchLine> {
  const database = await server.openFresh();
  const home = mkdtempSync(join(tmpdir(), "standings-bench-"));
  const env = {
    DATABASE_URL: database.url,
    STANDINGS_HOME: home,
    STANDINGS_SECRET_KEY: randomBytes(32).toString("base64"),
  };
  try {
    // The first call compiles the sources and imports the example.
    measure([launcher, "ranking"], home, env);
    const empty: number[] = [];
    const seconds = new Map<string, number[]>();
    for (let turn = 0; turn < ROUNDS[size]; turn++) {
      empty.push(measure(["-e", "0"], home, env));
      for (const args of Object.values(COMMANDS).flat()) {
        const name = args.join(" ");
        seconds.set(name, [...(seconds.get(name) ?? []), measure([launcher, ...args], home, env)]);
      }
    }
    const emptySeconds = median(empty);
    const ratioOf = (args: string[]) => median(seconds.get(args.join(" ")) ?? []) / emptySeconds;
    const describes = Math.max(...COMMANDS.describes.map(ratioOf));
    const reads = Math.max(...COMMANDS.reads.map(ratioOf));
    for (const [name, taken] of seconds) tell(`  standings ${name}: ${median(taken)} s`);
    return toLine("commands", reads, LIMITS.reads, {
      ok: describes <= LIMITS.describes.atMost && reads <= LIMITS.reads.atMost,
      emptySeconds: round(emptySeconds),
      describesRatio: round(describes),
      describesLimit: LIMITS.describes,
      cpuSeconds: Object.fromEntries([...seconds].map(([name, taken]) => [name, round(median(taken))])),
    });
  } finally {
    rmSync(home, { recursive: true, force: true });
    await database.close();
  }
}

/** Processor seconds, user and system, of a Node.js process and of what it waited for. */
function measure(args: string[], folder: string, env: Record<string, string>): number {
  // `times` prints the shell's own times and then those of its children, as "0m0.051s 0m0.012s".
  const script = '"$@" >&2 || exit 1; times';
  const done = spawnSync("sh", ["-c", script, "sh", process.execPath, ...args], {
    cwd: folder,
    env: { PATH: process.env["PATH"] ?? "", ...env },
    encoding: "utf8",
  });
  if (done.status !== 0) throw new Error(`${args.join(" ")} failed: ${done.stderr}`);
  const [, children = ""] = done.stdout.trim().split("\n");
  const parts = [...children.matchAll(/(\d+)m([\d.]+)s/g)];
  if (parts.length !== 2) throw new Error(`the shell's times are not understood: ${done.stdout}`);
  return parts.reduce((sum, [, minutes, rest]) => sum + Number(minutes) * 60 + Number(rest), 0);
}
