// What an entry point opens once and hands on in parts: the only place that decides what runs on what.
// DATABASE_URL or an embedded Postgres; REDIS_URL or everything on Postgres.
import type { Redis } from "ioredis";
import type { Logger } from "pino";
import { type Database, openDatabase } from "../db/client.ts";
import { openEmbedded } from "../db/embedded.ts";
import { migrate } from "../db/migrate.ts";
import { sessionName, watchLocks } from "../db/waiting.ts";
import { type Fetcher, openFetcher } from "./connectors/client/fetcher.ts";
import { type Credentials, openCredentials } from "./ingest/requests/credentials.ts";
import { registerSources, type SourcesFile } from "./ingest/sources.ts";
import type { Config } from "./platform/config.ts";
import { readOrMakeSecretKey, type SecretBox, secretBox } from "./platform/secrets.ts";
import { openProgrammeVersions, type ProgrammeVersions } from "./programme/versions.ts";
import { migrateQueue } from "./queue/migrate.ts";
import { openQueues, type Queues } from "./queue/queues.ts";
import { openStandings, type ReadableStandings, redisForReading } from "./standings/reading.ts";
import { redisStandings, type StandingsCache } from "./standings/redis.ts";

export interface Context {
  config: Config;
  log: Logger;
  db: Database;
  databaseUrl: string;
  /** true: this process runs the embedded Postgres or has joined it. */
  embedded: boolean;
  queues: Queues;
  programmes: ProgrammeVersions;
  sources: SourcesFile;
  standings: ReadableStandings;
  /** undefined: no Redis, the standings are read from Postgres. */
  cache: StandingsCache | undefined;
  secrets: SecretBox;
  fetcher: Fetcher;
  credentials: Credentials;
  now: () => Date;
  /** Ends everything that was opened, in reverse. */
  close(): Promise<void>;
}

/**
 * A transaction may be idle for as long as a lease lasts, since its holder has lost the connection then anyway, but never for
 * less than this: a busy process pauses too.
 */
const LEAST_IDLE_MS = 3000;

/**
 * Opens everything: finds or starts the database, brings its schema up to date (any number of processes may), registers
 * the sources (unless it is told not to: a source may be looked at before it is one). `onWait` gets a line while this process
 * waits for a lock in the database; without it the log does. When a part cannot be opened, what was opened before it is closed
 * again and the error is thrown.
 */
export async function openContext(
  config: Config,
  sources: SourcesFile,
  log: Logger,
  { registers = true, onWait }: { registers?: boolean; onWait?: (line: string) => void } = {},
): Promise<Context> {
  const opened: (() => Promise<unknown>)[] = [];
  const close = async () => {
    for (const end of opened.splice(0).reverse()) {
      await end().catch((error: unknown) => {
        log.warn({ err: error }, "a part did not close in order");
      });
    }
  };
  try {
    const database = await findDatabase(config, log);
    opened.push(() => database.close());
    const tellWait =
      onWait ??
      ((line: string) => {
        log.warn(line);
      });
    await migrate(database.url, {
      also: migrateQueue,
      onWait: () => {
        tellWait("waiting for another process that brings the database up to date");
      },
    });
    const applicationName = sessionName("standings");
    const { db, close: closeDatabase } = await openDatabase(database.url, {
      max: config.poolSize,
      applicationName,
      idleInTransactionMs: Math.max(config.leaseMs, LEAST_IDLE_MS),
    });
    opened.push(closeDatabase);
    const stopWatching = watchLocks(db, applicationName, tellWait);
    opened.push(() => {
      stopWatching();
      return Promise.resolve();
    });
    if (registers) await registerSources(db, sources.sources);

    const queues = openQueues({
      redisUrl: config.redisUrl,
      databaseUrl: database.url,
      prefix: config.prefix,
      sources: sources.sources.map((source) => source.key),
      log,
    });
    opened.push(() => queues.close());

    const reader = config.redisUrl === undefined ? undefined : await connectReader(config.redisUrl);
    const writer = config.redisUrl === undefined ? undefined : await openWriter(config.redisUrl);
    writer?.on("error", (error) => {
      log.debug({ err: error }, "redis is out of reach");
    });
    opened.push(() => Promise.resolve([reader?.disconnect(), writer?.disconnect()]));

    const fetcher = openFetcher({ allowPrivate: sources.allowPrivate, userAgent: "standings/0.1" });
    opened.push(() => fetcher.close());
    const secrets = secretBox(config.secretKey ?? (await readOrMakeSecretKey(config.home)));
    const now = () => new Date();
    return {
      config,
      log,
      db,
      databaseUrl: database.url,
      embedded: config.databaseUrl === undefined,
      queues,
      programmes: openProgrammeVersions(),
      sources,
      standings: openStandings({ db, redis: reader, prefix: config.prefix, logger: log }),
      cache: writer === undefined ? undefined : redisStandings(writer, config.prefix),
      secrets,
      fetcher,
      credentials: openCredentials({ db, secrets, now }),
      now,
      close,
    };
  } catch (error) {
    await close();
    throw error;
  }
}

/** The reader has no offline queue: a command that asks at once would find Redis unreachable while it still connects. */
async function connectReader(url: string): Promise<Redis> {
  const { Redis } = await import("ioredis");
  const reader = new Redis(url, redisForReading);
  await new Promise<void>((resolve) => {
    reader.once("ready", resolve).once("error", () => {
      resolve();
    });
  });
  return reader;
}

async function openWriter(url: string): Promise<Redis> {
  const { Redis } = await import("ioredis");
  return new Redis(url, { maxRetriesPerRequest: 2, commandTimeout: 5000 });
}

async function findDatabase(config: Config, log: Logger): Promise<{ url: string; close(): Promise<void> }> {
  if (config.databaseUrl !== undefined) return { url: config.databaseUrl, close: () => Promise.resolve() };
  return openEmbedded(config.home, {
    log: (line) => {
      log.info(line);
    },
  });
}
