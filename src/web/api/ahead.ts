// What lies ahead of one partner: quick wins, the forecast, and the forecast as a calendar. Public as its page is: only of partners
// in the standings.
import type { Context, Handler } from "hono";
import type { Database } from "../../../db/client.ts";
import { forecastDays, readForecast } from "../../insight/forecast.ts";
import { readProspects, toShownProspects } from "../../insight/prospects.ts";
import { chooseLocale, type Messages, openMessages } from "../../messages/messages.ts";
import { type FoundPartner, findPartner } from "../../partners/find.ts";
import type { ProgrammeVersions } from "../../programme/versions.ts";
import { postgresStandings } from "../../standings/postgres.ts";
import type { Standing } from "../../standings/standings.ts";
import { readWholeNumber, refuse, refuseForNow, refusePartner } from "../refusals.ts";
import { toCalendar } from "./calendar.ts";
import { toPublicForecast } from "./public-forecast.ts";
import { openTurns, TooManyWaiting } from "./turns.ts";

interface Parts {
  db: Database;
  programmes: ProgrammeVersions;
  now: () => Date;
  /** A forecast takes no longer. */
  mostMs?: number | undefined;
}

/**
 * Looking ahead evaluates a partner at many instants, in one transaction: as many requests as the pool has connections would keep
 * the standings, the health check and the score job waiting. A request that finds the queue full gets 503 with Retry-After.
 */
const TURNS = { atOnce: 2, waiting: 20 };
const BUSY_SECONDS = 5;
const TOO_LONG =
  "So much will change that looking ahead takes too long here: ask for fewer days, or on the command line.";
/** The time limit of a forecast: thousands of pieces of evidence of one partner must not delay the answers about others. */
const MOST_MS = 5000;

/** What a question is answered with; undefined: no programme is published, so there is nothing ahead. */
type Answer = (partner: FoundPartner, standing: Standing, c: Context) => Promise<Response | undefined>;

export function aheadHandlers({
  db,
  programmes,
  now,
  mostMs = MOST_MS,
}: Parts): Record<"quick-wins" | "forecast" | "forecast.ics", Handler> {
  const inTurn = openTurns(TURNS);
  const about = (name: string, answer: Answer): Handler => {
    return async (c) => {
      const slug = c.req.param("slug") ?? "";
      const partner = await findPartner(db, slug);
      const standing = partner && (await postgresStandings(db).of(partner.id));
      if (partner === undefined || standing === undefined) return refusePartner(c);
      if (partner.slug !== slug) return c.redirect(`/api/partners/${partner.slug}/${name}`, 308);
      try {
        return (await inTurn(() => answer(partner, standing, c))) ?? refusePartner(c);
      } catch (error) {
        if (error instanceof TooManyWaiting) return refuseBusy(c);
        if (error instanceof DOMException && error.name === "TimeoutError")
          return refuse(c, 503, "too-long", TOO_LONG);
        throw error;
      }
    };
  };
  return {
    "quick-wins": about("quick-wins", async ({ id, slug, name }, _, c) => {
      const prospects = await readProspects(db, programmes, { partnerId: id, now: now() });
      return prospects && c.json({ partner: { slug, name }, ...toShownProspects(prospects) });
    }),

    forecast: about("forecast", async ({ id, slug, name }, _, c) => {
      const days = readWholeNumber(c, "days", { fallback: forecastDays, least: 1, most: forecastDays });
      const signal = AbortSignal.timeout(mostMs);
      const forecast = await readForecast(db, programmes, { partnerId: id, now: now(), days, signal });
      if (forecast === undefined) return undefined;
      const { total, timeZone, changes } = toPublicForecast(forecast, speak(c, forecast.timeZone));
      return c.json({ partner: { slug, name }, days, total, timeZone, changes });
    }),

    "forecast.ics": about("forecast.ics", async (partner, { reachedAt: changedAt }, c) => {
      const signal = AbortSignal.timeout(mostMs);
      const forecast = await readForecast(db, programmes, { partnerId: partner.id, now: now(), signal });
      if (forecast === undefined) return undefined;
      const messages = speak(c, forecast.timeZone);
      c.header("Content-Type", "text/calendar; charset=utf-8");
      const shown = toPublicForecast(forecast, messages);
      return c.body(toCalendar({ partner, forecast: shown, changedAt, messages }));
    }),
  };
}

function refuseBusy(c: Context): Response {
  const message = `Too many requests look ahead at the moment: try again in ${BUSY_SECONDS} seconds.`;
  return refuseForNow(c, BUSY_SECONDS, "busy", message);
}

function speak(c: Context, timeZone: string): Messages {
  const messages = openMessages(chooseLocale(c.req.header("Accept-Language")), timeZone);
  c.header("Content-Language", messages.locale);
  c.header("Vary", "Accept-Language");
  return messages;
}
