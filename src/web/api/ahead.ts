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
/** Of a forecast, or thousands of pieces of evidence of one partner would keep everybody else's from being answered. */
const MOST_MS = 5000;

/** What a question is answered with; undefined: no programme is published, so there is nothing ahead. */
type Answer = (partner: FoundPartner, standing: Standing, c: Context) => Promise<Response | undefined>;

/** How questions are refused and their parameters read, the same for every route. */
interface Manners {
  /** For partners that are not in the standings. */
  notFound: (c: Context) => Response;
  busy: (c: Context, seconds: number) => Response;
  tooLong: (c: Context) => Response;
  wholeNumber: (
    c: Context,
    name: string,
    bounds: { fallback: number; least: number; most: number },
  ) => number;
}

export function aheadHandlers(
  { db, programmes, now, mostMs = MOST_MS }: Parts,
  { notFound, busy, tooLong, wholeNumber }: Manners,
): Record<"quick-wins" | "forecast" | "forecast.ics", Handler> {
  const inTurn = openTurns(TURNS);
  const about = (name: string, answer: Answer): Handler => {
    return async (c) => {
      const slug = c.req.param("slug") ?? "";
      const partner = await findPartner(db, slug);
      const standing = partner && (await postgresStandings(db).of(partner.id));
      if (partner === undefined || standing === undefined) return notFound(c);
      if (partner.slug !== slug) return c.redirect(`/api/partners/${partner.slug}/${name}`, 308);
      try {
        return (await inTurn(() => answer(partner, standing, c))) ?? notFound(c);
      } catch (error) {
        if (error instanceof TooManyWaiting) return busy(c, BUSY_SECONDS);
        if (error instanceof DOMException && error.name === "TimeoutError") return tooLong(c);
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
      const days = wholeNumber(c, "days", { fallback: forecastDays, least: 1, most: forecastDays });
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

function speak(c: Context, timeZone: string): Messages {
  const messages = openMessages(chooseLocale(c.req.header("Accept-Language")), timeZone);
  c.header("Content-Language", messages.locale);
  c.header("Vary", "Accept-Language");
  return messages;
}
