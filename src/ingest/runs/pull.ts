// Brings a connection and its connector together: what one pull is given, and whether it is a complete listing.

import type { Database } from "../../../db/client.ts";
import type { Fetcher } from "../../connectors/client/fetcher.ts";
import { toGuard } from "../../connectors/client/guard.ts";
import type { ValidatorMemory } from "../../connectors/client/validators.ts";
import type { Connector, Json, Page, PullInput } from "../../connectors/connector.ts";
import { SourceError } from "../../platform/errors.ts";
import type { SecretBox } from "../../platform/secrets.ts";
import { readMessages } from "../messages.ts";
import { openGate } from "../requests/budgets.ts";
import type { Credentials } from "../requests/credentials.ts";
import { type KeptValidators, openValidators } from "../requests/validators.ts";
import type { Source, SourcesFile } from "../sources.ts";
import { toQuery } from "./query.ts";
import type { Collection } from "./sync.ts";

export interface PullParts {
  db: Database;
  sources: SourcesFile;
  secrets: SecretBox;
  fetcher: Fetcher;
  credentials: Credentials;
  now: () => Date;
  signal: AbortSignal;
}

export interface Pull {
  /** What the pull names is everything there is; what it does not name is absent. */
  listing: boolean;
  /** It begins at the beginning, whatever an earlier attempt of the same run has named. */
  begins: boolean;
  pages: AsyncGenerator<Page, void, undefined>;
  /** Once there are no more pages: what the next listing may ask with whether anything has changed; undefined: nothing. */
  validators: () => KeptValidators | undefined;
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
  const { connector, settings } = source;
  const listing = (collection.full || connector.alwaysComplete) && connector.canList?.(settings) !== false;
  const goesOn = !listing || collection.resumed;
  const validators = openValidators(collection.validators, {
    pseudonym: (text) => parts.secrets.pseudonym(text),
    now: parts.now(),
  });
  const connection = {
    ...collection,
    cursor: goesOn && collection.cursor !== null ? (collection.cursor as Json) : undefined,
    full: listing,
  };
  const input = toPullInput(parts, source, connection, listing ? validators.memory : undefined);
  return {
    listing,
    begins: input.cursor === undefined,
    pages: source.connector.pull(input),
    // A listing that was begun by another attempt has named what that one saw: another document, perhaps.
    validators: () => (listing && !collection.resumed ? validators.kept() : undefined),
  };
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
  validators?: ValidatorMemory,
): PullInput<Connector["settings"]["_output"]> {
  const { secrets, signal } = parts;
  const owner = `${source.key}/${connection.key}`;
  const secret = connection.secret === null ? undefined : openSecret(secrets, connection.secret, owner);
  const pseudonym = (text: string) => secrets.pseudonym(text);
  const gate = source.budget && openGate({ db: parts.db, now: parts.now, pseudonym }, source.budget, secret);
  // The one this pull was given last: if it is to be renewed, that one was refused.
  let given: string | undefined;
  return {
    settings: source.settings,
    connection: {
      key: connection.key,
      secret,
      attributes: connection.attributes,
    },
    cursor: connection.cursor,
    full: connection.full,
    now: parts.now(),
    fetch: parts.fetcher.fetchFor(signal, { gate, validators, secret }),
    query: toQuery(secret, toGuard(parts.sources.allowPrivate), signal),
    messages: (which) => readMessages(parts.db, source.key, which),
    pseudonym,
    async credential(create, options) {
      const refused = options?.renew === true ? given : undefined;
      given = await parts.credentials.get({ owner, secret, refused, signal }, create);
      return given;
    },
    signal,
  };
}

function openSecret(secrets: SecretBox, sealed: string, owner: string): string {
  try {
    return secrets.open(sealed, owner);
  } catch (cause) {
    throw new SourceError("auth", (cause as Error).message, { cause });
  }
}
