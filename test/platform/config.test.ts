import { resolve } from "node:path";
import { describe, expect, test } from "vitest";
import { loadConfig } from "../../src/platform/config.ts";
import { UsageError } from "../../src/platform/errors.ts";

const key = Buffer.alloc(32, 7).toString("base64");

function problemsOf(env: Record<string, string>): string[] {
  try {
    loadConfig(env);
  } catch (error) {
    expect(error).toBeInstanceOf(UsageError);
    return (error as Error).message.split("\n");
  }
  throw new Error("The configuration was accepted.");
}

describe("the configuration", () => {
  test("of an empty environment is an embedded database and no Redis", () => {
    const defaults = {
      databaseUrl: undefined,
      redisUrl: undefined,
      secretKey: undefined,
      home: resolve(".standings"),
      sourcesFile: undefined,
      prefix: "standings",
      host: "127.0.0.1",
      port: 4600,
      logLevel: undefined,
      poolSize: 10,
      leaseMs: 15_000,
      admin: undefined,
    };
    expect(loadConfig({})).toEqual(defaults);
    expect(loadConfig({ DATABASE_URL: "", REDIS_URL: "", STANDINGS_PORT: "", LOG_LEVEL: "" })).toEqual(
      defaults,
    );
  });

  test("takes what is given", () => {
    const env = {
      DATABASE_URL: "postgresql://u:p@db/standings",
      REDIS_URL: "rediss://cache",
      STANDINGS_SECRET_KEY: key,
      STANDINGS_HOME: "/var/lib/standings",
      STANDINGS_SOURCES: "my.yaml",
      STANDINGS_PREFIX: "test_1",
      STANDINGS_HOST: "0.0.0.0",
      STANDINGS_PORT: "0",
      STANDINGS_POOL: "4",
      STANDINGS_LEASE_MS: "2000",
      STANDINGS_ADMIN: "Jane Doe",
      LOG_LEVEL: "silent",
    };
    expect(loadConfig(env)).toEqual({
      databaseUrl: env.DATABASE_URL,
      redisUrl: env.REDIS_URL,
      secretKey: key,
      home: "/var/lib/standings",
      sourcesFile: "my.yaml",
      prefix: "test_1",
      host: "0.0.0.0",
      port: 0,
      poolSize: 4,
      leaseMs: 2000,
      admin: "Jane Doe",
      logLevel: "silent",
    });
  });

  test("names all problems at once, by the variable and never by the value", () => {
    const secrets = {
      DATABASE_URL: "mysql://hunter2",
      REDIS_URL: "hunter2",
      STANDINGS_SECRET_KEY: "hunter2",
    };
    const rest = {
      STANDINGS_PORT: "65536",
      STANDINGS_POOL: "1e1",
      STANDINGS_PREFIX: "a b",
      LOG_LEVEL: "hunter2",
    };
    const problems = problemsOf({ ...secrets, ...rest });
    expect(problems.map((problem) => problem.split(":")[0]).sort()).toEqual(
      [...Object.keys(secrets), ...Object.keys(rest)].sort(),
    );
    expect(problems.join()).not.toContain("hunter2");
    expect(problems).toContain("STANDINGS_PORT: expected a whole number from 0 to 65535");
    expect(problems).toContain(
      "STANDINGS_SECRET_KEY: expected 32 bytes in base64; make one with: openssl rand -base64 32",
    );
  });

  test("asks for a key beside a database of its own, together with everything else", () => {
    expect(problemsOf({ DATABASE_URL: "postgres://db/x", STANDINGS_PORT: "http" })).toEqual([
      "STANDINGS_PORT: expected a whole number from 0 to 65535",
      "STANDINGS_SECRET_KEY: expected 32 bytes in base64 beside DATABASE_URL; make one with: openssl rand -base64 32",
    ]);
  });
});
