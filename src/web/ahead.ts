// What lies ahead of one partner: quick wins, the forecast, and the forecast as a calendar. Public as its page is: only of partners
// in the standings.
import type { Context, Handler } from "hono";
import type { Database } from "../../db/client.ts";
import { chooseLocale, type Messages, openMessages } from "../messages/messages.ts";
import { type FoundPartner, findPartner } from "../partners/find.ts";
import type { ProgrammeVersions } from "../programme/versions.ts";
import { adjustmentOf } from "../scoring/evaluation.ts";
import { type Forecast, forecastDays, readForecast } from "../scoring/forecast.ts";
import { readProspects, toShownProspects } from "../scoring/prospects.ts";
import { postgresStandings } from "../standings/postgres.ts";
import type { Standing } from "../standings/standings.ts";
import { toCalendar } from "./calendar.ts";
import { openTurns } from "./turns.ts";

interface Parts {
  db: Database;
  programmes: ProgrammeVersions;
  now: () => Date;
}

/**
 * Looking ahead evaluates a partner at hundreds of instants, in one transaction: as many requests as the pool has connections
 * would keep the standings, the health check and the score job waiting.
 */
const AT_A_TIME = 2;

/** What a question is answered with; undefined: no programme is published, so there is nothing ahead. */
type Answer = (partner: FoundPartner, standing: Standing, c: Context) => Promise<Response | undefined>;

/** `notFound` answers for partners that are not in the standings. */
export function aheadHandlers(
  { db, programmes, now }: Parts,
  notFound: (c: Context) => Response,
): Record<"quick-wins" | "forecast" | "forecast.ics", Handler> {
  const inTurn = openTurns(AT_A_TIME);
  const about = (name: string, answer: Answer): Handler => {
    return async (c) => {
      const slug = c.req.param("slug") ?? "";
      const partner = await findPartner(db, slug);
      const standing = partner && (await postgresStandings(db).of(partner.id));
      if (partner === undefined || standing === undefined) return notFound(c);
      if (partner.slug !== slug) return c.redirect(`/api/partners/${partner.slug}/${name}`, 308);
      return (await inTurn(() => answer(partner, standing, c))) ?? notFound(c);
    };
  };
  return {
    "quick-wins": about("quick-wins", async ({ id, slug, name }, _, c) => {
      const prospects = await readProspects(db, programmes, { partnerId: id, now: now() });
      return prospects && c.json({ partner: { slug, name }, ...toShownProspects(prospects) });
    }),

    forecast: about("forecast", async ({ id, slug, name }, _, c) => {
      const forecast = await readForecast(db, programmes, { partnerId: id, now: now() });
      if (forecast === undefined) return undefined;
      const { total, timeZone, changes } = withoutReasons(forecast, speak(c, forecast.timeZone));
      return c.json({ partner: { slug, name }, days: forecastDays, total, timeZone, changes });
    }),

    "forecast.ics": about("forecast.ics", async (partner, { reachedAt: changedAt }, c) => {
      const forecast = await readForecast(db, programmes, { partnerId: partner.id, now: now() });
      if (forecast === undefined) return undefined;
      const messages = speak(c, forecast.timeZone);
      c.header("Content-Type", "text/calendar; charset=utf-8");
      const shown = withoutReasons(forecast, messages);
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

/** Why an adjustment was made is for those who may see it: not for everybody, as on the partner's page. */
function withoutReasons(forecast: Forecast, messages: Messages): Forecast {
  const changes = forecast.changes.map((change) => {
    const id = adjustmentOf(change.achievement);
    return id === undefined
      ? change
      : { ...change, title: messages.say("adjustment.title", { id: String(id) }) };
  });
  return { ...forecast, changes };
}
