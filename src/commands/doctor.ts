// standings doctor: one line a part, with the remedy.
import { setTimeout as delay } from "node:timers/promises";
import { sql } from "drizzle-orm";
import type { Context } from "../context.ts";
import { type RestingConnection, readResting } from "../ingest/runs/circuit.ts";
import { toPullInput } from "../ingest/runs/pull.ts";
import type { Source } from "../ingest/sources.ts";
import { formatDuration } from "../platform/durations.ts";
import { SourceError, UsageError } from "../platform/errors.ts";
import type { Output } from "../platform/terminal/output.ts";
import { formatCount } from "../platform/terminal/table.ts";
import { requireQueue, UNUSABLE_DATABASE } from "./open.ts";
import { remedyFor } from "./remedy.ts";

interface Finding {
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
 * Opens everything and checks configuration, database, queue, programme and every connection's credential. What cannot be
 * opened is a finding, too: then it is the only one. Returns whether all is well.
 */
export async function runDoctor(
  open: (work: (context: Context) => Promise<Finding[]>) => Promise<Finding[]>,
  output: Output,
  options: { json: boolean },
): Promise<boolean> {
  const findings = await open((context) => examineAll(context, output)).catch((error: unknown) => [
    whyNotOpened(error),
  ]);
  output.endProgress();
  if (options.json) {
    output.print(JSON.stringify({ findings }, null, 2));
  } else {
    for (const finding of findings) {
      output.print(`${finding.ok ? "ok  " : "FAIL"}  ${finding.part}: ${finding.message}`);
    }
  }
  return findings.every((finding) => finding.ok);
}

async function examineAll(context: Context, output: Output): Promise<Finding[]> {
  const findings: Finding[] = [
    { part: "configuration", ok: true, message: `sources from ${context.sources.file}` },
    await examine("database", () => checkDatabase(context)),
    await examine("queue", () => checkQueue(context)),
    await examine("standings", () => checkStandings(context)),
    await examine("programme", () => checkProgramme(context)),
  ];
  for (const source of context.sources.sources)
    findings.push(...(await checkSource(context, output, source)));
  return findings;
}

function whyNotOpened(error: unknown): Finding {
  const message = error instanceof Error ? error.message : String(error);
  if (error instanceof UsageError) return { part: "configuration", ok: false, message };
  return { part: message.startsWith(UNUSABLE_DATABASE) ? "database" : "start", ok: false, message };
}

async function examine(part: string, check: () => Promise<string>): Promise<Finding> {
  try {
    return { part, ok: true, message: await check() };
  } catch (error) {
    return { part, ok: false, message: error instanceof Error ? error.message : String(error) };
  }
}

async function checkDatabase(context: Context): Promise<string> {
  const [row] = await context.db.execute<{ version: string; partners: number; evidence: number }>(sql`
    select current_setting('server_version') as version, (select count(*)::int from partners) as partners,
      (select count(*)::int from evidence where superseded_at is null) as evidence`);
  const partners = row?.partners ?? 0;
  const where = context.embedded ? `embedded under ${context.config.home}` : "from DATABASE_URL";
  return `Postgres ${row?.version ?? "?"} (${where}), ${formatCount(partners)} ${partners === 1 ? "partner" : "partners"}, ${row?.evidence ?? 0} pieces of evidence`;
}

async function checkQueue(context: Context): Promise<string> {
  await requireQueue(context);
  return context.queues.backend.kind === "redis" ? "BullMQ on Redis" : "BullMQ on Postgres (no REDIS_URL)";
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

interface CheckedConnection {
  key: string;
  secret: string | null;
  attributes: Record<string, string>;
}

async function checkSource(context: Context, output: Output, source: Source): Promise<Finding[]> {
  const connections = await context.db.execute<Record<string, unknown> & CheckedConnection>(sql`
    select key, secret, attributes from connections where source = ${source.key} and active order by key`);
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
      output.progress(`  checking ${source.key}: ${waiting.length} left`);
      const finding = await examine(`${source.key}/${connection.key}`, () =>
        check(context, source, connection),
      );
      if (!finding.ok) failures.push(finding);
      word = finding.message;
    }
  });
  await Promise.all(checkers);
  const good = connections.length - failures.length;
  const fresh = await readFreshness(context, source);
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

async function check(context: Context, source: Source, connection: CheckedConnection): Promise<string> {
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

/** What waits for a person, each with what to do: losses nobody has decided about, and connections that rest. */
async function findTrouble(context: Context, source: Source): Promise<Finding[]> {
  const held = await context.db.execute<{ key: string; run: number; losses: number }>(sql`
    select key, max(run_id) as run, count(*)::int as losses from held_losses join connections on connections.id = connection_id
    where source = ${source.key} and active and decision is null group by key order by key`);
  const resting = await readResting(context.db, source.key);
  const last = await readLastRun(context, source);
  const failed = last?.state === "failed" && resting.length === 0 ? [last] : [];
  return [
    ...failed.map(({ id, reason }) => ({
      part: source.key,
      ok: false,
      message: `its last run (${id}) has failed${reason === null ? "" : `: ${reason}`}; try it again with: standings sync ${source.key}`,
    })),
    ...held.map(({ key, run, losses }) => ({
      part: `${source.key}/${key}`,
      ok: false,
      message: `the loss of ${losses} pieces of evidence is held; look at it with: standings runs held ${run}; decide with: standings runs approve ${run}, or reject`,
    })),
    ...resting.map((connection) => ({
      part: `${source.key}/${connection.key}`,
      ok: false,
      message: whyResting(connection, context.now()),
    })),
  ];
}

async function readLastRun(
  context: Context,
  source: Source,
): Promise<{ id: number; state: string; reason: string | null } | undefined> {
  const [run] = await context.db.execute<{ id: number; state: string; reason: string | null }>(sql`
    select runs.id, runs.state, coalesce(runs.reason, (
      select string_agg(distinct run_connections.reason, '; ') from run_connections where run_id = runs.id)) as reason
    from runs where source = ${source.key} and state <> 'running' order by id desc limit 1`);
  return run;
}

function whyResting({ source, failures, refused, restUntil, reason }: RestingConnection, now: Date): string {
  const said = reason === null ? "" : ` (${reason})`;
  const byHand = `try it now with: standings sync ${source}`;
  if (refused) {
    return `its credential was refused${said} and it is not called before it has another one; import it with: standings connections import ${source} connections.csv; or ${byHand}`;
  }
  const next =
    restUntil === null || restUntil <= now
      ? "soon"
      : `in ${formatDuration(restUntil.getTime() - now.getTime())}`;
  return `it has failed ${failures} times in a row${said} and is tried rarely, the next time ${next}; ${byHand}`;
}

async function readFreshness(context: Context, source: Source): Promise<string> {
  const [row] = await context.db.execute<{ last: Date | null }>(sql`
    select last_complete_at as last from sources where key = ${source.key}`);
  const last = row?.last ?? null;
  if (last === null) return "never complete yet";
  return `complete ${formatDuration(context.now().getTime() - last.getTime())} ago`;
}
