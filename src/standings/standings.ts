// The standings: active, listed partners in order of score. What everybody who reads them sees, wherever they come from.

/** One partner's place. */
export interface Standing {
  partnerId: number;
  slug: string;
  name: string;
  /** From 1. Equal points share a rank, and the next rank counts them all: 1, 2, 2, 4. */
  rank: number;
  /** Integer, may be negative. */
  points: number;
  /** Rises with every change of points; 0 where the partner was never scored. The same version never shows other points. */
  scoreVersion: number;
  /** When the partner reached this total. */
  reachedAt: Date;
}

export interface StandingsPage {
  standings: Standing[];
  /** How many partners are in the standings in all. */
  total: number;
}

/**
 * The standings as they can be read. The order is: points descending, then who reached that total first, then name,
 * then id (src/standings/order.ts says it exactly). A page, its total and its ranks come from one state.
 */
export interface Standings {
  /** In order; offset from 0. Beyond the end: no standings, and the total. */
  page(range: { offset: number; limit: number }): Promise<StandingsPage>;
  /** undefined: this partner is not in the standings (unknown, suspended, merged or not listed). */
  of(partnerId: number): Promise<Standing | undefined>;
}
