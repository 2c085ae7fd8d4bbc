// What every command begins with: configuration, sources, context; and, with the example, its sandbox and its lists.
import { access, readFile } from "node:fs/promises";
import { dirname, join, resolve } from "node:path";
import { type Context, openContext } from "../context.ts";
import { importConnections } from "../ingest/connections.ts";
import { loadSources } from "../ingest/sources.ts";
import { importPartners } from "../partners/import.ts";
import { type Config, loadProcessConfig } from "../platform/config.ts";
import { UsageError } from "../platform/errors.ts";
import { openLog } from "../platform/log.ts";
import type { Output } from "../platform/terminal/output.ts";
import { hasProgramme, publishProgramme } from "../programme/versions.ts";

/** What the command line is given from above: the handlers and the example's outside world (see standings.mjs). */
export interface CommandParts {
  openWorkers: (context: Context, options: { schedules: boolean }) => Promise<{ close(): Promise<void> }>;
  openSandbox(options: {
    home: string;
    alive: boolean;
    faults: boolean;
    log?: (line: string) => void;
  }): Promise<{ url: string; close(): Promise<void> }>;
  /** Where the example's documents and lists are. */
  exampleFolder: string;
}

export interface Opened {
  context: Context;
  /** The sources are the example's: its outside world is the sandbox. */
  example: boolean;
}

export interface OpenOptions {
  parts: CommandParts;
  output: Output;
  /** The command calls sources: with the example, its sandbox must be there. */
  callsSources: boolean;
  /** The command writes nothing: not even that sources.yaml says something else now. */
  looks?: boolean;
  /** New mailings and articles now and then while the command runs. */
  alive?: boolean;
  /** What is logged when LOG_LEVEL says nothing: a command that runs for ever shows more than one that answers (warn). */
  logLevel?: "info";
}

/** How db/client.ts begins to say that there is no database to be had. */
export const UNUSABLE_DATABASE = "Cannot use Postgres";

/** Opens a context, hands it to the work and closes everything again, whatever happens. */
export async function withContext<T>(options: OpenOptions, work: (opened: Opened) => Promise<T>): Promise<T> {
  const config = loadProcessConfig();
  const log = openLog(config.logLevel ?? options.logLevel ?? "warn", () => {
    options.output.endProgress();
  });
  const { exampleFolder } = options.parts;
  const file = await findSources(config, exampleFolder);
  const example = dirname(file) === resolve(exampleFolder);
  const sources = await loadSources(file);
  const sandbox =
    example && options.callsSources
      ? await options.parts.openSandbox({ home: config.home, alive: options.alive ?? false, faults: true })
      : undefined;
  try {
    // The example is imported into sources that are known.
    const registers = example || options.looks !== true;
    const context = await openContext(config, sources, log, {
      registers,
      onWait: (line) => {
        options.output.note(line);
      },
    }).catch((error: unknown) => {
      throw withRemedy(error, config);
    });
    try {
      if (example) await importExample(context, exampleFolder);
      return await work({ context, example });
    } finally {
      await context.close();
    }
  } finally {
    await sandbox?.close();
  }
}

/** The one failure of opening that does not say what to do. */
function withRemedy(error: unknown, config: Config): unknown {
  const isOut = error instanceof Error && error.message.startsWith(UNUSABLE_DATABASE);
  if (!isOut || config.databaseUrl === undefined) return error;
  return new Error(`${error.message}; check DATABASE_URL and that the server runs`, { cause: error });
}

/** STANDINGS_SOURCES, or sources.yaml here, or (in a clone) the example. */
async function findSources(config: Config, exampleFolder: string): Promise<string> {
  if (config.sourcesFile !== undefined) return resolve(config.sourcesFile);
  for (const candidate of [resolve("sources.yaml"), join(exampleFolder, "sources.yaml")]) {
    const found = await access(candidate).then(
      () => true,
      () => false,
    );
    if (found) return candidate;
  }
  throw new UsageError("there is no sources.yaml here; name one with STANDINGS_SOURCES");
}

/** The example's programme, partners and connections. What is there already stays as it is, also a newer programme. */
async function importExample(context: Context, exampleFolder: string): Promise<void> {
  const { db, secrets } = context;
  const now = context.now();
  if (await hasProgramme(db, now)) return;
  const read = (name: string) => readFile(join(exampleFolder, name), "utf8");
  await importPartners(db, { text: await read("partners.csv"), file: "partners.csv", now });
  await importConnections(db, secrets, {
    source: "copernica",
    text: await read("connections.csv"),
    file: "connections.csv",
    now,
  });
  await publishProgramme(db, {
    text: await read("programme.yaml"),
    file: "programme.yaml",
    publishedBy: "the example",
    now: context.now(),
  });
}
