// Errors as the API answers them, `{ error: { code, message, parameter? } }`, and parameters of requests.
import type { Context } from "hono";
import { HTTPException } from "hono/http-exception";

export function refuse(
  c: Context,
  status: 400 | 401 | 404 | 405 | 408 | 413 | 415 | 500 | 503,
  code: string,
  message: string,
  parameter?: string,
): Response {
  return c.json({ error: { code, message, ...(parameter !== undefined && { parameter }) } }, status);
}

export function refuseUnknown(c: Context): Response {
  return refuse(c, 404, "not-found", "There is nothing at this path.");
}

export function refusePartner(c: Context): Response {
  return refuse(c, 404, "not-found", "There is no such partner in the standings.");
}

/** 503 with Retry-After: the request was right and may succeed later. */
export function refuseForNow(c: Context, seconds: number, code: string, message: string): Response {
  c.header("Retry-After", String(seconds));
  return refuse(c, 503, code, message);
}

/** A query parameter, given at most once. Ends the request with 400 and the parameter's name when it is anything else. */
export function readWholeNumber(
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
