// What a bench prints: one JSON line on standard output, progress on standard error.

/** What one bench has measured. `ok`: the ratio keeps its limit. */
export interface BenchLine {
  bench: string;
  ratio: number;
  limit: { atLeast: number } | { atMost: number };
  ok: boolean;
  [figure: string]: unknown;
}

/** How a worker's process is begun: as the container image begins it, and from the sources. */
export const workerArguments = ["--import", "tsx", "--max-semi-space-size=4", "--max-old-space-size=512"];

/** Prints the line. Ratios and seconds are rounded to what they are good for. */
export function toLine(
  bench: string,
  ratio: number,
  limit: BenchLine["limit"],
  figures: Record<string, unknown>,
): BenchLine {
  const ok = "atLeast" in limit ? ratio >= limit.atLeast : ratio <= limit.atMost;
  return { bench, ratio: round(ratio), limit, ok, ...figures };
}

/** Three significant digits. */
export function round(value: number): number {
  return Number(value.toPrecision(3));
}

export function median(values: number[]): number {
  const sorted = [...values].sort((a, b) => a - b);
  const middle = (sorted.length - 1) / 2;
  return ((sorted[Math.floor(middle)] ?? Number.NaN) + (sorted[Math.ceil(middle)] ?? Number.NaN)) / 2;
}

export function tell(line: string): void {
  process.stderr.write(`${line}\n`);
}

/** Seconds that work took, and what it returned. */
export async function timed<T>(work: () => Promise<T>): Promise<{ seconds: number; result: T }> {
  const startedAt = performance.now();
  const result = await work();
  return { seconds: (performance.now() - startedAt) / 1000, result };
}
