// The clock of a machine that is wrong: time must not run ahead of the database, because it never runs back.
import { sql } from "drizzle-orm";
import { expect, test } from "vitest";
import { clock } from "../../workers/clock.ts";
import type { Work } from "../../workers/handler.ts";
import { openDeployment } from "../e2e/deployment.ts";

test("a tick by a clock that is far ahead fails and lets no time pass; one that is a little off is taken", async () => {
  const deployment = await openDeployment("postgres", { sources: ["fairs"] });
  const { context } = deployment;
  try {
    const signal = new AbortController().signal;
    const tickAt = (now: Date) => clock({}, { ...context, now: () => now, signal } satisfies Work);
    const ticked = () => context.db.execute(sql`select ticked_at from clock`);
    const [row] = await context.db.execute<{ now: Date }>(
      sql`select clock_timestamp()::timestamptz(3) as now`,
    );
    const now = row!.now;
    await expect(tickAt(new Date(now.getTime() + 3_600_000))).rejects.toThrow("ahead of the database's");
    expect(await ticked()).toEqual([]);
    await tickAt(new Date(now.getTime() - 600_000));
    await tickAt(now);
    expect(await ticked()).toEqual([{ ticked_at: now }]);
  } finally {
    await deployment.close();
  }
});
