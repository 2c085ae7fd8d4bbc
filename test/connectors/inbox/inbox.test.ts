// What stored messages become: the contract of connectors, as far as one that asks nobody can break it.
import { describe, expect, test } from "vitest";
import type { Json, Message, Messages, Page, PullInput } from "../../../src/connectors/connector.ts";
import { inbox } from "../../../src/connectors/inbox/inbox.ts";
import type { InboxSettings } from "../../../src/connectors/inbox/settings.ts";
import { factsOf, pagesOf } from "../conformance.ts";

const receivedAt = new Date("2026-11-25T12:00:00Z");

function message(position: number, content: unknown, id = `m${position}`): Message {
  return { position, id, receivedAt, content: content === null ? null : JSON.stringify(content) };
}

const reading =
  (stored: Message[]): Messages =>
  (which) =>
    Promise.resolve(
      "last" in which
        ? stored.slice(-1)
        : stored.filter(({ position }) => position > which.after).slice(0, which.most),
    );

const deals = {
  schema: { won: "date", partner: "text" },
  evidence: { kind: "deal", "occurred-at": "won", identity: { namespace: "crm", key: "partner" } },
};
const deal = (partner: string) => ({ won: "2026-01-02", partner });

function inputOf(
  settings: Record<string, unknown>,
  stored: Message[],
  changes: Partial<PullInput<InboxSettings>> = {},
): PullInput<InboxSettings> {
  const nobody = () => Promise.reject(new Error("an inbox asks nobody"));
  return {
    settings: inbox.settings.parse({ scheme: "stripe", ...settings }),
    connection: { key: "main", secret: "whsec_0123456789abcdefghij", attributes: {} },
    ...{ cursor: undefined, full: false, now: receivedAt, fetch: nobody, query: nobody, credential: nobody },
    messages: reading(stored),
    pseudonym: (text) => `hash of ${text}`,
    signal: new AbortController().signal,
    ...changes,
  };
}

const pull = (
  settings: Record<string, unknown>,
  stored: Message[],
  changes?: Partial<PullInput<InboxSettings>>,
): Promise<Page[]> => pagesOf(inbox.pull(inputOf(settings, stored, changes)));

describe("the listing of an inbox", () => {
  // With gaps, as the positions of a table have them.
  const stored = Array.from({ length: 120 }, (_, n) => message(3 * n + 1, deal(`p${n % 7}`)));

  test("goes on from every page's cursor and misses nothing, whatever listing is asked for", async () => {
    const pages = await pull({ map: deals }, stored);
    expect(factsOf(pages)).toHaveLength(120);
    expect(pages).toHaveLength(3);
    for (const full of [true, false])
      for (const [index, { cursor }] of pages.entries()) {
        const kept = JSON.parse(JSON.stringify(cursor)) as Json;
        const rest = await pull({ map: deals }, stored, { cursor: kept, full });
        expect(factsOf([...pages.slice(0, index + 1), ...rest])).toEqual(factsOf(pages));
        expect(rest.flatMap(({ evidence }) => evidence)).toHaveLength(Math.max(0, 70 - 50 * index));
      }
  });

  test("is never complete, so nothing is absent for it", () => {
    const settings = inbox.settings.parse({ scheme: "stripe", map: deals });
    expect(inbox.alwaysComplete).toBe(false);
    expect(inbox.canList?.(settings)).toBe(false);
  });

  test("is one empty page where there is nothing, and where messages are hints", async () => {
    expect(await pull({ map: deals }, [])).toEqual([{ evidence: [], quarantined: [], cursor: { after: 0 } }]);
    expect(await pull({ hint: "list" }, stored)).toEqual([
      { evidence: [], quarantined: [], cursor: { after: 0 } },
    ]);
  });

  test("passes by what was erased", async () => {
    const pages = await pull({ map: deals }, [message(1, null), message(2, deal("a"))]);
    expect(factsOf(pages).map(({ externalId }) => externalId)).toEqual(["event/m2"]);
    expect(pages.at(-1)?.cursor).toEqual({ after: 2 });
  });

  test("stops with the reason of an aborted signal", async () => {
    const reason = new Error("the process is stopping");
    await expect(pull({ map: deals }, stored, { signal: AbortSignal.abort(reason) })).rejects.toBe(reason);
  });
});

describe("a message", () => {
  test("with several facts is asked per item what is wanted of the items", async () => {
    const map = {
      schema: { won: "date", partner: "text" },
      evidence: {
        ...deals.evidence,
        each: "lines",
        when: { type: "paid", "$item.product": "gold" },
        "external-id": "{$item.id}",
      },
    };
    const lines = [
      { id: "a", product: "silver" },
      { id: "b", product: "gold" },
    ];
    const [page] = await pull({ map }, [
      message(1, { type: "paid", ...deal("1"), lines }),
      message(2, { type: "lost", lines }),
      message(3, { type: "paid", partner: "1", lines: lines.slice(0, 1) }),
      message(4, { type: "paid", partner: "1" }),
      message(5, { type: "lost" }),
    ]);
    expect(page?.evidence.map(({ externalId }) => externalId)).toEqual(["b"]);
    // Without its items nobody can tell what it would have been.
    expect(page?.quarantined?.map(({ reason }) => reason)).toEqual(["event/m4: won is missing"]);
  });

  test("is a fact named by its id, in the words of the mapping", async () => {
    const map = {
      schema: { data: "object" },
      evidence: {
        kind: "deal",
        "occurred-at": { coalesce: ["data.closed", "$message.received-at"] },
        quantity: { sum: "data.lines[].amount" },
        identity: { namespace: "domain", key: { domain: "data.agency" } },
        attributes: { buyer: { pseudonym: { lower: "data.buyer" } } },
        title: "Deal {data.name}",
      },
    };
    const data = {
      lines: [{ amount: 2 }, { amount: "3.5" }],
      agency: "https://www.acme.example/",
      buyer: "Ben@x.example",
      name: "7",
    };
    expect(factsOf(await pull({ map }, [message(9, { data })]))).toEqual([
      {
        externalId: "event/m9",
        kind: "deal",
        occurredAt: receivedAt,
        endedAt: undefined,
        quantity: 5.5,
        attributes: { buyer: "hash of ben@x.example" },
        title: "Deal 7",
        link: undefined,
        identity: { namespace: "domain", key: "acme.example" },
      },
    ]);
  });

  test("that is a list is as many facts as it has rows, each with an id of its own", async () => {
    const rows = [deal("a"), deal("b"), deal("a")];
    const ids = async (map: object, content: unknown) =>
      factsOf(await pull({ map }, [message(4, content, "msg")])).map(({ externalId }) => externalId);
    expect(await ids(deals, rows)).toEqual(["event/msg/1", "event/msg/2", "event/msg/3"]);
    expect(await ids({ ...deals, records: "data.rows" }, { data: { rows } })).toEqual([
      "event/msg/1",
      "event/msg/2",
      "event/msg/3",
    ]);
    // A row that says who it is, is the same one in any message.
    const named = rows.map((row, n) => ({ ...row, event: n % 2 }));
    expect(await ids({ ...deals, key: "event" }, named)).toEqual(["event/0", "event/1"]);
  });

  test("whose rows are not where they should be may be anything", async () => {
    const [page] = await pull({ map: { ...deals, records: "rows" } }, [
      message(5, { rows: {} }),
      message(6, { rows: [deal("a")] }),
    ]);
    expect(page?.quarantined).toEqual([
      { externalId: "message 5", reason: "message 5: there is no list at rows", unidentified: true },
    ]);
    expect(page?.evidence).toHaveLength(1);
  });

  test("of which one row is broken loses that row and no other", async () => {
    const rows = [deal("a"), { won: "yesterday", partner: "b" }, 7, { ...deal("c"), event: "" }];
    const [page] = await pull({ map: deals }, [message(8, rows)]);
    expect(page?.evidence.map(({ externalId }) => externalId)).toEqual(["event/m8/1", "event/m8/4"]);
    expect(page?.quarantined?.map(({ externalId, unidentified }) => [externalId, unidentified])).toEqual([
      ["event/m8/2", undefined],
      ["event/m8/3", undefined],
    ]);
    const [keyed] = await pull({ map: { ...deals, key: "event" } }, [message(8, rows)]);
    expect(keyed?.quarantined?.every(({ unidentified }) => unidentified === true)).toBe(true);
  });

  test("may be several facts", async () => {
    const map = {
      schema: { lines: "list" },
      evidence: {
        ...{
          kind: "line",
          each: "lines",
          "occurred-at": "$message.received-at",
          "external-id": "{$message.id}/{$item.sku}",
        },
        identity: { namespace: "crm", key: "$item.partner" },
      },
    };
    const lines = [
      { sku: "x", partner: "a" },
      { sku: "y", partner: "b" },
    ];
    expect(factsOf(await pull({ map }, [message(3, { lines })])).map(({ externalId }) => externalId)).toEqual(
      ["m3/x", "m3/y"],
    );
  });
});

describe("the check of an inbox", () => {
  const check = (settings: Record<string, unknown>, stored: Message[], secret: string | undefined) =>
    inbox.check(inputOf(settings, stored, { connection: { key: "main", secret, attributes: {} } }));

  test("says what is waited for and when the last message came", async () => {
    const secret = "whsec_0123456789abcdefghij";
    expect(await check({ hint: "list" }, [], secret)).toBe(
      "waits for stripe, messages are hints at list; no message has come yet",
    );
    expect(await check({ map: deals }, [message(1, {})], `${secret} ${secret}x`)).toBe(
      "waits for stripe, messages are evidence; the last message came 2026-11-25T12:00:00.000Z",
    );
  });

  test.each([undefined, "", "sk_live_secret-of-another-kind", "whsec_0123456789abcdefghij short"])(
    "refuses a secret of another form, and never repeats it",
    async (secret) => {
      const refused = check({ hint: "list" }, [], secret);
      await expect(refused).rejects.toMatchObject({ class: "auth" });
      await expect(refused).rejects.toThrow(
        /^the connection main has no secret for stripe: expected the endpoint's signing secret, whsec_…$/,
      );
    },
  );

  test("wants no secret of Copernica, whose key is public", async () => {
    const settings = { scheme: "copernica", url: "https://a.example/inbox/x", account: "1", hint: "list" };
    expect(await check(settings, [], undefined)).toContain("waits for copernica");
  });
});
