// The container image and docker-compose.yml: what an operator relies on, read from the files themselves.
import { readFileSync } from "node:fs";
import { describe, expect, test } from "vitest";
import { parse } from "yaml";
import { workerArguments } from "../../bench/lines.ts";
import { loadConfig } from "../../src/platform/config.ts";

const read = (path: string) => readFileSync(new URL(`../../${path}`, import.meta.url), "utf8");

interface Service {
  image: string;
  user?: string;
  command?: string[];
  environment: Record<string, string>;
  ports?: string[];
  networks: string[];
  volumes: (string | { source: string; target: string; read_only?: boolean })[];
  depends_on?: Record<string, { condition: string }>;
  healthcheck: { test: string[] };
  cap_drop?: string[];
  security_opt?: string[];
  read_only?: boolean;
  init?: boolean;
  restart?: string;
  privileged?: boolean;
  container_name?: string;
}

const text = read("docker-compose.yml");
const compose = parse(text, { merge: true }) as {
  services: Record<"api" | "worker" | "postgres" | "redis", Service>;
  networks: Record<string, { internal?: boolean }>;
  volumes: Record<string, unknown>;
};
const { api, worker, postgres, redis } = compose.services;

/** As compose does with an .env that holds these. Throws where a variable without a default is not among them. */
function interpolate(value: string, env: Record<string, string>): string {
  return value.replace(
    /\$\{(\w+)(?::([-?])([^}]*))?\}/g,
    (_, name: string, kind: string, fallback: string) => {
      const given = env[name] ?? (kind === "-" ? fallback : undefined);
      if (given === undefined) throw new Error(`${name} is missing`);
      return given;
    },
  );
}

describe("docker-compose.yml", () => {
  test("has one API, one worker of the same image, a Postgres and a Redis", () => {
    expect(Object.keys(compose.services).sort()).toEqual(["api", "postgres", "redis", "worker"]);
    expect(api.image).toBe(worker.image);
    expect([api.command, worker.command]).toEqual([["api"], ["worker"]]);
    expect(postgres.image).toMatch(/^postgres:18\b/);
    expect(redis.image).toMatch(/^(redis:7|valkey\/valkey:8)\b/);
  });

  test.each(Object.entries(compose.services))("gives %s no more rights than it needs", (_, service) => {
    expect(service.user).toMatch(/^(node|postgres|redis)$/);
    expect(service.cap_drop).toEqual(["ALL"]);
    expect(service.security_opt).toEqual(["no-new-privileges:true"]);
    expect(service.read_only).toBe(true);
    expect(service.privileged).toBeUndefined();
    expect(service.restart).toBe("unless-stopped");
  });

  test.each(Object.entries(compose.services))("knows whether %s is well", (_, service) => {
    expect(service.healthcheck.test.length).toBeGreaterThan(1);
  });

  test("begins with the API and the worker once both databases are well", () => {
    const healthy = { postgres: { condition: "service_healthy" }, redis: { condition: "service_healthy" } };
    expect(api.depends_on).toEqual(healthy);
    expect(worker.depends_on).toEqual(healthy);
  });

  test("publishes the API alone, to the machine itself", () => {
    const published = Object.entries(compose.services).filter(([, { ports }]) => ports !== undefined);
    expect(published.map(([name]) => name)).toEqual(["api"]);
    expect(api.ports).toEqual([expect.stringMatching(/^127\.0\.0\.1:/)]);
  });

  test("keeps the databases in a network of their own, without a way out", () => {
    expect(compose.networks["data"]).toEqual({ internal: true });
    expect([postgres.networks, redis.networks]).toEqual([["data"], ["data"]]);
    expect(api.networks.filter((name) => worker.networks.includes(name))).toEqual(["data"]);
  });

  test("never evicts what is queued, and writes it down", () => {
    const command = redis.command?.join(" ");
    expect(command).toContain("--appendonly yes");
    expect(command).toContain("--maxmemory-policy noeviction");
    expect(redis.volumes).toEqual(["redis:/data"]);
    expect(postgres.volumes).toEqual(["postgres:/var/lib/postgresql"]);
    expect(Object.keys(compose.volumes)).toEqual(["postgres", "redis"]);
  });

  test("has no password and no key of its own: without an .env nothing starts", () => {
    const asked = [...text.matchAll(/\$\{(\w+)(:?[-?]?)/g)].map(([, name, kind]) => `${name}${kind}`);
    expect([...new Set(asked)].sort()).toEqual([
      "LOG_LEVEL:-",
      "POSTGRES_PASSWORD:?",
      "REDIS_PASSWORD:?",
      "STANDINGS_PORT:-",
      "STANDINGS_SECRET_KEY:?",
    ]);
    for (const { environment } of Object.values(compose.services)) {
      for (const [name, value] of Object.entries(environment)) {
        if (/PASSWORD|KEY|AUTH/.test(name)) expect(value).toMatch(/^\$\{\w+:\?/);
      }
    }
  });

  test("lets as many workers stand side by side as wanted", () => {
    expect(worker.container_name).toBeUndefined();
    expect(worker.ports).toBeUndefined();
    expect(worker.init).toBe(true);
  });

  test("gives the processes an environment they accept", () => {
    const env = {
      POSTGRES_PASSWORD: "a1",
      REDIS_PASSWORD: "b2",
      STANDINGS_SECRET_KEY: Buffer.alloc(32, 7).toString("base64"),
    };
    for (const { environment } of [api, worker]) {
      const given = Object.entries(environment).map(
        ([name, value]) => [name, interpolate(value, env)] as const,
      );
      expect(loadConfig(Object.fromEntries(given))).toMatchObject({
        databaseUrl: "postgres://standings:a1@postgres:5432/standings",
        redisUrl: "redis://:b2@redis:6379",
        secretKey: env.STANDINGS_SECRET_KEY,
        sourcesFile: "/etc/standings/sources.yaml",
        logLevel: "info",
      });
      expect(() => interpolate(environment["DATABASE_URL"] ?? "", {})).toThrow(
        "POSTGRES_PASSWORD is missing",
      );
    }
    const mounted = worker.volumes.map((volume) => (typeof volume === "string" ? {} : volume));
    expect(mounted).toEqual([expect.objectContaining({ target: "/etc/standings", read_only: true })]);
  });
});

describe("the image", () => {
  const stages = read("Dockerfile")
    .replace(/^#.*\n/gm, "")
    .split(/^(?=FROM )/m)
    .filter((stage) => stage.startsWith("FROM "));
  const last = stages.at(-1) ?? "";

  test("is made in stages on one supported Node", () => {
    const bases = stages.map((stage) => /^FROM (\S+)/.exec(stage)?.[1]);
    expect(new Set(bases)).toEqual(new Set(["node:24-bookworm-slim"]));
    expect(stages.length).toBeGreaterThan(1);
  });

  test("holds what runs and nothing that builds or tests it", () => {
    const packages = stages.find((stage) => stage.includes("AS packages"));
    expect(packages).toContain("npm ci --omit=dev --omit=optional");
    expect(last).not.toMatch(/npm|\bsrc\b|\btest\b|COPY \. /);
    expect([...last.matchAll(/^COPY (.+)$/gm)].map(([, copied]) => copied)).toEqual([
      "--from=packages /build/node_modules node_modules",
      "--from=build /build/dist dist",
      "package.json standings.mjs LICENSE ./",
    ]);
  });

  test("runs as an ordinary user, is told to stop by a signal it heeds, and knows whether it is well", () => {
    expect(last).toMatch(/^USER node$/m);
    // With the flags under which the benches measure a worker's memory.
    const flags = workerArguments.filter((argument) => argument.startsWith("--max"));
    const entry = ["node", ...flags, "standings.mjs"].map((word) => JSON.stringify(word)).join(", ");
    expect(last).toContain(`\nENTRYPOINT [${entry}]\n`);
    expect(last).toMatch(/^HEALTHCHECK .*\/healthz/m);
  });

  test("is handed everything it copies, and no more", () => {
    const context = read(".dockerignore").split("\n");
    expect(context).toContain("*");
    const kept = context.filter((line) => line.startsWith("!")).map((line) => line.slice(1));
    const copied = stages
      .flatMap((stage) => [...stage.matchAll(/^COPY (?!--from)(.+) \S+$/gm)])
      .flatMap(([, paths = ""]) => paths.split(" "));
    expect(new Set(copied)).toEqual(new Set(kept));
  });
});
