// Credentials derived from a secret (a JWT from a token), kept in memory until they expire. One process asks once.
import type { Credential } from "./connector.ts";

/** A credential this near its end counts as expired: a pull takes its time. */
const MARGIN_MS = 60_000;

export interface CredentialCache {
  /** The kept credential of an owner, or a new one. `renew`: the kept one was refused. Concurrent callers share one call. */
  get(
    owner: string,
    create: () => Promise<Credential>,
    options: { now: Date; renew?: boolean | undefined },
  ): Promise<string>;
}

export function openCredentialCache(): CredentialCache {
  const kept = new Map<string, Promise<Credential>>();
  return {
    async get(owner, create, { now, renew = false }) {
      const known = kept.get(owner);
      if (known !== undefined && !renew) {
        const credential = await known.catch(() => undefined);
        if (credential !== undefined && credential.expiresAt.getTime() - MARGIN_MS > now.getTime()) {
          return credential.value;
        }
      }
      // Another caller may have begun a new one while this one waited.
      const current = kept.get(owner);
      const next = current === known || current === undefined ? create() : current;
      kept.set(owner, next);
      try {
        return (await next).value;
      } catch (error) {
        if (kept.get(owner) === next) kept.delete(owner);
        throw error;
      }
    },
  };
}
