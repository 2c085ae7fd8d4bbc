import { execFile } from "node:child_process";
import { createHash } from "node:crypto";
import { mkdtempSync, readFileSync, rmSync, writeFileSync } from "node:fs";
import { createServer, request as httpRequest } from "node:http";
import type { AddressInfo } from "node:net";
import { tmpdir } from "node:os";
import { join } from "node:path";
import { promisify } from "node:util";
import { Temporal } from "temporal-polyfill";
import { afterEach, describe, expect, test } from "vitest";
import { openFaults } from "../../examples/copernica/faults.ts";
import { historyBefore } from "../../examples/copernica/history.ts";
import { accounts, partners } from "../../examples/copernica/partners.ts";
import {
  findSandbox,
  joinOrOpenSandbox,
  openSandbox,
  type Sandbox,
  type SandboxOptions,
} from "../../examples/copernica/sandbox.ts";
import { openWorld, type World } from "../../examples/copernica/world.ts";
import { pointsAtFirstStart, scoresAtFirstStart } from "./scores.ts";

const anchor = new Date("2026-11-23T12:00:00Z");
const example = new URL("../../examples/copernica/", import.meta.url);
const open: Sandbox[] = [];
const folders: string[] = [];

afterEach(async () => {
  await Promise.all(open.splice(0).map((sandbox) => sandbox.close()));
  for (const folder of folders.splice(0)) rmSync(folder, { recursive: true });
});

function folder(): string {
  const path = mkdtempSync(join(tmpdir(), "standings-sandbox-"));
  folders.push(path);
  return path;
}

async function started(options: Partial<SandboxOptions> = {}): Promise<Sandbox> {
  const sandbox = await openSandbox({ home: folder(), port: 0, now: () => anchor, ...options });
  open.push(sandbox);
  return sandbox;
}

/** A difference would fill screens. */
function digestOf(world: World): string {
  return createHash("sha256").update(JSON.stringify(world)).digest("hex");
}

function portOf(sandbox: Sandbox): number {
  return Number(new URL(sandbox.url).port);
}

async function call(sandbox: Sandbox, path: string, body?: unknown): Promise<Response> {
  if (body === undefined) return fetch(`${sandbox.url}${path}`);
  return fetch(`${sandbox.url}${path}`, { method: "POST", body: JSON.stringify(body) });
}

async function read<T>(sandbox: Sandbox, path: string): Promise<T> {
  const response = await call(sandbox, path);
  expect(response.status).toBe(200);
  return (await response.json()) as T;
}

/** Posts to the side door and expects success. */
async function post<T>(sandbox: Sandbox, path: string, body: unknown = {}): Promise<T> {
  const response = await call(sandbox, `/sandbox/${path}`, body);
  expect(response.status).toBeLessThan(300);
  return (await response.json()) as T;
}

async function jwtOf(sandbox: Sandbox, key: string): Promise<string> {
  const body = new URLSearchParams({ access_token: `sandbox-token-${key}` });
  const response = await fetch(`${sandbox.url}/copernica/authenticate`, { method: "POST", body });
  expect(response.headers.get("content-type")).toMatch(/^text\/plain/);
  return (await response.text()).trim();
}

async function copernica(sandbox: Sandbox, jwt: string, path: string): Promise<Response> {
  return fetch(`${sandbox.url}/copernica/v4/${path}`, { headers: { authorization: `Bearer ${jwt}` } });
}

interface Envelope {
  start: number;
  limit: number;
  count: number;
  total?: number;
  data: { id: number | string; timestamp: string; type: string; destinations: number | string }[];
}

async function emailings(sandbox: Sandbox, jwt: string, path: string): Promise<Envelope> {
  return (await (await copernica(sandbox, jwt, path)).json()) as Envelope;
}

async function rowsOf(sandbox: Sandbox, name: string): Promise<string[]> {
  const text = await (await call(sandbox, `/exports/${name}.csv`)).text();
  return text.trimEnd().split("\r\n").slice(1);
}

interface Badge {
  id: string;
  validFrom: string;
  validUntil?: string;
  credentialSubject: { identifier: { identityHash: string }[]; achievement: { id: string } };
}

/** What the academy signed, as anybody reads it who does not verify it. */
async function badgesOf(sandbox: Sandbox): Promise<Badge[]> {
  const tokens = await read<string[]>(sandbox, "/academy/badges.json");
  return tokens.map((token) => {
    const payload = Buffer.from(token.split(".")[1] ?? "", "base64url").toString();
    return JSON.parse(payload) as Badge;
  });
}

async function eventsOf(sandbox: Sandbox): Promise<string[]> {
  const text = await (await call(sandbox, "/organiser/exhibitors.ics")).text();
  return text.split("BEGIN:VEVENT\r\n").slice(1);
}

async function entriesOf(sandbox: Sandbox): Promise<string[]> {
  return (await (await call(sandbox, "/magazine/feed.atom")).text()).split("<entry>").slice(1);
}

describe("the world", () => {
  test("is the same after a restart, whatever happened before", async () => {
    const home = folder();
    const first = await started({ home });
    for (let n = 0; n < 3; n++) first.world.happen({ type: "article", partner: "wolkenpost" });
    first.world.happen({ type: "article-trashed", id: first.world.articles[0]?.id ?? 0 });
    first.world.happen({ type: "account-opened", partner: "pixelpolder" });
    first.world.happen({ type: "account-closed", key: "104201" });
    first.world.happen({ type: "mailing", account: "104200", destinations: 77 });
    first.world.happen({ type: "certificate", partner: "kiezbrief", level: "advanced" });
    const before = digestOf(first.world);
    await first.close();

    const second = await started({ home, now: () => new Date("2026-12-24T09:00:00Z") });

    expect(digestOf(second.world)).toBe(before);
    expect(second.world.anchor).toEqual(anchor);
    expect(second.world.happened()).toBe(8);
  });

  test("depends on its anchor and its seed alone", () => {
    expect(historyBefore(anchor, "a")).toEqual(historyBefore(anchor, "a"));
    expect(historyBefore(anchor, "a")).not.toEqual(historyBefore(anchor, "b"));
  });

  test("refuses what cannot happen and keeps nothing of it", () => {
    const home = folder();
    const world = openWorld(home, () => anchor);
    expect(() => world.happen({ type: "article", partner: "nobody" })).toThrow(
      'there is no partner "nobody"',
    );
    expect(() => world.happen({ type: "account-closed", key: "1" })).toThrow("there is no client account 1");
    expect(world.happened()).toBe(0);
    expect(openWorld(home, () => anchor).happened()).toBe(0);
  });

  test("will not take a file of another version for its own", () => {
    const home = folder();
    writeFileSync(join(home, "sandbox.json"), '{"format":0}');
    expect(() => openWorld(home, () => anchor)).toThrow("another version");
  });

  test("reaches back fourteen months and never beyond its anchor", () => {
    const { mailings, articles, features, certificates, fairVisits, tour, clientAccounts } = historyBefore(
      anchor,
      "copernica",
    );
    const dates = mailings.map((each) => each.timestamp).filter((each) => !each.startsWith("0000"));
    expect(dates[0]?.slice(0, 7)).toBe("2025-09");
    expect(dates.at(-1)?.slice(0, 7)).toBe("2026-11");
    expect(dates.every((each) => each < "2026-11-23 13:00:00")).toBe(true);
    expect(articles.every((each) => Date.parse(each.modifiedAt) < anchor.getTime())).toBe(true);
    expect(features.every((each) => Date.parse(each.publishedAt) < anchor.getTime())).toBe(true);
    const days = [
      ...certificates.map((each) => each.passedOn),
      ...fairVisits.map((each) => each.heldOn),
      tour.putOff.to,
      ...clientAccounts.map((each) => each.closedOn ?? each.openedOn),
    ];
    expect(days.every((each) => each < "2026-11-23")).toBe(true);
  });

  test("is small enough to be listed in a minute and large enough to be worth it", () => {
    const { mailings } = historyBefore(anchor, "copernica");
    expect(partners).toHaveLength(40);
    expect(accounts.length).toBeGreaterThan(85);
    expect(accounts.length).toBeLessThan(100);
    for (const { key } of accounts) {
      const months = mailings.filter((each) => each.account === key && each.type === "mass" && !each.test);
      expect(months.length).toBeLessThan(15 * 8);
    }
    expect(mailings.length).toBeGreaterThan(3000);
    expect(mailings.length).toBeLessThan(8000);
  });

  test("has ids that tell mailings apart only together with their product", () => {
    const { mailings } = historyBefore(anchor, "copernica");
    const idsOf = (product: string) =>
      mailings.filter((each) => each.product === product).map(({ id }) => id);
    for (const product of ["publisher", "ms"])
      expect(new Set(idsOf(product)).size).toBe(idsOf(product).length);
    expect(idsOf("publisher").filter((id) => idsOf("ms").includes(id)).length).toBeGreaterThan(100);
  });
});

describe("the scores at the first start", () => {
  const starts = [
    "2026-11-23T12:00:00Z",
    // Minutes into a month, in a short month, on a leap day, in the hour a clock change repeats.
    "2027-02-28T23:05:00Z",
    "2027-02-20T08:00:00Z",
    "2028-02-29T22:30:00Z",
    "2027-10-31T01:30:00Z",
  ];

  test.each(starts)("are the ones worked out by hand, when that is at %s", (at) => {
    const { points, scores } = evaluated(new Date(at));
    expect(points).toEqual(pointsAtFirstStart);
    expect(scores).toEqual(scoresAtFirstStart);
  });

  test("spread from 0 to 100, with ties", () => {
    const scores = Object.values(scoresAtFirstStart);
    expect(scores).toHaveLength(40);
    expect(Math.min(...scores)).toBe(0);
    expect(Math.max(...scores)).toBe(100);
    expect(scores.filter((score) => score === 100)).toHaveLength(1);
    expect(new Set(scores).size).toBeGreaterThan(20);
    expect(new Set(scores).size).toBeLessThan(36);
    for (const [least, most] of [
      [0, 20],
      [20, 40],
      [40, 60],
      [60, 80],
      [80, 101],
    ] as const) {
      expect(scores.filter((score) => least <= score && score < most).length).toBeGreaterThan(3);
    }
  });

  test("put Marketing Agency X at 60, with the trade fair and the certification open", async () => {
    const sandbox = await started();
    const keys = ["104200", "104201", "104202"];
    const months = new Set<string>();
    let inOctober = 0;
    let newest = "";
    for (const key of keys) {
      const jwt = await jwtOf(sandbox, key);
      const usage = await copernica(sandbox, jwt, "consumption?begin=2026-10-01&end=2026-11-01");
      inOctober += Number(((await usage.json()) as { emails: number | string }).emails);
      if (key !== "104200") continue;
      for (const product of ["publisher", "ms"]) {
        const filter = "type=mass&followups=no&test=no&fromdate=2025-12-01%2000:00:00&limit=1000";
        for (const { timestamp } of (await emailings(sandbox, jwt, `${product}/emailings?${filter}`)).data) {
          months.add(timestamp.slice(0, 7));
          if (timestamp > newest) newest = timestamp;
        }
      }
    }
    const articles = await read<{ categories: number[] }[]>(
      sandbox,
      "/blog/wp-json/wp/v2/posts?per_page=100",
    );
    const [category] = await read<{ id: number }[]>(
      sandbox,
      "/blog/wp-json/wp/v2/categories?slug=marketing-agency-x",
    );
    const { revokedCredential } = await read<{ revokedCredential: { id: string }[] }>(
      sandbox,
      "/academy/revocations.json",
    );
    const advanced = (await badgesOf(sandbox)).filter(
      ({ credentialSubject: { identifier, achievement } }) =>
        identifier[0]?.identityHash.endsWith("@marketing-agency-x.example") === true &&
        achievement.id.endsWith("/advanced"),
    );
    const registered = (await rowsOf(sandbox, "partners")).find((row) =>
      row.includes(",Marketing Agency X,"),
    );

    expect(registered).toMatch(/^1042,Marketing Agency X,registered,.*,complete,/); // 10 + 5
    expect(inOctober).toBeGreaterThan(1500); // 10
    expect(months.size).toBe(12); // 12
    expect(newest > "2026-08-25").toBe(true); // 8
    const clients = (await rowsOf(sandbox, "accounts")).filter((row) => row.includes(",1042,"));
    expect(clients).toHaveLength(2); // 10
    expect(articles.filter((each) => each.categories.includes(category?.id ?? 0))).toHaveLength(1); // 5
    // Somebody had the certificate, and it was taken back.
    expect(advanced.map(({ id }) => id)).toEqual(revokedCredential.map(({ id }) => id));
    expect((await eventsOf(sandbox)).filter((event) => event.includes("EX-1042"))).toEqual([]);
    expect((await entriesOf(sandbox)).filter((entry) => entry.includes("@marketing-agency-x."))).toEqual([]);
    expect(scoresAtFirstStart["marketing-agency-x"]).toBe(10 + 5 + 10 + 12 + 8 + 10 + 5);
  });

  test("leave one partner exactly at 1500 e-mails, which is not more than 1500", async () => {
    const sandbox = await started();
    const jwt = await jwtOf(sandbox, "106300");
    const usage = await copernica(sandbox, jwt, "consumption?begin=2026-10-01&end=2026-11-01");
    expect(Number(((await usage.json()) as { emails: number | string }).emails)).toBe(1500);
  });
});

describe("the files beside it", () => {
  const linesOf = (name: string) =>
    readFileSync(new URL(name, example), "utf8").trimEnd().split("\n").slice(1);

  test("partners.csv names every partner under everything the systems call it", () => {
    const identities = linesOf("partners.csv").map((line) => [
      line.split(",")[0],
      line.slice(line.lastIndexOf(",") + 1),
    ]);
    expect(Object.fromEntries(identities)).toEqual(
      Object.fromEntries(
        partners.map(({ slug, crm, domain, exhibitor }) => [
          slug,
          `crm:${crm};blog-category:${slug};email-domain:${domain};exhibitor:${exhibitor}`,
        ]),
      ),
    );
  });

  test("connections.csv has the token of every account", () => {
    expect(linesOf("connections.csv")).toEqual(
      accounts.map(({ key, partner, use, token }) => `${key},${partner},${use},${token}`),
    );
  });
});

describe("Copernica", () => {
  test("exchanges a token for a JWT that holds for 24 hours and one account", async () => {
    let now = anchor;
    const sandbox = await started({ now: () => now });
    const jwt = await jwtOf(sandbox, "104200");
    const claims = JSON.parse(Buffer.from(jwt.split(".")[1] ?? "", "base64url").toString()) as {
      exp: number;
    };
    expect(claims.exp * 1000).toBe(anchor.getTime() + 86_400_000);
    const identity = await (await copernica(sandbox, jwt, "identity")).json();
    expect(identity).toMatchObject({ id: "104200", name: "Marketing Agency X" });

    now = new Date(anchor.getTime() + 86_399_000);
    expect((await copernica(sandbox, jwt, "identity")).status).toBe(200);
    now = new Date(anchor.getTime() + 86_400_000);
    const expired = await copernica(sandbox, jwt, "identity");
    expect([expired.status, await expired.json()]).toEqual([
      400,
      { error: { message: "Invalid access token" } },
    ]);
  });

  test("answers 400 to a wrong token, a forged JWT and an unknown path", async () => {
    const sandbox = await started();
    const body = new URLSearchParams({ access_token: "nonsense" });
    const wrong = await fetch(`${sandbox.url}/copernica/authenticate`, { method: "POST", body });
    expect([wrong.status, await wrong.json()]).toEqual([400, { error: { message: "Invalid access token" } }]);
    const jwt = await jwtOf(sandbox, "104200");
    const [head = "", , signature = ""] = jwt.split(".");
    const other = Buffer.from(JSON.stringify({ sub: "104201", exp: 9e9 })).toString("base64url");
    expect((await copernica(sandbox, `${head}.${other}.${signature}`, "identity")).status).toBe(400);
    expect((await copernica(sandbox, "nonsense", "identity")).status).toBe(400);
    expect(await (await copernica(sandbox, jwt, "Identity")).json()).toEqual({
      error: { message: "Invalid method" },
    });
  });

  test("pages its lists in an envelope", async () => {
    const sandbox = await started();
    const jwt = await jwtOf(sandbox, "100300");
    const path = ["publisher", "ms"];
    const totals = await Promise.all(
      path.map(async (each) => (await emailings(sandbox, jwt, `${each}/emailings`)).total ?? 0),
    );
    const product = (totals[0] ?? 0) > 10 ? "publisher" : "ms";
    const whole = await emailings(sandbox, jwt, `${product}/emailings?limit=1000`);
    expect(whole).toMatchObject({
      start: 0,
      limit: 1000,
      count: whole.data.length,
      total: whole.data.length,
    });
    expect(whole.count).toBeGreaterThan(10);

    const pages: Envelope[] = [];
    for (let start = 0; start < whole.count; start += 7) {
      pages.push(await emailings(sandbox, jwt, `${product}/emailings?limit=7&start=${start}&total=false`));
    }

    expect(pages.flatMap((page) => page.data)).toEqual(whole.data);
    expect(pages[0]).toMatchObject({ count: 7, limit: 7 });
    expect(pages[0]).not.toHaveProperty("total");
  });

  test("keeps follow-ups, tests and mail to one person apart from newsletters", async () => {
    const sandbox = await started();
    const jwt = await jwtOf(sandbox, "104501");
    const count = async (filter: string) =>
      (await emailings(sandbox, jwt, `publisher/emailings?${filter}`)).total ?? 0;
    const all = await count("");
    expect(await count("type=both&followups=both&test=both")).toBe(all);
    expect((await count("type=mass")) + (await count("type=individual"))).toBe(all);
    expect((await count("test=yes")) + (await count("test=no"))).toBe(all);
    expect((await count("followups=yes")) + (await count("followups=no"))).toBe(all);
    expect(await count("type=individual")).toBeGreaterThan(0);
    expect(await count("mindestinations=30&type=individual")).toBe(0);
  });

  test("gives numbers as text in some accounts", async () => {
    const sandbox = await started();
    const kindOf = async (key: string) => {
      const usage = await copernica(
        sandbox,
        await jwtOf(sandbox, key),
        "consumption?begin=2026-10-01&end=2026-11-01",
      );
      return typeof ((await usage.json()) as { emails: unknown }).emails;
    };
    expect([await kindOf("104200"), await kindOf("104201")]).toEqual(["number", "string"]);
  });

  test("shows a mailing at once, in the list and in the consumption", async () => {
    const sandbox = await started();
    const jwt = await jwtOf(sandbox, "104200");
    const usage = async () => {
      const answer = await copernica(sandbox, jwt, "consumption?begin=2026-11-01&end=2026-12-01");
      return ((await answer.json()) as { emails: number }).emails;
    };
    const before = await usage();
    await post(sandbox, "mailings", { account: "104200", destinations: 4321, product: "ms" });
    expect((await usage()) - before).toBe(4321);
    const { data } = await emailings(sandbox, jwt, "ms/emailings?fromdate=2026-11-23%2013:00:00");
    expect(data.map(({ timestamp, destinations }) => [timestamp, destinations])).toEqual([
      ["2026-11-23 13:00:00", 4321],
    ]);
  });
});

describe("the blog", () => {
  const posts = "/blog/wp-json/wp/v2/posts";

  test("pages its posts with WordPress's headers and refuses a page beyond the end", async () => {
    const sandbox = await started();
    const first = await call(sandbox, `${posts}?per_page=20&orderby=id&order=asc&_fields=id`);
    const total = Number(first.headers.get("x-wp-total"));
    const pages = Math.ceil(total / 20);
    expect(total).toBe(sandbox.world.articles.length);
    expect(Number(first.headers.get("x-wp-totalpages"))).toBe(pages);
    expect(first.headers.get("link")).toContain('rel="next"');
    const ids = ((await first.json()) as { id: number }[]).map(({ id }) => id);
    for (let page = 2; page <= pages; page++) {
      const rows = await read<{ id: number }[]>(
        sandbox,
        `${posts}?per_page=20&orderby=id&order=asc&page=${page}`,
      );
      ids.push(...rows.map(({ id }) => id));
    }
    expect(ids).toEqual(sandbox.world.articles.map(({ id }) => id));
    const beyond = await call(sandbox, `${posts}?per_page=20&page=${pages + 1}`);
    expect([beyond.status, await beyond.json()]).toMatchObject([
      400,
      { code: "rest_post_invalid_page_number" },
    ]);
    const tooMany = await call(sandbox, `${posts}?per_page=101`);
    expect([tooMany.status, await tooMany.json()]).toMatchObject([400, { code: "rest_invalid_param" }]);
  });

  test("takes dates without a zone for site local time, and bounds for strict", async () => {
    const sandbox = await started();
    const { id } = await post<{ id: number }>(sandbox, "articles", { partner: "wolkenpost" });
    const idsAfter = async (bound: string) =>
      (await read<{ id: number }[]>(sandbox, `${posts}?after=${encodeURIComponent(bound)}`)).map(
        (each) => each.id,
      );
    expect(await idsAfter("2026-11-23T12:59:59")).toEqual([id]);
    expect(await idsAfter("2026-11-23T13:00:00")).toEqual([]);
    expect(await idsAfter("2026-11-23T12:59:59+01:00")).toEqual([id]);
    expect(await idsAfter("2026-11-23T12:00:00Z")).toEqual([]);
  });

  test("no longer lists what is in the trash or deleted", async () => {
    const sandbox = await started();
    const trashed = await post<{ id: number }>(sandbox, "articles", { partner: "wolkenpost" });
    const deleted = await post<{ id: number }>(sandbox, "articles", { partner: "wolkenpost" });
    const listed = async () => (await read<{ id: number }[]>(sandbox, posts)).map(({ id }) => id);
    expect(await listed()).toEqual(expect.arrayContaining([trashed.id, deleted.id]));

    await post(sandbox, `articles/${trashed.id}/trash`);
    await fetch(`${sandbox.url}/sandbox/articles/${deleted.id}`, { method: "DELETE" });

    expect(await listed()).not.toEqual(expect.arrayContaining([trashed.id]));
    expect(await listed()).not.toEqual(expect.arrayContaining([deleted.id]));
    const alone = await Promise.all([trashed, deleted].map(({ id }) => call(sandbox, `${posts}/${id}`)));
    expect(alone.map(({ status }) => status)).toEqual([401, 404]);
  });
});

describe("the exports", () => {
  test("quote like office programs do", async () => {
    const sandbox = await started();
    const text = await (await call(sandbox, "/exports/partners.csv")).arrayBuffer();
    expect([...new Uint8Array(text.slice(0, 3))]).toEqual([0xef, 0xbb, 0xbf]);
    const rows = await rowsOf(sandbox, "partners");
    expect(rows).toHaveLength(40);
    expect(rows.find((row) => row.startsWith("1058,"))).toContain('"Hart van Hout, Concepts"');
    expect(rows.find((row) => row.startsWith("1076,"))).toContain('"The ""Inkwell Loop"""');
  });

  test("say that nothing has changed", async () => {
    const sandbox = await started();
    const etag = (await call(sandbox, "/exports/accounts.csv")).headers.get("etag") ?? "";
    const again = () => fetch(`${sandbox.url}/exports/accounts.csv`, { headers: { "if-none-match": etag } });
    expect((await again()).status).toBe(304);
    await post(sandbox, "accounts", { partner: "marketing-agency-x" });
    expect((await again()).status).toBe(200);
  });

  test("lose an account that is closed", async () => {
    const sandbox = await started();
    const before = await rowsOf(sandbox, "accounts");
    await post(sandbox, "accounts/104202/close");
    const after = await rowsOf(sandbox, "accounts");
    expect(before.filter((row) => !after.includes(row))).toEqual([
      before.find((row) => row.startsWith("104202,")),
    ]);
    expect((await call(sandbox, "/sandbox/accounts/104202/close", {})).status).toBe(404);
  });

  test("gain an account that is opened", async () => {
    const sandbox = await started();
    const { key } = await post<{ key: string }>(sandbox, "accounts", { partner: "pixelpolder" });
    expect(await rowsOf(sandbox, "accounts")).toContainEqual(
      expect.stringMatching(new RegExp(`^${key},.*,1084,2026-11-23,,active$`)),
    );
  });
});

describe("the academy", () => {
  test("shows when a certificate expires", async () => {
    const sandbox = await started();
    const [certificate] = await read<{ id: string }[]>(sandbox, "/sandbox/certificates?partner=fjordpost");
    const id = certificate?.id ?? "";
    const shown = async () =>
      (await badgesOf(sandbox)).find((each) => each.id === `${sandbox.url}/academy/certificates/${id}`)
        ?.validUntil;
    await post(sandbox, `certificates/${id}/expire`, { at: "2026-12-01T12:00:00Z" });
    expect(await shown()).toBe("2026-12-01T12:00:00Z");
    await post(sandbox, `certificates/${id}/expire`);
    expect(await shown()).toBe("2026-11-23T12:00:00Z");
    for (const at of ["soon", "2019-01-01T00:00:00Z"]) {
      expect((await call(sandbox, `/sandbox/certificates/${id}/expire`, { at })).status).toBe(400);
    }
    expect((await call(sandbox, "/sandbox/certificates/CERT-0/expire", {})).status).toBe(404);
  });

  test("lists what it has revoked, once, and goes on showing it", async () => {
    const sandbox = await started();
    const revoked = async () => {
      const list = await read<{ revokedCredential: { id: string }[] }>(sandbox, "/academy/revocations.json");
      return list.revokedCredential.map(({ id }) => id);
    };
    const [first] = await revoked();
    const badges = await badgesOf(sandbox);
    const id = badges.find((each) => each.id !== first)?.id ?? "";
    const name = id.slice(id.lastIndexOf("/") + 1);

    await post(sandbox, `certificates/${name}/revoke`);

    expect((await revoked()).sort()).toEqual([first, id].sort());
    expect((await badgesOf(sandbox)).length).toBe(badges.length);
    expect((await call(sandbox, `/sandbox/certificates/${name}/revoke`, {})).status).toBe(404);
  });

  test("signs a certificate at once, with the same key in every process", async () => {
    const sandbox = await started();
    const { id } = await post<{ id: string }>(sandbox, "certificates", {
      partner: "marketing-agency-x",
      level: "advanced",
    });
    const passed = (await badgesOf(sandbox)).find((each) => each.id.endsWith(`/${id}`));
    expect(passed).toMatchObject({ validFrom: "2026-11-22T23:00:00Z" });
    expect(passed).not.toHaveProperty("validUntil");
    const keyOf = async (each: Sandbox) => {
      const { verificationMethod } = await read<{ verificationMethod: { publicKeyJwk: { x: string } }[] }>(
        each,
        "/academy/issuer.json",
      );
      return verificationMethod[0]?.publicKeyJwk.x;
    };
    expect(await keyOf(await started())).toBe(await keyOf(sandbox));
  });
});

describe("the organiser", () => {
  test("shows a fair as it comes", async () => {
    const sandbox = await started();
    await post(sandbox, "fairs", { partner: "marketing-agency-x" });
    const events = await eventsOf(sandbox);
    expect(events.filter((event) => event.includes("\r\nX-EXHIBITOR:EX-1042\r\n"))).toEqual([
      expect.stringContaining("\r\nDTSTART;VALUE=DATE:20261123\r\nDTEND;VALUE=DATE:20261126\r\n"),
    ]);
  });

  test("writes no line longer than a calendar may have", async () => {
    const sandbox = await started();
    const lines = (await (await call(sandbox, "/organiser/exhibitors.ics")).text()).split("\r\n");
    expect(Math.max(...lines.map((line) => Buffer.byteLength(line)))).toBeLessThanOrEqual(75);
    expect(lines.filter((line) => line.startsWith(" ")).length).toBe(sandbox.world.fairVisits.length + 2);
  });
});

describe("the magazine", () => {
  test("shows its newest articles first, and fifty of them", async () => {
    const sandbox = await started();
    const before = await entriesOf(sandbox);
    expect(before).toHaveLength(sandbox.world.features.length);
    const { id } = await post<{ id: number }>(sandbox, "features", { partner: "inkwell-loop" });
    const [first] = await entriesOf(sandbox);
    expect(first).toContain(`${sandbox.url}/magazine/articles/${id}`);
    expect(first).toContain(
      "<name>The &quot;Inkwell Loop&quot;</name><email>editor@inkwell-loop.example</email>",
    );
    expect((await call(sandbox, `/magazine/articles/${id}`)).status).toBe(200);
    for (let n = 0; n < 50; n++) sandbox.world.happen({ type: "feature", partner: "wolkenpost" });
    expect(await entriesOf(sandbox)).toHaveLength(50);
  });
});

describe("faults", () => {
  test("spoil one system as asked and no other, until they are taken back", async () => {
    const sandbox = await started();
    const fairs = () => call(sandbox, "/organiser/exhibitors.ics");
    await post(sandbox, "faults", { source: "fairs", mode: "500" });
    expect((await fairs()).status).toBe(500);
    expect((await call(sandbox, "/exports/accounts.csv")).status).toBe(200);
    await post(sandbox, "faults", { source: "fairs", mode: "429", retryAfter: 3600 });
    const limited = await fairs();
    expect([limited.status, limited.headers.get("retry-after")]).toEqual([429, "3600"]);
    await post(sandbox, "faults", { source: "fairs", mode: "html" });
    const page = await fairs();
    expect([page.status, (await page.text()).slice(0, 9)]).toEqual([200, "<!DOCTYPE"]);
    await post(sandbox, "faults", { source: "fairs", mode: "none" });
    expect((await fairs()).status).toBe(200);
  });

  test("lose the connection in the middle of a body", async () => {
    const sandbox = await started();
    sandbox.faults.set("certificates", { mode: "half-page" });
    const url = `${sandbox.url}/academy/badges.json`;
    const { announced, received, complete } = await cutOff(url);
    expect(received).toBe(Math.floor(announced / 2));
    expect(complete).toBe(false);
    await expect(fetch(url).then((response) => response.text())).rejects.toThrow();
  });

  test("give half of the rows beside counts of all", async () => {
    const sandbox = await started();
    const jwt = await jwtOf(sandbox, "104200");
    for (const source of ["copernica", "blog", "accounts"] as const)
      sandbox.faults.set(source, { mode: "short-page" });
    const list = await emailings(sandbox, jwt, "publisher/emailings");
    const other = list.count > 0 ? list : await emailings(sandbox, jwt, "ms/emailings");
    expect(other.data.length).toBe(Math.floor(other.count / 2));
    const posts = await call(sandbox, "/blog/wp-json/wp/v2/posts?per_page=100");
    expect(((await posts.json()) as unknown[]).length).toBeLessThan(Number(posts.headers.get("x-wp-total")));
    const rows = Number((await call(sandbox, "/exports/accounts.csv")).headers.get("x-total-count"));
    expect(rows).toBe(sandbox.world.clientAccounts.length);
    expect((await rowsOf(sandbox, "accounts")).length).toBeLessThan(rows);
  });

  test("give half of the rows where no count is beside them, in a document that is whole", async () => {
    const sandbox = await started();
    const { world } = sandbox;
    for (const source of ["certificates", "fairs", "magazine"] as const)
      sandbox.faults.set(source, { mode: "short-page" });
    expect(await badgesOf(sandbox)).toHaveLength(Math.floor(world.certificates.length / 2));
    const events = await eventsOf(sandbox);
    expect(events).toHaveLength(Math.floor((world.fairVisits.length + 2) / 2));
    expect(events.at(-1)).toMatch(/END:VEVENT\r\nEND:VCALENDAR\r\n$/);
    const entries = await entriesOf(sandbox);
    expect(entries).toHaveLength(Math.floor(world.features.length / 2));
    expect(entries.at(-1)).toMatch(/<\/entry>\s*<\/feed>\s*$/);
  });

  test("end by themselves after so many times", async () => {
    const sandbox = await started();
    await post(sandbox, "faults", { source: "blog", mode: "500", times: 2 });
    const statuses: number[] = [];
    for (let n = 0; n < 3; n++) statuses.push((await call(sandbox, "/blog/wp-json/wp/v2/posts")).status);
    expect(statuses).toEqual([500, 500, 200]);
  });

  test("that come by accident are rare, and the same request then succeeds", async () => {
    const sandbox = await started({ faults: true });
    const answers: Response[] = [];
    for (let n = 0; n < 100; n++) {
      const answer = await call(sandbox, "/exports/accounts.csv");
      if (answer.status !== 200) {
        answers.push(answer);
        expect((await call(sandbox, "/exports/accounts.csv")).status).toBe(200);
      }
    }
    expect(answers.map(({ status }) => status)).toEqual([503, 429, 503, 503, 429, 503]);
    expect(await answers[0]?.text()).toContain("Loadbalancer Error");
    expect(answers[1]?.headers.get("retry-after")).toBe("1");
  });

  test("that come by accident never hit a request twice in a row, however many others come between", () => {
    const faults = openFaults(true);
    const statusOf = (key: string) =>
      faults.spoil("fairs", key, { status: 200, headers: {}, body: "" }).status;
    for (let n = 1; n < 25; n++) statusOf("another");
    expect(statusOf("this one")).toBe(503);
    for (let n = 26; n < 45; n++) statusOf("another");
    expect(statusOf("this one")).toBe(200);
    expect(statusOf("another")).toBe(429);
  });

  test("do not come by accident unless asked for", async () => {
    const sandbox = await started();
    for (let n = 0; n < 100; n++) expect((await call(sandbox, "/exports/accounts.csv")).status).toBe(200);
  });

  test("are refused when they make no sense", async () => {
    const sandbox = await started();
    for (const body of [
      { source: "weather", mode: "500" },
      { source: "blog", mode: "sulk" },
      { source: "blog", mode: "429", retryAfter: "x" },
    ]) {
      const refused = await call(sandbox, "/sandbox/faults", body);
      expect(refused.status).toBe(400);
      expect(await refused.json()).toHaveProperty("error");
    }
  });
});

describe("the server", () => {
  test("names itself, and leaves the world of a sandbox alone that has the port already", async () => {
    const home = folder();
    const sandbox = await started({ home });
    const before = readFileSync(join(home, "sandbox.json"), "utf8");
    await expect(openSandbox({ home, port: portOf(sandbox), now: () => new Date(0) })).rejects.toMatchObject({
      code: "EADDRINUSE",
    });
    expect(readFileSync(join(home, "sandbox.json"), "utf8")).toBe(before);
    expect(await findSandbox(sandbox.url)).toEqual({ anchor, home });
    expect(await read(sandbox, "/sandbox")).toMatchObject({
      name: "standings-sandbox",
      partners: 40,
      happened: 0,
    });
    await sandbox.close();
    expect(await findSandbox(sandbox.url)).toBeUndefined();
  });

  test("is joined by a second process of the same folder, and goes on without it", async () => {
    const home = folder();
    const sandbox = await started({ home });
    const joined = await joinOrOpenSandbox({ home, port: portOf(sandbox) });
    expect(joined).toMatchObject({ url: sandbox.url, joined: true });
    await joined.close();
    expect((await call(sandbox, "/sandbox")).status).toBe(200);
    await sandbox.close();
    const own = await joinOrOpenSandbox({ home, port: portOf(sandbox) });
    expect(own).toMatchObject({ url: sandbox.url, joined: false });
    await own.close();
    expect(await findSandbox(sandbox.url)).toBeUndefined();
  });

  test("is opened again by whoever has joined it, once the process that had opened it is gone", async () => {
    const home = folder();
    const sandbox = await started({ home });
    const joined = await joinOrOpenSandbox({ home, port: portOf(sandbox) });
    await sandbox.close();
    await expect.poll(() => findSandbox(sandbox.url), { timeout: 10_000 }).toMatchObject({ home });
    await joined.close();
    expect(await findSandbox(sandbox.url)).toBeUndefined();
  });

  test("is not joined from another folder, nor mistaken for another program", async () => {
    const sandbox = await started();
    await expect(joinOrOpenSandbox({ home: folder(), port: portOf(sandbox) })).rejects.toThrow(
      `is the sandbox of ${sandbox.world.home}`,
    );
    const other = createServer((_, response) => response.end("hello"));
    await new Promise<void>((resolve) => other.listen(0, "127.0.0.1", resolve));
    const { port } = other.address() as AddressInfo;
    await expect(joinOrOpenSandbox({ home: folder(), port })).rejects.toThrow("in use by another program");
    other.close();
  });

  test("listens to this machine only", async () => {
    const sandbox = await started();
    expect(new URL(sandbox.url).hostname).toBe("127.0.0.1");
  });

  test("answers wrong requests with a reason", async () => {
    const sandbox = await started();
    for (const [path, body, status] of [
      ["articles", {}, 400],
      ["articles", { partner: "nobody" }, 404],
      ["articles/1/trash", {}, 404],
      ["mailings", { account: "104200", destinations: -1 }, 400],
      ["mailings", { account: "1", destinations: 1 }, 404],
      ["certificates", { partner: "wolkenpost", level: "expert" }, 400],
      ["features", { partner: "nobody" }, 404],
      ["certificates/CERT-0/revoke", {}, 404],
      ["weather", {}, 404],
    ] as const) {
      const answer = await call(sandbox, `/sandbox/${path}`, body);
      expect([path, answer.status]).toEqual([path, status]);
      expect(await answer.json()).toHaveProperty("error");
    }
    expect((await call(sandbox, "/sandbox/weather")).status).toBe(404);
    for (const path of ["exports/weather.csv", "academy/weather", "organiser/weather", "magazine/weather"])
      expect((await call(sandbox, `/${path}`)).status).toBe(404);
    expect((await call(sandbox, "/nowhere")).status).toBe(404);
    expect(sandbox.world.happened()).toBe(0);
  });

  test("lives on in the same way each time, through all that can happen", async () => {
    const lives = [];
    for (let n = 0; n < 2; n++) {
      const lines: string[] = [];
      let stop = () => {};
      const enough = new Promise<void>((resolve) => {
        stop = resolve;
      });
      const log = (line: string) => {
        if (lines.push(line) === 150) stop();
      };
      const sandbox = await started({ alive: true, beatMs: 1, log });
      await enough;
      await sandbox.close();
      lives.push(lines.slice(0, 150));
    }
    expect(lives[0]).toEqual(lives[1]);
    for (const sign of [
      "mailing",
      "published",
      "appeared",
      "trash",
      "got a client",
      "was closed",
      "passed",
      "expires",
      "revoked",
      "trade fair",
    ]) {
      expect(lives[0]?.filter((line) => line.includes(sign)).length).toBeGreaterThan(0);
    }
  });

  test("does what the README says, command by command", async () => {
    const sandbox = await started();
    const readme = readFileSync(new URL("README.md", example), "utf8");
    const commands = readme.split("\n").filter((line) => line.startsWith("curl "));
    expect(commands.length).toBeGreaterThan(8);
    for (const command of commands) {
      const here = command.replace(/ +#.*$/, "").replaceAll("http://127.0.0.1:4640", sandbox.url);
      const { stdout } = await promisify(execFile)("sh", ["-c", here.replace(/^curl /, "curl --fail ")]);
      expect(stdout).not.toBe("");
    }
  });
});

/** What arrives when a connection is lost. */
async function cutOff(url: string): Promise<{ announced: number; received: number; complete: boolean }> {
  return new Promise((resolve, reject) => {
    httpRequest(url, (response) => {
      let received = 0;
      response.on("data", (chunk: Buffer) => {
        received += chunk.length;
      });
      response.on("error", () => undefined);
      response.on("close", () => {
        resolve({
          announced: Number(response.headers["content-length"]),
          received,
          complete: response.complete,
        });
      });
    })
      .on("error", reject)
      .end();
  });
}

/** The programme, written out again in the simplest way, over what the systems would answer at that instant. */
function evaluated(at: Date): {
  points: Record<string, Record<string, number>>;
  scores: Record<string, number>;
} {
  const history = historyBefore(at, "copernica");
  const now = Temporal.Instant.fromEpochMilliseconds(at.getTime()).toZonedDateTimeISO("Europe/Amsterdam");
  const today = now.toPlainDate();
  const monthsAgo = (n: number) => today.toPlainYearMonth().subtract({ months: n }).toString();
  const yearAgo = today.subtract({ years: 1 }).toString();
  const tier = (units: number, ...steps: number[]) =>
    units === 0 ? 0 : (steps[Math.min(units, steps.length) - 1] ?? 0);
  const points = partners.map(({ slug, crm, domain, exhibitor }) => {
    const crmRow = history.registrations.find((row) => row.crm === crm);
    const keys = accounts.filter((each) => each.partner === slug);
    const own = keys.filter((each) => each.use === "own").map(({ key }) => key);
    const sent = history.mailings.filter((each) => keys.some(({ key }) => key === each.account));
    const newsletters = sent.filter(
      (each) =>
        own.includes(each.account) &&
        each.type === "mass" &&
        !each.followup &&
        !each.test &&
        each.destinations > 0,
    );
    const volume = sent
      .filter((each) => each.timestamp.startsWith(monthsAgo(1)))
      .reduce((sum, each) => sum + each.destinations, 0);
    const months = new Set(
      newsletters.map((each) => each.timestamp.slice(0, 7)).filter((each) => each >= monthsAgo(11)),
    );
    const recent = newsletters.some((each) => each.timestamp > today.subtract({ days: 90 }).toString());
    const clients = history.clientAccounts.filter((each) => each.crm === crm && each.closedOn === undefined);
    const articles = [
      ...history.articles.filter((each) => each.category === slug),
      ...history.features.filter((each) => each.partner === slug),
    ].filter((each) => each.publishedAt > yearAgo);
    const people = new Set(
      history.certificates
        .filter((each) => each.employer === domain && each.level === "advanced" && !each.isRevoked)
        .filter((each) => each.expiresAt === undefined || Date.parse(each.expiresAt) > at.getTime())
        .map((each) => each.holder),
    );
    const fair = history.fairVisits.some((each) => each.exhibitor === exhibitor && each.heldOn > yearAgo);
    return [
      slug,
      {
        registered: crmRow?.status === "registered" ? 10 : 0,
        profile: crmRow?.profile === "complete" ? 5 : 0,
        "e-mails": volume > 1500 ? 10 : 0,
        "regular-newsletters": Math.min(months.size, 12),
        "own-use": recent ? 8 : 0,
        "client-accounts": tier(clients.length, 5, 10, 15),
        "joint-articles": Math.min(articles.length * 5, 15),
        "certified-people": tier(people.size, 7, 15),
        "trade-fair": fair ? 10 : 0,
      },
    ] as const;
  });
  const sum = (each: Record<string, number>) => Object.values(each).reduce((all, one) => all + one, 0);
  return {
    points: Object.fromEntries(points),
    scores: Object.fromEntries(points.map(([slug, each]) => [slug, sum(each)])),
  };
}
