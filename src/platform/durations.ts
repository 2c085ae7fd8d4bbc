// Spans of time as people write them in a configuration: "30 seconds", "5 minutes", "1 day".
import { z } from "zod";

const MS = { second: 1000, minute: 60_000, hour: 3_600_000, day: 86_400_000 } as const;

const expected = 'expected a span such as "30 seconds", "5 minutes", "1 day"';

/** A zod schema that turns "5 minutes" into milliseconds. */
export const duration = z
  .string(expected)
  .regex(/^[1-9]\d* (second|minute|hour|day)s?$/, expected)
  .transform((text) => {
    const [amount = "", unit = ""] = text.split(" ");
    return Number(amount) * MS[unit.replace(/s$/, "") as keyof typeof MS];
  });

/** "3 min 20 s", "45 s", "2 h 5 min", "4 d": two units at most, for people. */
export function formatDuration(ms: number): string {
  const seconds = Math.max(0, Math.round(ms / 1000));
  if (seconds < 60) return `${seconds} s`;
  const minutes = Math.floor(seconds / 60);
  if (minutes < 60) return joined(minutes, "min", seconds % 60, "s");
  const hours = Math.floor(minutes / 60);
  if (hours < 48) return joined(hours, "h", minutes % 60, "min");
  return joined(Math.floor(hours / 24), "d", hours % 24, "h");
}

function joined(large: number, largeUnit: string, small: number, smallUnit: string): string {
  return small === 0 ? `${large} ${largeUnit}` : `${large} ${largeUnit} ${small} ${smallUnit}`;
}
