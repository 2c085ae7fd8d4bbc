// The web application: the JSON API and the inbox on one port.
import { Hono } from "hono";
import { etag } from "hono/etag";
import { HTTPException } from "hono/http-exception";
import { secureHeaders } from "hono/secure-headers";
import { isOutage } from "../../db/outage.ts";
import { type ApiParts, apiRoutes } from "./api/api.ts";
import { type InboxParts, inboxRoutes } from "./inbox.ts";
import { refuse, refuseForNow, refuseUnknown } from "./refusals.ts";
import { mount, type Route } from "./routes.ts";

/** A restart of Postgres takes a few seconds. */
const OUTAGE_SECONDS = 5;

export interface AppParts extends ApiParts {
  /** undefined: the inbox is off. */
  inbox?: Omit<InboxParts, "db" | "now" | "logger">;
}

/** Every route with its access. */
export function routesOf(parts: AppParts): Route[] {
  const { db, now, logger, inbox } = parts;
  return [...apiRoutes(parts), ...inboxRoutes(inbox && { ...inbox, db, now, logger })];
}

/** The application; {@link openWeb} serves it. */
export function createApp(parts: AppParts): Hono {
  const { logger } = parts;
  const app = new Hono();
  // No CORS headers: other sites' scripts cannot read this. The proxy that terminates TLS sets Strict-Transport-Security.
  app.use(
    secureHeaders({
      contentSecurityPolicy: { defaultSrc: ["'none'"], frameAncestors: ["'none'"] },
      xFrameOptions: "DENY",
      strictTransportSecurity: false,
    }),
  );
  // The tag is a digest of the content. "no-cache": it may be stored, and must be revalidated before each use.
  app.use("/api/*", etag());
  app.use("/api/*", async (c, next) => {
    await next();
    c.header("Cache-Control", c.res.ok || c.res.status === 308 ? "no-cache" : "no-store");
  });
  mount(app, routesOf(parts));
  app.notFound(refuseUnknown);
  app.onError((error, c) => {
    if (error instanceof HTTPException) return error.getResponse();
    const request = { method: c.req.method, path: c.req.path };
    c.header("Cache-Control", "no-store");
    if (isOutage(error)) {
      logger?.warn({ err: error, ...request }, "The database is out of reach.");
      return refuseForNow(
        c,
        OUTAGE_SECONDS,
        "unavailable",
        "The database is out of reach: try again in a moment.",
      );
    }
    logger?.error({ err: error, ...request }, "A request failed.");
    return refuse(c, 500, "internal", "Something went wrong on our side. It has been logged.");
  });
  return app;
}
