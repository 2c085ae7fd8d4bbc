// Routes declare their access; an application with another route does not start.
import { Hono } from "hono";
import { expect, test } from "vitest";
import { assertDeclared, mount, type Route } from "../../src/web/routes.ts";

const answer = (c: { text(text: string): Response }) => c.text("answer");
const list: Route = { method: "GET", path: "/list", access: "public", handler: answer };
const send: Route = { method: "POST", path: "/list", access: "signed", handler: answer };

test("A declared route answers, and its path answers 405 with the allowed methods to others.", async () => {
  const app = new Hono();
  mount(app, [list, send]);
  expect(await (await app.request("/list")).text()).toBe("answer");
  expect(await (await app.request("/list", { method: "POST" })).text()).toBe("answer");
  const refused = await app.request("/list", { method: "DELETE" });
  expect(refused.status).toBe(405);
  expect(refused.headers.get("allow")).toBe("GET, HEAD, POST");
  expect(await refused.json()).toMatchObject({
    error: { message: "DELETE is not allowed here. Allowed: GET, HEAD, and POST." },
  });
});

test("A route that is not in the table stops the start.", () => {
  const app = new Hono();
  app.get("/secret", answer);
  expect(() => {
    mount(app, [list]);
  }).toThrow("The route GET /secret does not declare its access");
});

test("A route with an unknown access stops the start.", () => {
  const unknown = { ...list, access: undefined } as unknown as Route;
  expect(() => {
    assertDeclared(new Hono(), [unknown]);
  }).toThrow("The route GET /list does not declare its access");
});
