// Does a rescore take as long for each partner whatever their number, and does a worker's memory stay where it is?
import { type BenchLine, round, tell, timed, toLine } from "./lines.ts";
import type { BenchServer } from "./postgres.ts";
import { openScored } from "./scored.ts";

/** The slowest size's time for a partner, of the quickest's. */
const LIMIT = { atMost: 1.5 };
const RSS_LIMIT = { atMost: 200 };
const ROWS_EACH = 10;
const SIZES = { full: [10_000, 100_000, 1_000_000], small: [500, 1_000, 2_000] };
/** Small sizes are rescored several times over, so that every size is measured for about as long. */
const MOST_REPEATS = 20;

export async function rescoreSizes(server: BenchServer, size: keyof typeof SIZES): Promise<BenchLine> {
  const sizes = SIZES[size];
  const largest = Math.max(...sizes);
  const measured: { partners: number; nothing: number; everybody: number; peakRssMb: number }[] = [];
  for (const partners of sizes) {
    const scored = await openScored(server, { partners, rows: partners * ROWS_EACH });
    try {
      const end = await scored.openWorkers(2);
      const repeats = Math.min(MOST_REPEATS, Math.max(1, Math.round(largest / partners / 5)));
      const seconds = { nothing: 0, everybody: 0 };
      // The first brings code and pages into memory.
      await scored.rescore();
      for (let number = 0; number < repeats; number += 1) {
        seconds.nothing += (await timed(() => scored.rescore())).seconds;
        await scored.swing();
        seconds.everybody += (await timed(() => scored.rescore())).seconds;
      }
      const each = (total: number) => (total / repeats / partners) * 1e6;
      const peakRssMb = Math.max(...(await end()));
      measured.push({
        partners,
        nothing: each(seconds.nothing),
        everybody: each(seconds.everybody),
        peakRssMb,
      });
      tell(
        `${partners} partners: ${each(seconds.nothing).toFixed(0)} µs each when nothing changes, ` +
          `${each(seconds.everybody).toFixed(0)} µs when everybody does; ${peakRssMb} MB`,
      );
    } finally {
      await scored.close();
    }
  }
  const spread = (values: number[]) => Math.max(...values) / Math.min(...values);
  const ratio = spread(measured.map(({ nothing }) => nothing));
  const everybodyRatio = spread(measured.map(({ everybody }) => everybody));
  const peakRssMb = Math.max(...measured.map((one) => one.peakRssMb));
  return toLine("rescore-sizes", ratio, LIMIT, {
    ok: ratio <= LIMIT.atMost && everybodyRatio <= LIMIT.atMost && peakRssMb <= RSS_LIMIT.atMost,
    everybodyRatio: round(everybodyRatio),
    everybodyRatioLimit: LIMIT,
    rowsEach: ROWS_EACH,
    sizes: measured.map(({ partners, nothing, everybody, peakRssMb: mb }) => ({
      partners,
      microsecondsEach: round(nothing),
      everybodyMicrosecondsEach: round(everybody),
      peakRssMb: mb,
    })),
    peakRssMb,
    peakRssMbLimit: RSS_LIMIT,
  });
}
