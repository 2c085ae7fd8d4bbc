// What every command is given: where it prints, how it opens what it works on, and how options are read.
import { InvalidArgumentError } from "commander";
import { requireQueue } from "../operations/queue.ts";
import type { Output } from "../platform/terminal/output.ts";
import { untilInterrupted } from "./interrupt.ts";
import { type CommandParts, type Opened, withContext } from "./open.ts";

export interface Json {
  json: boolean;
}

export interface Calls {
  parts: CommandParts;
  output: Output;
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
    await requireQueue(context);
    return parts.openWorkers(context, options);
  };
  return {
    parts,
    output,
    openWorkers,
    reading: (work) => withContext({ parts, output, callsSources: false }, work),
    working: (work) =>
      withContext({ parts, output, callsSources: true }, (opened) =>
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
