// What a good engineer would write first: a job for each partner, which reads its evidence with the ORM, evaluates the
// programme in TypeScript, and writes what differs in a transaction. Fair on purpose: bounds of windows are computed once,
// several rows are one statement, only what differs is written, and ten jobs are under way at once.
import { createPostgresBackend, createRedisBackend, type Worker, withBackend } from "bullmq";
import { and, eq, inArray, isNull, sql } from "drizzle-orm";
import { Redis } from "ioredis";
import pg from "pg";
import { type Database, openDatabase, transaction } from "../db/client.ts";
import { achievementsHeld, evidence, ledger, scores } from "../db/schema.ts";
import type { Achievement, Programme } from "../src/programme/document.ts";
import { openProgrammeVersions } from "../src/programme/versions.ts";
import { type Bounds, periodStarts, windowBounds } from "../src/programme/windows.ts";

const NAIVE_QUEUE = "naive-score";
const CONCURRENCY = 10;

const [url = "", instant = "", redisUrl = ""] = process.argv.slice(2);
const at = new Date(instant);
const { db } = await openDatabase(url, { max: CONCURRENCY, applicationName: "standings bench" });
const version = await openProgrammeVersions().inForce(db, at);
if (version === undefined) throw new Error("No programme is published.");
const { id: versionId, programme } = version;
const windows = new Map(programme.achievements.map((one) => [one.key, windowOf(one, programme)]));

type Fact = typeof evidence.$inferSelect;

interface Window {
  bounds: Bounds | undefined;
  /** Beginnings of the periods, for a measure that counts them. */
  starts: number[];
}

function windowOf(achievement: Achievement, { timeZone, seasons }: Programme): Window {
  const bounds = windowBounds(achievement.window, at, { timeZone, seasons });
  const starts =
    achievement.measure.type === "periods" && bounds !== undefined
      ? (periodStarts(bounds, at, achievement.measure.period, timeZone, 63) ?? [])
      : [];
  return { bounds, starts: starts.map((start) => start.getTime()) };
}

function isCounted(fact: Fact, { evidence: kind, where, window }: Achievement, bounds: Bounds | undefined) {
  if (bounds === undefined || fact.kind !== kind || fact.occurredAt > at) return false;
  if (bounds.from !== null && fact.occurredAt < bounds.from) return false;
  if (bounds.to !== null && fact.occurredAt >= bounds.to) return false;
  if (window.type === "in-force" && fact.endedAt !== null && fact.endedAt <= at) return false;
  return Object.entries(where).every(([name, values]) => values.includes(fact.attributes[name] ?? ""));
}

function unitsOf(achievement: Achievement, facts: Fact[]): number {
  const { bounds, starts } = windows.get(achievement.key) ?? { bounds: undefined, starts: [] };
  const counted = facts.filter((fact) => isCounted(fact, achievement, bounds));
  const { measure } = achievement;
  switch (measure.type) {
    case "count":
      return counted.length;
    case "sum":
      return counted.reduce((total, fact) => total + Number(fact.quantity), 0);
    case "distinct":
      return new Set(counted.flatMap(({ attributes }) => attributes[measure.attribute] ?? [])).size;
    case "periods":
      return new Set(
        counted.map(({ occurredAt }) => starts.findLastIndex((start) => start <= occurredAt.getTime())),
      ).size;
    default:
      throw new Error(`The example's programme has no measure ${measure.type}.`);
  }
}

function pointsOf({ award }: Achievement, units: number): number {
  switch (award.type) {
    case "points": {
      const { comparison, units: threshold } = award.threshold;
      return (comparison === "at-least" ? units >= threshold : units > threshold) ? award.points : 0;
    }
    case "each":
      return Math.min(Math.floor(units) * award.points, award.cap);
    case "tiers":
      return Math.max(0, ...award.tiers.filter((tier) => units >= tier.atLeast).map((tier) => tier.points));
    case "share":
      throw new Error("The example's programme has no share.");
  }
}

async function score(partnerId: number): Promise<void> {
  const facts = await db
    .select()
    .from(evidence)
    .where(and(eq(evidence.partnerId, partnerId), isNull(evidence.supersededAt)));
  const evaluated = programme.achievements.map((achievement) => {
    const units = unitsOf(achievement, facts);
    return { achievement: achievement.key, units, points: pointsOf(achievement, units) };
  });
  await transaction(db, (tx) => write(tx, partnerId, evaluated));
}

async function write(
  tx: Database,
  partnerId: number,
  evaluated: { achievement: string; units: number; points: number }[],
): Promise<void> {
  const [before] = await tx.select().from(scores).where(eq(scores.partnerId, partnerId)).for("update");
  const held = await tx.select().from(achievementsHeld).where(eq(achievementsHeld.partnerId, partnerId));
  const heldOf = new Map(held.map((row) => [row.achievement, row]));
  const differing = evaluated.filter(({ achievement, units, points }) => {
    const row = heldOf.get(achievement);
    return Number(row?.units ?? 0) !== units || (row?.points ?? 0) !== points;
  });
  const kept = differing.filter(({ units }) => units !== 0);
  if (kept.length > 0) {
    await tx
      .insert(achievementsHeld)
      .values(kept.map(({ units, ...row }) => ({ ...row, units: String(units), partnerId, since: at })))
      .onConflictDoUpdate({
        target: [achievementsHeld.partnerId, achievementsHeld.achievement],
        set: { units: sql`excluded.units`, points: sql`excluded.points`, since: sql`excluded.since` },
      });
  }
  const gone = differing.filter(({ units }) => units === 0).map(({ achievement }) => achievement);
  if (gone.length > 0) {
    await tx
      .delete(achievementsHeld)
      .where(and(eq(achievementsHeld.partnerId, partnerId), inArray(achievementsHeld.achievement, gone)));
  }
  const lines = differing
    .map(({ achievement, points }) => ({
      achievement,
      delta: points - (heldOf.get(achievement)?.points ?? 0),
    }))
    .filter(({ delta }) => delta !== 0);
  if (lines.length === 0) return;
  const scoreVersion = (before?.version ?? 0) + 1;
  const points = (before?.points ?? 0) + lines.reduce((sum, { delta }) => sum + delta, 0);
  const row = { partnerId, points, reachedAt: at, version: scoreVersion };
  await tx.insert(scores).values(row).onConflictDoUpdate({ target: scores.partnerId, set: row });
  await tx.insert(ledger).values(
    lines.map((line) => ({
      ...line,
      partnerId,
      scoreVersion,
      cause: "rescore",
      programmeVersion: versionId,
      at,
    })),
  );
}

const onRedis = withBackend(createRedisBackend);
const onPostgres = withBackend(createPostgresBackend);
const process_ = async (job: { data: { partnerId: number } }) => {
  await score(job.data.partnerId);
};
const options = { concurrency: CONCURRENCY };
const worker: Worker =
  redisUrl === ""
    ? (new onPostgres.Worker(NAIVE_QUEUE, process_, {
        ...options,
        connection: new pg.Pool({
          connectionString: url,
          max: CONCURRENCY + 4,
          options: "-c search_path=bullmq",
        }) as never,
      }) as unknown as Worker)
    : new onRedis.Worker(NAIVE_QUEUE, process_, {
        ...options,
        connection: new Redis(redisUrl, { maxRetriesPerRequest: null }),
      });
worker.on("error", () => undefined);
worker.on("failed", (_job, error) => process.send?.({ failed: error.message }));
worker.on("completed", () => process.send?.({ done: true }));
await worker.waitUntilReady();
process.send?.({ ready: true });
