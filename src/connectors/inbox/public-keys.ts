// Public keys that senders publish as DKIM records (RFC 6376, 3.6.1), remembered for a while: no message waits for the DNS twice.
import { createPublicKey, type KeyObject } from "node:crypto";
import { promises as dns } from "node:dns";
import type { PublicKeys } from "./scheme.ts";

const REMEMBERED_MS = 3_600_000;
/** So soon nothing is asked again, whoever says that a key does not fit. */
const SETTLED_MS = 60_000;
/** Names come from whoever sends a message: nobody fills our memory with them. */
const MOST_NAMES = 100;
const ANSWER_MS = 2000;

export interface TextResolver {
  resolveTxt(name: string): Promise<string[][]>;
}

interface Known {
  at: number;
  key: Promise<KeyObject | undefined>;
}

/** `resolver`: who knows the DNS, the system's where none is given. */
export function openPublicKeys(
  resolver: TextResolver = new dns.Resolver({ timeout: ANSWER_MS, tries: 1 }),
): PublicKeys {
  const known = new Map<string, Known>();
  return {
    find(name, { now, renew }) {
      const before = known.get(name);
      const age = before === undefined ? Number.POSITIVE_INFINITY : now.getTime() - before.at;
      if (before !== undefined && age < (renew ? SETTLED_MS : REMEMBERED_MS)) return before.key;
      // Asked once for all that wait for it.
      const key = readKey(resolver, name);
      known.delete(name);
      known.set(name, { at: now.getTime(), key });
      for (const oldest of known.keys()) if (known.size > MOST_NAMES) known.delete(oldest);
      key.catch(() => {
        if (known.get(name)?.key === key) known.delete(name);
      });
      return key;
    },
  };
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
