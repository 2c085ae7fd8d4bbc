// What takes long is done for a few at a time: whoever asks more gets its turn later, and nobody else's connections are used up.

type Turns = <T>(work: () => Promise<T>) => Promise<T>;

/** Does the work of `most` callers at a time, in the order in which they asked. */
export function openTurns(most: number): Turns {
  const waiting: (() => void)[] = [];
  let working = 0;
  return async (work) => {
    if (working >= most) {
      await new Promise<void>((resolve) => {
        waiting.push(resolve);
      });
    } else working += 1;
    try {
      return await work();
    } finally {
      // Its place goes to the next without becoming free in between.
      const next = waiting.shift();
      if (next === undefined) working -= 1;
      else next();
    }
  };
}
