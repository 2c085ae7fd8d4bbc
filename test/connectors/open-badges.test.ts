import { afterEach, beforeEach, describe, expect, test } from "vitest";
import { type Answer, openServer, send, type TestServer } from "../../src/conformance/server.ts";
import { type Fetcher, openFetcher } from "../../src/connectors/client/fetcher.ts";
import type { EvidenceFact, Page, QuarantinedRow } from "../../src/connectors/connector.ts";
import { openBadges } from "../../src/connectors/open-badges/open-badges.ts";
import { readQuarantined } from "../../src/evidence/quarantine.ts";
import { openTestDatabase } from "../database.ts";
import { addConnection, at, list, readCurrent } from "../evidence/collecting.ts";
import {
  type BadgeIssuer,
  CONTEXTS,
  DID_KEY,
  openIssuer,
  RSA_PUBLIC_PEM,
  strangers,
} from "./badge-issuer.ts";
import { type Bench, conforms, factsOf, inputOf, limits, pagesOf } from "./conformance.ts";
import { asConnector, JUST_LATE_MS } from "./system.ts";

const NOW = new Date("2026-10-28T12:00:00Z");
const TOKEN = "list-token-1234";
type Document = Record<string, unknown>;

/** A server with an issuer and a list; what the list holds is put there by the test. */
async function openAcademy(): Promise<{ server: TestServer; issuer: BadgeIssuer }> {
  let answer: BadgeIssuer["answer"] = () => ({ status: 503, body: "{}" });
  const server = await openServer((asked) => answer(asked));
  const issuer = await openIssuer(() => server.url);
  ({ answer } = issuer);
  return { server, issuer };
}

const settingsOf = ({ issuer }: { issuer: BadgeIssuer }) => ({
  list: issuer.at("/list.json?key=secret"),
  issuers: [{ id: issuer.id }],
  attribution: { by: "email-domain", namespace: "domain" },
});

/** The four forms, each with its own document, signed after the changes. */
const FORMS = {
  async "2.0 hosted"(issuer: BadgeIssuer, changes: Document = {}) {
    issuer.publish("/badges/1", issuer.assertion("/badges/1", changes));
    return Promise.resolve(issuer.at("/badges/1"));
  },
  "2.0 signed": (issuer: BadgeIssuer, changes: Document = {}) =>
    issuer.sign(
      issuer.assertion("/badges/1", {
        verification: { type: "signed", creator: issuer.at("/key.json") },
        ...changes,
      }),
    ),
  "3.0 token": (issuer: BadgeIssuer, changes: Document = {}) =>
    issuer.signToken(issuer.credential("/badges/1", changes)),
  "3.0 proof": (issuer: BadgeIssuer, changes: Document = {}) =>
    issuer.prove(issuer.credential("/badges/1", changes)),
};
const forms = Object.keys(FORMS) as (keyof typeof FORMS)[];

async function openBench(): Promise<Bench> {
  const academy = await openAcademy();
  const { server, issuer } = academy;
  const signedBy = { verification: { type: "signed", creator: issuer.at("/key.json") } };
  const status = {
    credentialStatus: {
      type: "BitstringStatusListEntry",
      statusPurpose: "revocation",
      statusListIndex: "7",
      statusListCredential: issuer.at("/status.jwt"),
    },
  };
  const revocable = {
    credentialStatus: { id: issuer.at("/revocations.json"), type: "1EdTechRevocationList" },
  };
  const badgeClass = { id: issuer.at("/classes/advanced"), name: "Advanced user", issuer: issuer.id };
  const badges = new Map<string, unknown>();
  const repeated: string[] = [];
  const list = (path: string, badge: unknown) => badges.set(`badge/${issuer.at(path)}`, badge);
  for (let n = 0; n < 101; n++) {
    list(`/t/${n}`, await issuer.signToken(issuer.credential(`/t/${n}`, n === 0 ? status : {})));
  }
  list("/s/1", await issuer.sign(issuer.assertion("/s/1", { ...signedBy, badge: badgeClass })));
  list("/p/1", await issuer.prove(issuer.credential("/p/1", revocable)));
  let isCut = false;
  issuer.pages.set("/list.json", {
    get body() {
      const text = JSON.stringify([...badges.values(), ...repeated.map((id) => badges.get(id))]);
      return isCut ? text.slice(0, -1) : text;
    },
  });
  return {
    server,
    settings: settingsOf(academy),
    connection: { key: "main", secret: TOKEN, attributes: {} },
    now: NOW,
    secrets: [TOKEN, "key=secret"],
    remove(externalId) {
      badges.delete(externalId);
    },
    lateMs: JUST_LATE_MS,
    async add(changedAt) {
      const path = `/t/${5000 + badges.size}`;
      const validFrom = changedAt.toISOString();
      list(path, await issuer.signToken(issuer.credential(path, { validFrom })));
    },
    repeat(externalId) {
      repeated.push(externalId);
    },
    overstate: () => {
      isCut = true;
    },
  };
}

describe("open-badges, tokens, signed badges and proofs", () => {
  conforms("open-badges", asConnector(openBadges), openBench);
});

describe("open-badges", () => {
  let server: TestServer;
  let issuer: BadgeIssuer;
  let fetcher: Fetcher;

  beforeEach(async () => {
    ({ server, issuer } = await openAcademy());
    fetcher = openFetcher({ allowPrivate: [server.host], userAgent: "standings-test", limits });
  });

  afterEach(async () => {
    await fetcher.close();
    await server.close();
  });

  async function pull(badges: unknown[], changes: Document = {}): Promise<Page[]> {
    issuer.publish("/list.json", badges);
    const bench = {
      settings: { ...settingsOf({ issuer }), ...changes },
      connection: { key: "main", secret: TOKEN, attributes: {} },
      now: NOW,
    } as unknown as Bench;
    const input = inputOf(asConnector(openBadges), bench, fetcher.fetchFor(new AbortController().signal));
    return pagesOf(openBadges.pull(input as never));
  }

  const evidenceOf = async (badge: unknown, changes?: Document): Promise<EvidenceFact[]> =>
    factsOf(await pull([badge], changes));

  /** Why the one badge of the list is no evidence. */
  async function refusalOf(badge: unknown, changes?: Document): Promise<QuarantinedRow> {
    const pages = await pull([badge], changes);
    expect(factsOf(pages)).toEqual([]);
    const [row, ...others] = pages.flatMap(({ quarantined = [] }) => quarantined);
    expect(others).toEqual([]);
    if (row === undefined) throw new Error("nothing was kept aside");
    return row;
  }

  async function expectRevoked(badge: unknown): Promise<void> {
    const pages = await pull([badge]);
    expect(pages.flatMap(({ evidence, quarantined = [] }) => [...evidence, ...quarantined])).toEqual([]);
  }

  describe.each(forms)("%s", (form) => {
    const make = (changes?: Document) => FORMS[form](issuer, changes);
    const isOld = form.startsWith("2.0");

    test("a badge is one piece of evidence, from its issue to its end, of the holder's company", async () => {
      expect(await evidenceOf(await make())).toEqual([
        {
          externalId: `badge/${issuer.at("/badges/1")}`,
          kind: "certification",
          occurredAt: new Date("2026-03-03T10:00:00Z"),
          endedAt: new Date("2028-03-03T10:00:00Z"),
          attributes: { name: "Advanced user", holder: "hash of anna@acme.example" },
          title: "Advanced user",
          link: issuer.at("/badges/1"),
          identity: { namespace: "domain", key: "acme.example" },
        },
      ]);
    });

    test("an expired badge is evidence that has ended; one without an end has none", async () => {
      const [issued, end] = isOld ? ["issuedOn", "expires"] : ["validFrom", "validUntil"];
      const [expired] = await evidenceOf(
        await make({ [issued]: "2024-03-03T10:00:00Z", [end]: "2026-03-03T10:00:00Z" }),
      );
      expect(expired?.endedAt).toEqual(new Date("2026-03-03T10:00:00Z"));
      const [endless] = await evidenceOf(await make({ [end]: undefined }));
      expect(endless).toBeDefined();
      expect(endless?.endedAt).toBeUndefined();
    });

    test("the badge of an issuer nobody trusts is refused, also when it is sound", async () => {
      const row = await refusalOf(await make(), { issuers: [{ id: "https://academy.example" }] });
      expect(row).toEqual({
        externalId: `refused/badge/${issuer.at("/badges/1")}`,
        reason: `badge/${issuer.at("/badges/1")}: its issuer is none of those the settings trust`,
      });
    });

    test("only mapped badge classes count, with the attributes of the mapping", async () => {
      const badges = { [issuer.at("/classes/advanced")]: { level: "advanced" } };
      const [fact] = await evidenceOf(await make(), { badges });
      expect(fact?.attributes).toMatchObject({ level: "advanced", name: "Advanced user" });
      expect(await evidenceOf(await make(), { badges: { "https://other.example": { level: "x" } } })).toEqual(
        [],
      );
    });

    test("a hashed recipient stays hashed, and the list says whose the badge is", async () => {
      const hashed = { hashed: true, salt: "deadsea" };
      const badge = await make(
        isOld
          ? { recipient: { type: "email", identity: "sha256$c7ef86", ...hashed } }
          : {
              credentialSubject: {
                ...(issuer.credential("/badges/1")["credentialSubject"] as Document),
                identifier: [
                  {
                    type: "IdentityObject",
                    identityHash: "sha256$c7ef86",
                    identityType: "emailAddress",
                    ...hashed,
                  },
                ],
              },
            },
      );
      expect((await refusalOf(badge)).reason).toContain("it holds no e-mail address in clear");
      const byList = { attribution: { by: "list", namespace: "slug" } };
      const [fact] = await evidenceOf({ credential: badge, partner: "acme" }, byList);
      expect(fact?.identity).toEqual({ namespace: "slug", key: "acme" });
      expect(fact?.attributes?.["holder"]).toBe("hash of sha256$c7ef86 deadsea");
      expect((await refusalOf({ credential: badge }, byList)).reason).toContain("names no partner");
    });

    test("while the issuer cannot be asked, the pull fails and says nothing of the badge", async () => {
      const badge = await make();
      await pull([badge]);
      const faults: [Answer, string][] = [
        [{ status: 503, body: "{}" }, "transient"],
        [{ body: "<!DOCTYPE html><html></html>" }, "transient"],
        [{ body: '{"id":' }, "transient"],
        [{ status: 401, body: "{}" }, "auth"],
      ];
      for (const [answer, errorClass] of faults) {
        server.breakFrom(2, (response) => {
          send(response, answer);
        });
        await expect(pull([badge])).rejects.toMatchObject({ name: "SourceError", class: errorClass });
        server.mend();
      }
    });
  });

  describe("2.0 hosted", () => {
    test("the badge is what stands at its address, whatever a copy of it says", async () => {
      await FORMS["2.0 hosted"](issuer);
      const copy = issuer.assertion("/badges/1", {
        recipient: { type: "email", hashed: false, identity: "mallory@brightly.example" },
      });
      expect((await evidenceOf(copy))[0]?.identity?.key).toBe("acme.example");
    });

    test("410, or a badge that says so itself, is revoked: neither evidence nor kept aside", async () => {
      const address = await FORMS["2.0 hosted"](issuer);
      issuer.pages.set("/badges/1", { status: 410, body: "gone" });
      await expectRevoked(address);
      await expectRevoked(await FORMS["2.0 hosted"](issuer, { revoked: true }));
    });

    test("404 is refused, and another badge at the address too", async () => {
      const address = await FORMS["2.0 hosted"](issuer);
      issuer.pages.delete("/badges/1");
      expect((await refusalOf(address)).reason).toContain("is not there (404)");
      issuer.publish("/badges/1", issuer.assertion("/badges/2"));
      expect((await refusalOf(address)).reason).toContain("is another one");
    });

    test("what is no badge is kept aside as the row it may be again", async () => {
      issuer.publish("/badges/1", { error: "try later" });
      expect(await refusalOf(issuer.at("/badges/1"))).toMatchObject({
        externalId: `badge/${issuer.at("/badges/1")}`,
      });
      expect(await refusalOf(7)).toMatchObject({ externalId: "entry 1", unidentified: true });
    });

    describe("from elsewhere", () => {
      let elsewhere: TestServer;
      beforeEach(async () => {
        elsewhere = await openServer(({ path }) => ({
          body: JSON.stringify({
            ...issuer.assertion("/badges/1", { badge: issuer.at("/classes/advanced") }),
            id: `${elsewhere.url}${path}`,
          }),
        }));
        await fetcher.close();
        fetcher = openFetcher({
          allowPrivate: [server.host, elsewhere.host],
          userAgent: "standings-test",
          limits,
        });
      });
      afterEach(() => elsewhere.close());

      test("a badge at another origin than its issuer's is refused, unless the issuer or the settings say so", async () => {
        const address = `${elsewhere.url}/badges/9`;
        expect((await refusalOf(address)).reason).toContain("is not below that of its issuer");
        const scope = { id: issuer.id, "starts-with": [`${elsewhere.url}/badges/`, issuer.at("/classes")] };
        expect(await evidenceOf(address, { issuers: [scope] })).toHaveLength(1);
        const narrow = { ...scope, "starts-with": [`${elsewhere.url}/badges/8`] };
        expect((await refusalOf(address, { issuers: [narrow] })).reason).toContain("not below");
        const profile = JSON.parse(String(issuer.pages.get("/issuer.json")?.body)) as Document;
        issuer.publish("/issuer.json", {
          ...profile,
          verification: { allowedOrigins: [elsewhere.host, server.host] },
        });
        expect(await evidenceOf(address)).toHaveLength(1);
      });

      test("an open redirect of the issuer does not let others speak for it", async () => {
        issuer.pages.set("/badges/9", {
          status: 302,
          headers: { location: `${elsewhere.url}/badges/9` },
          body: "",
        });
        expect((await refusalOf(issuer.at("/badges/9"))).reason).toContain("leads to another host");
        await FORMS["2.0 hosted"](issuer);
        issuer.pages.set("/badges/9", { status: 302, headers: { location: "/badges/1" }, body: "" });
        // Followed, and found to be another badge.
        expect((await refusalOf(issuer.at("/badges/9"))).reason).toContain("is another one");
      });
    });
  });

  describe("2.0 signed", () => {
    const signedBy = () => ({ verification: { type: "signed", creator: issuer.at("/key.json") } });

    test("another payload, another key, none and HS256 with the public key are refused", async () => {
      const token = await FORMS["2.0 signed"](issuer);
      const [header, , signature] = token.split(".");
      const other = issuer.assertion("/badges/1", { ...signedBy(), expires: "2099-01-01T00:00:00Z" });
      const part = (value: unknown) => Buffer.from(JSON.stringify(value)).toString("base64url");
      const forged = [
        `${header ?? ""}.${part(other)}.${signature ?? ""}`,
        await issuer.sign(other, { key: strangers.rsa }),
        `${part({ alg: "none" })}.${part(other)}.`,
        await issuer.sign(other, { header: { alg: "HS256" }, key: Buffer.from(RSA_PUBLIC_PEM) }),
      ];
      for (const badge of forged) {
        const { externalId, reason } = await refusalOf(badge);
        expect(externalId).toBe(`refused/badge/${issuer.at("/badges/1")}`);
        expect(reason).toMatch(/its signature is (not its issuer's|by an algorithm)/);
      }
    });

    test("a key its issuer does not list, or that is somebody else's, is refused", async () => {
      const creator = issuer.at("/other-key.json");
      const badge = await FORMS["2.0 signed"](issuer, { verification: { type: "signed", creator } });
      expect((await refusalOf(badge)).reason).toContain("does not list the key");
      issuer.publish("/key.json", {
        id: issuer.at("/key.json"),
        owner: "https://x.example",
        publicKeyPem: RSA_PUBLIC_PEM,
      });
      expect((await refusalOf(await FORMS["2.0 signed"](issuer))).reason).toContain("somebody else's");
    });

    test("what the revocation list names, by id or uid, is gone with the next pull", async () => {
      const badge = await FORMS["2.0 signed"](issuer, { uid: "u-1" });
      expect(await evidenceOf(badge)).toHaveLength(1);
      for (const entry of [issuer.at("/badges/1"), { id: issuer.at("/badges/1") }, { uid: "u-1" }]) {
        issuer.publish("/revoked.json", { issuer: issuer.id, revokedAssertions: [{ uid: "u-2" }, entry] });
        await expectRevoked(badge);
      }
    });

    test("a revocation list that is none, or another's, fails the pull", async () => {
      const badge = await FORMS["2.0 signed"](issuer);
      for (const list of [{}, { issuer: "https://x.example", revokedAssertions: [] }]) {
        issuer.publish("/revoked.json", list);
        await expect(pull([badge])).rejects.toMatchObject({ class: "data" });
      }
    });

    test("a signed badge that comes without its signature is refused", async () => {
      const row = await refusalOf(issuer.assertion("/badges/1", signedBy()));
      expect(row.reason).toContain("without its signature");
    });
  });

  describe("3.0 token", () => {
    test("another payload, another key, none and HS256 with the public key are refused", async () => {
      const other = issuer.credential("/badges/1", { validUntil: "2099-01-01T00:00:00Z" });
      const [header, , signature] = (await FORMS["3.0 token"](issuer)).split(".");
      const [, payload] = (await issuer.signToken(other)).split(".");
      const jwk = Buffer.from(String(issuer.pages.get("/jwk.json")?.body));
      const none = Buffer.from(JSON.stringify({ alg: "none", kid: issuer.at("/jwk.json") })).toString(
        "base64url",
      );
      for (const badge of [
        `${header ?? ""}.${payload ?? ""}.${signature ?? ""}`,
        await issuer.signToken(other, { key: strangers.ec }),
        `${none}.${payload ?? ""}.`,
        await issuer.signToken(other, { header: { alg: "HS256" }, key: jwk }),
      ]) {
        expect((await refusalOf(badge)).reason).toMatch(
          /its signature is (not its issuer's|by an algorithm)/,
        );
      }
    });

    test("a symmetric key at the issuer's address proves nothing", async () => {
      issuer.publish("/jwk.json", { kty: "oct", k: Buffer.from("x".repeat(32)).toString("base64url") });
      const badge = await issuer.signToken(issuer.credential("/badges/1"), {
        header: { alg: "HS256" },
        key: Buffer.from("x".repeat(32)),
      });
      expect((await refusalOf(badge)).reason).toContain("of no kind that proves anything");
    });

    test("a key that comes with the badge, or from another address than the issuer's, is not asked", async () => {
      const kid = "http://127.0.0.1:1/jwk.json";
      const badge = await issuer.signToken(issuer.credential("/badges/1"), { header: { kid } });
      expect((await refusalOf(badge)).reason).toContain("not below the address of its issuer");
      const own = await issuer.signToken(issuer.credential("/badges/1"), {
        header: { kid: undefined, jwk: JSON.parse(String(issuer.pages.get("/jwk.json")?.body)) as object },
      });
      expect((await refusalOf(own)).reason).toContain("does not say by which key");
    });

    test("claims that are not those of the badge are refused", async () => {
      for (const claims of [
        { iss: "https://x.example" },
        { jti: "urn:x" },
        { nbf: 1 },
        { exp: 4_102_444_800 },
      ]) {
        const badge = await issuer.signToken(issuer.credential("/badges/1"), { claims });
        expect((await refusalOf(badge)).reason, JSON.stringify(claims)).toContain("its claims");
      }
    });

    test("the older form, the badge in the claim vc, is read too", async () => {
      const { validFrom, validUntil, ...vc } = issuer.credential("/badges/1");
      const old = { ...vc, "@context": ["https://www.w3.org/2018/credentials/v1", CONTEXTS[1]] };
      const badge = await issuer.sign(
        {
          iss: issuer.id,
          jti: vc["id"],
          nbf: Date.parse(String(validFrom)) / 1000,
          exp: Date.parse(String(validUntil)) / 1000,
          vc: { ...old, issuanceDate: validFrom, expirationDate: validUntil },
        },
        { header: { alg: "RS256", kid: issuer.at("/rsa.json") } },
      );
      issuer.publish("/rsa.json", { keys: [] });
      expect((await refusalOf(badge)).reason).toContain("does not list the key");
      const { createPublicKey } = await import("node:crypto");
      issuer.publish("/rsa.json", createPublicKey(RSA_PUBLIC_PEM).export({ format: "jwk" }));
      expect((await evidenceOf(badge))[0]?.endedAt).toEqual(new Date("2028-03-03T10:00:00Z"));
    });

    test("a credential that is no badge is refused", async () => {
      const badge = await FORMS["3.0 token"](issuer, {
        type: ["VerifiableCredential", "EndorsementCredential"],
      });
      expect((await refusalOf(badge)).reason).toContain("of another kind");
    });
  });

  describe("3.0 proof", () => {
    test("any change of what was signed is refused", async () => {
      const badge = await FORMS["3.0 proof"](issuer);
      const subject = badge["credentialSubject"] as Document;
      const proof = badge["proof"] as Document;
      const changes: Document[] = [
        { validUntil: "2099-01-01T00:00:00Z" },
        { id: issuer.at("/badges/2") },
        {
          credentialSubject: {
            ...subject,
            achievement: { ...(subject["achievement"] as Document), name: "Master" },
          },
        },
        { proof: { ...proof, created: "2026-03-04T10:00:00Z" } },
        { proof: { ...proof, proofPurpose: "authentication" } },
        { proof: { ...proof, proofValue: `${String(proof["proofValue"]).slice(0, -2)}11` } },
      ];
      for (const change of changes) {
        const row = await refusalOf({ ...badge, ...change });
        expect(row.reason, JSON.stringify(change)).toContain("its proof is not its issuer's");
      }
      const { proof: _, ...bare } = badge;
      expect((await refusalOf(bare)).reason).toContain("no proof of a kind");
    });

    test("another key under the issuer's name, or a key it does not list or has revoked, is refused", async () => {
      const credential = issuer.credential("/badges/1");
      const forged = await issuer.prove(credential, { key: strangers.ed });
      expect((await refusalOf(forged)).reason).toContain("its proof is not its issuer's");
      const foreign = await issuer.prove(credential, {
        key: strangers.ed,
        method: `did:key:${strangers.ed.publicKeyMultibase}#${strangers.ed.publicKeyMultibase}`,
      });
      expect((await refusalOf(foreign)).reason).toContain("not below the address");
      const unlisted = await issuer.prove(credential, { method: `${issuer.id}#other` });
      expect((await refusalOf(unlisted)).reason).toContain("does not list the key");
      const profile = JSON.parse(String(issuer.pages.get("/issuer.json")?.body)) as Document;
      issuer.publish("/issuer.json", { ...profile, assertionMethod: [] });
      expect((await refusalOf(await issuer.prove(credential))).reason).toContain("does not list the key");
      const [method] = profile["verificationMethod"] as Document[];
      issuer.publish("/issuer.json", {
        ...profile,
        verificationMethod: [{ ...method, revoked: "2026-05-05T00:00:00Z" }],
      });
      expect((await refusalOf(await issuer.prove(credential))).reason).toContain("revoked the key");
    });

    test("a context that is not bundled is refused and never fetched, and so is one of the badge's own", async () => {
      const badge = await FORMS["3.0 proof"](issuer);
      const extra = issuer.at("/context.json");
      issuer.publish("/context.json", { "@context": { more: "https://x.example/more" } });
      const foreign = await issuer.prove(
        issuer.credential("/badges/1", { "@context": [...CONTEXTS, extra], more: "of it" }),
        { more: new Map([[extra, { "@context": { more: "https://x.example/more" } }]]) },
      );
      for (const contexts of [
        foreign["@context"],
        [...CONTEXTS, { achievement: null }],
        [...CONTEXTS, "https://www.w3.org/ns/credentials/undefined-terms/v2"],
        CONTEXTS[0],
      ]) {
        expect((await refusalOf({ ...badge, "@context": contexts })).reason).toContain(
          "context that is not bundled",
        );
      }
      expect((await refusalOf(foreign)).reason).toContain("context that is not bundled");
      const scoped = { ...(badge["credentialSubject"] as Document), "@context": { achievement: null } };
      expect((await refusalOf({ ...badge, credentialSubject: scoped })).reason).toContain(
        "a meaning of its own",
      );
      expect(server.asked.map(({ path }) => path)).not.toContain("/context.json");
    });

    test("the first version of the data model is read too, with the context of its proof", async () => {
      const { validFrom, validUntil, ...rest } = issuer.credential("/badges/1");
      const badge = await issuer.prove({
        ...rest,
        "@context": [
          "https://www.w3.org/2018/credentials/v1",
          CONTEXTS[1],
          "https://w3id.org/security/data-integrity/v2",
        ],
        issuanceDate: validFrom,
        expirationDate: validUntil,
      });
      expect((await evidenceOf(badge))[0]?.endedAt).toEqual(new Date("2028-03-03T10:00:00Z"));
      const later = { ...badge, expirationDate: "2099-01-01T00:00:00Z" };
      expect((await refusalOf(later)).reason).toContain("its proof is not its issuer's");
    });

    test("an issuer whose id is its key needs no address, and nothing but its own key will do", async () => {
      const issuers = [{ id: DID_KEY }];
      const fragment = DID_KEY.slice("did:key:".length);
      const credential = issuer.credential("/badges/1", { issuer: DID_KEY });
      const badge = await issuer.prove(credential, { method: `${DID_KEY}#${fragment}` });
      expect(await evidenceOf(badge, { issuers })).toHaveLength(1);
      expect(server.asked.map(({ path }) => path)).toEqual(["/list.json"]);
      const forged = await issuer.prove(credential, { key: strangers.ed, method: `${DID_KEY}#${fragment}` });
      expect((await refusalOf(forged, { issuers })).reason).toContain("its proof is not its issuer's");
      const other = `did:key:${strangers.ed.publicKeyMultibase}`;
      const borrowed = await issuer.prove(credential, {
        key: strangers.ed,
        method: `${other}#${strangers.ed.publicKeyMultibase}`,
      });
      expect((await refusalOf(borrowed, { issuers })).reason).toContain("its key is not its issuer's");
    });

    test("a badge is read from its address as well", async () => {
      issuer.publish("/badges/1", await FORMS["3.0 proof"](issuer));
      expect(await evidenceOf(issuer.at("/badges/1"))).toHaveLength(1);
      issuer.pages.set("/badges/1", { status: 410, body: "" });
      await expectRevoked(issuer.at("/badges/1"));
    });
  });

  describe.each(["3.0 token", "3.0 proof"] as const)("the status of a %s", (form) => {
    const bitstring = (changes: Document = {}) => ({
      credentialStatus: {
        type: "BitstringStatusListEntry",
        statusPurpose: "revocation",
        statusListIndex: "9",
        statusListCredential: issuer.at("/status.jwt"),
        ...changes,
      },
    });

    test("the bit at its place, and no other, revokes it", async () => {
      const badge = await FORMS[form](issuer, bitstring());
      issuer.pages.set("/status.jwt", { body: await issuer.statusList("/status.jwt", [8, 10, 14, 1]) });
      expect(await evidenceOf(badge)).toHaveLength(1);
      issuer.pages.set("/status.jwt", { body: await issuer.statusList("/status.jwt", [9]) });
      await expectRevoked(badge);
    });

    test("a status list with a broken signature, out of date, or of another address fails the pull", async () => {
      const badge = await FORMS[form](issuer, bitstring());
      const token = await issuer.statusList("/status.jwt", []);
      for (const body of [
        `${token.slice(0, -4)}AAAA`,
        await issuer.statusList("/status.jwt", [], { validUntil: "2026-10-28T11:59:59Z" }),
        await issuer.statusList("/other.jwt", []),
        await issuer.statusList("/status.jwt", [], { type: ["VerifiableCredential"] }),
      ]) {
        issuer.pages.set("/status.jwt", { body });
        await expect(pull([badge])).rejects.toMatchObject({
          class: "data",
          message: expect.stringContaining("cannot be believed") as string,
        });
      }
    });

    test("a place beyond the list, and a kind of status nobody knows, are refused", async () => {
      const far = await FORMS[form](issuer, bitstring({ statusListIndex: "131072" }));
      expect((await refusalOf(far)).reason).toContain("ends before its place");
      if (form === "3.0 proof") return;
      const unknown = await FORMS[form](issuer, { credentialStatus: { type: "StatusList2021Entry" } });
      expect((await refusalOf(unknown)).reason).toContain("in a way that cannot be checked");
    });

    test("a list of 1EdTech below the issuer's address revokes it, one from elsewhere proves nothing", async () => {
      const status = (id: string) => ({ credentialStatus: { id, type: "1EdTechRevocationList" } });
      const badge = await FORMS[form](issuer, status(issuer.at("/revocations.json")));
      expect(await evidenceOf(badge)).toHaveLength(1);
      issuer.publish("/revocations.json", {
        issuer: issuer.id,
        revokedCredential: [{ id: issuer.at("/badges/1"), revoked: true }],
      });
      await expectRevoked(badge);
      issuer.publish("/revocations.json", { error: "try later" });
      await expect(pull([badge])).rejects.toMatchObject({ class: "data" });
      const elsewhere = await FORMS[form](issuer, status("https://x.example/revocations"));
      expect((await refusalOf(elsewhere)).reason).toContain("not below the address");
    });
  });

  test("from pull to pull: what is revoked or refused is evidence no more, what cannot be read stays", async () => {
    const database = await openTestDatabase();
    try {
      const connection = await addConnection(database.db, { source: "academy" });
      const current = async (badges: unknown[], day: number) => {
        const pages = await pull(badges);
        const quarantined = pages.flatMap((page) => page.quarantined ?? []);
        await list(database.db, connection, factsOf(pages), at(day * 1440), quarantined);
        const rows = await readCurrent(database.db);
        return rows.map((row) => row.external_id.slice(row.external_id.lastIndexOf("/") + 1)).sort();
      };
      const token = (n: number, changes: Document = {}) =>
        issuer.signToken(issuer.credential(`/badges/${n}`, changes));
      for (const n of [3, 4]) issuer.publish(`/badges/${n}`, issuer.assertion(`/badges/${n}`));
      const hosted = [issuer.at("/badges/3"), issuer.at("/badges/4")];
      const sound = [await token(1), await token(2)];
      expect(await current([...sound, ...hosted], 1)).toEqual(["1", "2", "3", "4"]);
      const forged = await issuer.signToken(issuer.credential("/badges/2"), { key: strangers.ec });
      issuer.pages.set("/badges/3", { status: 410, body: "" });
      issuer.publish("/badges/4", { error: "try later" });
      expect(await current([sound[0], forged, ...hosted], 2)).toEqual(["1", "4"]);
      const kept = await readQuarantined(database.db);
      expect(kept.map(({ externalId, known }) => [externalId, known])).toEqual([
        [`badge/${issuer.at("/badges/4")}`, true],
        [`refused/badge/${issuer.at("/badges/2")}`, false],
      ]);
      issuer.publish("/badges/4", issuer.assertion("/badges/4"));
      expect(await current([...sound, ...hosted], 3)).toEqual(["1", "2", "4"]);
      expect(await readQuarantined(database.db)).toEqual([]);
    } finally {
      await database.close();
    }
  });

  test("the same badge twice counts once, and a hundred of one issuer ask once for its key", async () => {
    const tokens = await Promise.all(
      Array.from({ length: 100 }, (_, n) => issuer.signToken(issuer.credential(`/badges/${n}`))),
    );
    expect(factsOf(await pull([...tokens, tokens[0]]))).toHaveLength(100);
    expect(server.asked.map(({ path }) => path)).toEqual(["/list.json", "/jwk.json"]);
  });

  test("the token of the connection goes to the list and nowhere else", async () => {
    await pull([await FORMS["2.0 hosted"](issuer), await FORMS["2.0 signed"](issuer)]);
    const bearers = server.asked.filter(({ headers }) => headers["authorization"] !== undefined);
    expect(bearers.map(({ path }) => path)).toEqual(["/list.json"]);
  });
});
