// A deployment that is written to: a source for each scheme, a table they hint at, and a programme that counts deals.
import { generateKeyPairSync, randomBytes } from "node:crypto";
import { sql } from "drizzle-orm";
import { openServer, type TestServer } from "../../src/conformance/server.ts";
import { openPublicKeys } from "../../src/connectors/inbox/public-keys.ts";
import type { SchemeName } from "../../src/connectors/inbox/schemes.ts";
import { type Context, openContext } from "../../src/context.ts";
import { importConnections } from "../../src/ingest/connections.ts";
import { parseSources } from "../../src/ingest/sources.ts";
import { importPartners } from "../../src/partners/import.ts";
import { loadConfig } from "../../src/platform/config.ts";
import { openLog } from "../../src/platform/log.ts";
import { publishProgramme } from "../../src/programme/versions.ts";
import { createApp } from "../../src/web/app.ts";
import type { InboxParts } from "../../src/web/inbox.ts";
import { type OpenWeb, openWeb } from "../../src/web/server.ts";
import { openDns, type TestDns } from "../connectors/inbox/dns.ts";
import { type Sending, type Signed, send } from "../connectors/inbox/signing.ts";
import { openTestDatabase, type TestDatabase } from "../database.ts";
import type { Backend } from "../e2e/deployment.ts";
import { redisUrl, testPrefix } from "../redis.ts";

/** Each source is called as its scheme is, but for these. */
const bodies = {
  "standard-webhooks": '{"type":"partner.won","data":{"partner":"1","won_at":"2026-01-02T00:00:00Z"}}',
  stripe:
    '{"id":"evt_1","type":"invoice.paid","created":1767312000,"data":{"customer":"2"},"pending_webhooks":2}',
} as const;

const evidence = (kind: string, rest: string) => `{ kind: ${kind}, ${rest} }`;

const sourcesText = (server: TestServer) => `
allow-private: ["${server.host}"]
sources:
  list:
    connector: table
    every: 1 day
    settings: { url: "${server.url}/list.csv", format: csv, evidence: registration, id: id, occurred-at: on,
      partner: { namespace: crm, column: crm }, time-zone: UTC }
  copernica: { connector: inbox, every: 1 day, settings: { scheme: copernica, account: "1234", hint: list,
    url: "https://standings.example.com/inbox/copernica" } }
  ghost: { connector: inbox, every: 1 day, settings: { scheme: ghost, hint: list } }
  hubspot: { connector: inbox, every: 1 day, settings: { scheme: hubspot, hint: list,
    url: "https://standings.example.com/inbox/hubspot" } }
  mailchimp: { connector: inbox, every: 1 day, settings: { scheme: mailchimp, hint: list } }
  url-secret: { connector: inbox, every: 1 day, settings: { scheme: url-secret, hint: list } }
  stripe: { connector: inbox, every: 1 day, settings: { scheme: stripe, map: {
    schema: { created: integer, data.customer: text },
    evidence: ${evidence("invoice", "when: { type: invoice.paid }, occurred-at: { date: created, format: unix }, identity: { namespace: crm, key: data.customer }")} } } }
  standard-webhooks: { connector: inbox, every: 1 day, settings: { scheme: standard-webhooks, map: {
    schema: { data.won_at: date, data.partner: text },
    evidence: ${evidence("deal", "when: { type: partner.won }, occurred-at: data.won_at, title: data.title, identity: { namespace: crm, key: data.partner }")} } } }
`;

const rule = { measure: "count", window: "ever" };
const programmeText = JSON.stringify({
  programme: "Programme",
  "time-zone": "UTC",
  perfect: 1210,
  evidence: { registration: "Registration", deal: "Deal", invoice: "Invoice" },
  achievements: {
    registered: {
      ...{ title: "Registered", hint: "Register.", evidence: "registration", ...rule },
      award: { points: 10, "at-least": 1 },
    },
    deals: {
      ...{ title: "Deals", hint: "Win a deal.", evidence: "deal", ...rule },
      award: { each: 5, cap: 1000 },
    },
    invoices: {
      ...{ title: "Invoices", hint: "Have one paid.", evidence: "invoice", ...rule },
      award: { each: 2, cap: 200 },
    },
  },
});

export const secrets: Record<Exclude<SchemeName, "copernica">, string> = {
  ghost: "a-secret-of-the-ghost",
  hubspot: "7f3b1c9e-client-secret",
  mailchimp: "mc-signing-secret-0123456789",
  "standard-webhooks": `whsec_${Buffer.alloc(24, 7).toString("base64")}`,
  stripe: "whsec_0123456789abcdefghij",
  "url-secret": "hard-to-guess-0123456789",
};

export interface Inboxes {
  context: Context;
  database: TestDatabase;
  /** The table's server. */
  server: TestServer;
  dns: TestDns;
  port: number;
  /** As the sender of a source would send it now. */
  sign(scheme: SchemeName, changes?: Partial<Sending>): Promise<Signed>;
  /** Sends it. */
  post(source: string, signed: Signed): Promise<Response>;
  /** Another web server of the same deployment, with other parts. */
  serve(parts?: Partial<InboxParts>): Promise<OpenWeb>;
  points(): Promise<Record<string, number>>;
  close(): Promise<void>;
}

const keyPair = generateKeyPairSync("rsa", { modulusLength: 2048 });
const keyId = "one._domainkey.copernica.com";

export async function openInboxes(backend: Backend = "postgres"): Promise<Inboxes> {
  const database = await openTestDatabase({ max: 4 });
  const server = await openServer(() => ({
    headers: { "content-type": "text/csv" },
    body: "id,crm,on\na,1,2026-01-01\n",
  }));
  const dns = await openDns();
  const key = keyPair.publicKey.export({ format: "der", type: "spki" }).toString("base64");
  dns.records.set(keyId, `v=DKIM1; p=${key}`);
  const config = loadConfig({
    DATABASE_URL: database.url,
    ...(backend === "redis" && { REDIS_URL: redisUrl() ?? "" }),
    STANDINGS_SECRET_KEY: randomBytes(32).toString("base64"),
    STANDINGS_PREFIX: testPrefix(),
  });
  const context = await openContext(
    config,
    parseSources(sourcesText(server), "sources.yaml"),
    openLog("silent"),
  );
  const now = context.now();
  await importPartners(context.db, {
    text: "slug,name,identities\none,One,crm:1\ntwo,Two,crm:2\n",
    file: "partners.csv",
    now,
  });
  for (const [source, secret] of Object.entries(secrets))
    await importConnections(context.db, context.secrets, {
      ...{ source, text: `key,secret\nmain,${secret}\n`, file: "connections.csv", now },
    });
  await publishProgramme(context.db, {
    ...{ text: programmeText, file: "programme.yaml", publishedBy: "test", now },
  });
  const opened: OpenWeb[] = [];
  const serve = async (parts: Partial<InboxParts> = {}) => {
    const { db, standings, programmes, sources } = context;
    const app = createApp({
      ...{ db: parts.db ?? db, standings, programmes, sources: [], now: parts.now ?? context.now },
      programme: () => Promise.resolve(undefined),
      logger: parts.logger,
      inbox: {
        sources: sources.sources,
        secrets: context.secrets,
        queues: context.queues,
        publicKeys: openPublicKeys(dns.resolver),
        // How busy the machine is says nothing about what is tested.
        storedWithinMs: 60_000,
        ...parts,
      },
    });
    const web = await openWeb(app, { port: 0, host: "127.0.0.1" });
    opened.push(web);
    return web;
  };
  const { port } = await serve();
  return {
    ...{ context, database, server, dns, port, serve },
    sign(scheme, changes) {
      const known: Record<string, string> = bodies;
      return send(scheme, {
        body: known[scheme] ?? '{"event":"something has changed"}',
        secret: scheme === "copernica" ? "" : secrets[scheme],
        at: context.now(),
        url: `https://standings.example.com/inbox/${scheme}`,
        account: "account-1234",
        keyId,
        privateKey: keyPair.privateKey,
        ...changes,
      });
    },
    post: (source, { headers, body, search = "" }) =>
      fetch(`http://127.0.0.1:${port}/inbox/${source}${search}`, { method: "POST", headers, body }),
    async points() {
      const rows = await context.db.execute<{ slug: string; points: number }>(
        sql`select slug, points from scores join partners on partners.id = partner_id where points <> 0 order by 1`,
      );
      return Object.fromEntries(rows.map(({ slug, points }) => [slug, points]));
    },
    async close() {
      for (const web of opened) await web.close();
      await context.close();
      await dns.close();
      await server.close();
      await database.close();
    },
  };
}
