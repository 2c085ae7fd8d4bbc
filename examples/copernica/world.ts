// The state of everything the sandbox answers with: the history, and what has happened since. Only the latter is stored
// (with the seed and the anchor, in <home>/sandbox.json), because the same happenings give the same world again.
import { mkdirSync, readFileSync, renameSync, writeFileSync } from "node:fs";
import { join, resolve } from "node:path";
import { apply, type Happening, type Outcome } from "./happenings.ts";
import { type History, historyBefore } from "./history.ts";

interface Stored {
  format: 1;
  seed: string;
  /** When the sandbox was first started, ISO instant. */
  anchor: string;
  happened: (Happening & { at: string })[];
}

export interface World extends Readonly<History> {
  readonly anchor: Date;
  /** The folder it is kept in, absolute. */
  readonly home: string;
  readonly seed: string;
  /** How many things have happened since the first start. */
  happened(): number;
  /** Makes it happen now and stores it. Throws for what does not exist. */
  happen(happening: Happening): Outcome;
  now(): Date;
}

/** The world kept in a folder, or a new one that begins now. Throws when the file there is no sandbox's. */
export function openWorld(home: string, now: () => Date, seed = "copernica"): World {
  mkdirSync(home, { recursive: true });
  const file = join(home, "sandbox.json");
  const stored = read(file) ?? { format: 1, seed, anchor: now().toISOString(), happened: [] };
  const anchor = new Date(stored.anchor);
  const history = historyBefore(anchor, stored.seed);
  for (const [nth, happening] of stored.happened.entries()) {
    apply(history, happening, new Date(happening.at), stored.seed, nth);
  }
  write(file, stored);
  return {
    ...history,
    anchor,
    home: resolve(home),
    seed: stored.seed,
    now,
    happened: () => stored.happened.length,
    happen(happening) {
      const at = now();
      const outcome = apply(history, happening, at, stored.seed, stored.happened.length);
      stored.happened.push({ at: at.toISOString(), ...happening });
      write(file, stored);
      return outcome;
    },
  };
}

function read(file: string): Stored | undefined {
  let text: string;
  try {
    text = readFileSync(file, "utf8");
  } catch (error) {
    if ((error as NodeJS.ErrnoException).code === "ENOENT") return undefined;
    throw error;
  }
  const stored = JSON.parse(text) as Partial<Stored>;
  if (stored.format !== 1)
    throw new Error(`${file} was written by another version of the sandbox: delete it`);
  return stored as Stored;
}

/** Whole or not at all: a process that is killed in between leaves the old file. */
function write(file: string, stored: Stored): void {
  writeFileSync(`${file}.new`, JSON.stringify(stored));
  renameSync(`${file}.new`, file);
}
