// Limits how many long computations run at a time; further ones wait, so they cannot use up the connections of other requests.

type Turns = <T>(work: () => Promise<T>) => Promise<T>;

/** The queue is full: the caller should retry later. */
export class TooManyWaiting extends Error {}

/** Does the work of `atOnce` callers at a time, in the order in which they asked; `waiting` may wait. Throws {@link TooManyWaiting}. */
export function openTurns({ atOnce, waiting: most }: { atOnce: number; waiting: number }): Turns {
  const waiting: (() => void)[] = [];
  let working = 0;
  return async (work) => {
    if (working >= atOnce) {
      if (waiting.length >= most) throw new TooManyWaiting(`${most} are waiting for their turn already.`);
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
