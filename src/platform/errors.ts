// The few errors somebody must branch on. Everything else is an Error with a cause.

/**
 * Why a source could not be pulled, and so what to do about it:
 * `auth` the credential is refused (ask for a new one, do not retry); `config` the settings are wrong (do not retry);
 * `quota` the source asks us to wait; `transient` try again with back-off; `data` the answer is not what was agreed.
 */
export type SourceErrorClass = "auth" | "config" | "quota" | "transient" | "data";

interface SourceErrorDetails {
  /** HTTP status, where there was an answer. */
  status?: number | undefined;
  /** How long the source asked us to wait, in milliseconds. */
  retryAfterMs?: number | undefined;
  /** It was our own budget that would not let us ask: nothing has failed. */
  ownBudget?: true | undefined;
  cause?: unknown;
}

/** A source failed. The message is for the person who must act: host and path, never a query string or a secret. */
export class SourceError extends Error {
  override readonly name = "SourceError";
  readonly class: SourceErrorClass;
  readonly status: number | undefined;
  readonly retryAfterMs: number | undefined;
  readonly ownBudget: boolean;

  constructor(errorClass: SourceErrorClass, message: string, details: SourceErrorDetails = {}) {
    super(message, details.cause === undefined ? undefined : { cause: details.cause });
    this.class = errorClass;
    this.status = details.status;
    this.retryAfterMs = details.retryAfterMs;
    this.ownBudget = details.ownBudget ?? false;
  }
}

/** What the caller gave is wrong: a flag, a file, a line in it. The command line prints the message bare and exits 2. */
export class UsageError extends Error {
  override readonly name = "UsageError";
}
