// Texts that Postgres can store.

/**
 * The beginning of a text, at most so many UTF-16 units, without what Postgres refuses: NUL and half surrogates. Cut first,
 * because a cut may leave half a surrogate pair.
 */
export function storable(text: string, most: number): string {
  return text.replaceAll("\0", "").slice(0, most).toWellFormed();
}
