// By what a document can be asked for "only if it has changed" (RFC 9110, 13.1): its ETag and its Last-Modified.

export interface Validators {
  etag?: string | undefined;
  lastModified?: string | undefined;
}

/** What a pull remembers of documents, by URL. */
export interface ValidatorMemory {
  read(url: string): Validators | undefined;
  /** Called for every answer to a GET; undefined: it has none, or must not be asked for conditionally. */
  note(url: string, validators: Validators | undefined): void;
}

const MOST_CHARACTERS = 512;

/**
 * A Last-Modified this near to the answer proves nothing: the document may have changed twice within its second, and the
 * source's clock is not the one that made it (RFC 9110, 8.8.2.2).
 */
const SETTLED_MS = 60_000;

/** The validators of an answer; undefined where it has none that can be trusted. */
export function toValidators(headers: Record<string, string>): Validators | undefined {
  const etag = /^(W\/)?"[\x21\x23-\x7e]*"$/.test(headers["etag"] ?? "") ? headers["etag"] : undefined;
  const modified = headers["last-modified"];
  const age = Date.parse(headers["date"] ?? "") - Date.parse(modified ?? "");
  const validators = {
    ...(etag !== undefined && etag.length <= MOST_CHARACTERS ? { etag } : {}),
    ...(modified !== undefined && age >= SETTLED_MS && modified.length <= MOST_CHARACTERS
      ? { lastModified: modified }
      : {}),
  };
  return Object.keys(validators).length === 0 ? undefined : validators;
}

/** The headers of a request for a document that is wanted only if it has changed. */
export function toConditions({ etag, lastModified }: Validators): Record<string, string> {
  return {
    ...(etag === undefined ? {} : { "if-none-match": etag }),
    ...(lastModified === undefined ? {} : { "if-modified-since": lastModified }),
  };
}
