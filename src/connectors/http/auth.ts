// Credentials: what is added to a request, made from the secret, kept until it expires, renewed once where it is refused.
import { createPrivateKey } from "node:crypto";
import { SignJWT } from "jose";
import { z } from "zod";
import { SourceError } from "../../platform/errors.ts";
import { describe, isMarkup, readJson } from "../client/answers.ts";
import type { Credential } from "../connector.ts";
import type { Auth, Exchange } from "./auth-schema.ts";
import { fillSecret, type Session } from "./session.ts";
import { toText, valueAt } from "./templates.ts";

/** What makes a request allowed. */
export interface Allowance {
  headers: Record<string, string>;
  query: Record<string, string>;
  /** What answers must not be quoted with. */
  hidden: string[];
}

type Derived = Extract<Auth, { type: "client-credentials" | "token-exchange" | "signed-jwt" }>;

/** Whether a refused credential may be a stale one. */
export function isRenewable(auth: Auth): auth is Derived {
  return auth.type === "client-credentials" || auth.type === "token-exchange" || auth.type === "signed-jwt";
}

/** `renew`: the kept token was refused. Throws a SourceError (auth) where none can be had. */
export async function allow(session: Session, options: { renew: boolean }): Promise<Allowance> {
  const { auth } = session.document;
  // A secret that is optional and not there: the request goes as it is.
  if (auth.type === "none" || session.secrets["$secret"] === undefined)
    return { headers: {}, query: {}, hidden: [] };
  const fill = (text: string) => fillSecret(text, session);
  switch (auth.type) {
    case "basic": {
      const both =
        auth.user === undefined ? fill("{$secret}") : `${fill(auth.user)}:${fill(auth.password ?? "")}`;
      return withHeader("authorization", `Basic ${Buffer.from(both).toString("base64")}`);
    }
    case "bearer":
      return withHeader("authorization", `Bearer ${fill(auth.token)}`);
    case "header":
      return withHeader(auth.name.toLowerCase(), fill(auth.value));
    case "query":
      return { headers: {}, query: { [auth.name]: fill(auth.value) }, hidden: [fill(auth.value)] };
    default: {
      const token = await session.input.credential(() => derive(session, auth), options);
      const value = fillSecret(auth.sends ?? "Bearer {$token}", session, { $token: token });
      const allowance = withHeader("authorization", value);
      return { ...allowance, hidden: [...allowance.hidden, token] };
    }
  }
}

function withHeader(name: string, value: string): Allowance {
  return { headers: { [name]: value }, query: {}, hidden: [value, value.replace(/^\S+ /, "")] };
}

async function derive(session: Session, auth: Derived): Promise<Credential> {
  if (auth.type === "token-exchange") return exchange(session, auth, auth.form, {});
  if (auth.type === "client-credentials") {
    const pair = {
      id: fillSecret(auth["client-id"], session),
      secret: fillSecret(auth["client-secret"], session),
    };
    const grant = { grant_type: "client_credentials", ...auth.form };
    if (auth.in === "form") {
      return exchange(
        session,
        auth,
        { ...grant, client_id: auth["client-id"], client_secret: auth["client-secret"] },
        {},
      );
    }
    // RFC 6749, 2.3.1: both are form-encoded before they are joined.
    const joined = `${encodeURIComponent(pair.id)}:${encodeURIComponent(pair.secret)}`;
    return exchange(session, auth, grant, {
      authorization: `Basic ${Buffer.from(joined).toString("base64")}`,
    });
  }
  const signed = await sign(session, auth);
  if (auth.exchange === undefined) return signed;
  const grant = { grant_type: "urn:ietf:params:oauth:grant-type:jwt-bearer", assertion: "{$assertion}" };
  const form = Object.keys(auth.exchange.form).length === 0 ? grant : auth.exchange.form;
  return exchange(session, auth.exchange, form, {}, signed.value);
}

/** POSTs a form and reads the token of the answer. A 400 here says, by RFC 6749, that the client or its grant is refused. */
async function exchange(
  session: Session,
  { url, token, lifetime, "expires-in": expiresIn }: Exchange,
  form: Record<string, string>,
  headers: Record<string, string>,
  assertion?: string,
): Promise<Credential> {
  const more = { $assertion: assertion };
  const target = fillSecret(url, session, more);
  const address = target.startsWith("/") ? session.base.href.replace(/\/$/, "") + target : target;
  const fields = Object.entries(form).map(
    ([name, text]) => [name, fillSecret(text, session, more)] as [string, string],
  );
  const answer = await session.input.fetch({
    url: address,
    method: "POST",
    headers: { accept: "application/json", "content-type": "application/x-www-form-urlencoded", ...headers },
    body: new URLSearchParams(fields).toString(),
    expect: "text",
    accept: ({ status }) => status === 400,
  });
  const where = describe("POST", new URL(address));
  if (answer.status < 400 && isMarkup(answer.text)) {
    throw new SourceError("transient", `${where} answered with a web page where a token was expected`);
  }
  if (answer.status >= 400) {
    throw new SourceError("auth", `${where} gave no token for connection ${session.input.connection.key}`, {
      status: answer.status,
    });
  }
  const scope = { "": readJson(answer, z.unknown(), where) };
  const value = toText(valueAt(scope, token));
  if (value === "")
    throw new SourceError("auth", `${where} gave no token at ${token}`, { status: answer.status });
  const seconds = Number(toText(valueAt(scope, expiresIn)) || Number.NaN);
  const lifeMs = Number.isFinite(seconds) && seconds > 0 ? seconds * 1000 : lifetime;
  return { value, expiresAt: new Date(session.at().getTime() + lifeMs) };
}

async function sign(session: Session, auth: Extract<Auth, { type: "signed-jwt" }>): Promise<Credential> {
  const fill = (text: string) => fillSecret(text, session);
  const now = session.at();
  const expiresAt = new Date(now.getTime() + auth.lifetime);
  const claims = Object.fromEntries(Object.entries(auth.claims).map(([name, text]) => [name, fill(text)]));
  const kid = auth["key-id"] === undefined ? {} : { kid: fill(auth["key-id"]) };
  const jwt = new SignJWT(claims)
    .setProtectedHeader({ alg: auth.algorithm, typ: "JWT", ...kid })
    .setIssuedAt(Math.floor(now.getTime() / 1000))
    .setExpirationTime(Math.floor(expiresAt.getTime() / 1000));
  try {
    return { value: await jwt.sign(keyOf(auth, fill(auth.key))), expiresAt };
  } catch {
    // What is wrong with a key is told with the key.
    const { key } = session.input.connection;
    const form =
      auth.algorithm === "HS256"
        ? `an HS256 key in ${auth["key-encoding"]}`
        : `an ${auth.algorithm} key in PEM`;
    throw new SourceError("auth", `the secret of connection ${key} cannot sign: ${form} was expected`);
  }
}

function keyOf(auth: Extract<Auth, { type: "signed-jwt" }>, key: string) {
  // A PEM in one line of a JSON secret or of a CSV.
  if (auth.algorithm !== "HS256") return createPrivateKey(key.replaceAll("\\n", "\n"));
  if (auth["key-encoding"] === "hex" && !/^([\da-f]{2})+$/i.test(key)) throw new Error("not hexadecimal");
  return Buffer.from(key, auth["key-encoding"] === "text" ? "utf8" : auth["key-encoding"]);
}
