import { generateKeyPairSync, type KeyObject, sign } from "node:crypto";
import fc from "fast-check";
import { afterEach, beforeEach, describe, expect, test } from "vitest";
import { openPublicKeys } from "../../../src/connectors/inbox/public-keys.ts";
import type { Delivery, Scheme, Terms } from "../../../src/connectors/inbox/scheme.ts";
import { type SchemeName, schemeNames, schemes } from "../../../src/connectors/inbox/schemes.ts";
import { openDns, type TestDns } from "./dns.ts";
import { hmac, type Sending, type Signed, send } from "./signing.ts";

const now = new Date("2026-11-25T12:00:00Z");
const at = (ms: number) => new Date(now.getTime() + ms);
const windowMs = 300_000;
const url = "https://standings.example.com/inbox/crm";
const account = "1234";
const keyId = "one._domainkey.copernica.com";
const body = '{"id":"evt_1","type":"partner.won","n":"é"}';

const keyPair = generateKeyPairSync("rsa", { modulusLength: 2048 });
const toRecord = (key: KeyObject) =>
  `v=DKIM1; k=rsa; p=${key.export({ format: "der", type: "spki" }).toString("base64")}`;

const secrets: Record<SchemeName, string> = {
  copernica: "",
  ghost: "a-secret-of-the-ghost",
  hubspot: "7f3b1c9e-client-secret",
  mailchimp: "mc-signing-secret-0123456789",
  "standard-webhooks": `whsec_${Buffer.alloc(24, 7).toString("base64")}`,
  stripe: "whsec_0123456789abcdefghij",
  "url-secret": "hard to guess & long".replaceAll(" ", "-"),
};

let dns: TestDns;
beforeEach(async () => {
  dns = await openDns();
  dns.records.set(keyId, toRecord(keyPair.publicKey));
});
afterEach(async () => {
  await dns.close();
});

const sending = (name: SchemeName, changes: Partial<Sending> = {}): Sending => ({
  ...{
    body,
    secret: secrets[name],
    at: now,
    url,
    account: `account-${account}`,
    keyId,
    privateKey: keyPair.privateKey,
  },
  ...changes,
});

const terms = (name: SchemeName, changes: Partial<Terms> = {}): Terms => ({
  secrets: [secrets[name]],
  url,
  account,
  windowMs,
  now,
  publicKeys: openPublicKeys(dns.resolver),
  ...changes,
});

function toDelivery(signed: Signed): Delivery {
  const headers = new Headers(signed.headers);
  const query = new URLSearchParams(signed.search);
  return {
    header: (name) => headers.get(name) ?? undefined,
    query: (name) => query.getAll(name),
    body: Buffer.from(signed.body),
  };
}

/** As it is sent, or as somebody has changed it on the way. */
async function verdict(
  name: SchemeName,
  changes: Partial<Sending> = {},
  {
    on = (signed: Signed) => signed,
    with: known = {},
  }: { on?: (signed: Signed) => Signed; with?: Partial<Terms> } = {},
) {
  const scheme: Scheme = schemes[name];
  return scheme.verify(toDelivery(on(await send(name, sending(name, changes)))), terms(name, known));
}

const withHeader = (header: string, change: (value: string) => string | undefined) => (signed: Signed) => {
  const changed = change(signed.headers[header] ?? "");
  const { [header]: _, ...rest } = signed.headers;
  return { ...signed, headers: changed === undefined ? rest : { ...rest, [header]: changed } };
};

describe.each(schemeNames)("%s", (name) => {
  test("believes what its sender has sent", async () => {
    expect(await verdict(name)).toMatchObject({ genuine: true });
  });

  if (secrets[name] !== "") {
    test("refuses what somebody else has signed", async () => {
      expect(await verdict(name, { secret: `${secrets[name].slice(0, -4)}AAAA` })).toMatchObject({
        genuine: false,
      });
      expect(await verdict(name, { secret: "AAAA" })).toMatchObject({ genuine: false });
    });

    test("believes either of two secrets while one is being changed", async () => {
      const old = `${secrets[name].slice(0, -4)}AAAA`;
      for (const known of [
        [old, secrets[name]],
        [secrets[name], old],
      ])
        expect(await verdict(name, {}, { with: { secrets: known } })).toMatchObject({ genuine: true });
      expect(await verdict(name, {}, { with: { secrets: [] } })).toMatchObject({ genuine: false });
    });
  }

  test("refuses a request without any proof, and never says what was expected", async () => {
    const bare = await verdict(name, {}, { on: (signed) => ({ headers: {}, body: signed.body }) });
    expect(bare).toMatchObject({ genuine: false });
    if (secrets[name] !== "") expect(JSON.stringify(bare)).not.toContain(secrets[name]);
  });
});

describe.each(schemeNames.filter((name) => name !== "url-secret"))("%s, which signs", (name) => {
  test("refuses a message whose body was changed by one byte", async () => {
    const other = (signed: Signed) => ({ ...signed, body: signed.body.replace("won", "wan") });
    expect(await verdict(name, {}, { on: other })).toMatchObject({ genuine: false });
  });

  test("refuses what is older, or further ahead, than the window, and nothing within it", async () => {
    for (const ms of [-windowMs, -1000, 1000, windowMs])
      expect(await verdict(name, { at: at(ms) })).toMatchObject({ genuine: true });
    for (const ms of [-windowMs - 1000, windowMs + 1000, -86_400_000]) {
      const late = await verdict(name, { at: at(ms) });
      expect(late).toMatchObject({
        genuine: false,
        reason: expect.stringMatching(/300 s are allowed/) as string,
      });
    }
  });

  test("survives headers of any form", async () => {
    const signed = await send(name, sending(name));
    const names = Object.keys(signed.headers);
    await fc.assert(
      fc.asyncProperty(
        fc.constantFrom(...names),
        fc.oneof(
          fc.string({ unit: "binary-ascii" }),
          fc.stringMatching(/^(t|v1|sha256|keyId|headers)=["]?[0-9a-f,=]{0,80}["]?$/),
        ),
        async (header, value) => {
          // What no HTTP server lets through.
          fc.pre(!/[\0\r\n]|[^\x20-\x7e]/.test(value));
          const scheme: Scheme = schemes[name];
          const changed = { ...signed, headers: { ...signed.headers, [header]: value } };
          const { genuine } = await scheme.verify(toDelivery(changed), terms(name));
          // The type of what is sent is only signed by Copernica.
          const isSigned = header !== "content-type" || name === "copernica";
          if (isSigned && value.trim() !== signed.headers[header]) expect(genuine).toBe(false);
        },
      ),
      { numRuns: 100 },
    );
  });
});

describe("standard-webhooks", () => {
  const official = {
    secret: "whsec_MfKQ9r8GKYqrTwjUPD8ILPZIo2LaLaSw",
    headers: {
      "webhook-id": "msg_p5jXN8AQM9LWM0D4loKWxJek",
      "webhook-timestamp": "1614265330",
      "webhook-signature": "v1,g0hM9SsE+OTPJTGt/tmIKtSyZlE3uFJELVlNIOLJ1OE=",
    },
    body: '{"test": 2432232314}',
  };
  const known = { secrets: [official.secret], now: new Date(1_614_265_330_000) };

  test("believes the vector of its specification", async () => {
    expect(await verdict("standard-webhooks", {}, { on: () => official, with: known })).toEqual({
      genuine: true,
      id: "msg_p5jXN8AQM9LWM0D4loKWxJek",
    });
  });

  test("looks for the fitting one of several signatures, and at no other version", async () => {
    const signature = official.headers["webhook-signature"];
    const wrong = `v1,${Buffer.alloc(32).toString("base64")}`;
    const among = async (list: string) =>
      (
        await verdict(
          "standard-webhooks",
          {},
          { on: () => withHeader("webhook-signature", () => list)(official), with: known },
        )
      ).genuine;
    expect(await among(`${wrong} ${signature}`)).toBe(true);
    expect(await among(`${signature} ${wrong}`)).toBe(true);
    expect(await among(wrong)).toBe(false);
    expect(await among(signature.replace("v1,", "v2,"))).toBe(false);
    expect(await among(signature.replace("v1,", "v1a,"))).toBe(false);
    expect(await among(signature.slice(0, -8))).toBe(false);
  });

  test("binds the id and the time to the signature", async () => {
    for (const header of ["webhook-id", "webhook-timestamp"]) {
      const on = withHeader(header, (value) => value.replace(/.$/, "7"));
      expect(await verdict("standard-webhooks", {}, { on })).toMatchObject({ genuine: false });
    }
  });

  test("believes an ed25519 signature by the sender's key", async () => {
    const pair = generateKeyPairSync("ed25519");
    const raw = pair.publicKey.export({ format: "jwk" }).x ?? "";
    const secret = `whpk_${Buffer.from(raw, "base64url").toString("base64")}`;
    const stamp = String(now.getTime() / 1000);
    const signed = (key: KeyObject, id = "msg_9") => ({
      headers: {
        "webhook-id": "msg_9",
        "webhook-timestamp": stamp,
        "webhook-signature": `v1a,${sign(null, Buffer.from(`${id}.${stamp}.${body}`), key).toString("base64")}`,
      },
      body,
    });
    expect(schemes["standard-webhooks"].secret?.form.test(secret)).toBe(true);
    const ask = (message: Signed) =>
      verdict("standard-webhooks", {}, { on: () => message, with: { secrets: [secret] } });
    expect(await ask(signed(pair.privateKey))).toEqual({ genuine: true, id: "msg_9" });
    expect(await ask(signed(pair.privateKey, "msg_8"))).toMatchObject({ genuine: false });
    expect(await ask(signed(generateKeyPairSync("ed25519").privateKey))).toMatchObject({ genuine: false });
  });
});

describe("stripe", () => {
  test("names a message by its event, whatever else a repetition says", () => {
    expect(schemes.stripe.idOf?.({ id: "evt_1", pending_webhooks: 2 })).toBe("evt_1");
    expect(schemes.stripe.idOf?.([])).toBeUndefined();
  });

  test("takes no signature of an older version for a proof", async () => {
    const on = withHeader("stripe-signature", (value) => value.replace(/v0=.*/, "").replace("v1=", "v0="));
    expect(await verdict("stripe", {}, { on })).toMatchObject({ genuine: false });
  });
});

describe("ghost", () => {
  test("refuses the signature of older versions, over the body alone", async () => {
    const alone = (await hmac(secrets.ghost, body)).toString("hex");
    for (const value of [`sha256=${alone}`, `sha256=${alone}, t=${now.getTime()}`])
      expect(await verdict("ghost", {}, { on: withHeader("x-ghost-signature", () => value) })).toMatchObject({
        genuine: false,
      });
  });
});

describe("hubspot", () => {
  test("is of the address of the app's settings, with the characters decoded that HubSpot decodes", async () => {
    const encoded = "https://standings.example.com/inbox/crm?to=a%3Ab%2Fc&d=%20";
    const signed = "https://standings.example.com/inbox/crm?to=a:b/c&d=%20";
    expect(await verdict("hubspot", { url: signed }, { with: { url: encoded } })).toMatchObject({
      genuine: true,
    });
    expect(await verdict("hubspot", { url: encoded }, { with: { url: encoded } })).toMatchObject({
      genuine: false,
    });
    expect(await verdict("hubspot", {}, { with: { url: "http://127.0.0.1:4600/inbox/crm" } })).toMatchObject({
      genuine: false,
      reason: expect.stringContaining("is that the url of this source?") as string,
    });
  });
});

describe("url-secret", () => {
  test("is refused with another secret, with none, and believed with ours among several", async () => {
    const on = (search: string) => (signed: Signed) => ({ ...signed, search });
    const mine = encodeURIComponent(secrets["url-secret"]);
    expect(await verdict("url-secret", {}, { on: on("?secret=") })).toMatchObject({ genuine: false });
    expect(await verdict("url-secret", {}, { on: on(`?secret=${mine}x`) })).toMatchObject({ genuine: false });
    expect(await verdict("url-secret", {}, { on: on(`?Secret=${mine}`) })).toMatchObject({ genuine: false });
    expect(await verdict("url-secret", {}, { on: on(`?secret=x&secret=${mine}`) })).toMatchObject({
      genuine: true,
    });
  });
});

describe("copernica", () => {
  test("is refused for another account, another address and another host", async () => {
    expect(await verdict("copernica", { account: "account-999" })).toMatchObject({
      reason: "it is of another account",
    });
    for (const other of [`${url}/x`, "https://elsewhere.example.com/inbox/crm"])
      expect(await verdict("copernica", { url: other })).toMatchObject({
        reason: "its Signature does not fit",
      });
  });

  test.each(["account_1234", "Account_1234", "account-1234"])("knows its account as %s", async (account) => {
    expect(await verdict("copernica", { account })).toEqual({ genuine: true });
  });

  test.each(["(request-target)", "host", "date", "x-copernica-id", "x-nonce", "digest"])(
    "is refused where its Signature leaves out %s",
    async (missing) => {
      const on = withHeader("signature", (value) =>
        value.replace(/headers="([^"]*)"/, (_, list: string) => {
          const rest = list.split(" ").filter((name) => name.toLowerCase() !== missing);
          return `headers="${rest.join(" ")}"`;
        }),
      );
      expect(await verdict("copernica", {}, { on })).toMatchObject({
        reason: `its Signature leaves out ${missing}`,
      });
    },
  );

  test("asks the DNS for keys of copernica.com and of nobody else", async () => {
    for (const strange of [
      "one._domainkey.evil.com",
      "copernica.com.evil.com",
      "evilcopernica.com",
      "a b.copernica.com",
    ]) {
      dns.records.set(strange, toRecord(keyPair.publicKey));
      expect(await verdict("copernica", { keyId: strange })).toMatchObject({
        reason: "it has no Signature by rsa-sha256 under a key of copernica.com",
      });
    }
    expect(dns.asked).toEqual([]);
    expect(await verdict("copernica", { keyId: "two._domainkey.copernica.com" })).toMatchObject({
      genuine: false,
    });
    expect(dns.asked).toEqual(["two._domainkey.copernica.com"]);
  });

  test("asks once for many messages, and again when a key was renewed under its name", async () => {
    const publicKeys = openPublicKeys(dns.resolver);
    const ask = (changes: Partial<Sending>, later: number) =>
      verdict("copernica", { at: at(later), ...changes }, { with: { publicKeys, now: at(later) } });
    const all = await Promise.all(Array.from({ length: 20 }, () => ask({}, 0)));
    expect(all.every(({ genuine }) => genuine)).toBe(true);
    expect(dns.asked).toEqual([keyId]);
    const { privateKey, publicKey } = generateKeyPairSync("rsa", { modulusLength: 2048 });
    dns.records.set(keyId, toRecord(publicKey));
    // Somebody who signs wrongly makes nobody ask the DNS every time.
    expect(await ask({ privateKey }, 1000)).toMatchObject({ genuine: false });
    expect(dns.asked).toHaveLength(1);
    expect(await ask({ privateKey }, 61_000)).toMatchObject({ genuine: true });
    expect(await ask({ privateKey }, 62_000)).toMatchObject({ genuine: true });
    expect(dns.asked).toEqual([keyId, keyId]);
    expect(await ask({ privateKey: keyPair.privateKey }, 63_000)).toMatchObject({ genuine: false });
  });

  test.each(["v=DKIM1; p=", "v=DKIM1; p=AAAA", "nothing"])(
    "refuses what is signed under the record %j",
    async (text) => {
      dns.records.set(keyId, text);
      expect(await verdict("copernica")).toMatchObject({ reason: "its Signature does not fit" });
    },
  );

  test("says nothing about a message while the DNS does not answer", async () => {
    const unreachable = {
      resolveTxt: () => Promise.reject(Object.assign(new Error("timeout"), { code: "ETIMEOUT" })),
    };
    await expect(
      verdict("copernica", {}, { with: { publicKeys: openPublicKeys(unreachable) } }),
    ).rejects.toThrow("the DNS does not say the sender's public key");
  });
});
