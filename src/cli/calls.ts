// What every command is given: where it prints, how it opens what it works on, and how options are read.
import { InvalidArgumentError } from "commander";
import type { Output } from "../platform/terminal/output.ts";
import { untilInterrupted } from "./interrupt.ts";
import type { CommandParts, Opened, OpenOptions } from "./open.ts";

export interface Json {
  json: boolean;
}

/** Modules that do the work are loaded by the action of a command: `--help` and a reading command load what they need only. */
export interface Calls {
  output: Output;
  /** Opens a context for a command that needs more than the two below. */
  opening: <T>(
    options: Omit<OpenOptions, "parts" | "output">,
    work: (opened: Opened) => Promise<T>,
  ) => Promise<T>;
  /** Opens a context for a command that calls no source, and closes it again. */
  reading: <T>(work: (opened: Opened) => Promise<T>) => Promise<T>;
  /** Opens a context with workers in this process, until the work is done or interrupted. */
  working: (work: (opened: Opened, signal: AbortSignal) => Promise<void>) => Promise<void>;
  /** Workers, once the queue has answered. */
  openWorkers: CommandParts["openWorkers"];
  /** false makes the process exit with 1. */
  failing: (ok: boolean) => void;
}

export function openCalls(parts: CommandParts, output: Output): Calls {
  const openWorkers: CommandParts["openWorkers"] = async (context, options) => {
    const { requireQueue } = await import("../operations/queue.ts");
    await requireQueue(context);
    return parts.openWorkers(context, options);
  };
  const opening: Calls["opening"] = async (options, work) => {
    const { withContext } = await import("./open.ts");
    return withContext({ parts, output, ...options }, work);
  };
  return {
    output,
    opening,
    openWorkers,
    reading: (work) => opening({ callsSources: false }, work),
    working: (work) =>
      opening({ callsSources: true }, (opened) =>
        untilInterrupted(async (signal) => {
          const workers = await openWorkers(opened.context, { schedules: false });
          try {
            await work(opened, signal);
          } finally {
            await workers.close();
          }
        }),
      ),
    failing: (ok) => {
      if (!ok) process.exitCode = 1;
    },
  };
}

export function positive(value: string): number {
  if (!/^[1-9]\d{0,14}$/.test(value)) throw new InvalidArgumentError("Expected a whole number from 1.");
  return Number(value);
}

/** Commands that somebody answers for. */
export interface By {
  by?: string;
}

export const BY = ["--by <name>", "who answers for it (STANDINGS_ADMIN, or who is logged in)"] as const;
