// Which session this process waits for: an open transaction of another process can block a whole command.
import { hostname } from "node:os";
import { sql } from "drizzle-orm";
import type { Database } from "./client.ts";

const LOOK_MS = 5000;

/** The application name of a connection of this process: what for, on which host, in which process. */
export function sessionName(purpose: string): string {
  return `${purpose} ${hostname().slice(0, 30)}:${process.pid}`;
}

interface Blocker {
  /** As pg_stat_activity knows it; "standings", host and process for one of ours. */
  applicationName: string;
  pid: number;
  /** For how long its transaction is open, in whole seconds. */
  seconds: number;
  /** It does nothing with its transaction: it computes, or it was stopped. */
  idle: boolean;
}

/** The sessions that keep those with this application name waiting for a lock. */
async function readBlockers(db: Database, applicationName: string): Promise<Blocker[]> {
  return db.execute<Record<string, unknown> & Blocker>(sql`
    select distinct holder.application_name as "applicationName", holder.pid, holder.state = 'idle in transaction' as idle,
      coalesce(extract(epoch from clock_timestamp() - holder.xact_start), 0)::int as seconds
    from pg_stat_activity as waiting
    cross join lateral unnest(pg_blocking_pids(waiting.pid)) as blocking (pid)
    join pg_stat_activity as holder on holder.pid = blocking.pid
    where waiting.datname = current_database() and waiting.application_name = ${applicationName}
      and waiting.wait_event_type = 'Lock' and holder.application_name <> ${applicationName}
    order by 2`);
}

/** Calls `tell` with one line for each blocker, every five seconds for as long as this process waits for one. */
export function watchLocks(db: Database, applicationName: string, tell: (line: string) => void): () => void {
  let looking = false;
  const look = async () => {
    if (looking) return;
    looking = true;
    // What fails here fails for the waiting statement too, which reports it.
    const blockers = await readBlockers(db, applicationName).catch(() => []);
    looking = false;
    for (const { applicationName: name, pid, seconds, idle } of blockers) {
      const state = idle ? "idle in a transaction" : "in a transaction";
      tell(
        `waiting for a lock that ${name || "another session"} holds (Postgres process ${pid}, ${state} for ${seconds} s)`,
      );
    }
  };
  const timer = setInterval(() => void look(), LOOK_MS).unref();
  return () => {
    clearInterval(timer);
  };
}
