// Public keys that senders publish as DKIM records (RFC 6376, 3.6.1), remembered for a while: no message waits for the DNS twice.
import { createPublicKey, type KeyObject } from "node:crypto";
import { promises as dns } from "node:dns";
import type { PublicKeys } from "./scheme.ts";

const REMEMBERED_MS = 3_600_000;
/** A key is looked up again at most once in this time, even after failed verifications. */
const SETTLED_MS = 60_000;
/** The size of the cache: names come from senders, so it is bounded. So many names with a key, and so many without. */
const MOST_NAMES = 100;
/** Lookups that wait for the DNS at a time. Further messages are answered with a retry; cached keys need no lookup. */
const MOST_WAITING = 32;
const ANSWER_MS = 2000;

export interface TextResolver {
  resolveTxt(name: string): Promise<string[][]>;
}

interface Known {
  at: number;
  key: Promise<KeyObject | undefined>;
  isAsked: boolean;
}

/** `resolver`: who knows the DNS, the system's where none is given. */
export function openPublicKeys(
  resolver: TextResolver = new dns.Resolver({ timeout: ANSWER_MS, tries: 1 }),
): PublicKeys {
  // Apart, so that names that somebody makes up never push out one that has a key.
  const good = new Map<string, Known>();
  const others = new Map<string, Known>();
  let waiting = 0;

  function ask(name: string, now: Date, before: Known | undefined): Known {
    const one: Known = { at: now.getTime(), key: readKey(resolver, name), isAsked: true };
    remember(others, name, one);
    one.key.then(
      (key) => {
        one.isAsked = false;
        if (key === undefined) {
          if (good.get(name) === before) good.delete(name);
          return;
        }
        if (others.get(name) === one) others.delete(name);
        remember(good, name, one);
      },
      () => {
        // A failed lookup does not prove that the key is gone.
        if (others.get(name) === one) others.delete(name);
      },
    );
    return one;
  }

  return {
    async find(name, { now, renew }) {
      const isFresh = (one: Known | undefined) =>
        one !== undefined && now.getTime() - one.at < (renew ? SETTLED_MS : REMEMBERED_MS);
      const before = good.get(name);
      // While a key is refreshed, messages that verify with the cached key do not wait.
      const fresh = [before, others.get(name)].find(isFresh);
      if (fresh !== undefined && !fresh.isAsked) {
        remember(fresh === before ? good : others, name, fresh);
        return fresh.key;
      }
      if (waiting >= MOST_WAITING) throw new Error(`${waiting} messages wait for the DNS already`);
      waiting += 1;
      try {
        // Asked once for all that wait for it.
        return await (fresh ?? ask(name, now, before)).key;
      } finally {
        waiting -= 1;
      }
    },
  };
}

/** As the latest of them; the one that was asked for longest ago is forgotten where there are too many. */
function remember(known: Map<string, Known>, name: string, one: Known): void {
  known.delete(name);
  known.set(name, one);
  for (const oldest of known.keys()) if (known.size > MOST_NAMES) known.delete(oldest);
}

async function readKey(resolver: TextResolver, name: string): Promise<KeyObject | undefined> {
  let records: string[][];
  try {
    records = await resolver.resolveTxt(name);
  } catch (error) {
    // There is no such name, or nothing of this kind under it: that is an answer.
    if (["ENOTFOUND", "ENODATA"].includes((error as NodeJS.ErrnoException).code ?? "")) return undefined;
    throw new Error("the DNS does not say the sender's public key", { cause: error });
  }
  for (const record of records) {
    const [, text] = /(?:^|;)\s*p\s*=([^;]+)/.exec(record.join("")) ?? [];
    const key = text === undefined ? undefined : toKey(text.replace(/\s+/g, ""));
    if (key !== undefined) return key;
  }
  return undefined;
}

function toKey(base64: string): KeyObject | undefined {
  try {
    const key = createPublicKey({ key: Buffer.from(base64, "base64"), format: "der", type: "spki" });
    return key.asymmetricKeyType === "rsa" ? key : undefined;
  } catch {
    return undefined;
  }
}
