// Webhooks of other systems: POST /inbox/<source>. A message is verified, stored and answered; it is processed later by a job, and
// the sender does not wait for that. When it cannot be stored the answer is 503, so that the sender repeats it.
//
// The URL of a request may contain the sender's secret: only its path is logged.
import { setTimeout as after } from "node:timers/promises";
import type { Context, Handler } from "hono";
import type { Logger } from "pino";
import type { Database } from "../../db/client.ts";
import { kindOf, readContent } from "../connectors/inbox/content.ts";
import { inbox, secretsOf, wrongSecret } from "../connectors/inbox/inbox.ts";
import type { Delivery, PublicKeys, Scheme } from "../connectors/inbox/scheme.ts";
import { schemes } from "../connectors/inbox/schemes.ts";
import type { InboxSettings } from "../connectors/inbox/settings.ts";
import { readSecret } from "../ingest/connections.ts";
import { recordMessage } from "../ingest/messages.ts";
import { toHint } from "../ingest/runs/hints.ts";
import type { Source } from "../ingest/sources.ts";
import type { SecretBox } from "../platform/secrets.ts";
import type { Queues } from "../queue/queues.ts";
import { openTurns } from "./api/turns.ts";
import { BrokenBodyError, readBody } from "./body.ts";
import { refuse, refuseForNow, refuseUnknown } from "./refusals.ts";
import type { Route } from "./routes.ts";

export interface InboxParts {
  db: Database;
  /** All that are configured; those of the connector `inbox` are written to. */
  sources: Source[];
  secrets: SecretBox;
  queues: Pick<Queues, "nudge">;
  publicKeys: PublicKeys;
  now: () => Date;
  logger?: Logger | undefined;
  /** So long a sender may take for its body. */
  bodyWithinMs?: number;
  /** So long it may take to store a message, before its sender is asked to repeat it. */
  storedWithinMs?: number;
}

/** Senders try again a few times; what is larger than this is no message but a listing. */
const MOST_BYTES = 256 * 1024;
const BODY_MS = 10_000;
/** Bodies read at a time before verification: 16 MB. Further requests get 503 before their body is read. */
const MOST_BODIES = 64;
/** Senders give up after five seconds or more. The driver would wait for a connection much longer. */
const STORED_WITHIN_MS = 3000;
/** A flood of messages must not exhaust the pool or the memory: when so many wait, further ones get 503. */
const TURNS = { atOnce: 4, waiting: 200 };

interface Inbound {
  key: string;
  settings: InboxSettings;
  wakes: string;
}

/** `unusable`: the stored secret cannot verify anything. `failed`: the reason is in the log. */
type Outcome =
  | { state: "new" | "known" | "unreadable" | "failed" }
  | { state: "refused" | "unusable"; reason: string };

/** POST receives a message, GET answers whether there is an inbox at this address. Without parts both answer 404. */
export function inboxRoutes(parts: InboxParts | undefined): Route[] {
  const { receive, look } =
    parts === undefined ? { receive: refuseUnknown, look: refuseUnknown } : inboxHandlers(parts);
  return [
    // It tells anyone that the address is right; where the address holds the secret, the handler checks that too.
    { method: "GET", path: "/inbox/:source", access: "public", handler: look },
    { method: "POST", path: "/inbox/:source", access: "signed", handler: receive },
  ];
}

function inboxHandlers(parts: InboxParts): { receive: Handler; look: Handler } {
  const { queues, logger, bodyWithinMs = BODY_MS, storedWithinMs = STORED_WITHIN_MS } = parts;
  const inTurn = openTurns(TURNS);
  let bodies = 0;
  const inbound = new Map(toInbound(parts.sources).map((of) => [of.key, of]));

  /** The outcome of work that has a time limit; an error is logged and becomes `failed`. */
  async function attempt(of: Inbound, work: () => Promise<Outcome>): Promise<Outcome> {
    const done = new AbortController();
    try {
      const outcome = await Promise.race([work(), after(storedWithinMs, undefined, { signal: done.signal })]);
      if (outcome === undefined) throw new Error(`it took longer than ${storedWithinMs} ms`);
      return outcome;
    } catch (error) {
      logger?.error(
        { err: error, source: of.key },
        "A message could not be stored; its sender is asked to repeat it.",
      );
      return { state: "failed" };
    } finally {
      done.abort();
    }
  }

  function answer(c: Context, of: Inbound, outcome: Outcome): Response {
    c.header("Cache-Control", "no-store");
    switch (outcome.state) {
      case "new":
        return c.json({ state: "accepted" }, 202);
      case "known":
        return c.json({ state: "known" }, 200);
      case "failed":
        return later(c);
      case "unreadable":
        return refuse(c, 400, "bad-content", "The body does not match its Content-Type.");
      case "unusable": {
        const message = "The message cannot be verified; its sender gets 503 and should retry.";
        logger?.warn({ source: of.key, reason: outcome.reason }, message);
        return later(c);
      }
      case "refused": {
        logger?.info({ source: of.key, reason: outcome.reason }, "A message was refused.");
        const message = "Invalid signature, or timestamp outside the replay window.";
        return refuse(c, 401, "not-proven", message);
      }
    }
  }

  function later(c: Context): Response {
    return refuseForNow(c, 30, "not-stored", "The message could not be stored. Send it again.");
  }

  return {
    async receive(c) {
      const of = inbound.get(c.req.param("source") ?? "");
      if (of === undefined) return refuseUnknown(c);
      const kind = kindOf(c.req.header("Content-Type"), c.req.header("Content-Encoding"));
      if (kind === undefined) {
        const expected = "application/json or application/x-www-form-urlencoded, not compressed";
        return refuse(c, 415, "bad-type", `Expected ${expected}.`);
      }
      if (bodies >= MOST_BODIES) {
        c.header("Connection", "close");
        return later(c);
      }
      let body: Buffer;
      bodies += 1;
      try {
        body = await readBody(c.req.raw, { mostBytes: MOST_BYTES, withinMs: bodyWithinMs });
      } catch (error) {
        if (!(error instanceof BrokenBodyError)) throw error;
        c.header("Connection", "close");
        return refuse(c, error.status, "bad-body", error.message);
      } finally {
        bodies -= 1;
      }
      const outcome = await attempt(of, async () => {
        const proof = await prove(parts, of, toDelivery(c, body), inTurn);
        if (proof.state !== "genuine") return proof;
        const content = readContent(kind, body);
        if (content === undefined) return { state: "unreadable" };
        const scheme: Scheme = schemes[of.settings.scheme];
        const message = {
          source: of.key,
          id: proof.id ?? scheme.idOf?.(content.value),
          body,
          wakes: of.wakes,
          // What is not to be evidence is not kept: it may be of people.
          content: of.settings.map === undefined ? null : content.text,
          now: parts.now(),
        };
        return { state: await inTurn(() => recordMessage(parts.db, message)) };
      });
      // The answer does not wait for the queue: the sweep enqueues what is lost here.
      if (outcome.state === "new") void queues.nudge("sync", toHint(of.wakes));
      return answer(c, of, outcome);
    },

    async look(c) {
      const of = inbound.get(c.req.param("source") ?? "");
      if (of === undefined) return refuseUnknown(c);
      // There is nothing to prove in a request that says nothing, except that it knows the address.
      if (of.settings.scheme !== "url-secret") return c.json({ source: of.key });
      const outcome = await attempt(of, async () => {
        const proof = await prove(parts, of, toDelivery(c, Buffer.alloc(0)), inTurn);
        return proof.state === "genuine" ? { state: "known" } : proof;
      });
      return outcome.state === "known" ? c.json({ source: of.key }) : answer(c, of, outcome);
    },
  };
}

function toInbound(sources: Source[]): Inbound[] {
  return sources
    .filter(({ connector }) => connector === inbox)
    .map(({ key, settings: unknown }) => {
      const settings = unknown as InboxSettings;
      return { key, settings, wakes: inbox.wakes?.(settings) ?? key };
    });
}

function toDelivery(c: Context, body: Buffer): Delivery {
  return {
    header: (name) => c.req.header(name),
    query: (name) => c.req.queries(name) ?? [],
    body,
  };
}

/**
 * The sender's id of a genuine message, or why it is none. In its turn where it asks the database; the DNS is asked outside of
 * it, because the sender chooses what is looked up, and could keep other senders waiting.
 */
async function prove(
  { db, secrets, publicKeys, now }: InboxParts,
  { key, settings }: Inbound,
  delivery: Delivery,
  inTurn: ReturnType<typeof openTurns>,
): Promise<{ state: "genuine"; id: string | undefined } | { state: "refused" | "unusable"; reason: string }> {
  const secret = await inTurn(() => readSecret(db, secrets, { source: key, key: "main" }));
  const wrong = wrongSecret(settings, secret);
  if (wrong !== undefined) return { state: "unusable", reason: wrong };
  const verdict = await schemes[settings.scheme].verify(delivery, {
    secrets: secretsOf(secret),
    url: settings.url,
    account: settings.account,
    windowMs: settings["replay-window"],
    now: now(),
    publicKeys,
  });
  return verdict.genuine
    ? { state: "genuine", id: verdict.id }
    : { state: "refused", reason: verdict.reason };
}
