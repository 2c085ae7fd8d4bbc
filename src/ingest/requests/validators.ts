// What a connection's last complete listing was told of its document's state, so that the next one may ask whether it has
// changed. Sound only because it is forgotten with the first page of another listing (recordPage) and kept again only when
// that one is complete: as long as it is there, the evidence is exactly what the document held.
import { z } from "zod";
import type { ValidatorMemory, Validators } from "../../connectors/client/validators.ts";

/** After so long the document is read in full all the same: what is read of it is code, and code changes. */
const TRUSTED_MS = 7 * 86_400_000;

const keptSchema = z.strictObject({
  /** A keyed hash of the URL, which may hold secrets. */
  url: z.string(),
  etag: z.string().optional(),
  lastModified: z.string().optional(),
  at: z.iso.datetime(),
});

export type KeptValidators = z.output<typeof keptSchema>;

export interface ListingValidators {
  memory: ValidatorMemory;
  /** What to keep if the listing is complete; undefined: nothing. Known when the pull has returned. */
  kept(): KeptValidators | undefined;
}

/** `stored`: what the connection has kept, as it came from the database. */
export function openValidators(
  stored: unknown,
  { pseudonym, now }: { pseudonym: (text: string) => string; now: Date },
): ListingValidators {
  const before = keptSchema.safeParse(stored).data;
  const isTrusted = before !== undefined && now.getTime() - Date.parse(before.at) < TRUSTED_MS;
  const noted: [string, Validators | undefined][] = [];
  return {
    memory: {
      read: (url) => (isTrusted && before.url === pseudonym(url) ? before : undefined),
      note(url, validators) {
        noted.push([url, validators]);
      },
    },
    kept() {
      const [first, second] = noted;
      // Of several documents the first may be unchanged and the second not.
      if (first?.[1] === undefined || second !== undefined) return undefined;
      return { url: pseudonym(first[0]), ...first[1], at: now.toISOString() };
    },
  };
}
