// drizzle on a wire of ours. drizzle's own set-up of postgres.js changes how the client reads and writes values; here it
// never meets the client, only a function that runs a query.
import { is } from "drizzle-orm";
import {
  PgDialect,
  PgJson,
  PgJsonb,
  type PgPreparedQuery,
  type PreparedQueryConfig,
} from "drizzle-orm/pg-core";
import { PostgresJsDatabase, PostgresJsSession } from "drizzle-orm/postgres-js";
import type { Sql } from "postgres";
import type { Result, Run, Shape } from "./pool.ts";

export type Database = PostgresJsDatabase;
export type Begin = <T>(work: (tx: Database) => Promise<T>) => Promise<T>;

type Base = PostgresJsSession<Sql, Record<string, never>, Record<string, never>>;

/** What drizzle uses of a client: `unsafe`, awaited for rows or asked for `values()` before it starts. */
function toClient(run: Run): Sql {
  const unsafe = (query: string, params: unknown[] = []) => {
    let shape: Shape = "rows";
    const answer = Promise.resolve().then(() => run(query, params, shape));
    const values = () => {
      shape = "values";
      return answer;
    };
    return Object.assign(answer, { values });
  };
  return { unsafe, options: { parsers: {}, serializers: {} } } as unknown as Sql;
}

class Session extends PostgresJsSession<Sql, Record<string, never>, Record<string, never>> {
  readonly begin: Begin;

  constructor(run: Run, begin: Begin) {
    super(toClient(run), dialect, undefined);
    this.begin = begin;
  }

  override prepareQuery<T extends PreparedQueryConfig = PreparedQueryConfig>(
    ...args: Parameters<Base["prepareQuery"]>
  ): PgPreparedQuery<T> {
    const prepared = super.prepareQuery<T>(...args);
    const fields = args[1] ?? [];
    const json = fields.flatMap(({ field }, index) =>
      is(field, PgJsonb) || is(field, PgJson) ? [index] : [],
    );
    // Replaces two habits of drizzle. It wraps an error in one whose message is the whole statement with all its
    // parameters, secrets and ten thousand rows included: the error of Postgres says what is wrong. And it decodes JSON
    // the driver has decoded, which makes the number 5 of the stored text "5": such text is encoded once more for it.
    const queryWithCache = async (_query: string, _params: unknown[], answer: () => Promise<Result>) => {
      const rows = (await answer()) as unknown as unknown[][];
      for (const row of json.length > 0 ? rows : []) {
        for (const index of json) if (typeof row[index] === "string") row[index] = JSON.stringify(row[index]);
      }
      return rows;
    };
    return Object.assign(prepared, { queryWithCache });
  }

  /** `db.transaction` is the same as `transaction(db, …)`: never postgres.js's own `begin`. */
  override transaction<T>(work: (tx: never) => Promise<T>): Promise<T> {
    return this.begin((tx) => work(tx as never));
  }
}

const dialect = new PgDialect();

/** A drizzle database whose queries go through `run` and whose transactions through `begin`. */
export function toDatabase(run: Run, begin: Begin): Database {
  return new PostgresJsDatabase(dialect, new Session(run, begin), undefined);
}

export function beginOn(db: Database): Begin {
  const session: unknown = db._.session;
  if (session instanceof Session) return session.begin;
  throw new Error("This database was not opened by openDatabase");
}
