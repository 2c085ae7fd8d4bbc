// Credly in the shape its documentation shows (https://www.credly.com/docs/issued_badges).
import { afterEach, describe, expect, test } from "vitest";
import { json } from "../../src/conformance/server.ts";
import { findConnector } from "../../src/connectors/catalogue.ts";
import { type Fetcher, openFetcher } from "../../src/connectors/client/fetcher.ts";
import { conforms, factsOf, inputOf, limits, pagesOf } from "./conformance.ts";
import { openSystem, partOf } from "./system.ts";

const TOKEN = "Nl2SkxCS0F2dTMyZHVV";
const ORGANIZATION = "ba92621f-f22c-41e5-9157-c2dc274e3cf0";
const PER = 50;

const badge = (n: number) => ({
  id: `00000000-0000-4000-8000-${String(n).padStart(12, "0")}`,
  created_at: new Date(Date.UTC(2026, 0, 1, n)).toISOString(),
  state_updated_at: new Date(Date.UTC(2026, 0, 2, n)).toISOString(),
  issued_at: new Date(Date.UTC(2026, 0, 1, n)).toISOString(),
  // "No expiration" was sent as false to begin with, and comes back as null.
  expires_at: null as string | false | null,
  issued_to_first_name: "Earner",
  issued_to_last_name: `Surname ${n}`,
  recipient_email: `Earner${n}@Agency-${n % 3}.example`,
  issuer_earner_id: `partner-${n % 3}` as string | null,
  locale: "en",
  public: n % 2 === 0,
  state: "accepted",
  badge_url: `https://www.credly.com/badges/00000000-${n}`,
  accept_badge_url: `https://www.credly.com/go/${n}`,
  user: {
    id: `user-${n}`,
    email: `earner${n}@agency-${n % 3}.example`,
    url: `https://www.credly.com/users/e-${n}`,
  },
  badge_template: {
    id: "cfaf2910-ea5f-46f1-89a5-db525dad6e58",
    name: "Certified Expert",
    type_category: "Certification",
    state: "active",
    url: "https://www.credly.com/org/acme/badge/certified-expert",
  },
});
type Badge = ReturnType<typeof badge>;

const credly = findConnector("credly")!;
const open = (settings: Record<string, unknown> = {}, count = 120) =>
  openSystem<Badge>({
    rows: Array.from({ length: count }, (_, n) => badge(n)),
    routes: {
      "GET /v1/organizations/:id": () => json({ data: { id: ORGANIZATION, name: "Acme Academy" } }),
      "GET /v1/organizations/:id/badges": ({ query }, holding) => {
        const page = Number(query.get("page") ?? 1);
        const {
          rows: data,
          total,
          next,
        } = partOf(holding, { from: (page - 1) * PER, size: PER, another: badge });
        // Links are of the web site: the connector must not need them.
        const next_page_url =
          next === undefined ? null : `https://www.credly.com/api/badges?page=${page + 1}`;
        const metadata = {
          count: data.length,
          current_page: page,
          total_count: total,
          total_pages: Math.max(1, Math.ceil(total / PER)),
          per: PER,
          previous_page_url: null,
          next_page_url,
        };
        return json({ data, metadata });
      },
    },
    allows: ({ headers }) =>
      headers["authorization"] === `Basic ${Buffer.from(`${TOKEN}:`).toString("base64")}`,
    settings: (url) => ({ url: `${url}/v1`, organization: ORGANIZATION, ...settings }),
    secret: TOKEN,
    secrets: [Buffer.from(`${TOKEN}:`).toString("base64")],
    written: (n, changedAt) => ({ ...badge(n), issued_at: changedAt.toISOString() }),
    isMeant: ({ id }, externalId) => externalId === `badges/${id}`,
  });

describe("credly", () => {
  conforms("credly", credly, open);
});

describe("credly, a badge", () => {
  let bench: Awaited<ReturnType<typeof open>>;
  let fetcher: Fetcher;

  async function pull(change: (badges: Badge[]) => void, settings: Record<string, unknown> = {}) {
    bench = await open(settings, 4);
    change(bench.holding.rows);
    fetcher = openFetcher({ allowPrivate: [bench.server.host], userAgent: "standings-test", limits });
    return pagesOf(credly.pull(inputOf(credly, bench, fetcher.fetchFor(new AbortController().signal))));
  }

  afterEach(async () => {
    await fetcher.close();
    await bench.server.close();
  });

  test("is a certification of the partner whose e-mail domain it is, and of the person nothing else is kept", async () => {
    const [first] = factsOf(await pull(() => {}));
    expect(first).toEqual({
      externalId: `badges/${badge(0).id}`,
      kind: "certification",
      occurredAt: new Date("2026-01-01T00:00:00Z"),
      quantity: 1,
      identity: { namespace: "domain", key: "agency-0.example" },
      attributes: {
        badge: "Certified Expert",
        template: "cfaf2910-ea5f-46f1-89a5-db525dad6e58",
        state: "accepted",
        holder: "hash of earner0@agency-0.example",
      },
      title: "Certified Expert",
      link: "https://www.credly.com/org/acme/badge/certified-expert",
    });
  });

  test("counts until it expires; without a date, or with false in its place, it does not end", async () => {
    const facts = factsOf(
      await pull(([first, second]) => {
        first!.expires_at = "2027-01-01T00:00:00.000-05:00";
        second!.expires_at = false;
      }),
    );
    expect(facts.map(({ endedAt }) => endedAt)).toEqual([
      new Date("2027-01-01T05:00:00Z"),
      undefined,
      undefined,
      undefined,
    ]);
  });

  test("that is pending counts and says so; one that was rejected or revoked is none", async () => {
    const facts = factsOf(
      await pull(([first, second, third]) => {
        first!.state = "pending";
        second!.state = "rejected";
        third!.state = "revoked";
      }),
    );
    expect(facts.map(({ attributes }) => attributes?.["state"])).toEqual(["pending", "accepted"]);
  });

  test("may name its partner by the id the issuer gave the holder; without one it names nobody", async () => {
    const settings = { attribution: "earner-id", namespace: "crm" };
    const facts = factsOf(
      await pull(([first]) => {
        first!.issuer_earner_id = null;
      }, settings),
    );
    expect(facts.map(({ identity }) => identity)).toEqual([
      { namespace: "crm", key: "partner-1" },
      { namespace: "crm", key: "partner-2" },
      { namespace: "crm", key: "partner-0" },
    ]);
  });

  test("that cannot be read is kept aside under its id, without a word of its holder", async () => {
    const pages = await pull(([first]) => {
      first!.issued_at = "last Tuesday";
    });
    const [broken, ...others] = pages.flatMap(({ quarantined }) => quarantined ?? []);
    expect(broken).toMatchObject({ externalId: `badges/${badge(0).id}` });
    expect(JSON.stringify(broken)).not.toMatch(/earner0|Surname/i);
    expect(others).toEqual([]);
  });
});
