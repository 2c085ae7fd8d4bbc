// A system made of recorded answers: it pages them as the document says the real one does, holds some rows back to add them later,
// and lies where a case wants it to. So a document is tried on rows of the real system, without it.
import type { Connector, PullInput } from "../connectors/connector.ts";
import { readChange } from "../connectors/http/dates.ts";
import { toConnector } from "../connectors/http/http.ts";
import { mapRows } from "../connectors/http/mapping.ts";
import type { EvidenceMapping } from "../connectors/http/mapping-schema.ts";
import type { HttpDocument, Incremental, Stream } from "../connectors/http/schema.ts";
import { openSession, type Settings } from "../connectors/http/session.ts";
import { fill, placeholdersOf, type Scope, toText, valueAt } from "../connectors/http/templates.ts";
import { UsageError } from "../platform/errors.ts";
import { type Ability, type Bench, inputOf } from "./bench.ts";
import { type Fixture, fits, isOf, toPattern } from "./fixture.ts";
import { bears, movedTo, pathOf, settingsOf, tokenOf } from "./moved.ts";
import { type Holding, toPage, withRows, withValue } from "./paged.ts";
import { type Answer, type Asked, json, openServer } from "./server.ts";

const DAY_MS = 86_400_000;
const TOKEN_PATH = "/standings-token";
/** Rows that are held back to be added: the newest so far, and one after it. */
const HELD_BACK = 2;
/** With fewer there are not two pages of what is left. */
const LEAST_ROWS = 5;

/** What is listed below one recorded answer. */
interface Place extends Holding {
  name: string;
  stream: Stream;
  held: unknown[];
}

export interface Recorded {
  connector: Connector;
  bench: Bench;
  /** Why the system cannot do something. */
  cannot: Partial<Record<Ability, string>>;
  /** An external id that two of the recorded rows have. */
  shared: string | undefined;
}

/** Throws a UsageError where the fixture lacks what the document asks for. */
export async function openRecorded(original: HttpDocument, fixture: Fixture): Promise<Recorded> {
  const places = placesOf(original, fixture);
  const prefix = pathOf(original, fixture);
  const server = await openServer((asked) => {
    if (asked.path === TOKEN_PATH) return tokenOf(original);
    if (!bears(original, fixture, asked)) return { ...json({ error: "no credential" }), status: 401 };
    const path = asked.path.slice(prefix.length);
    return answerOf(original, fixture, places, { ...asked, path }, prefix);
  });
  const document = movedTo(original, `${server.url}${prefix}`, `${server.url}${TOKEN_PATH}`);
  const connector = toConnector(document, "conformance") as Connector;
  const changes = [...places.values()].flatMap(({ stream, rows }) =>
    rows.flatMap((row) => changeOf(row, stream)?.getTime() ?? []),
  );
  const bench: Bench = {
    server,
    settings: settingsOf(original, fixture),
    connection: { ...fixture.connection, secret: fixture.secret },
    // After everything that was recorded.
    now: new Date(Math.max(0, ...changes) + DAY_MS),
    secrets: [fixture.secret ?? []].flat(),
    remove: (externalId) => {
      each(externalId, () => []);
    },
  };
  const input = inputOf(connector, bench, () => Promise.reject(new Error("nothing is asked here")));
  const session = openSession(document, input as PullInput<Settings>);
  const idsOf = (place: Place, row: unknown) =>
    scopesOf(document, place, places, session.scope).flatMap((scope) => {
      const { evidence } = mapRows(session, place.name, place.stream, [row], scope, "");
      return evidence.map((fact) => fact.externalId);
    });
  const each = (externalId: string, change: (row: unknown) => unknown[]) => {
    for (const place of places.values()) {
      place.rows = place.rows.flatMap((row) =>
        idsOf(place, row).includes(externalId) ? change(row) : [row],
      );
    }
  };
  const yielding = [...places.values()].filter(({ stream }) => stream.evidence !== undefined);
  const cannot: Recorded["cannot"] = {};
  const can = (ability: Ability, is: boolean, why: string, give: Partial<Bench>) => {
    if (is) Object.assign(bench, give);
    else cannot[ability] = why;
  };
  const growing = yielding.find(({ held }) => held.length === HELD_BACK);
  const add = (changedAt: Date) => {
    const row = growing?.held.shift();
    if (growing !== undefined && row !== undefined)
      growing.rows.push(changed(row, growing.stream, changedAt));
  };
  const few = `the fixture has fewer than ${LEAST_ROWS} rows of a stream that yields evidence`;
  can("add", growing !== undefined, few, { add });
  const lateMs = Math.max(0, (growing?.stream.incremental?.["look-back"] ?? DAY_MS) - 60_000);
  can("lateMs", growing !== undefined, few, { lateMs });
  can("repeat", true, "", {
    repeat: (id) => {
      each(id, (row) => [row, row]);
    },
  });
  const announced = yielding.filter(({ stream }) => stream.total !== undefined);
  const noTotal = "the document names no total: a listing that is cut short cannot be noticed";
  const says = (by: (rows: number) => number) => () => {
    for (const place of announced) place.overstatedBy = by(place.rows.length);
  };
  can("overstate", announced.length > 0, noTotal, { overstate: says(() => 1) });
  can("understate", announced.length > 0, noTotal, { understate: says(() => -1) });
  const paged = yielding.filter(({ stream }) => stream.paging.type !== "none");
  const onePage = "the document has no paging";
  const endless = paged.filter(({ stream: { paging } }) => !("inclusive" in paging && paging.inclusive));
  const ends = "a listing that gives its last row again ends with a page that has no other";
  can("shorten", paged.length > 0, onePage, {
    shorten: () => {
      for (const place of paged) place.isShort = true;
    },
  });
  can("neverEnd", endless.length > 0, paged.length > 0 ? ends : onePage, {
    neverEnd: () => {
      for (const place of endless) place.isEndless = true;
    },
  });
  const local = yielding
    .map(({ stream, rows }) => localOf(stream, rows[0], session.scope))
    .find((path) => path !== undefined);
  can("setLocal", local !== undefined, "no date without an offset is read in Europe/Amsterdam", {
    setLocal: (id, time) => {
      each(id, (row) => [withValue(row, local ?? "", time)]);
    },
  });
  const ids = yielding.flatMap((place) => place.rows.flatMap((row) => [...new Set(idsOf(place, row))]));
  const shared = ids.find((id, index) => ids.indexOf(id) !== index);
  return { connector, bench, cannot, shared };
}

/** By what was asked for each recorded answer that is a listing; every stream must have one. */
function placesOf({ streams }: HttpDocument, { answers }: Fixture): Map<string, Place> {
  const places = new Map<string, Place>();
  for (const [name, stream] of Object.entries(streams)) {
    const { method, path } = stream.request;
    const keys = Object.keys(answers).filter((key) => isOf(stream, key));
    if (keys.length === 0)
      throw new UsageError(
        `the fixture has no answer for ${method} ${path}, which the stream ${name} asks for`,
      );
    for (const key of keys) {
      const envelope = answers[key];
      const rows = stream.records === undefined ? envelope : valueAt({ "": envelope }, stream.records);
      if (!Array.isArray(rows) || rows.length === 0)
        throw new UsageError(
          `the answer ${key} of the fixture has no rows${stream.records === undefined ? "" : ` at ${stream.records}`}`,
        );
      refuseUnsaid(key, envelope, stream);
      const holds = stream.evidence !== undefined && rows.length >= LEAST_ROWS;
      const left = holds ? rows.slice(0, -HELD_BACK) : rows;
      const held = holds ? rows.slice(-HELD_BACK) : [];
      const size = Math.max(2, Math.ceil(left.length / 3));
      const state = { size, overstatedBy: 0, isShort: false, isEndless: false };
      places.set(key, { name, stream, envelope, rows: left as unknown[], held: held as unknown[], ...state });
    }
  }
  return places;
}

/** What the suite would write into its answers must be in those that were recorded, or the document's paths lead nowhere. */
function refuseUnsaid(key: string, envelope: unknown, { paging, total }: Stream): void {
  const paths = [
    ...("next" in paging ? [paging.next] : []),
    ...("more" in paging ? [paging.more] : []),
    ...("last-page" in paging ? [paging["last-page"]] : []),
    typeof total === "object" && "path" in total ? total.path : typeof total === "string" ? total : undefined,
  ];
  const unsaid = paths.find((path) => path !== undefined && valueAt({ "": envelope }, path) === undefined);
  if (unsaid === undefined) return;
  throw new UsageError(
    `the answer ${key} of the fixture has nothing at ${unsaid}, where the document looks; record a page that another one follows`,
  );
}

function answerOf(
  document: HttpDocument,
  { answers }: Fixture,
  places: Map<string, Place>,
  asked: Asked,
  prefix: string,
): Answer {
  const meant = Object.keys(answers)
    .filter((key) => fits(key, asked))
    .sort((a, b) => b.length - a.length)[0];
  const place = meant === undefined ? undefined : places.get(meant);
  if (place !== undefined) return listed(place, asked, prefix);
  if (meant !== undefined) return json(answers[meant]);
  // What is asked for changes may be elsewhere; and of several rows that others are listed by, one was recorded.
  for (const [name, stream] of Object.entries(document.streams)) {
    const { method = stream.request.method, path = stream.request.path } = stream.incremental?.request ?? {};
    const known = [...places.values()].find((one) => one.name === name);
    if (known === undefined || method !== asked.method || !toPattern(path).test(asked.path)) continue;
    const isElsewhere = path !== stream.request.path || method !== stream.request.method;
    if (isElsewhere) return listed(known, asked, prefix);
    return listed(
      { ...known, envelope: withRows(known.envelope, stream.records, []), rows: [] },
      asked,
      prefix,
    );
  }
  return { ...json({ error: `no answer was recorded for ${asked.method} ${asked.path}` }), status: 404 };
}

function listed(place: Place, asked: Asked, prefix: string): Answer {
  const { stream, rows } = place;
  const { incremental } = stream;
  const [since, until] = incremental === undefined ? [] : boundsOf(asked, incremental);
  const isChanges = since !== undefined;
  const found = rows.filter((row) => {
    const at = changeOf(row, stream);
    return at === undefined || ((since === undefined || at >= since) && (until === undefined || at <= until));
  });
  const { records, paging, total } = stream;
  const words = isChanges
    ? {
        records: incremental?.records ?? records,
        paging: incremental?.paging ?? paging,
        total: incremental?.total ?? total,
      }
    : { records, paging, total };
  return toPage(words, place, found, { ...asked, path: `${prefix}${asked.path}` });
}

/** From when and until when changes are asked for, where the request says it in a parameter. */
function boundsOf({ query }: Asked, incremental: Incremental): (Date | undefined)[] {
  const written = incremental.request?.query ?? {};
  return [
    { named: incremental.parameter, text: "{$since}" },
    { named: incremental["until-parameter"], text: "{$until}" },
  ].map(({ named, text }) => {
    const name = named ?? Object.keys(written).find((key) => written[key] === text);
    const value = name === undefined ? null : query.get(name);
    if (value === null) return undefined;
    try {
      return readChange(value, "UTC", "") ?? undefined;
    } catch {
      return undefined;
    }
  });
}

function changeOf(row: unknown, { incremental }: Stream): Date | undefined {
  try {
    return incremental === undefined
      ? undefined
      : readChange(valueAt({ "": row }, incremental.field), "UTC", "");
  } catch {
    return undefined;
  }
}

/** A row that changed at another time, written as it was written before. */
function changed(row: unknown, { incremental }: Stream, at: Date): unknown {
  if (incremental === undefined) return row;
  const before = valueAt({ "": row }, incremental.field);
  return withValue(row, incremental.field, written(before, at));
}

function written(before: unknown, at: Date): unknown {
  const seconds = Math.floor(at.getTime() / 1000);
  if (typeof before === "number") return before > 1e11 ? at.getTime() : seconds;
  const text = toText(before);
  if (/^\d{9,11}$/.test(text)) return String(seconds);
  if (/^\d{12,14}$/.test(text)) return String(at.getTime());
  const iso = at.toISOString();
  if (/^\d{4}-\d\d-\d\d$/.test(text)) return iso.slice(0, 10);
  return /^\d{4}-\d\d-\d\d /.test(text) ? iso.slice(0, 19).replace("T", " ") : iso;
}

/** What a row is mapped with: of a stream that is listed by others' rows, each of those in turn. */
function scopesOf(
  { streams }: HttpDocument,
  { stream }: Place,
  places: Map<string, Place>,
  scope: Scope,
): Scope[] {
  const parent = stream["for-each"];
  if (parent === undefined || streams[parent] === undefined) return [scope];
  return [...places.values()]
    .filter(({ name }) => name === parent)
    .flatMap(({ rows }) => rows.map((row) => ({ ...scope, $parent: row })));
}

/** The path of a date without an offset that is read in Europe/Amsterdam; undefined: there is none. */
function localOf({ evidence }: Stream, row: unknown, scope: Scope): string | undefined {
  const isLocal = (mapping: EvidenceMapping) => {
    const path = mapping["occurred-at"];
    const zone = fill(mapping["time-zone"], scope);
    if (typeof path !== "string" || placeholdersOf(path).length > 0 || zone !== "Europe/Amsterdam")
      return false;
    return /^\d{4}-\d\d-\d\d([ T]\d\d:\d\d(:\d\d)?)?$/.test(toText(valueAt({ "": row }, path)));
  };
  const found = [evidence ?? []].flat().find(isLocal)?.["occurred-at"];
  return typeof found === "string" ? found : undefined;
}
