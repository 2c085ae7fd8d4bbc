// Copernica as its REST v4 documentation and its public clients describe it: a token is exchanged for a JWT, the JWT
// covers one account, lists come in an envelope, nearly every error is a 400, and a number may be a string.
// https://www.copernica.com/en/documentation/restv4/rest-introduction
import { createHmac, timingSafeEqual } from "node:crypto";
import { type Answer, json, type Question, text } from "./answer.ts";
import type { Mailing } from "./mailings.ts";
import { type Account, accounts } from "./partners.ts";
import type { World } from "./world.ts";

const dayMs = 86_400_000;

/** `POST authenticate` (access_token=…) gives a JWT for 24 hours; `v4/…` answers to it. */
export function answerCopernica(world: World, question: Question): Answer {
  const [first, ...rest] = question.path.split("/");
  if (first === "authenticate") return authenticate(world, question);
  const account = accountBehind(world, question.headers["authorization"] ?? "");
  if (account === undefined) return failure("Invalid access token");
  if (first !== "v4" || question.method !== "GET") return failure("Invalid method");
  switch (rest.join("/")) {
    case "identity":
      return json({ id: account.key, name: account.name, description: "", company: account.name });
    case "consumption":
      return consumption(world, account, question.query);
    case "publisher/emailings":
      return emailings(world, account, "publisher", question.query);
    case "ms/emailings":
      return emailings(world, account, "ms", question.query);
    default:
      return failure("Invalid method");
  }
}

function authenticate(world: World, { method, body }: Question): Answer {
  const token = new URLSearchParams(body).get("access_token");
  const account = accounts.find((each) => each.token === token);
  if (method !== "POST" || account === undefined) return failure("Invalid access token");
  const issuedAt = Math.floor(world.now().getTime() / 1000);
  const claims = { sub: account.key, iat: issuedAt, exp: issuedAt + dayMs / 1000 };
  const unsigned = `${encode({ alg: "HS256", typ: "JWT" })}.${encode(claims)}`;
  return text(`${unsigned}.${sign(world, unsigned)}\n`);
}

function accountBehind(world: World, authorization: string): Account | undefined {
  const [, head = "", claims = "", signature = ""] =
    /^Bearer ([\w-]+)\.([\w-]+)\.([\w-]+)$/.exec(authorization) ?? [];
  const [given, expected] = [Buffer.from(signature), Buffer.from(sign(world, `${head}.${claims}`))];
  if (given.length !== expected.length || !timingSafeEqual(given, expected)) return undefined;
  const { sub, exp } = JSON.parse(Buffer.from(claims, "base64url").toString()) as {
    sub: string;
    exp: number;
  };
  return exp * 1000 > world.now().getTime() ? accounts.find((each) => each.key === sub) : undefined;
}

/** E-mails of whatever kind from `begin` until, but not including, `end`. */
function consumption(world: World, account: Account, query: URLSearchParams): Answer {
  const [begin, end] = [query.get("begin") ?? "", query.get("end") ?? ""];
  if (![begin, end].every((date) => /^\d{4}-\d{2}-\d{2}$/.test(date)))
    return failure("Invalid data provided");
  const emails = world.mailings
    .filter(
      (mailing) => mailing.account === account.key && begin <= mailing.timestamp && mailing.timestamp < end,
    )
    .reduce((sum, mailing) => sum + mailing.destinations, 0);
  const none = { texts: 0, fax: 0, webpages: 0, apicalls: 0, litmustests: 0, twofiftyoktests: 0 };
  return json({ emails: numberOf(account, emails), ...none });
}

function emailings(
  world: World,
  account: Account,
  product: Mailing["product"],
  query: URLSearchParams,
): Answer {
  const asked = (name: string, is: boolean) => {
    const value = query.get(name) ?? "both";
    return value === "both" || (value === "yes") === is;
  };
  const rows = world.mailings.filter(
    (mailing) =>
      mailing.account === account.key &&
      mailing.product === product &&
      ["both", mailing.type].includes(query.get("type") ?? "both") &&
      asked("followups", mailing.followup) &&
      // Marketing Suite knows no tests.
      (product === "ms" || asked("test", mailing.test)) &&
      mailing.timestamp >= (query.get("fromdate") ?? "") &&
      mailing.timestamp <= (query.get("todate") ?? "9999") &&
      mailing.destinations >= numberIn(query, "mindestinations", 0) &&
      mailing.destinations <= numberIn(query, "maxdestinations", Number.MAX_SAFE_INTEGER),
  );
  const start = numberIn(query, "start", 0);
  const limit = Math.min(numberIn(query, "limit", 100), 1000);
  const data = rows.slice(start, start + limit).map((mailing) => toItem(account, mailing));
  const total = query.get("total") === "false" ? {} : { total: rows.length };
  return json({ start, limit, count: data.length, ...total, data });
}

function toItem(account: Account, mailing: Mailing): Record<string, unknown> {
  const common = {
    id: numberOf(account, mailing.id),
    timestamp: mailing.timestamp,
    template: "7",
    subject: mailing.subject,
    from_address: { name: account.name, email: `news@account-${account.key}.example` },
    destinations: numberOf(account, mailing.destinations),
    type: mailing.type,
    target: { type: "database", sources: [{ id: "1", type: "database" }] },
  };
  if (mailing.product === "ms") return common;
  const none = { clicks: "0", impressions: "0", errors: "0", unsubscribes: "0", abuses: "0" };
  return {
    ...common,
    document: "12",
    description: "",
    testgroups: [],
    finalgroup: null,
    ...none,
    contenttype: "html",
  };
}

/** Half of the accounts give their numbers as strings. */
function numberOf(account: Account, value: number): number | string {
  return Number(account.key) % 2 === 0 ? value : String(value);
}

function numberIn(query: URLSearchParams, name: string, absent: number): number {
  const value = query.get(name);
  return value !== null && /^\d+$/.test(value) ? Number(value) : absent;
}

function failure(message: string): Answer {
  return json({ error: { message } }, 400);
}

function encode(value: unknown): string {
  return Buffer.from(JSON.stringify(value)).toString("base64url");
}

function sign(world: World, unsigned: string): string {
  return createHmac("sha256", `sandbox ${world.seed}`).update(unsigned).digest("base64url");
}
