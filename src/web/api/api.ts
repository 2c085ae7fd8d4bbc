// The JSON API: which routes there are, who answers them and who may ask. Reads only, but for the messages of other systems.
//
// One number everywhere. What is promised is equality under a version: two answers that show the same partner under the
// same scoreVersion show the same points, and a partner's achievements add up to the points beside them.
//   /api/standings       each standing carries the points and the version of one score, from the cache or from Postgres
//   /api/partners/:slug  points, version, rank and achievements are one Postgres statement, so one snapshot
// While the cache is some milliseconds behind, the two may show different points: then their versions differ, and the
// higher one is the newer. A rank has no version (it depends on everybody else) and is as of the answer it is in.
import { type Context, type Handler, Hono } from "hono";
import { etag } from "hono/etag";
import { HTTPException } from "hono/http-exception";
import { secureHeaders } from "hono/secure-headers";
import type { Logger } from "pino";
import type { Database } from "../../../db/client.ts";
import { chooseLocale, openMessages } from "../../messages/messages.ts";
import type { Programme } from "../../programme/document.ts";
import type { ProgrammeVersions } from "../../programme/versions.ts";
import { readPartner } from "../../standings/partner.ts";
import type { ReadableStandings } from "../../standings/reading.ts";
import type { Standing } from "../../standings/standings.ts";
import { type InboxParts, inboxHandlers } from "../inbox.ts";
import { aheadHandlers } from "./ahead.ts";
import { readHealth, type SourceFreshness } from "./health.ts";
import { toPartnerPage } from "./partner.ts";

/**
 * Every route: the file its answer comes from, and who may ask. GET and HEAD, and POST where senders prove who they are; everything
 * else is 405.
 */
export const routes = {
  "/healthz": { owner: "src/web/api/health.ts", access: "public" },
  "/api/standings": { owner: "src/standings/reading.ts", access: "public" },
  "/api/partners/:slug": { owner: "src/web/api/partner.ts", access: "public" },
  "/api/partners/:slug/quick-wins": { owner: "src/insight/prospects.ts", access: "public" },
  "/api/partners/:slug/forecast": { owner: "src/insight/forecast.ts", access: "public" },
  "/api/partners/:slug/forecast.ics": { owner: "src/web/api/calendar.ts", access: "public" },
  "/inbox/:source": { owner: "src/web/inbox.ts", access: "senders" },
} as const;

export interface ApiParts {
  db: Database;
  standings: ReadableStandings;
  /** The programme in force, asked for at every request that shows it; undefined: none is published. */
  programme: () => Promise<Programme | undefined>;
  programmes: ProgrammeVersions;
  /** The configured sources: what /healthz watches. */
  sources: SourceFreshness[];
  /** What messages of other systems need; undefined: the inbox is off. */
  inbox?: Omit<InboxParts, "db" | "now" | "logger">;
  now: () => Date;
  /** Gets what the answer of a failed request does not say. */
  logger?: Logger | undefined;
}

const defaultLimit = 50;
const mostStandings = 200;
const highestOffset = 1_000_000_000;

/** The application; {@link openWeb} serves it. Errors are JSON: `{ error: { code, message, parameter? } }`. */
export function createApi(parts: ApiParts): Hono {
  const { db, standings, programme, programmes, sources, now, logger } = parts;
  const ahead = aheadHandlers(
    { db, programmes, now },
    { notFound: refusePartner, busy: refuseForNow, tooLong: refuseLong, wholeNumber: readWholeNumber },
  );
  const inbox = parts.inbox && inboxHandlers({ ...parts.inbox, db, now, logger }, refuse);
  const handlers: Record<keyof typeof routes, Handler> = {
    async "/healthz"(c) {
      const health = await readHealth({ db, sources, cacheState: () => standings.cacheState(), now: now() });
      c.header("Cache-Control", "no-store");
      return c.json(health, health.healthy ? 200 : 503);
    },

    async "/api/standings"(c) {
      const offset = readWholeNumber(c, "offset", { fallback: 0, least: 0, most: highestOffset });
      const limit = readWholeNumber(c, "limit", { fallback: defaultLimit, least: 1, most: mostStandings });
      const page = await standings.page({ offset, limit });
      return c.json({ offset, limit, total: page.total, standings: page.standings.map(toShown) });
    },

    async "/api/partners/:slug"(c) {
      const slug = c.req.param("slug") ?? "";
      const partner = await readPartner(db, slug);
      if (partner === undefined) return refusePartner(c);
      if (partner.slug !== slug) return c.redirect(`/api/partners/${partner.slug}`, 308);
      const rules = await programme();
      const messages = openMessages(chooseLocale(c.req.header("Accept-Language")), rules?.timeZone ?? "UTC");
      c.header("Content-Language", messages.locale);
      c.header("Vary", "Accept-Language");
      return c.json(toPartnerPage(partner, rules, messages));
    },

    "/api/partners/:slug/quick-wins": ahead["quick-wins"],
    "/api/partners/:slug/forecast": ahead.forecast,
    "/api/partners/:slug/forecast.ics": ahead["forecast.ics"],

    "/inbox/:source": inbox?.look ?? refuseUnknown,
  };
  const receivers: Partial<Record<string, Handler>> = { "/inbox/:source": inbox?.receive ?? refuseUnknown };

  const app = new Hono();
  // No CORS headers: other sites' scripts cannot read this. The proxy that terminates TLS sets Strict-Transport-Security.
  app.use(
    secureHeaders({
      contentSecurityPolicy: { defaultSrc: ["'none'"], frameAncestors: ["'none'"] },
      xFrameOptions: "DENY",
      strictTransportSecurity: false,
    }),
  );
  // The tag is a digest of the content. "no-cache" means: keep it, and ask whether it is still the same before use.
  app.use("/api/*", etag());
  app.use("/api/*", async (c, next) => {
    await next();
    c.header("Cache-Control", c.res.ok || c.res.status === 308 ? "no-cache" : "no-store");
  });
  for (const [path, handler] of Object.entries(handlers)) {
    app.get(path, handler);
    const receiver = receivers[path];
    if (receiver !== undefined) app.post(path, receiver);
    const allowed = receiver === undefined ? ["GET", "HEAD"] : ["GET", "HEAD", "POST"];
    app.all(path, (c) => {
      c.header("Allow", allowed.join(", "));
      const message = `${c.req.method} is not possible here: only ${allowed.slice(0, -1).join(", ")} and ${allowed.at(-1) ?? ""} are.`;
      return refuse(c, 405, "method-not-allowed", message);
    });
  }
  app.notFound(refuseUnknown);
  app.onError((error, c) => {
    if (error instanceof HTTPException) return error.getResponse();
    logger?.error({ err: error, method: c.req.method, path: c.req.path }, "A request failed.");
    return refuse(c, 500, "internal", "Something went wrong on our side. It has been logged.");
  });
  return app;
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

function refuseUnknown(c: Context): Response {
  return refuse(c, 404, "not-found", "There is nothing at this path.");
}

function refusePartner(c: Context): Response {
  return refuse(c, 404, "not-found", "There is no such partner in the standings.");
}

function refuseForNow(c: Context, seconds: number): Response {
  c.header("Retry-After", String(seconds));
  return refuse(c, 503, "busy", `Too many ask this at the moment: try again in ${seconds} seconds.`);
}

function refuseLong(c: Context): Response {
  const message =
    "So much will change that looking ahead takes too long here: ask for fewer days, or on the command line.";
  return refuse(c, 503, "too-long", message);
}

function refuse(
  c: Context,
  status: 400 | 401 | 404 | 405 | 408 | 413 | 415 | 500 | 503,
  code: string,
  message: string,
  parameter?: string,
): Response {
  return c.json({ error: { code, message, ...(parameter !== undefined && { parameter }) } }, status);
}

/** A query parameter, given once at most. Ends the request with 400 and the parameter's name when it is anything else. */
function readWholeNumber(
  c: Context,
  parameter: string,
  { fallback, least, most }: { fallback: number; least: number; most: number },
): number {
  const given = c.req.queries(parameter);
  if (given === undefined) return fallback;
  const [value = ""] = given;
  const number = given.length === 1 && /^\d{1,10}$/.test(value) ? Number(value) : undefined;
  if (number !== undefined && number >= least && number <= most) return number;
  const message = `${parameter} must be one whole number from ${least} to ${most}.`;
  throw new HTTPException(400, { res: refuse(c, 400, "bad-parameter", message, parameter) });
}
