// The tables of the queue, for db/migrate.ts to create under its lock.
import { createRequire } from "node:module";
import { sql } from "drizzle-orm";
import type { Database } from "../../db/client.ts";

/**
 * Applies BullMQ's migrations once for each of its versions. The comment of its schema keeps which version that was, so that
 * most processes load neither BullMQ nor its driver.
 */
export async function migrateQueue(databaseUrl: string, db: Database): Promise<void> {
  const { version } = createRequire(import.meta.url)("bullmq/package.json") as { version: string };
  const applied = `BullMQ ${version}`;
  const [known] = await db.execute<{ comment: string | null }>(
    sql`select obj_description(to_regnamespace('bullmq'), 'pg_namespace') as comment`,
  );
  if (known?.comment === applied) return;
  const { applyQueueMigrations } = await import("./bullmq.ts");
  await applyQueueMigrations(databaseUrl);
  await db.execute(sql.raw(`comment on schema bullmq is '${applied.replaceAll("'", "''")}'`));
}
