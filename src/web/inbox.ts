// Where other systems send their messages: POST /inbox/<source>. A message is proven, stored and answered; what it leads to happens
// afterwards, elsewhere, and the sender never waits for it. Where it cannot be stored the answer is 503, so that it is sent again.
//
// The address of a request may hold the sender's secret: of it only the path is ever logged.
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

export type Refuse = (
  c: Context,
  status: 400 | 401 | 404 | 408 | 413 | 415 | 503,
  code: string,
  message: string,
) => Response;

/** Senders try again a few times; what is larger than this is no message but a listing. */
const MOST_BYTES = 256 * 1024;
const BODY_MS = 10_000;
/** Bodies read at a time before verification: 16 MB. Further requests get 503 before their body is read. */
const MOST_BODIES = 64;
/** Senders give up after five seconds or more. The driver would wait for a connection much longer. */
const STORED_WITHIN_MS = 3000;
/** Sets the nudge apart from that of a source that asked to be called later: it may be hours until that one is gone. */
const OF_MESSAGES = -1;
/** A flood of messages must not exhaust the pool or the memory: when so many wait, further ones get 503. */
const TURNS = { atOnce: 4, waiting: 200 };

interface Inbound {
  key: string;
  settings: InboxSettings;
  wakes: string;
}

type Outcome = "new" | "known" | { refused: string } | { unusable: string } | "unreadable";

/** `receive` takes a message, `look` answers those who ask whether there is somebody at this address. */
export function inboxHandlers(parts: InboxParts, refuse: Refuse): { receive: Handler; look: Handler } {
  const { queues, logger, bodyWithinMs = BODY_MS, storedWithinMs = STORED_WITHIN_MS } = parts;
  const inTurn = openTurns(TURNS);
  let bodies = 0;
  const inbound = new Map(toInbound(parts.sources).map((of) => [of.key, of]));
  const refuseUnknown = (c: Context) => refuse(c, 404, "not-found", "There is nothing at this path.");

  /** undefined: it could not be done now, and the reason is in the log. */
  async function attempt(of: Inbound, work: () => Promise<Outcome>): Promise<Outcome | undefined> {
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
      return undefined;
    } finally {
      done.abort();
    }
  }

  function answer(c: Context, of: Inbound, outcome: Outcome | undefined): Response {
    c.header("Cache-Control", "no-store");
    if (outcome === undefined) return later(c);
    if (outcome === "new") return c.json({ state: "accepted" }, 202);
    if (outcome === "known") return c.json({ state: "known" }, 200);
    if (outcome === "unreadable")
      return refuse(c, 400, "bad-content", "The body is not what its Content-Type says.");
    if ("unusable" in outcome) {
      const message = "No message can be verified; its sender is asked to repeat it.";
      logger?.warn({ source: of.key, reason: outcome.unusable }, message);
      return later(c);
    }
    logger?.info({ source: of.key, reason: outcome.refused }, "A message was refused.");
    return refuse(
      c,
      401,
      "not-proven",
      "The message does not prove who sent it, or not that it was sent now.",
    );
  }

  function later(c: Context): Response {
    c.header("Retry-After", "30");
    return refuse(c, 503, "not-stored", "The message could not be stored. Send it again.");
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
        if (!("id" in proof)) return proof;
        const content = readContent(kind, body);
        if (content === undefined) return "unreadable";
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
        return inTurn(() => recordMessage(parts.db, message));
      });
      // The answer does not wait for the queue: the sweep enqueues what is lost here.
      if (outcome === "new") void queues.nudge("sync", toHint(of.wakes), { epoch: OF_MESSAGES });
      return answer(c, of, outcome);
    },

    async look(c) {
      const of = inbound.get(c.req.param("source") ?? "");
      if (of === undefined) return refuseUnknown(c);
      // There is nothing to prove in a request that says nothing, except that it knows the address.
      if (of.settings.scheme !== "url-secret") return c.json({ source: of.key });
      const outcome = await attempt(of, async () => {
        const proof = await prove(parts, of, toDelivery(c, Buffer.alloc(0)), inTurn);
        return "id" in proof ? "known" : proof;
      });
      return outcome === "known" ? c.json({ source: of.key }) : answer(c, of, outcome);
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
): Promise<{ id: string | undefined } | { refused: string } | { unusable: string }> {
  const secret = await inTurn(() => readSecret(db, secrets, { source: key, key: "main" }));
  const wrong = wrongSecret(settings, secret);
  if (wrong !== undefined) return { unusable: wrong };
  const verdict = await schemes[settings.scheme].verify(delivery, {
    secrets: secretsOf(secret),
    url: settings.url,
    account: settings.account,
    windowMs: settings["replay-window"],
    now: now(),
    publicKeys,
  });
  return verdict.genuine ? { id: verdict.id } : { refused: verdict.reason };
}
