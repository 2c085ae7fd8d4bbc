// Connections to Postgres, each a postgres.js client of its own with exactly one socket. "Wire" because a connection is
// something else in the glossary.
//
// What postgres.js 3.4.9 gets wrong is contained here, by never using the part of it that is wrong:
// - Its pool pipelines `begin` behind other queries and then refuses it (UNSAFE_TRANSACTION), and its reserve() leaves a
//   waiting entry behind when the server is away, which later swallows a good connection. So the pool is ours: a
//   wire has one holder at a time, and one query at a time is on it (max_pipeline 0).
// - It reconnects by itself, which in the middle of a transaction would run the rest outside of it. So a wire that was
//   closed stays closed, and its idle time and age are looked at only while it has no holder.
// - After an error in the middle of a result the next result begins with holes. They are removed, and the number of rows
//   is held against what Postgres says it sent.
// - Its look at pg_type after connecting rejects unhandled when the connection breaks just then, which ends the process. So
//   fetch_types is off and arrays are read and written by us. (reserve() would hang without it: one more reason.)
// - COPY can hang or never fail: it is never used.
import type { Socket } from "node:net";
import postgres from "postgres";
import { toParameter, valueTypes } from "./values.ts";

/** `rows` are objects by column name, `values` arrays in column order. */
export type Shape = "rows" | "values";
export type Result = postgres.RowList<postgres.Row[]>;
export type Run = (query: string, params: unknown[], shape?: Shape) => Promise<Result>;

export interface Wire {
  run: Run;
  /** Closed, for whatever reason: every run rejects, and the pool replaces it. */
  readonly lost: boolean;
  /** Ends it now; what runs on it rejects. */
  discard: () => void;
}

export interface Pool {
  /** Waits for a free wire, has it alone for as long as work runs, and gives it back. */
  use<T>(work: (wire: Wire) => Promise<T>): Promise<T>;
  /** Lets what was accepted finish, at most limitMs, then ends every wire. */
  close(limitMs: number): Promise<void>;
}

export interface PoolOptions {
  max: number;
  applicationName: string;
  /** Makes the socket, connected, where not every host may be connected to. */
  connect?: () => Promise<Socket>;
}

const IDLE_MS = 60_000;
/** A wire is replaced after this, so that a long-running process follows a server that moved. */
const LIFETIME_MS = 45 * 60_000;

interface OpenWire extends Wire {
  readonly openedAtMs: number;
  end(): Promise<void>;
  idleTimer?: NodeJS.Timeout;
}

/** Takes out the holes an earlier error left at the beginning, and checks the rest against the count of Postgres. */
function repaired(result: Result): Result {
  const first = result.findIndex((row: postgres.Row | undefined) => row !== undefined);
  if (first > 0) result.splice(0, first);
  const { count, columns } = result as { count: number | null; columns?: unknown[] };
  if (count !== null && columns !== undefined && columns.length > 0 && count !== result.length) {
    throw new Error(`Postgres sent ${count} rows and the driver returned ${result.length}`);
  }
  return result;
}

function openWire(url: string, options: PoolOptions): OpenWire {
  let lost = false;
  const client = postgres(url, {
    max: 1,
    max_pipeline: 0,
    // Unnamed statements: planned for their parameters each time, and at home behind a pooler.
    prepare: false,
    fetch_types: false,
    idle_timeout: 0,
    max_lifetime: 0,
    connect_timeout: 10,
    keep_alive: 30,
    types: valueTypes,
    ...(options.connect !== undefined && { socket: options.connect }),
    connection: { application_name: options.applicationName, TimeZone: "UTC" },
    onnotice: () => undefined,
    onclose: () => {
      lost = true;
    },
  } as postgres.Options<typeof valueTypes>);
  const end = async () => {
    lost = true;
    await client.end({ timeout: 0 });
  };
  return {
    openedAtMs: performance.now(),
    get lost() {
      return lost;
    },
    end,
    discard: () => void end(),
    run: async (query, params, shape = "rows") => {
      if (lost)
        throw Object.assign(new Error("The connection to Postgres was lost"), { code: "CONNECTION_CLOSED" });
      const pending = client.unsafe(query, params.map(toParameter));
      const result: Result = (await (shape === "values" ? pending.values() : pending)) as never;
      // Several statements in one text: an array of results.
      return "count" in result ? repaired(result) : ((result as Result[]).map(repaired) as never);
    },
  };
}

/** Opens wires as they are needed, at most `max`. Nothing is connected before the first use. */
export function openPool(url: string, options: PoolOptions): Pool {
  const idle: OpenWire[] = [];
  const waiting: { resolve: (wire: OpenWire) => void; reject: (reason: Error) => void }[] = [];
  const inUse = new Set<OpenWire>();
  let closing = false;
  let onDrained: (() => void) | undefined;

  const hand = (wire: OpenWire) => {
    inUse.add(wire);
    return wire;
  };

  const take = async (): Promise<OpenWire> => {
    if (closing) throw new Error("The database is being closed");
    for (let wire = idle.pop(); wire !== undefined; wire = idle.pop()) {
      clearTimeout(wire.idleTimer);
      if (!wire.lost) return hand(wire);
    }
    if (inUse.size < options.max) return hand(openWire(url, options));
    return new Promise((resolve, reject) => waiting.push({ resolve, reject }));
  };

  const rest = (wire: OpenWire) => {
    wire.idleTimer = setTimeout(() => {
      idle.splice(idle.indexOf(wire), 1);
      wire.discard();
    }, IDLE_MS).unref();
    idle.push(wire);
  };

  const giveBack = (wire: OpenWire) => {
    inUse.delete(wire);
    const spent = wire.lost || performance.now() - wire.openedAtMs > LIFETIME_MS;
    if (spent) wire.discard();
    const next = waiting.shift();
    if (next !== undefined) next.resolve(hand(spent ? openWire(url, options) : wire));
    else if (!spent) rest(wire);
    if (inUse.size === 0) onDrained?.();
  };

  return {
    use: async (work) => {
      const wire = await take();
      try {
        return await work(wire);
      } finally {
        giveBack(wire);
      }
    },
    close: async (limitMs) => {
      closing = true;
      if (inUse.size > 0) {
        const timer = setTimeout(() => onDrained?.(), limitMs);
        await new Promise<void>((resolve) => {
          onDrained = resolve;
        });
        clearTimeout(timer);
      }
      for (const waiter of waiting.splice(0)) waiter.reject(new Error("The database is being closed"));
      for (const wire of idle) clearTimeout(wire.idleTimer);
      await Promise.all([...idle.splice(0), ...inUse].map((wire) => wire.end()));
    },
  };
}
