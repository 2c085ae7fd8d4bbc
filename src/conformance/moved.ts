// A document whose requests go to the suite's server: its address, its settings, and whether a request may be answered.
import type { Connector, PullInput } from "../connectors/connector.ts";
import { toConnector } from "../connectors/http/http.ts";
import type { HttpDocument } from "../connectors/http/schema.ts";
import { openSession, type Settings } from "../connectors/http/session.ts";
import { UsageError } from "../platform/errors.ts";
import { type Bench, inputOf } from "./bench.ts";
import type { Fixture } from "./fixture.ts";
import { withValue } from "./paged.ts";
import { type Answer, type Asked, json } from "./server.ts";

const TOKEN = "token-of-the-conformance-suite";

/** Settings that are addresses lead to the suite's server all the same. */
export function settingsOf({ settings }: HttpDocument, fixture: Fixture): Record<string, unknown> {
  const addresses = Object.entries(settings).filter(([, { type }]) => type === "url");
  return {
    ...Object.fromEntries(addresses.map(([key]) => [key, "https://api.example"])),
    ...fixture.settings,
  };
}

/** Of the document's url: the path that every request begins with. */
export function pathOf(document: HttpDocument, fixture: Fixture): string {
  const connector = toConnector(document, "") as Connector;
  const settings = connector.settings.safeParse(settingsOf(document, fixture));
  if (!settings.success) {
    const [issue] = settings.error.issues;
    throw new UsageError(
      `settings.${issue?.path.map(String).join(".") ?? ""} of the fixture: ${issue?.message ?? "is wrong"}`,
    );
  }
  const connection = { ...fixture.connection, secret: fixture.secret };
  const bench = { settings: settingsOf(document, fixture), connection, now: new Date(0) } as Bench;
  const input = inputOf(connector, bench, () => Promise.reject(new Error("nothing is asked here")));
  return openSession(document, input as PullInput<Settings>).base.pathname.replace(/\/$/, "");
}

export function movedTo(document: HttpDocument, url: string, tokenUrl: string): HttpDocument {
  const { auth } = document;
  if (auth.type === "client-credentials" || auth.type === "token-exchange")
    return { ...document, url, auth: { ...auth, url: tokenUrl } };
  if (auth.type === "signed-jwt" && auth.exchange !== undefined)
    return { ...document, url, auth: { ...auth, exchange: { ...auth.exchange, url: tokenUrl } } };
  return { ...document, url };
}

export function tokenOf({ auth }: HttpDocument): Answer {
  const exchange = auth.type === "signed-jwt" ? auth.exchange : auth;
  if (exchange === undefined || !("expires-in" in exchange)) return { ...json({}), status: 404 };
  return json(withValue(withValue({}, exchange["expires-in"], 3600), exchange.token, TOKEN));
}

/** Whether a request bears what the document says allows it. */
export function bears({ auth }: HttpDocument, { secret = "" }: Fixture, { headers, query }: Asked): boolean {
  if (auth.type === "none" || secret === "") return true;
  const sent = String(headers["authorization"] ?? "");
  switch (auth.type) {
    case "header":
      return headers[auth.name.toLowerCase()] !== undefined;
    case "query":
      return query.has(auth.name);
    case "signed-jwt":
      return auth.exchange === undefined ? sent !== "" : sent.includes(TOKEN);
    case "client-credentials":
    case "token-exchange":
      return sent.includes(TOKEN);
    default:
      return sent !== "";
  }
}
