// From where on a pull of changes asks. A source tells of changes by a time of its own making: rows are written late, back-dated,
// or share the last instant with rows that are not there yet. So the next pull begins where none of these can be missed,
// and what comes twice is recognised.
//
// The mark of a pull is the newest change it has seen, but never later than its own beginning: a row dated into the future
// (a clock that runs ahead, a scheduled post) would otherwise hide everything that changes until then.

/** The mark after a page: `seen` are the times of change of its rows. `before`: the mark so far; undefined: none yet. */
export function advanceMark(
  before: Date | undefined,
  seen: Iterable<Date>,
  pullBeganAt: Date,
): Date | undefined {
  let newest = before;
  for (const at of seen) {
    const mark = at > pullBeganAt ? pullBeganAt : at;
    if (newest === undefined || mark > newest) newest = mark;
  }
  return newest;
}

/**
 * From which time on, inclusive, the next pull asks: the mark less the look-back, and not before `earliest`. undefined: from
 * the beginning.
 */
export function lookBack(
  mark: Date | undefined,
  { lookBackMs, earliest }: { lookBackMs: number; earliest?: Date | undefined },
): Date | undefined {
  if (mark === undefined) return earliest;
  const from = new Date(mark.getTime() - lookBackMs);
  return earliest !== undefined && from < earliest ? earliest : from;
}

/** Of rows that may come twice in one pull (a shifted page, a tie on its boundary) each once: the last that came. */
export function lastOfEach<Row>(rows: Iterable<Row>, idOf: (row: Row) => string): Row[] {
  return [...new Map([...rows].map((row) => [idOf(row), row])).values()];
}
