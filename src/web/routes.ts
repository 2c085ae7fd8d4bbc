// Routes and who may use them. A route is declared with its access beside its handler; the table of all routes is made from that.
import type { Context, Handler, Hono } from "hono";
import { refuse } from "./refusals.ts";

/** `public`: anyone. `signed`: the request itself proves its sender (src/web/inbox.ts). */
const accesses = ["public", "signed"] as const;

export interface Route {
  method: "GET" | "POST";
  path: string;
  access: (typeof accesses)[number];
  handler: Handler;
}

/** Adds the routes, and answers 405 for other methods on their paths. HEAD is answered as GET without the body. */
export function mount(app: Hono, routes: readonly Route[]): void {
  for (const path of new Set(routes.map((route) => route.path))) {
    const own = routes.filter((route) => route.path === path);
    for (const { method, handler } of own) app.on(method, path, handler);
    const allowed = own.flatMap(({ method }) => (method === "GET" ? ["GET", "HEAD"] : [method]));
    app.all(path, (c) => refuseMethod(c, allowed));
  }
  assertDeclared(app, routes);
}

/** Throws when the application has a route that is not in the table, or one without a known access. */
export function assertDeclared(app: Hono, routes: readonly Route[]): void {
  const declared = new Set(routes.map(({ method, path }) => `${method} ${path}`));
  for (const { method, path, access } of routes) {
    if (!accesses.includes(access))
      throw new Error(`The route ${method} ${path} does not declare its access`);
  }
  for (const { method, path } of app.routes) {
    // Middleware and the answers 405 are registered for all methods.
    if (method !== "ALL" && !declared.has(`${method} ${path}`))
      throw new Error(`The route ${method} ${path} does not declare its access`);
  }
}

function refuseMethod(c: Context, allowed: string[]): Response {
  c.header("Allow", allowed.join(", "));
  const list = new Intl.ListFormat("en").format(allowed);
  return refuse(c, 405, "method-not-allowed", `${c.req.method} is not allowed here. Allowed: ${list}.`);
}
