// sources.yaml: the external systems, their schedules and their freshness targets.
import { createHash } from "node:crypto";
import { readFileSync } from "node:fs";
import { readFile } from "node:fs/promises";
import { dirname, resolve } from "node:path";
import { sql } from "drizzle-orm";
import { z } from "zod";
import { type Database, transaction } from "../../db/client.ts";
import { connectorNames, findConnector } from "../connectors/catalogue.ts";
import type { Connector } from "../connectors/connector.ts";
import { parseConnector } from "../connectors/http/document.ts";
import { releasing } from "../evidence/lease.ts";
import type { LossLimits } from "../evidence/sudden-loss.ts";
import { suggestion, toProblems } from "../platform/documents/problems.ts";
import { type DocumentProblem, parseYaml } from "../platform/documents/yaml.ts";
import { duration } from "../platform/durations.ts";
import { UsageError } from "../platform/errors.ts";
import type { Budget } from "./requests/budgets.ts";

export interface Source {
  key: string;
  connectorName: string;
  connector: Connector;
  settings: unknown;
  everyMs: number;
  /** Older evidence than this is shown as stale. */
  freshWithinMs: number;
  /** How many of its connections are pulled at the same time. */
  concurrency: number;
  /** At most so many pulls may begin in so many milliseconds. */
  limit: { max: number; perMs: number } | undefined;
  /** How often one of its hosts may be asked under one credential, by all workers together. */
  budget: Budget | undefined;
  /** Which losses of a complete listing wait for an administrator. */
  losses: LossLimits;
}

export interface SourcesFile {
  file: string;
  sources: Source[];
  /** Hosts, host:port pairs or CIDR ranges that may be called although they are private. */
  allowPrivate: string[];
  reconcile: { pattern: string; timeZone: string };
}

const percentage = z
  .number("expected a percentage from 0 to 100")
  .min(0, "expected a percentage from 0 to 100")
  .max(100, "expected a percentage from 0 to 100");

const sourceSchema = z.strictObject({
  connector: z.string(),
  document: z.string().min(1).optional(),
  every: duration,
  "fresh-within": duration.optional(),
  concurrency: z.int("expected a whole number from 1 to 50").min(1).max(50).default(4),
  limit: z.strictObject({ pulls: z.int().min(1), per: duration }).optional(),
  budget: z
    .strictObject({
      requests: z.int().min(1).max(1_000_000),
      per: duration,
      "at-once": z.int().min(1).max(100).optional(),
    })
    .optional(),
  losses: z
    .strictObject({
      "hold-above": percentage.default(20),
      "hold-partner-above": percentage.default(50),
      "ask-again": duration.default(30 * 86_400_000),
    })
    .prefault({}),
  settings: z.record(z.string(), z.unknown()).default({}),
});

const fileSchema = z.strictObject({
  "allow-private": z.array(z.string()).default([]),
  sources: z.record(
    z.string().regex(/^[a-z][a-z0-9-]{0,40}$/, "expected a key of lower-case letters, digits and -"),
    sourceSchema,
  ),
  reconcile: z
    .strictObject({
      at: z.string().regex(/^([01]\d|2[0-3]):[0-5]\d$/, 'expected a local time such as "03:30"'),
      "time-zone": z.string().refine(isTimeZone, 'expected a time zone such as "Europe/Amsterdam"'),
    })
    .default({ at: "03:30", "time-zone": "UTC" }),
});

/** Reads and checks a sources file. Throws a UsageError with file, line and what was expected. */
export async function loadSources(file: string): Promise<SourcesFile> {
  const text = await readFile(file, "utf8").catch((cause: unknown) => {
    throw new UsageError(
      `${file}: cannot be read (${(cause as NodeJS.ErrnoException).code ?? "unknown error"})`,
    );
  });
  return parseSources(text, file);
}

/** As `loadSources`, of a text. `file` names it in errors and anchors relative paths in settings. */
export function parseSources(text: string, file: string): SourcesFile {
  const { value, refuse } = parseYaml(text, file, fileSchema);
  const problems: DocumentProblem[] = [];
  /** What is wrong in documents beside this one, with their own lines. */
  const elsewhere: string[] = [];
  const sources: Source[] = [];
  for (const [key, source] of Object.entries(value.sources)) {
    const path = ["sources", key];
    const found = connectorOf(source, file);
    if ("problem" in found) {
      problems.push({ ...found.problem, path: [...path, ...found.problem.path] });
      continue;
    }
    if ("elsewhere" in found) {
      elsewhere.push(found.elsewhere);
      continue;
    }
    const { connector } = found;
    const given = anchored(source.settings, file);
    const settings = connector.settings.safeParse(given);
    if (!settings.success) {
      const wrong = toProblems(connector.settings, given, settings.error.issues);
      problems.push(
        ...wrong.map((problem) => ({ ...problem, path: [...path, "settings", ...problem.path] })),
      );
      continue;
    }
    const wakes = connector.wakes?.(settings.data);
    if (wakes !== undefined) {
      const others = pulledSources(value.sources);
      if (!others.includes(wakes)) {
        const message = `expected the key of a source that is pulled (${others.join(", ") || "there is none"}), not ${JSON.stringify(wakes)}${suggestion(wakes, others)}`;
        problems.push({ path: [...path, "settings", "hint"], message });
        continue;
      }
    }
    sources.push({
      key,
      connectorName: source.connector,
      connector,
      settings: settings.data,
      everyMs: source.every,
      freshWithinMs: source["fresh-within"] ?? 3 * source.every,
      concurrency: source.concurrency,
      losses: {
        share: source.losses["hold-above"] / 100,
        partnerShare: source.losses["hold-partner-above"] / 100,
        askAgainMs: source.losses["ask-again"],
      },
      limit: source.limit === undefined ? undefined : { max: source.limit.pulls, perMs: source.limit.per },
      budget:
        source.budget === undefined
          ? connector.budget
          : {
              requests: source.budget.requests,
              perMs: source.budget.per,
              atOnce: source.budget["at-once"],
            },
    });
  }
  if (elsewhere.length > 0) throw new UsageError(elsewhere.join("\n"));
  if (problems.length > 0) refuse(problems);
  const [hour, minute] = value.reconcile.at.split(":").map(Number);
  return {
    file,
    sources,
    allowPrivate: value["allow-private"],
    reconcile: {
      pattern: `0 ${String(minute)} ${String(hour)} * * *`,
      timeZone: value.reconcile["time-zone"],
    },
  };
}

/**
 * Makes the database know the sources: one row each, and the connection `main` where a source has none and needs no
 * account of its own. Any number of processes may do so at once: (key) and (source, key) are unique.
 */
export async function registerSources(db: Database, sources: Source[]): Promise<void> {
  await transaction(db, async (tx) => {
    for (const source of [...sources].sort((a, b) => a.key.localeCompare(b.key))) {
      const text = JSON.stringify(source.settings) + (source.connector.revision ?? "");
      const digest = createHash("sha256").update(text).digest("hex").slice(0, 32);
      // Other settings may list other facts: where the last pull stopped means nothing any more.
      await tx.execute(sql`
        with known as (select settings_digest from sources where key = ${source.key}),
        put as (
          insert into sources (key, connector, settings_digest) values (${source.key}, ${source.connectorName}, ${digest})
          on conflict (key) do update set connector = excluded.connector, settings_digest = excluded.settings_digest
            where (sources.connector, sources.settings_digest) is distinct from (excluded.connector, excluded.settings_digest)
          returning key)
        update connections set cursor = null, cursor_run = null, validators = null, ${releasing},
          failures = 0, rest_until = null
        where source in (select key from put) and exists (select from known)`);
      if (!source.connector.perAccount) {
        await tx.execute(sql`
          insert into connections (source, key)
          select ${source.key}, 'main' where not exists (select from connections where source = ${source.key})
          on conflict (source, key) do nothing`);
      }
    }
  });
}

/** The keys of the sources that a message can call for: all but those that wait for messages themselves. */
function pulledSources(sources: Record<string, z.output<typeof sourceSchema>>): string[] {
  return Object.entries(sources).flatMap(([key, { connector }]) => (connector === "inbox" ? [] : key));
}

/** The connector a source names: one of those that ship or, as `http`, the document it names. */
function connectorOf(
  source: z.output<typeof sourceSchema>,
  file: string,
): { connector: Connector } | { problem: DocumentProblem } | { elsewhere: string } {
  const { connector: name, document } = source;
  const problem = (key: string, message: string) => ({ problem: { path: [key], message } });
  if (name !== "http") {
    if (document !== undefined) return problem("document", "expected with `connector: http` only");
    const known = connectorNames();
    const connector = findConnector(name);
    const message = `expected one of ${known.join(", ")}, not ${JSON.stringify(name)}${suggestion(name, known)}`;
    return connector === undefined ? problem("connector", message) : { connector };
  }
  if (document === undefined) {
    return problem(
      "document",
      "missing; expected the document that describes the system, relative to this file",
    );
  }
  try {
    const at = resolve(dirname(file), document);
    return { connector: parseConnector(readFileSync(at, "utf8"), at) };
  } catch (error) {
    if (error instanceof UsageError) return { elsewhere: error.message };
    return problem(
      "document",
      `cannot be read (${(error as NodeJS.ErrnoException).code ?? "unknown error"})`,
    );
  }
}

/** A relative `file` of the settings is relative to the sources file. */
function anchored(settings: Record<string, unknown>, file: string): Record<string, unknown> {
  const path = settings["file"];
  return typeof path === "string" ? { ...settings, file: resolve(dirname(file), path) } : settings;
}

function isTimeZone(value: string): boolean {
  try {
    new Intl.DateTimeFormat("en", { timeZone: value });
    return true;
  } catch {
    return false;
  }
}
