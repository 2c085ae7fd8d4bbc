// Checking everything a deployment needs: database, queue, standings, programme, and the credential of every connection.
import { setTimeout as delay } from "node:timers/promises";
import type { Context } from "../context.ts";
import { type RestingConnection, readResting } from "../ingest/runs/circuit.ts";
import { readKeptLosses } from "../ingest/runs/losses.ts";
import { toPullInput } from "../ingest/runs/pull.ts";
import type { Source } from "../ingest/sources.ts";
import {
  type ActiveConnection,
  readActiveConnections,
  readDatabaseFacts,
  readLastComplete,
  readLastRun,
} from "../ingest/state.ts";
import { formatDuration } from "../platform/durations.ts";
import { SourceError } from "../platform/errors.ts";
import { formatCount } from "../platform/terminal/table.ts";
import { requireQueue } from "./queue.ts";
import { remedyFor } from "./remedy.ts";

export interface Finding {
  part: string;
  ok: boolean;
  /** What was found; where it is not ok, also what to do. */
  message: string;
}

/** Each credential check may take this long. */
const CHECK_MS = 20_000;
/** A source that asks for no more than this is asked again. */
const LONGEST_WAIT_MS = 5000;
/** Checked at the same time, so that ninety accounts do not take ninety times as long. */
const AT_ONCE = 4;

/**
 * Examines every part in turn. A part that fails is a finding with its remedy; nothing is thrown. `onProgress` gets a line now
 * and then while credentials are checked.
 */
export async function examineAll(context: Context, onProgress: (line: string) => void): Promise<Finding[]> {
  const findings: Finding[] = [
    { part: "configuration", ok: true, message: `sources from ${context.sources.file}` },
    await examine("database", () => checkDatabase(context)),
    await examine("queue", () => checkQueue(context)),
    await examine("standings", () => checkStandings(context)),
    await examine("programme", () => checkProgramme(context)),
  ];
  for (const source of context.sources.sources)
    findings.push(...(await checkSource(context, onProgress, source)));
  return findings;
}

async function examine(part: string, check: () => Promise<string>): Promise<Finding> {
  try {
    return { part, ok: true, message: await check() };
  } catch (error) {
    return { part, ok: false, message: error instanceof Error ? error.message : String(error) };
  }
}

async function checkDatabase(context: Context): Promise<string> {
  const { version, partners, evidence } = await readDatabaseFacts(context.db);
  const where = context.embedded ? `embedded under ${context.config.home}` : "from DATABASE_URL";
  return `Postgres ${version} (${where}), ${formatCount(partners)} ${partners === 1 ? "partner" : "partners"}, ${evidence} pieces of evidence`;
}

async function checkQueue(context: Context): Promise<string> {
  await requireQueue(context);
  return context.queues.kind === "redis" ? "BullMQ on Redis" : "BullMQ on Postgres (no REDIS_URL)";
}

async function checkStandings(context: Context): Promise<string> {
  const state = await context.standings.cacheState();
  if (state === "unreachable") {
    throw new Error(
      "Redis does not answer, so they are read from Postgres; check REDIS_URL and that the server runs",
    );
  }
  return state === "built" ? "cached in Redis" : "read from Postgres";
}

async function checkProgramme(context: Context): Promise<string> {
  const version = await context.programmes.inForce(context.db, context.now());
  if (version === undefined)
    throw new Error("none is published; publish one with: standings publish programme.yaml");
  const { name, achievements } = version.programme;
  const yielded = context.sources.sources.flatMap((source) => source.connector.kinds(source.settings));
  const missing = achievements.filter((achievement) => !yielded.includes(achievement.evidence));
  if (missing.length > 0) {
    const asked = missing.map((achievement) => `${achievement.key} (${achievement.evidence})`).join(", ");
    throw new Error(`no source yields the evidence of ${asked}; add one to ${context.sources.file}`);
  }
  return `${name}, version ${version.id}, ${achievements.length} achievements`;
}

async function checkSource(
  context: Context,
  onProgress: (line: string) => void,
  source: Source,
): Promise<Finding[]> {
  const connections = await readActiveConnections(context.db, source.key);
  if (connections.length === 0) {
    const remedy = `no connections; import them with: standings connections import ${source.key} connections.csv`;
    return [{ part: source.key, ok: false, message: remedy }];
  }
  const failures: Finding[] = [];
  let word = "";
  const waiting = [...connections];
  const checkers = Array.from({ length: AT_ONCE }, async () => {
    for (let next = waiting.shift(); next !== undefined; next = waiting.shift()) {
      const connection = next;
      onProgress(`  checking ${source.key}: ${waiting.length} left`);
      const finding = await examine(`${source.key}/${connection.key}`, () =>
        check(context, source, connection),
      );
      if (!finding.ok) failures.push(finding);
      word = finding.message;
    }
  });
  await Promise.all(checkers);
  const good = connections.length - failures.length;
  const fresh = sayFreshness(await readLastComplete(context.db, source.key), context.now());
  const summary = connections.length === 1 ? word : `${good} of ${connections.length} credentials accepted`;
  const held = await findTrouble(context, source);
  return failures.length === connections.length && connections.length === 1
    ? [...failures, ...held]
    : [
        { part: source.key, ok: failures.length === 0, message: `${summary}; ${fresh}` },
        ...failures,
        ...held,
      ];
}

async function check(context: Context, source: Source, connection: ActiveConnection): Promise<string> {
  const ask = async () => {
    const signal = AbortSignal.timeout(CHECK_MS);
    const pull = { ...connection, cursor: undefined, full: false };
    return source.connector.check(toPullInput({ ...context, signal }, source, pull));
  };
  try {
    return await ask().catch(async (error: unknown) => {
      await waitOut(error);
      return ask();
    });
  } catch (error) {
    if (error instanceof SourceError)
      throw new Error(`${error.message}; ${remedyFor(error, source)}`, { cause: error });
    throw error;
  }
}

/** A source that is busy for a moment is no finding: it is asked once more. Throws every other error again. */
async function waitOut(error: unknown): Promise<void> {
  const isBusy = error instanceof SourceError && (error.class === "quota" || error.class === "transient");
  const waitMs = isBusy ? (error.retryAfterMs ?? 1000) : Number.POSITIVE_INFINITY;
  if (waitMs > LONGEST_WAIT_MS) throw error;
  await delay(waitMs);
}

/** What waits for a person, each with what to do: undecided losses, and connections that rest. */
async function findTrouble(context: Context, source: Source): Promise<Finding[]> {
  const kept = (await readKeptLosses(context.db)).filter((loss) => loss.source === source.key);
  const resting = await readResting(context.db, source.key);
  const last = await readLastRun(context.db, source.key);
  const failed = last?.state === "failed" && resting.length === 0 ? [last] : [];
  return [
    ...failed.map(({ id, reason }) => ({
      part: source.key,
      ok: false,
      message: `its last run (${id}) has failed${reason === null ? "" : `: ${reason}`}; try it again with: standings sync ${source.key}`,
    })),
    ...kept.map(({ connection, run, evidence, decision }) => ({
      part: `${source.key}/${connection}`,
      ok: decision === "rejected",
      message:
        decision === "rejected"
          ? `${evidence} pieces of evidence that its listings lack count on, because their loss was rejected; look at them with: standings runs held ${run}; approve the loss with: standings runs approve ${run}`
          : `the loss of ${evidence} pieces of evidence is held; look at it with: standings runs held ${run}; decide with: standings runs approve ${run}, or reject`,
    })),
    ...resting.map((connection) => ({
      part: `${source.key}/${connection.key}`,
      ok: false,
      message: whyResting(connection, context.now()),
    })),
  ];
}

function whyResting({ source, failures, refused, restUntil, reason }: RestingConnection, now: Date): string {
  const detail = reason === null ? "" : ` (${reason})`;
  const byHand = `try it now with: standings sync ${source}`;
  if (refused) {
    return `its credential was refused${detail} and it is not called before it has another one; import it with: standings connections import ${source} connections.csv; or ${byHand}`;
  }
  const next =
    restUntil === null || restUntil <= now
      ? "soon"
      : `in ${formatDuration(restUntil.getTime() - now.getTime())}`;
  return `it has failed ${failures} times in a row${detail} and is tried rarely, the next time ${next}; ${byHand}`;
}

function sayFreshness(last: Date | null, now: Date): string {
  return last === null
    ? "never complete yet"
    : `complete ${formatDuration(now.getTime() - last.getTime())} ago`;
}
