// The process's configuration, read once from the environment. Nothing else reads process.env.
import { resolve } from "node:path";
import { z } from "zod";
import { UsageError } from "./errors.ts";

export interface Config {
  /** undefined: an embedded Postgres under `home`. */
  databaseUrl: string | undefined;
  /** undefined: the queue runs on Postgres and standings are read from Postgres. */
  redisUrl: string | undefined;
  /** 32 bytes, base64; undefined: made and kept under `home` (embedded Postgres only). */
  secretKey: string | undefined;
  /** Where the embedded Postgres, its password and the sandbox keep their state. */
  home: string;
  /** undefined: `sources.yaml` of the working folder, or the example. */
  sourcesFile: string | undefined;
  /** In front of every Redis key and queue name. */
  prefix: string;
  host: string;
  port: number;
  /** undefined: what suits the command. */
  logLevel: "trace" | "debug" | "info" | "warn" | "error" | "fatal" | "silent" | undefined;
  /** How many connections of the database pool this process may use. */
  poolSize: number;
  /** How long a worker that has died keeps a connection. One that lives extends it with every page, and a third of it apart. */
  leaseMs: number;
  /** Who answers for what commands change; undefined: who is logged in. */
  admin: string | undefined;
}

const optionalUrl = (protocols: string[]) =>
  z
    .string()
    .optional()
    .refine(
      (value) => value === undefined || protocols.some((protocol) => value.startsWith(`${protocol}://`)),
      `expected a URL that starts with ${protocols.map((protocol) => `${protocol}://`).join(" or ")}`,
    );

const integer = (fallback: number, least: number, most: number) =>
  z
    .string()
    .default(String(fallback))
    .refine(
      (value) => /^\d+$/.test(value) && Number(value) >= least && Number(value) <= most,
      `expected a whole number from ${least} to ${most}`,
    )
    .transform(Number);

const environment = z.object({
  DATABASE_URL: optionalUrl(["postgres", "postgresql"]),
  REDIS_URL: optionalUrl(["redis", "rediss"]),
  STANDINGS_SECRET_KEY: z
    .string()
    .optional()
    .refine(
      (value) => value === undefined || Buffer.from(value, "base64").length === 32,
      "expected 32 bytes in base64; make one with: openssl rand -base64 32",
    ),
  STANDINGS_HOME: z.string().default(".standings"),
  STANDINGS_SOURCES: z.string().optional(),
  STANDINGS_PREFIX: z
    .string()
    .default("standings")
    .refine((value) => /^[a-z0-9_-]+$/i.test(value), "expected letters, digits, - and _ only"),
  STANDINGS_HOST: z.string().default("127.0.0.1"),
  STANDINGS_PORT: integer(4600, 0, 65_535),
  STANDINGS_POOL: integer(10, 4, 200),
  STANDINGS_LEASE_MS: integer(15_000, 500, 600_000),
  STANDINGS_ADMIN: z.string().optional(),
  LOG_LEVEL: z
    .enum(["trace", "debug", "info", "warn", "error", "fatal", "silent"], {
      error: "expected trace, debug, info, warn, error, fatal or silent",
    })
    .optional(),
});

/**
 * Reads the configuration. Throws one UsageError that lists every problem by the variable's name, never by its value.
 * An empty variable counts as absent.
 */
export function loadConfig(env: Record<string, string | undefined>): Config {
  const given = Object.fromEntries(
    Object.entries(env).filter(([, value]) => value !== undefined && value !== ""),
  );
  const parsed = environment.safeParse(given);
  const problems = (parsed.error?.issues ?? []).map(
    (issue) => `${issue.path.map(String).join(".")}: ${issue.message}`,
  );
  if (given["DATABASE_URL"] !== undefined && given["STANDINGS_SECRET_KEY"] === undefined) {
    problems.push(
      "STANDINGS_SECRET_KEY: expected 32 bytes in base64 beside DATABASE_URL; make one with: openssl rand -base64 32",
    );
  }
  if (!parsed.success || problems.length > 0) throw new UsageError(problems.join("\n"));
  const value = parsed.data;
  return {
    databaseUrl: value.DATABASE_URL,
    redisUrl: value.REDIS_URL,
    secretKey: value.STANDINGS_SECRET_KEY,
    home: resolve(value.STANDINGS_HOME),
    sourcesFile: value.STANDINGS_SOURCES,
    prefix: value.STANDINGS_PREFIX,
    host: value.STANDINGS_HOST,
    port: value.STANDINGS_PORT,
    poolSize: value.STANDINGS_POOL,
    leaseMs: value.STANDINGS_LEASE_MS,
    admin: value.STANDINGS_ADMIN,
    logLevel: value.LOG_LEVEL,
  };
}

/** The configuration of this process. */
export function loadProcessConfig(): Config {
  return loadConfig(process.env);
}
