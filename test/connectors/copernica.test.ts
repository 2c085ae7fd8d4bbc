import { afterEach, beforeEach, describe, expect, test } from "vitest";
import { type Answer, type Asked, json, openServer, send } from "../../src/conformance/server.ts";
import { type Fetcher, openFetcher } from "../../src/connectors/client/fetcher.ts";
import type { Page, PullInput } from "../../src/connectors/connector.ts";
import { copernica } from "../../src/connectors/copernica.ts";
import { type Bench, conforms, factsOf, inputOf, limits, pagesOf } from "./conformance.ts";
import { JUST_LATE_MS } from "./system.ts";

const SECRET = "c0ffee-of-account-4711";

interface TestMailing {
  id: number;
  timestamp: string;
  destinations: number | string;
  type?: string;
  subject?: string;
  removed?: string;
}

/** What one Copernica account holds, and the API that tells of it. */
function openAccount() {
  const account = {
    months: { "2026-01": 1200, "2026-03": 300, "2026-09": 1501, "2026-10": "42" } as Record<
      string,
      number | string
    >,
    html: [
      { id: 11, timestamp: "2026-01-15 09:00:00", destinations: "120", subject: "Winter" },
      { id: 12, timestamp: "2026-03-29 02:30:00", destinations: 25, subject: "Spring \u0000&\ud800 change" },
      { id: 13, timestamp: "2026-09-30 23:59:59", destinations: 25, subject: "Autumn" },
      { id: 14, timestamp: "2026-10-20 10:00:00", destinations: 30 },
      { id: 15, timestamp: "0000-00-00 00:00:00", destinations: 30, subject: "Not sent yet" },
    ] as TestMailing[],
    dragAndDrop: [
      { id: 11, timestamp: "2026-02-01 08:00:00", destinations: 70, subject: "Same id, other product" },
      { id: 21, timestamp: "2026-10-25 02:30:00", destinations: "80", subject: "The hour that comes twice" },
      {
        id: 22,
        timestamp: "2026-04-01 08:00:00",
        destinations: "90",
        subject: "Deleted",
        removed: "2026-05-01 00:00:00",
      },
    ] as TestMailing[],
    overstatedBy: 0,
    isEndless: false,
    isShort: false,
    jwts: 0,
    /** JWTs with a lower number are refused, as a 400 that names the token. */
    validFrom: 0,
  };

  function listing(mailings: TestMailing[], query: URLSearchParams): Answer {
    const start = Number(query.get("start"));
    const limit = Number(query.get("limit"));
    if (account.isEndless) {
      const data = Array.from({ length: limit }, (_, index) => ({
        ID: String(start + index + 100),
        timestamp: "2026-10-01 00:00:00",
        destinations: 5,
      }));
      return json({ start, limit, count: limit, total: start + limit + 10, data });
    }
    const from = query.get("fromdate") ?? "";
    const all = mailings.filter(({ timestamp }) => timestamp >= from || timestamp.startsWith("0000"));
    // One product says id, the other ID, both as the API does.
    const data = all.slice(start, start + (account.isShort ? 1 : limit)).map(({ id, ...rest }) => ({
      ...(mailings === account.html ? { id: String(id) } : { ID: id }),
      type: "mass",
      ...rest,
    }));
    return json({ start, limit, count: data.length, total: String(all.length + account.overstatedBy), data });
  }

  function behave({ method, path, query, headers, body }: Asked): Answer {
    if (method === "POST" && path === "/authenticate") {
      if (new URLSearchParams(body).get("access_token") !== SECRET) return { status: 400, body: "{}" };
      account.jwts += 1;
      const claims = { exp: Date.UTC(2026, 9, 29) / 1000, n: account.jwts };
      return { body: `${base64({ alg: "HS256" })}.${base64(claims)}.c2lnbmF0dXJl\n` };
    }
    const jwt = String(headers["authorization"]).split(".")[1] ?? "";
    const { n = -1 } =
      jwt === "" ? {} : (JSON.parse(Buffer.from(jwt, "base64url").toString()) as { n?: number });
    if (n < account.validFrom) return refused("Invalid access token");
    if (path === "/v4/identity") return json({ ID: "4711", name: "Marketing Agency X" });
    if (path === "/v4/consumption")
      return json({ emails: account.months[(query.get("begin") ?? "").slice(0, 7)] ?? 0 });
    if (path === "/v4/publisher/emailings") return listing(account.html, query);
    if (path === "/v4/ms/emailings") return listing(account.dragAndDrop, query);
    return refused("Invalid method");
  }

  return { account, behave };
}

const base64 = (value: unknown) => Buffer.from(JSON.stringify(value)).toString("base64url");
const refused = (message: string): Answer => ({ status: 400, body: JSON.stringify({ error: { message } }) });

async function openBench(): Promise<Bench & { account: ReturnType<typeof openAccount>["account"] }> {
  const { account, behave } = openAccount();
  const server = await openServer(behave);
  return {
    account,
    server,
    settings: {
      url: `${server.url}/v4/`,
      "authenticate-url": `${server.url}/authenticate`,
      since: "2025-09",
      "page-limit": 2,
    },
    connection: { key: "4711", secret: SECRET, attributes: { use: "own" } },
    now: new Date("2026-10-28T12:00:00Z"),
    secrets: [SECRET, base64({ alg: "HS256" })],
    lateMs: JUST_LATE_MS,
    add: (changedAt) => {
      const timestamp = changedAt.toLocaleString("sv-SE", { timeZone: "Europe/Amsterdam" });
      account.html.push({ id: 1000 + account.html.length, timestamp, destinations: 60 });
    },
    repeat: () => {
      account.html.push(account.html[0]!);
    },
    understate: () => {
      account.overstatedBy = -1;
    },
    shorten: () => {
      account.isShort = true;
    },
    setLocal(externalId, local) {
      const id = Number(externalId.split("/")[2]);
      for (const mailing of account.html) if (mailing.id === id) mailing.timestamp = local.replace("T", " ");
    },
    remove(externalId) {
      const [, product, id] = externalId.split("/");
      if (product === "emails") account.months[id ?? ""] = 0;
      account.html = account.html.filter((mailing) => product !== "publisher" || mailing.id !== Number(id));
      account.dragAndDrop = account.dragAndDrop.filter(
        (mailing) => product !== "ms" || mailing.id !== Number(id),
      );
    },
    overstate: () => {
      account.overstatedBy = 1;
    },
    neverEnd: () => {
      account.isEndless = true;
    },
  };
}

describe("copernica", () => {
  conforms("copernica", copernica, openBench);

  let bench: Awaited<ReturnType<typeof openBench>>;
  let fetcher: Fetcher;

  beforeEach(async () => {
    bench = await openBench();
    fetcher = openFetcher({ allowPrivate: [bench.server.host], userAgent: "standings-test", limits });
  });

  afterEach(async () => {
    await fetcher.close();
    await bench.server.close();
  });

  function pull(changes: Partial<PullInput<unknown>> = {}): Promise<Page[]> {
    return pagesOf(
      copernica.pull(
        inputOf(copernica, bench, fetcher.fetchFor(new AbortController().signal), changes) as never,
      ),
    );
  }

  /** The months and the mailings asked for since the last look. */
  function asked() {
    const all = bench.server.asked.splice(0);
    return {
      months: all
        .filter(({ path }) => path.endsWith("consumption"))
        .map(({ query }) => query.get("begin")?.slice(0, 7)),
      fromDates: all
        .filter(({ path }) => path.endsWith("emailings"))
        .map(({ query }) => query.get("fromdate")),
    };
  }

  test("months and mailings become facts of the account, at their local instants", async () => {
    const facts = factsOf(await pull());
    const told = facts.map(
      ({ externalId, kind, occurredAt, quantity }) =>
        `${externalId} ${kind} ${occurredAt.toISOString()} ${quantity}`,
    );
    expect(told).toEqual([
      "4711/emails/2026-01 emails-sent 2025-12-31T23:00:00.000Z 1200",
      "4711/emails/2026-03 emails-sent 2026-02-28T23:00:00.000Z 300",
      "4711/emails/2026-09 emails-sent 2026-08-31T22:00:00.000Z 1501",
      "4711/emails/2026-10 emails-sent 2026-09-30T22:00:00.000Z 42",
      "4711/ms/11 newsletter 2026-02-01T07:00:00.000Z 70",
      "4711/ms/21 newsletter 2026-10-25T00:30:00.000Z 80",
      "4711/publisher/11 newsletter 2026-01-15T08:00:00.000Z 120",
      "4711/publisher/12 newsletter 2026-03-29T01:30:00.000Z 25",
      "4711/publisher/13 newsletter 2026-09-30T21:59:59.000Z 25",
      "4711/publisher/14 newsletter 2026-10-20T08:00:00.000Z 30",
    ]);
    expect(facts.every(({ attributes }) => attributes?.["use"] === "own")).toBe(true);
    expect(facts.find(({ externalId }) => externalId === "4711/publisher/12")?.title).toBe(
      "Spring &\ufffd change",
    );
  });

  test("asks for mass mailings only, and for tests to be left out where the product can", async () => {
    await pull();
    const listings = bench.server.asked.filter(({ path }) => path.endsWith("emailings"));
    for (const { path, query } of listings) {
      expect(query.get("type")).toBe("mass");
      expect(query.get("followups")).toBe("no");
      expect(query.get("test")).toBe(path.includes("publisher") ? "no" : null);
    }
    expect(listings.map(({ path }) => path)).toContain("/v4/ms/emailings");
  });

  test("after a complete pull only open months and late mailings are asked for", async () => {
    const [, last] = [await pull(), (await pull()).at(-1)];
    asked();
    await pull({ full: false, cursor: last?.cursor });
    const { months, fromDates } = asked();
    expect(months).toEqual(["2026-09", "2026-10"]);
    // The newest is of 25 October; three days of look-back, and a day for the unknown zone.
    expect(new Set(fromDates)).toEqual(new Set(["2026-10-21 02:30:00"]));
  });

  test("after a long pause the months since the last pull are asked for", async () => {
    const last = (await pull({ now: new Date("2026-06-15T00:00:00Z") })).at(-1);
    asked();
    await pull({ full: false, cursor: last?.cursor });
    expect(asked().months).toEqual(["2026-06", "2026-07", "2026-08", "2026-09", "2026-10"]);
  });

  test("a complete listing asks for every month since the one in the settings, whenever it runs", async () => {
    await pull({ now: new Date("2027-12-31T23:30:00Z") });
    const { months } = asked();
    expect(months.at(0)).toBe("2025-09");
    // In Amsterdam it is January already.
    expect(months.at(-1)).toBe("2028-01");
    expect(months).toHaveLength(29);
  });

  test("the newest mailing never lies in the future, so a planned one hides none that are sent before it", async () => {
    bench.account.html.push({ id: 16, timestamp: "2027-06-01 00:00:00", destinations: 10 });
    const last = (await pull()).at(-1);
    asked();
    await pull({ full: false, cursor: last?.cursor });
    expect(new Set(asked().fromDates)).toEqual(new Set(["2026-10-24 14:00:00"]));
  });

  test("a listing that grew since it was left begins again and misses nothing", async () => {
    const pages = await pull();
    const left = pages.find(({ cursor }) => (cursor as { listing: unknown }).listing !== null);
    bench.account.html.unshift({ id: 10, timestamp: "2026-01-01 00:00:00", destinations: 9 });
    const rest = factsOf(await pull({ cursor: left?.cursor }));
    expect(rest.map(({ externalId }) => externalId)).toEqual(
      expect.arrayContaining(["4711/publisher/10", "4711/publisher/11", "4711/publisher/12"]),
    );
  });

  test("a mailing deleted between two pages makes the listing fail rather than slip past another", async () => {
    const pages = copernica.pull(
      inputOf(copernica, bench, fetcher.fetchFor(new AbortController().signal)) as never,
    );
    let shrunk = false;
    const failing = (async () => {
      for await (const { cursor } of pages) {
        if (!shrunk && (cursor as { listing: unknown }).listing !== null) {
          bench.account.html.shift();
          shrunk = true;
        }
      }
    })();
    await expect(failing).rejects.toMatchObject({
      class: "transient",
      message: expect.stringContaining("changed while") as string,
    });
  });

  test("a refused JWT is renewed once, in the middle of a pull", async () => {
    const input = inputOf(copernica, bench, fetcher.fetchFor(new AbortController().signal));
    const pages = copernica.pull(input as never);
    await pages.next();
    bench.account.validFrom = 2;
    await pagesOf(pages);
    expect(bench.account.jwts).toBe(2);
  });

  test("a token refused as a 400 is a matter of the credential, after one renewal", async () => {
    bench.account.validFrom = 99;
    await expect(pull()).rejects.toMatchObject({
      class: "auth",
      message: expect.stringContaining("Invalid access token") as string,
    });
    expect(bench.account.jwts).toBe(2);
  });

  test("what the API says is quoted without the credentials it may repeat", async () => {
    bench.server.breakFrom(2, (response, { headers }) => {
      send(response, refused(`Invalid data provided: ${String(headers["authorization"])} of ${SECRET}`));
    });
    const error: unknown = await pull().catch((thrown: unknown) => thrown);
    expect(error).toMatchObject({ class: "data", status: 400 });
    expect(String(error)).toMatch(/: Invalid data provided: Bearer \*\*\* of \*\*\*$/);
  });

  test("a 400 about the path is a matter of the settings", async () => {
    bench.settings["prefixes"] = { html: "html" };
    await expect(pull()).rejects.toMatchObject({
      class: "config",
      message: expect.stringMatching(/html\/emailings.*Invalid method/) as string,
    });
  });

  test("mailings that are no mass mailings, too small or older than the first month are no newsletters", async () => {
    bench.settings["min-destinations"] = 50;
    bench.account.html.push({ id: 17, timestamp: "2025-08-31 23:59:59", destinations: 500 });
    bench.account.html.push({
      id: 18,
      timestamp: "2026-08-31 23:59:59",
      destinations: 500,
      type: "individual",
    });
    const ids = factsOf(await pull()).map(({ externalId }) => externalId);
    expect(ids.filter((id) => !id.includes("emails"))).toEqual([
      "4711/ms/11",
      "4711/ms/21",
      "4711/publisher/11",
    ]);
  });

  test("a connection without a token is a matter of the credential", async () => {
    bench.connection.secret = undefined;
    await expect(pull()).rejects.toMatchObject({ class: "auth" });
  });

  test("a number that is none is named with the fact it belongs to", async () => {
    bench.account.months["2026-03"] = "many";
    await expect(pull()).rejects.toMatchObject({
      class: "data",
      message: expect.stringContaining("4711/emails/2026-03") as string,
    });
  });

  test("an answer of another shape than agreed is named with its place", async () => {
    bench.server.breakFrom(2, (response) => {
      send(response, json({ mails: 3 }));
    });
    await expect(pull()).rejects.toMatchObject({
      class: "data",
      message: expect.stringMatching(
        /v4\/consumption answered with other data than agreed at emails/,
      ) as string,
    });
  });

  test("settings without a first month are refused", () => {
    expect(copernica.settings.safeParse({}).error?.issues[0]?.path).toEqual(["since"]);
  });
});
