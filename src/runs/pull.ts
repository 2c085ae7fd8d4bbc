// Brings a connection and its connector together: what one pull is given, and whether it is a complete listing.

import type { Connector, Json, Page, PullInput } from "../connectors/connector.ts";
import type { CredentialCache } from "../connectors/credentials.ts";
import type { Fetcher } from "../connectors/fetcher.ts";
import { SourceError } from "../errors.ts";
import type { SecretBox } from "../secrets.ts";
import type { Source, SourcesFile } from "../sources.ts";
import type { Collection } from "./sync.ts";

export interface PullParts {
  sources: SourcesFile;
  secrets: SecretBox;
  fetcher: Fetcher;
  credentials: CredentialCache;
  now: () => Date;
  signal: AbortSignal;
}

export interface Pull {
  /** What the pull names is everything there is; what it does not name is absent. */
  listing: boolean;
  pages: AsyncGenerator<Page, void, undefined>;
}

/** Begins to pull, or goes on where the same run stopped. Throws a SourceError (config) when the source is not configured. */
export function openPull(parts: PullParts, collection: Collection): Pull {
  const source = parts.sources.sources.find((candidate) => candidate.key === collection.source);
  if (source === undefined) {
    throw new SourceError(
      "config",
      `source ${collection.source} is not in ${parts.sources.file} of this worker`,
    );
  }
  const listing = collection.full || source.connector.alwaysComplete;
  const goesOn = !listing || collection.resumed;
  const input = toPullInput(parts, source, {
    ...collection,
    cursor: goesOn && collection.cursor !== null ? (collection.cursor as Json) : undefined,
    full: listing,
  });
  return { listing, pages: source.connector.pull(input) };
}

/** The connection as a check or a pull needs it. Throws a SourceError (auth) when its secret does not open. */
export function toPullInput(
  parts: PullParts,
  source: Source,
  connection: {
    key: string;
    secret: string | null;
    attributes: Record<string, string>;
    cursor: Json | undefined;
    full: boolean;
  },
): PullInput<Connector["settings"]["_output"]> {
  const owner = `${source.key}/${connection.key}`;
  const now = parts.now();
  return {
    settings: source.settings,
    connection: {
      key: connection.key,
      secret: connection.secret === null ? undefined : openSecret(parts.secrets, connection.secret, owner),
      attributes: connection.attributes,
    },
    cursor: connection.cursor,
    full: connection.full,
    now,
    fetch: parts.fetcher.fetchFor(parts.signal),
    pseudonym: (text) => parts.secrets.pseudonym(text),
    credential: (create, options) =>
      parts.credentials.get(owner, create, { now: parts.now(), renew: options?.renew }),
    signal: parts.signal,
  };
}

function openSecret(secrets: SecretBox, sealed: string, owner: string): string {
  try {
    return secrets.open(sealed, owner);
  } catch (cause) {
    throw new SourceError("auth", (cause as Error).message, { cause });
  }
}
