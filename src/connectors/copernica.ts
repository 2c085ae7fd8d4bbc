// Copernica, REST v4 (https://www.copernica.com/en/documentation/restv4/rest-api). One token covers one account, so each
// account is a connection. Two kinds of evidence: `emails-sent`, one fact for each calendar month, from `consumption`, and
// `newsletter`, one for each mass mailing of either product (HTML, once "Publisher", and Drag-and-drop, "Marketing Suite").
//
// A complete listing asks for everything from the month `since` on. That month is fixed in the settings and not "13 months
// ago": a horizon that moves would make a month of evidence absent with every month that passes. It costs one call for
// each month since then; an incremental pull asks only for the months that may still change and the mailings of late.
import { Temporal } from "temporal-polyfill";
import { z } from "zod";
import { SourceError } from "../platform/errors.ts";
import { defineConnector, type EvidenceFact, type Page, type PullInput } from "./connector.ts";
import { callCopernica } from "./copernica-api.ts";
import { readInstant, readQuantity, readRow, sift, timeZoneSchema, toFact } from "./facts.ts";
import { advanceMark, lookBack } from "./lookback.ts";
import { progressSchema, Tally } from "./tally.ts";

/** Months asked for between two pages: what a killed pull may have to ask again. */
const MONTHS_A_PAGE = 12;
/** Mailings this much older than the newest seen are asked for again: they may be back-dated, and zones are a guess. */
const LOOK_BACK_MS = 3 * 86_400_000;
const DAY_MS = 86_400_000;

const settingsSchema = z
  .strictObject({
    url: z.url({ protocol: /^https?$/ }).default("https://api.copernica.com/v4"),
    "authenticate-url": z.url({ protocol: /^https?$/ }).default("https://authenticate.copernica.com"),
    /** Where the two products live under `url`. The documented names; they may follow the products' new names one day. */
    prefixes: z
      .strictObject({ html: z.string().default("publisher"), "drag-and-drop": z.string().default("ms") })
      .prefault({}),
    /** Of the API's local dates: it does not say which. */
    "time-zone": timeZoneSchema.default("Europe/Amsterdam"),
    since: z
      .string()
      .regex(/^20\d\d-(0[1-9]|1[0-2])$/, 'expected the first month to look at, such as "2025-09"'),
    /** Mass mailings to fewer are no newsletters: tests and one-offs. */
    "min-destinations": z.int().min(1).default(1),
    /** Mailings a page; the API allows 1,000. */
    "page-limit": z.int().min(1).max(1000).default(1000),
  })
  .transform((given) => ({
    url: given.url.replace(/\/+$/, ""),
    authenticateUrl: given["authenticate-url"],
    prefixes: { html: given.prefixes.html, dragAndDrop: given.prefixes["drag-and-drop"] },
    timeZone: given["time-zone"],
    since: given.since,
    minDestinations: given["min-destinations"],
    pageLimit: given["page-limit"],
  }));

type CopernicaSettings = z.output<typeof settingsSchema>;
type Input = PullInput<CopernicaSettings>;

const cursorSchema = z.object({
  /** What a pull goes through, in this order. */
  step: z.enum(["consumption", "html", "dragAndDrop", "done"]),
  /** Consumption: the next month to ask for, as 2026-10; after that step, the month the pull began in. */
  month: z.string(),
  /** Mailings: from which instant on they are listed in this pull. */
  from: z.iso.datetime(),
  /** The newest mailing seen, at most the beginning of its pull: where the next pull looks back from. */
  newest: z.iso.datetime(),
  /** How many facts and rows the steps before this one had. */
  counted: z.number(),
  /** Mailings: how far the listing of this step is. */
  listing: progressSchema.nullable(),
});

type Cursor = z.output<typeof cursorSchema>;
type Step = Page & { cursor: Cursor };

const number = z.union([z.number(), z.string()]);
const identitySchema = z.looseObject({
  id: number.optional(),
  ID: number.optional(),
  name: z.string().nullish(),
});
const consumptionSchema = z.looseObject({ emails: number });
const namedSchema = z.looseObject({ id: number.optional(), ID: number.optional() });
const mailingSchema = z.looseObject({
  timestamp: z.string().nullish(),
  destinations: number.nullish(),
  subject: z.string().nullish(),
  type: z.string().nullish(),
  /** Set once the mailing was deleted. */
  removed: z.string().nullish(),
});
const mailingsSchema = z.looseObject({
  count: number,
  total: number,
  limit: number.optional(),
  data: z.array(namedSchema),
});

type Mailing = z.output<typeof namedSchema>;

/** One connection for each account; `use` ("own", "client") among its attributes is passed on to the evidence. */
export const copernica = defineConnector<CopernicaSettings>({
  settings: settingsSchema,
  alwaysComplete: false,
  perAccount: true,
  kinds: () => ["emails-sent", "newsletter"],
  async *pull(input) {
    for (let at = startOf(input); at.step !== "done"; ) {
      for await (const page of at.step === "consumption" ? months(input, at) : mailings(input, at, at.step)) {
        at = page.cursor;
        yield page;
      }
    }
  },
  listings(input) {
    const at = { ...startOf(input), listing: null };
    const recent = monthOf(input.now, input.settings)
      .subtract({ months: MONTHS_A_PAGE - 1 })
      .toString();
    const [, month = recent] = [recent, input.settings.since].sort();
    return [
      { name: "consumption", pages: () => months(input, { ...at, month }) },
      { name: "html", pages: () => mailings(input, { ...at, step: "html" }, "html") },
      { name: "dragAndDrop", pages: () => mailings(input, { ...at, step: "dragAndDrop" }, "dragAndDrop") },
    ];
  },
  async check(input) {
    const identity = await callCopernica(input, "identity", {}, identitySchema);
    return `account ${identity.id ?? identity.ID ?? input.connection.key}, ${identity.name ?? "without a name"}`;
  },
});

/** Where a pull begins: in the middle of an unfinished one, else at `since`, else where the last one may have missed something. */
function startOf({ settings, cursor, full, now }: Input): Cursor {
  const before = cursorSchema.safeParse(cursor).data;
  if (before !== undefined && (full || before.step !== "done")) return before;
  const since = startOfMonth(settings.since, settings);
  const newest = before === undefined ? undefined : new Date(before.newest);
  const from = lookBack(newest, { lookBackMs: LOOK_BACK_MS, earliest: since }) ?? since;
  // The month of the last pull was not over then, and the one before the present may still have been corrected.
  const previous = monthOf(now, settings).subtract({ months: 1 }).toString();
  const open = before === undefined || before.month > previous ? previous : before.month;
  return {
    step: "consumption",
    month: before === undefined || open < settings.since ? settings.since : open,
    from: from.toISOString(),
    newest: before?.newest ?? since.toISOString(),
    counted: 0,
    listing: null,
  };
}

/** The e-mails of each month from the cursor's to the present one, twelve months a page. A month without any yields nothing. */
async function* months(input: Input, at: Cursor): AsyncGenerator<Step, void, undefined> {
  const { settings, connection } = input;
  const last = monthOf(input.now, settings).toString();
  let { month, counted } = at;
  do {
    const evidence: EvidenceFact[] = [];
    for (let asked = 0; asked < MONTHS_A_PAGE && month <= last; asked++) {
      const externalId = `${connection.key}/emails/${month}`;
      const following = Temporal.PlainYearMonth.from(month).add({ months: 1 }).toString();
      // The documentation's sample ends with the first day of the next month.
      const range = { begin: `${month}-01`, end: `${following}-01` };
      const { emails } = await callCopernica(input, "consumption", range, consumptionSchema);
      const quantity = readQuantity(emails, externalId);
      const occurredAt = startOfMonth(month, settings);
      if (quantity > 0) {
        evidence.push(
          toFact({ externalId, kind: "emails-sent", occurredAt, quantity, attributes: useOf(input) }),
        );
      }
      month = following;
    }
    counted += evidence.length;
    const cursor =
      month <= last ? { ...at, month, counted } : { ...at, month: last, counted, step: "html" as const };
    yield { evidence, cursor };
  } while (month <= last);
}

/** The mass mailings of one product, page by page; begun again where the listing changed since it was left. */
async function* mailings(
  input: Input,
  at: Cursor,
  product: "html" | "dragAndDrop",
): AsyncGenerator<Step, void, undefined> {
  const { settings, connection } = input;
  const path = `${settings.prefixes[product]}/emailings`;
  const where = `account ${connection.key}: the listing ${path}`;
  const tally = new Tally(where, at.listing);
  const since = startOfMonth(settings.since, settings);
  let newest = at.newest;
  for (;;) {
    const query = (start: number) => ({
      type: "mass",
      followups: "no",
      ...(product === "html" ? { test: "no" } : {}),
      mindestinations: String(settings.minDestinations),
      // A day more than needed: the zone of these dates is a guess.
      fromdate: localTime(new Date(Date.parse(at.from) - DAY_MS), settings),
      start: String(start),
      limit: String(settings.pageLimit),
      total: "true",
    });
    const page = await callCopernica(input, path, query(tally.progress.position), mailingsSchema);
    const total = readQuantity(page.total, where);
    if (tally.beginsAgain(total)) continue;
    const ids = page.data.map((mailing) => idOf(mailing, where));
    if (ids.length !== readQuantity(page.count, where)) {
      throw new SourceError("transient", `${where} came with half a page: ${ids.length} rows`);
    }
    const room = Math.min(readQuantity(page.limit ?? settings.pageLimit, where), settings.pageLimit);
    const fresh = tally.take(ids, total, room);
    if (tally.isOver && ids.length === room) {
      // A full page may be followed by another one, whatever the account announces.
      const beyond = await callCopernica(input, path, query(tally.progress.position), mailingsSchema);
      if (beyond.data.length > 0)
        throw new SourceError("data", `${where} has more mailings than the ${total} it announces`);
    }
    // Deleting it from the fresh ones keeps a mailing that is twice on a page from being two facts.
    const rows = page.data.filter((_, index) => fresh.delete(ids[index] ?? ""));
    const { evidence, quarantined } = sift(rows, {
      id: (mailing) => externalIdOf(mailing, input, product),
      place: (mailing) => externalIdOf(mailing, input, product),
      facts: (mailing) => toNewsletters(mailing, input, product, since),
    });
    const seen = evidence.map(({ occurredAt }) => occurredAt);
    newest = (advanceMark(new Date(newest), seen, input.now) ?? since).toISOString();
    const counted = at.counted + total;
    const following = product === "html" ? ("dragAndDrop" as const) : ("done" as const);
    const cursor = tally.isOver
      ? { ...at, newest, step: following, listing: null, counted }
      : { ...at, newest, listing: tally.progress };
    yield { evidence, quarantined, cursor, total: counted };
    if (tally.isOver) return;
  }
}

/** One fact, or none: for what is no mass mailing, was deleted or not sent yet, or lies before `since`. */
function toNewsletters(
  row: Mailing,
  input: Input,
  product: "html" | "dragAndDrop",
  since: Date,
): EvidenceFact[] {
  const { settings } = input;
  const externalId = externalIdOf(row, input, product);
  const mailing = readRow(row, mailingSchema, externalId);
  const removedAt = readInstant(mailing.removed, settings.timeZone, externalId);
  if (removedAt !== undefined || (mailing.type ?? "mass") !== "mass") return [];
  const occurredAt = readInstant(mailing.timestamp, settings.timeZone, externalId);
  const quantity = readQuantity(mailing.destinations ?? 0, externalId);
  if (occurredAt === undefined || occurredAt < since) return [];
  if (quantity < settings.minDestinations) return [];
  const title = mailing.subject ?? undefined;
  return [toFact({ externalId, kind: "newsletter", occurredAt, quantity, attributes: useOf(input), title })];
}

/** With "publisher" and "ms" whatever the paths are called, so that renaming the paths renames no evidence. */
function externalIdOf(mailing: Mailing, { connection }: Input, product: "html" | "dragAndDrop"): string {
  return `${connection.key}/${product === "html" ? "publisher" : "ms"}/${idOf(mailing, "")}`;
}

function idOf(mailing: Mailing, where: string): string {
  const id = mailing.id ?? mailing.ID;
  if (id === undefined || id === "") throw new SourceError("data", `${where} holds a mailing without an id`);
  return String(id);
}

function useOf({ connection }: Input): Record<string, string> {
  const use = connection.attributes["use"];
  return use === undefined ? {} : { use };
}

function monthOf(at: Date, { timeZone }: CopernicaSettings): Temporal.PlainYearMonth {
  return local(at, timeZone).toPlainDate().toPlainYearMonth();
}

function startOfMonth(month: string, { timeZone }: CopernicaSettings): Date {
  const first = Temporal.PlainYearMonth.from(month).toPlainDate({ day: 1 });
  return new Date(first.toZonedDateTime(timeZone).epochMilliseconds);
}

/** As the API writes dates: 2026-10-25 02:30:00. */
function localTime(at: Date, { timeZone }: CopernicaSettings): string {
  return local(at, timeZone).toPlainDateTime().toString({ smallestUnit: "second" }).replace("T", " ");
}

function local(at: Date, timeZone: string): Temporal.ZonedDateTime {
  return Temporal.Instant.fromEpochMilliseconds(at.getTime()).toZonedDateTimeISO(timeZone);
}
