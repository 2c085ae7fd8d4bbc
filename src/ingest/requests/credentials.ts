// Credentials derived from a secret (a JWT from a token): kept in Postgres, sealed, so that all workers use one until it
// expires, and one of them makes the next. Kept in memory too: a pull asks for it with every request.
import { setTimeout as delay } from "node:timers/promises";
import { sql } from "drizzle-orm";
import { z } from "zod";
import type { Database } from "../../../db/client.ts";
import type { Credential } from "../../connectors/connector.ts";
import { SourceError } from "../../platform/errors.ts";
import type { SecretBox } from "../../platform/secrets.ts";

/** A credential this near its end counts as expired: a pull takes its time. */
const MARGIN_MS = 60_000;
/** How long a maker that has died keeps the others waiting. One that lives extends it, a third of it apart. */
const MAKING_MS = 15_000;
const LOOK_MS = 100;
/** Longer is not waited for somebody else's token request. */
const LONGEST_WAIT_MS = 60_000;

interface CredentialOwner {
  /** The connection, as source/key. */
  owner: string;
  secret: string | undefined;
  /** The one that was refused: any other is taken as it is. */
  refused: string | undefined;
  signal: AbortSignal;
}

/** Makes a credential. `refresh`: the refresh token of the last one; undefined: made from the secret. */
type MakeCredential = (refresh: string | undefined) => Promise<Credential>;

export interface Credentials {
  /** The credential of an owner, made only where there is none that is good: by one worker, while the others wait for it. */
  get(asked: CredentialOwner, make: MakeCredential): Promise<string>;
}

interface Kept extends Credential {
  madeFrom: string;
}

export function openCredentials(parts: { db: Database; secrets: SecretBox; now: () => Date }): Credentials {
  const kept = new Map<string, Kept>();
  return {
    async get(asked, make) {
      const madeFrom = parts.secrets.pseudonym(`${asked.owner} ${asked.secret ?? ""}`);
      const isGood = (credential: Credential) =>
        credential.value !== asked.refused &&
        credential.expiresAt.getTime() - MARGIN_MS > parts.now().getTime();
      const known = kept.get(asked.owner);
      if (known !== undefined && known.madeFrom === madeFrom && isGood(known)) return known.value;
      const token = crypto.randomUUID();
      for (let waitedMs = 0; waitedMs <= LONGEST_WAIT_MS; waitedMs += LOOK_MS) {
        const row = { owner: asked.owner, madeFrom };
        const stored = await readStored(parts, row);
        if (stored !== undefined && isGood(stored)) {
          kept.set(asked.owner, { ...stored, madeFrom });
          return stored.value;
        }
        if (await beginMaking(parts.db, { ...row, token, now: parts.now() })) {
          const made = await makeStored(parts, { ...row, token }, isGood, make);
          kept.set(asked.owner, { ...made, madeFrom });
          return made.value;
        }
        await delay(LOOK_MS, undefined, { signal: asked.signal }).catch(() => undefined);
        asked.signal.throwIfAborted();
      }
      throw new SourceError(
        "transient",
        `${asked.owner}: another worker asks for its credential and gets none`,
      );
    },
  };
}

interface Row {
  owner: string;
  madeFrom: string;
}

const sealedSchema = z.object({ value: z.string(), refresh: z.string().optional() });

/** undefined: there is none, it was made from another secret, or it was sealed under another key. */
async function readStored(
  { db, secrets }: { db: Database; secrets: SecretBox },
  { owner, madeFrom }: Row,
): Promise<Credential | undefined> {
  const [row] = await db.execute<{ sealed: string; expires_at: Date }>(sql`
    select sealed, expires_at from derived_credentials
    where owner = ${owner} and made_from = ${madeFrom} and sealed is not null`);
  if (row === undefined) return undefined;
  try {
    const { value, refresh } = sealedSchema.parse(JSON.parse(secrets.open(row.sealed, sealOwner(owner))));
    return { value, refresh, expiresAt: row.expires_at };
  } catch {
    return undefined;
  }
}

/** So that it does not open where the connection's secret stands, and the other way round. */
function sealOwner(owner: string): string {
  return `${owner} (derived)`;
}

/** Takes the right to make the next one. false: somebody else has it. One statement: owner is the primary key. */
async function beginMaking(
  db: Database,
  { owner, madeFrom, token, now }: Row & { token: string; now: Date },
) {
  const taken = await db.execute(sql`
    insert into derived_credentials as kept (owner, made_from, maker_token, maker_until)
    values (${owner}, ${madeFrom}, ${token}::uuid, ${new Date(now.getTime() + MAKING_MS)})
    on conflict (owner) do update set made_from = excluded.made_from, maker_token = excluded.maker_token,
      maker_until = excluded.maker_until, sealed = case when kept.made_from = excluded.made_from then kept.sealed end
    where kept.maker_until is null or kept.maker_until <= ${now} or kept.made_from <> excluded.made_from
    returning 1`);
  return taken.length > 0;
}

/** Makes the next one and stores it before anybody uses it: what it is refreshed with may be worth nothing a second time. */
async function makeStored(
  parts: { db: Database; secrets: SecretBox; now: () => Date },
  { owner, madeFrom, token }: Row & { token: string },
  isGood: (credential: Credential) => boolean,
  make: MakeCredential,
): Promise<Credential> {
  using _ = extending(parts, { owner, token });
  let made: Credential | undefined;
  try {
    // Somebody may have finished one between our look and our turn.
    const before = await readStored(parts, { owner, madeFrom });
    if (before !== undefined && isGood(before)) return before;
    const fresh = await make(before?.refresh);
    made = { ...fresh, refresh: fresh.refresh ?? before?.refresh };
    return made;
  } finally {
    const sealed =
      made === undefined
        ? undefined
        : parts.secrets.seal(JSON.stringify({ value: made.value, refresh: made.refresh }), sealOwner(owner));
    await parts.db.execute(sql`
      update derived_credentials set maker_token = null, maker_until = null,
        sealed = coalesce(${sealed ?? null}, sealed), expires_at = coalesce(${made?.expiresAt ?? null}::timestamptz, expires_at)
      where owner = ${owner} and maker_token = ${token}::uuid`);
  }
}

/** Keeps the right to make it until it is disposed of. */
function extending(
  { db, now }: { db: Database; now: () => Date },
  { owner, token }: { owner: string; token: string },
): Disposable {
  const timer = setInterval(() => {
    db.execute(sql`
      update derived_credentials set maker_until = ${new Date(now().getTime() + MAKING_MS)}
      where owner = ${owner} and maker_token = ${token}::uuid`).catch(() => undefined);
  }, MAKING_MS / 3);
  return {
    [Symbol.dispose]() {
      clearInterval(timer);
    },
  };
}
