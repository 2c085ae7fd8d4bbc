// Accredible in the shape its own plugins expect (https://github.com/accredible/moodle-mod_accredible).
import { afterEach, describe, expect, test } from "vitest";
import { json, send } from "../../src/conformance/server.ts";
import { findConnector } from "../../src/connectors/catalogue.ts";
import { type Fetcher, openFetcher } from "../../src/connectors/client/fetcher.ts";
import { conforms, factsOf, inputOf, limits, pagesOf } from "./conformance.ts";
import { type Holding, openSystem, type Part, partOf } from "./system.ts";

const KEY = "38b1f0aa04f04f7fa8c1";
const GROUPS = [
  { id: 12472, name: "expert-exam", course_name: "Expert Exam", language: "en" },
  { id: 12473, name: "basic-exam", course_name: "Basic Exam", language: "en" },
  { id: 12474, name: "nobody-yet", course_name: "New", language: "en" },
];

const credential = (n: number) => ({
  id: 10250009 + n,
  name: "Certified Expert",
  description: "Passed the exam",
  grade: null,
  complete: true,
  approve: true as boolean | undefined,
  private: false,
  issued_on: new Date(Date.UTC(2026, 0, 1 + n, 7, 10, 4)).toISOString(),
  expired_on: null as string | null,
  course_link: "https://academy.example.com/expert",
  group_id: 12472 + (n % 2),
  group_name: n % 2 === 0 ? "expert-exam" : "basic-exam",
  url: `https://www.credential.net/${10250009 + n}`,
  encoded_id: `abc${n}`,
  recipient: {
    name: `John Doe ${n}`,
    email: `Person${n}@Agency-${n % 3}.example`,
    id: `crm-${n % 3}` as string | number | null,
    meta_data: { zip_code: "10459" },
  },
  issuer: { name: "Acme Academy", url: "https://academy.example.com" },
  meta_data: null,
});
type Credential = ReturnType<typeof credential>;

const accredible = findConnector("accredible")!;

/** One page of a list, with what Accredible says of it. */
function metaOf({ total, next }: Part<unknown>, page: number, size: number) {
  return {
    current_page: page,
    next_page: next === undefined ? null : page + 1,
    prev_page: page > 1 ? page - 1 : null,
    total_pages: Math.ceil(total / size),
    total_count: total,
    page_size: size,
  };
}

const open = (settings: Record<string, unknown> = {}, count = 210) =>
  openSystem<Credential>({
    rows: Array.from({ length: count }, (_, n) => credential(n)),
    routes: {
      "GET /v1/issuer/all_groups": ({ query }) => {
        const [page, size] = [Number(query.get("page") ?? 1), Number(query.get("page_size"))];
        const all: Holding<(typeof GROUPS)[number]> = { rows: GROUPS, overstatedBy: 0, isEndless: false };
        const part = partOf(all, { from: (page - 1) * size, size, another: () => GROUPS[0]! });
        return json({ groups: part.rows, meta: metaOf(part, page, size) });
      },
      "GET /v1/all_credentials": ({ query }, holding) => {
        const [page, size] = [Number(query.get("page") ?? 1), Number(query.get("page_size"))];
        const rows = holding.rows.filter(({ group_id }) => String(group_id) === query.get("group_id"));
        const part = partOf(holding, { from: (page - 1) * size, size, another: credential, rows });
        return json({ credentials: part.rows, meta: metaOf(part, page, size) });
      },
    },
    allows: ({ headers }) => headers["authorization"] === `Token token=${KEY}`,
    settings: (url) => ({ url: `${url}/v1`, ...settings }),
    secret: KEY,
    written: (n, changedAt) => ({ ...credential(n), issued_on: changedAt.toISOString() }),
    isMeant: ({ id }, externalId) => externalId === `credentials/${id}`,
  });

describe("accredible", () => {
  conforms("accredible", accredible, open);
});

describe("accredible, a credential", () => {
  let bench: Awaited<ReturnType<typeof open>>;
  let fetcher: Fetcher;

  async function start(settings: Record<string, unknown> = {}, count = 4) {
    bench = await open(settings, count);
    fetcher = openFetcher({ allowPrivate: [bench.server.host], userAgent: "standings-test", limits });
  }

  const pull = () =>
    pagesOf(accredible.pull(inputOf(accredible, bench, fetcher.fetchFor(new AbortController().signal))));

  afterEach(async () => {
    await fetcher.close();
    await bench.server.close();
  });

  test("is a certification of the partner whose e-mail domain it is, and of the person nothing else is kept", async () => {
    await start();
    const [first, second] = factsOf(await pull());
    expect(first).toEqual({
      externalId: "credentials/10250009",
      kind: "certification",
      occurredAt: new Date("2026-01-01T07:10:04Z"),
      quantity: 1,
      identity: { namespace: "domain", key: "agency-0.example" },
      attributes: {
        credential: "Certified Expert",
        group: "expert-exam",
        holder: "hash of person0@agency-0.example",
      },
      title: "Certified Expert",
      link: "https://academy.example.com/expert",
    });
    expect(second?.attributes).toMatchObject({ group: "basic-exam" });
  });

  test("with days instead of instants counts from the first moment of the one to the last of the other, where you are", async () => {
    await start({ "time-zone": "Europe/Amsterdam" }, 1);
    bench.holding.rows[0]!.issued_on = "2026-03-29";
    bench.holding.rows[0]!.expired_on = "2026-10-25";
    const [first] = factsOf(await pull());
    // The days of the clock changes: 23 hours long, and 25.
    expect(first).toMatchObject({
      occurredAt: new Date("2026-03-28T23:00:00Z"),
      endedAt: new Date("2026-10-25T23:00:00Z"),
    });
  });

  test("that is not published or not completed is none; where Accredible says neither, it is one", async () => {
    await start();
    const [first, second, third] = bench.holding.rows;
    first!.approve = false;
    second!.complete = false;
    third!.approve = undefined;
    const facts = factsOf(await pull());
    expect(facts.map(({ externalId }) => externalId)).toEqual([
      "credentials/10250011",
      "credentials/10250012",
    ]);
  });

  test("may name its partner by the id the issuer gave the holder; without one it names nobody", async () => {
    await start({ attribution: "recipient-id", namespace: "crm" });
    bench.holding.rows[0]!.recipient.id = null;
    bench.holding.rows[1]!.recipient.id = 772;
    const facts = factsOf(await pull());
    expect(facts.map(({ identity }) => identity)).toEqual([
      { namespace: "crm", key: "772" },
      { namespace: "crm", key: "crm-2" },
      { namespace: "crm", key: "crm-0" },
    ]);
  });

  test("of a holder without an address names nobody, and is no evidence", async () => {
    await start();
    bench.holding.rows[0]!.recipient.email = "";
    expect(factsOf(await pull())).toHaveLength(3);
  });

  test("is asked for group by group, those without any included", async () => {
    await start();
    await pull();
    const asked = bench.server.asked.filter(({ path }) => path === "/v1/all_credentials");
    expect(asked.map(({ query }) => query.get("group_id"))).toEqual(["12472", "12473", "12474"]);
  });

  test("cannot be asked for with a key that is refused in words instead of JSON", async () => {
    await start();
    bench.server.breakFrom(1, (response) => {
      send(response, { status: 401, body: "HTTP Token: Access denied." });
    });
    await expect(pull()).rejects.toMatchObject({ class: "auth", status: 401 });
  });
});
