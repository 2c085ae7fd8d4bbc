// Chance that can be repeated: the same words give the same sequence on every machine and in every year.

export interface Chance {
  /** A fraction in [0, 1). */
  next(): number;
  /** A whole number from `least` to `most`, both included. */
  whole(least: number, most: number): number;
  /** One of a list that is not empty. */
  pick<T>(list: readonly T[]): T;
}

/** A sequence that depends on the words alone (FNV-1a into mulberry32; good enough to look accidental). */
export function chanceOf(...words: (string | number)[]): Chance {
  let state = 0x811c9dc5;
  for (const character of words.join("\u0000")) {
    state = Math.imul(state ^ (character.codePointAt(0) ?? 0), 0x01000193);
  }
  const next = () => {
    state = (state + 0x6d2b79f5) | 0;
    let mixed = Math.imul(state ^ (state >>> 15), 1 | state);
    mixed = (mixed + Math.imul(mixed ^ (mixed >>> 7), 61 | mixed)) ^ mixed;
    return ((mixed ^ (mixed >>> 14)) >>> 0) / 2 ** 32;
  };
  const whole = (least: number, most: number) => least + Math.floor(next() * (most - least + 1));
  return { next, whole, pick: <T>(list: readonly T[]) => list[whole(0, list.length - 1)] as T };
}
