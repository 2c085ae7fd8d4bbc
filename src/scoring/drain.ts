// Drains the to-do list of partners, batch by batch. A batch is one transaction, so one partner whose score cannot be stored would
// keep 499 others waiting for ever: such a batch is scored in halves until that partner is alone, and it is passed over.
import { sql } from "drizzle-orm";
import type { Database } from "../../db/client.ts";
import type { Scope } from "../programme/compile.ts";
import type { ProgrammeVersions } from "../programme/versions.ts";
import { type ScoreOutcome, scorePending } from "./score.ts";

/** Partners in one transaction: long enough to spread its fixed cost, short enough to hold its locks. */
const BATCH = 500;

interface Draining {
  /** Asked for each batch. */
  now: () => Date;
  /** Only pending partners of this scope; everybody when absent. */
  scope?: Scope | undefined;
  /** Ends it between two batches. */
  signal?: AbortSignal | undefined;
  /** After each batch. */
  onBatch?: ((batch: ScoreOutcome) => Promise<void>) | undefined;
}

interface Drained extends ScoreOutcome {
  /** Who could not be scored, by name, and why; undefined: everybody could. They stay pending. */
  failure: Error | undefined;
}

/** Scores everybody who is pending and can be scored. */
export async function drainPending(
  db: Database,
  programmes: ProgrammeVersions,
  { now, scope, signal, onBatch }: Draining,
): Promise<Drained> {
  const total = { claimed: 0, changed: 0, lines: 0 };
  const failed = new Map<number, Error>();
  while (signal?.aborted !== true) {
    const batch = await scoreBatch(db, programmes, { now: now(), scope, limit: BATCH }, failed);
    if (batch.claimed === 0) break;
    total.claimed += batch.claimed;
    total.changed += batch.changed;
    total.lines += batch.lines;
    await onBatch?.(batch);
  }
  return { ...total, failure: failed.size > 0 ? await toFailure(db, failed) : undefined };
}

interface Batch {
  now: Date;
  scope: Scope | undefined;
  limit: number;
}

/** Scores a batch; partners whose scoring fails are added to `failed`. `claimed` 0: no other partner is pending. */
async function scoreBatch(
  db: Database,
  programmes: ProgrammeVersions,
  batch: Batch,
  failed: Map<number, Error>,
): Promise<ScoreOutcome> {
  for (let limit = batch.limit; ; ) {
    let claimed: number[] = [];
    try {
      return await scorePending(db, programmes, {
        ...{ now: batch.now, limit, scope: batch.scope },
        except: [...failed.keys()],
        onClaim: (ids) => {
          claimed = ids;
        },
      });
    } catch (error) {
      const [partnerId, ...others] = claimed;
      // Anything but a figure out of bounds concerns everybody: the connection, the lock, the statement itself.
      const refusal = refusalOf(error);
      if (partnerId === undefined || refusal === undefined) throw error;
      if (others.length === 0) failed.set(partnerId, refusal);
      else limit = Math.ceil(claimed.length / 2);
    }
  }
}

/** Postgres's message where it refused a row: a data exception (class 22) or a violated constraint (class 23). */
function refusalOf(error: unknown): Error | undefined {
  for (let cause = error; cause instanceof Error; cause = cause.cause) {
    const { code } = cause as { code?: unknown };
    if (typeof code === "string" && /^2[23]/.test(code)) return cause;
  }
  return undefined;
}

async function toFailure(db: Database, failed: Map<number, Error>): Promise<Error> {
  const rows = await db.execute<{ slug: string }>(sql`
    select slug from partners where id = any(${sql.param([...failed.keys()])}::bigint[]) order by id limit 5`);
  const named = rows.map(({ slug }) => slug).join(", ");
  const who = failed.size > rows.length ? `${failed.size} partners (${named} …)` : named;
  const [cause] = failed.values();
  return new Error(
    `The score of ${who} cannot be stored: ${cause?.message ?? ""}. Other partners do not wait for it.`,
    { cause },
  );
}
