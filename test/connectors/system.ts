// A made-up system for the tests of documents: rows, a credential, routes that answer in the shape of the real one. What every
// system may do wrong (say more than it has, never end) it does on demand.

import type { Ability } from "../../src/conformance/bench.ts";
import { type Answer, type Asked, json, openServer } from "../../src/conformance/server.ts";
import type { Connector } from "../../src/connectors/connector.ts";
import type { Bench } from "./conformance.ts";

/** What a system holds, in the order in which it lists it. */
export interface Holding<Row> {
  rows: Row[];
  /** So many rows more are announced than there are; less than 0: fewer. */
  overstatedBy: number;
  /** Parts hold half of what was asked for. */
  isShort?: boolean;
  /** Every part is followed by another one. */
  isEndless: boolean;
}

export interface Part<Row> {
  rows: Row[];
  total: number;
  /** The position of the next part; undefined: this was the last one. */
  next: number | undefined;
}

/**
 * The part of a listing from a position on. `another` makes the n-th row of a system that never ends. `rows`: what a
 * filter of the request left.
 */
export function partOf<Row>(
  holding: Holding<Row>,
  place: { from: number; size: number; another: (n: number) => Row; rows?: Row[] },
): Part<Row> {
  const { from, another, rows = holding.rows } = place;
  const size = holding.isShort === true ? Math.ceil(place.size / 2) : place.size;
  if (holding.isEndless) {
    const made = Array.from({ length: size }, (_, index) => another(from + index));
    return { rows: made, total: from + 2 * size, next: from + size };
  }
  const total = rows.length + holding.overstatedBy;
  const isLast = from + size >= rows.length && holding.overstatedBy <= 0;
  return { rows: rows.slice(from, from + size), total, next: isLast ? undefined : from + size };
}

/** A look-back is an hour where a document says nothing else. */
export const JUST_LATE_MS = 59 * 60_000;

export interface SystemOptions<Row> {
  rows: Row[];
  /** By "GET /path"; `:name` stands for one step of a path. */
  routes: Record<string, (asked: Asked, holding: Holding<Row>) => Answer>;
  /** Whether a request bears the credential; all others are answered 401. */
  allows(asked: Asked): boolean;
  /** The source's settings, below the address of the server. */
  settings(url: string): Record<string, unknown>;
  secret: string | undefined;
  /** What must never be read in an error besides the secret. */
  secrets?: string[];
  /** Whether a row is what an external id stands for. */
  isMeant(row: Row, externalId: string): boolean;
  key?: string;
  now?: Date;
  /** A row that is added: the n-th of all, changed (and so happened) at an instant. */
  written(n: number, changedAt: Date): Row;
  /** Where the system lists its newest rows. */
  newest?: "first" | "last";
  /** Changes when a row happened, to a local time without a zone. */
  writeLocal?(row: Row, local: string): void;
  /** What it has no way to do. */
  cannot?: Ability[];
}

/** A bench for the conformance suite. */
export async function openSystem<Row>(
  options: SystemOptions<Row>,
): Promise<Bench & { holding: Holding<Row> }> {
  const holding: Holding<Row> = { rows: [...options.rows], overstatedBy: 0, isEndless: false };
  const routes = Object.entries(options.routes).map(([route, answer]) => ({
    pattern: new RegExp(`^${route.replaceAll(/:[a-z]+/g, "[^/]+").replaceAll(".", "\\.")}$`),
    answer,
  }));
  const server = await openServer((asked) => {
    const route = routes.find(({ pattern }) => pattern.test(`${asked.method} ${asked.path}`));
    if (route === undefined)
      return { ...json({ error: `no route ${asked.method} ${asked.path}` }), status: 404 };
    if (!options.allows(asked)) return { ...json({ error: "not allowed" }), status: 401 };
    return route.answer(asked, holding);
  });
  const meant = (externalId: string) => holding.rows.filter((row) => options.isMeant(row, externalId));
  const abilities: Pick<Bench, Ability> = {
    lateMs: JUST_LATE_MS,
    add: (changedAt) => {
      const row = options.written(5000 + holding.rows.length, changedAt);
      holding.rows = options.newest === "first" ? [row, ...holding.rows] : [...holding.rows, row];
    },
    repeat: (externalId) => {
      holding.rows = holding.rows.flatMap((row) => (meant(externalId).includes(row) ? [row, row] : [row]));
    },
    overstate: () => {
      holding.overstatedBy = 1;
    },
    understate: () => {
      holding.overstatedBy = -Math.ceil(holding.rows.length / 2);
    },
    shorten: () => {
      holding.isShort = true;
    },
    neverEnd: () => {
      holding.isEndless = true;
    },
    ...(options.writeLocal !== undefined && {
      setLocal: (externalId: string, local: string) => {
        for (const row of meant(externalId)) options.writeLocal?.(row, local);
      },
    }),
  };
  const cannot: string[] = options.cannot ?? [];
  return {
    holding,
    server,
    settings: options.settings(server.url),
    connection: { key: options.key ?? "main", secret: options.secret, attributes: {} },
    now: options.now ?? new Date("2026-10-28T12:00:00Z"),
    secrets: [options.secret ?? [], options.secrets ?? []].flat(),
    remove(externalId) {
      holding.rows = holding.rows.filter((row) => !options.isMeant(row, externalId));
    },
    ...Object.fromEntries(Object.entries(abilities).filter(([ability]) => !cannot.includes(ability))),
  };
}

/** A connector as the conformance suite takes it, whatever its settings are. */
export function asConnector<Settings>(connector: Connector<Settings>): Connector {
  return connector;
}
