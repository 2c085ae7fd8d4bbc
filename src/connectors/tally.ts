// Whether a listing that comes in pages was seen whole. Sources page by offset, so rows that come and go meanwhile shift the
// rest: counts, not hope, tell whether one was missed.
import { z } from "zod";
import { SourceError } from "../platform/errors.ts";

const MAX_ROWS = 1_000_000;

/** How far a listing is: the part of a cursor that lets it go on. */
export const progressSchema = z.object({
  /** Rows passed: the offset of the next page. */
  position: z.number(),
  /** Different rows among them. */
  seen: z.number(),
  /** The total that the source declares now, and the one it declared on the first page. */
  declared: z.number(),
  announced: z.number(),
});

export type Progress = z.output<typeof progressSchema>;

const BEGINNING: Progress = { position: 0, seen: 0, declared: 0, announced: 0 };

/** Counts the pages of one listing. `where` begins the messages; `left` is where an interrupted pull left it. */
export class Tally {
  #progress: Progress;
  #isResumed: boolean;
  readonly #where: string;
  readonly #ids = new Set<string>();

  constructor(where: string, left: Progress | null = null) {
    this.#where = where;
    this.#progress = left ?? BEGINNING;
    this.#isResumed = left !== null;
  }

  get progress(): Progress {
    return this.#progress;
  }

  get isOver(): boolean {
    return this.#progress.position >= this.#progress.declared;
  }

  /**
   * Begins the listing again where it was resumed and the source now has another number of rows: the place where it was
   * left means nothing any more. Returns whether it did.
   */
  beginsAgain(declared: number): boolean {
    const isStale = this.#isResumed && declared !== this.#progress.declared;
    this.#isResumed = false;
    if (isStale) this.#progress = BEGINNING;
    return isStale;
  }

  /**
   * Takes the page at the present position, of at most `room` rows, and returns which of its ids are new: rows shifted by an
   * insertion come twice. Throws a SourceError: `transient` when rows vanished since the page before (others may have
   * slipped past), or there are fewer than announced; `data` when the listing will not end: the page repeats what was
   * seen (the source ignores the offset), or there is far more of it than was announced.
   */
  take(ids: string[], declared: number, room: number): Set<string> {
    const { position, seen, announced } = this.#progress;
    if (position > 0 && declared < this.#progress.declared) throw this.#refuse("changed while it was listed");
    const fresh = new Set(ids.filter((id) => !this.#ids.has(id)));
    for (const id of fresh) this.#ids.add(id);
    this.#progress = {
      position: position + ids.length,
      seen: seen + fresh.size,
      declared,
      announced: position === 0 ? declared : announced,
    };
    if (ids.length > 0 && fresh.size === 0) throw this.#refuse("repeats a page it gave before", "data");
    if (this.#progress.seen > Math.min(MAX_ROWS, 2 * this.#progress.announced + 1000)) {
      throw this.#refuse(`does not end although ${this.#progress.announced} rows were announced`, "data");
    }
    const isShort = this.isOver ? this.#progress.seen < declared : ids.length < room;
    if (isShort) throw this.#refuse("is shorter than announced");
    return fresh;
  }

  #refuse(why: string, errorClass: "transient" | "data" = "transient"): SourceError {
    const { seen, declared } = this.#progress;
    return new SourceError(errorClass, `${this.#where} ${why}: ${seen} of ${declared} rows`);
  }
}
