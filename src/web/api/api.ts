// The JSON API: routes that read.
//
// One number everywhere. What is promised is equality under a version: two answers that show the same partner under the
// same scoreVersion show the same points, and a partner's achievements add up to the points beside them.
//   /api/standings       each standing carries the points and the version of one score, from the cache or from Postgres
//   /api/partners/:slug  points, version, rank and achievements are one Postgres statement, so one snapshot
// While the cache is some milliseconds behind, the two may show different points: then their versions differ, and the
// higher one is the newer. A rank has no version (it depends on everybody else) and is as of the answer it is in.
import type { Handler } from "hono";
import type { Logger } from "pino";
import type { Database } from "../../../db/client.ts";
import { chooseLocale, openMessages } from "../../messages/messages.ts";
import type { Programme } from "../../programme/document.ts";
import type { ProgrammeVersions } from "../../programme/versions.ts";
import { readPartner } from "../../standings/partner.ts";
import type { ReadableStandings } from "../../standings/reading.ts";
import type { Standing } from "../../standings/standings.ts";
import { readWholeNumber, refusePartner } from "../refusals.ts";
import type { Route } from "../routes.ts";
import { aheadHandlers } from "./ahead.ts";
import { readHealth, type SourceFreshness } from "./health.ts";
import { toPartnerPage } from "./partner.ts";

export interface ApiParts {
  db: Database;
  standings: ReadableStandings;
  /** The programme in force, read at every request that shows it; undefined: none is published. */
  programme: () => Promise<Programme | undefined>;
  programmes: ProgrammeVersions;
  /** The configured sources: what /healthz watches. */
  sources: SourceFreshness[];
  now: () => Date;
  /** Gets the details that the answer of a failed request omits. */
  logger?: Logger | undefined;
}

const defaultLimit = 50;
const mostStandings = 200;
const highestOffset = 1_000_000_000;

export function apiRoutes({ db, standings, programme, programmes, sources, now }: ApiParts): Route[] {
  const ahead = aheadHandlers({ db, programmes, now });
  const read = (path: string, handler: Handler): Route => ({
    method: "GET",
    path,
    access: "public",
    handler,
  });
  return [
    read("/healthz", async (c) => {
      const health = await readHealth({ db, sources, cacheState: () => standings.cacheState(), now: now() });
      c.header("Cache-Control", "no-store");
      return c.json(health, health.healthy ? 200 : 503);
    }),

    read("/api/standings", async (c) => {
      const offset = readWholeNumber(c, "offset", { fallback: 0, least: 0, most: highestOffset });
      const limit = readWholeNumber(c, "limit", { fallback: defaultLimit, least: 1, most: mostStandings });
      const page = await standings.page({ offset, limit });
      return c.json({ offset, limit, total: page.total, standings: page.standings.map(toShown) });
    }),

    read("/api/partners/:slug", async (c) => {
      const slug = c.req.param("slug") ?? "";
      const partner = await readPartner(db, slug);
      if (partner === undefined) return refusePartner(c);
      if (partner.slug !== slug) return c.redirect(`/api/partners/${partner.slug}`, 308);
      const rules = await programme();
      const messages = openMessages(chooseLocale(c.req.header("Accept-Language")), rules?.timeZone ?? "UTC");
      c.header("Content-Language", messages.locale);
      c.header("Vary", "Accept-Language");
      return c.json(toPartnerPage(partner, rules, messages));
    }),

    read("/api/partners/:slug/quick-wins", ahead["quick-wins"]),
    read("/api/partners/:slug/forecast", ahead.forecast),
    read("/api/partners/:slug/forecast.ics", ahead["forecast.ics"]),
  ];
}

/** Without the id: other systems know a partner by its slug. */
function toShown({
  rank,
  slug,
  name,
  points,
  scoreVersion,
  reachedAt,
}: Standing): Omit<Standing, "partnerId"> {
  return { rank, slug, name, points, scoreVersion, reachedAt };
}
