// One call of Copernica's REST API v4: the credential, and what its answers mean. Practically every failure of this API is a
// 400 with {"error":{"message":…}}, so the message decides; the HTML 503s of its balancer are the fetcher's.
import { z } from "zod";
import { SourceError } from "../platform/errors.ts";
import { describe, type FetchResponse, isMarkup, quote, readJson } from "./client/answers.ts";
import type { Credential, PullInput } from "./connector.ts";

interface ApiSettings {
  url: string;
  authenticateUrl: string;
}

const JWT = /^[\w-]+\.[\w-]+\.[\w-]+$/;
/** A token that does not say when it ends is renewed after this. They are valid for 24 hours. */
const UNSTATED_LIFE_MS = 3_600_000;

/**
 * GETs a path below the API's url. Where the answer is about the token, it is renewed once and the call repeated; a second
 * refusal is a SourceError (auth). Other 400s: `quota`, `data` or `config` by their message, which is quoted.
 */
export async function callCopernica<Schema extends z.ZodType>(
  input: PullInput<ApiSettings>,
  path: string,
  query: Record<string, string>,
  schema: Schema,
): Promise<z.output<Schema>> {
  const url = new URL(`${input.settings.url}/${path}`);
  const where = describe("GET", url);
  url.search = new URLSearchParams(query).toString();
  let token = await input.credential(() => authenticate(input));
  let answer = await ask(input, url, token);
  if (isAboutToken(answer)) {
    token = await input.credential(() => authenticate(input), { renew: true });
    answer = await ask(input, url, token);
  }
  if (answer.status < 400) return readJson(answer, schema, where);
  const detail = quote(messageOf(answer), [input.connection.secret, token]);
  throw new SourceError(
    classOf(answer),
    `${where} answered ${answer.status}${detail === "" ? "" : `: ${detail}`}`,
    {
      status: answer.status,
    },
  );
}

function ask(input: PullInput<ApiSettings>, url: URL, token: string): Promise<FetchResponse> {
  return input.fetch({
    url: url.href,
    headers: { authorization: `Bearer ${token}` },
    expect: "json",
    accept: ({ status }) => status === 400 || status === 401,
  });
}

function classOf(answer: FetchResponse): SourceError["class"] {
  if (isAboutToken(answer)) return "auth";
  if (isMarkup(answer.text)) return "transient";
  const message = messageOf(answer);
  if (/too many|rate limit|quota/i.test(message)) return "quota";
  if (/invalid data/i.test(message)) return "data";
  // "Invalid method", "No entity with supplied ID", "element 1 is missing": the url or a prefix of the settings is wrong.
  return "config";
}

function isAboutToken(answer: FetchResponse): boolean {
  if (answer.status === 401) return true;
  return answer.status === 400 && /token|jwt|expired|authenticat|authori[sz]/i.test(messageOf(answer));
}

const errorSchema = z.object({ error: z.object({ message: z.string() }) });

function messageOf(answer: FetchResponse): string {
  try {
    return errorSchema.parse(JSON.parse(answer.text)).error.message;
  } catch {
    return "";
  }
}

/** Exchanges the account's access token for a JWT. The answer is the bare JWT, or JSON that holds it. */
async function authenticate(input: PullInput<ApiSettings>): Promise<Credential> {
  const { secret, key } = input.connection;
  if (secret === undefined) throw new SourceError("auth", `account ${key} has no access token`);
  const url = input.settings.authenticateUrl;
  const answer = await input.fetch({
    url,
    method: "POST",
    headers: { "content-type": "application/x-www-form-urlencoded" },
    body: new URLSearchParams({ access_token: secret }).toString(),
    expect: "text",
    accept: ({ status }) => status === 400,
  });
  const where = describe("POST", new URL(url));
  if (answer.status < 400 && isMarkup(answer.text)) {
    throw new SourceError("transient", `${where} answered with a web page where a token was expected`);
  }
  const value = jwtOf(answer.text);
  if (answer.status >= 400 || value === undefined) {
    throw new SourceError("auth", `${where} gave no token for account ${key}`, { status: answer.status });
  }
  return { value, expiresAt: expiryOf(value) ?? new Date(input.now.getTime() + UNSTATED_LIFE_MS) };
}

function jwtOf(text: string): string | undefined {
  let found: unknown = text.trim();
  try {
    const document: unknown = JSON.parse(text);
    const holder = (document ?? {}) as Record<string, unknown>;
    found =
      typeof document === "string" ? document : (holder["token"] ?? holder["access_token"] ?? holder["jwt"]);
  } catch {
    // The bare token is no JSON.
  }
  return typeof found === "string" && JWT.test(found) ? found : undefined;
}

function expiryOf(jwt: string): Date | undefined {
  try {
    const claims: unknown = JSON.parse(Buffer.from(jwt.split(".")[1] ?? "", "base64url").toString());
    const { exp } = z.object({ exp: z.number().positive() }).parse(claims);
    return new Date(exp * 1000);
  } catch {
    return undefined;
  }
}
