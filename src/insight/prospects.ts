// Where a partner would be: its quick wins, with the rank that each would lead to.
import { sql } from "drizzle-orm";
import type { Database } from "../../db/client.ts";
import type { ProgrammeVersions } from "../programme/versions.ts";
import { isShown, partnersAhead } from "../standings/order.ts";
import { type QuickWin, type QuickWins, readQuickWins } from "./quick-wins.ts";

interface RankedWin extends QuickWin {
  /** With the win's total, if everybody else stays where they are now; null: the partner is not in the standings. */
  rank: number | null;
}

export interface Prospects extends QuickWins {
  wins: RankedWin[];
}

/** undefined: no programme is published. */
export async function readProspects(
  db: Database,
  programmes: ProgrammeVersions,
  question: { partnerId: number; now: Date },
): Promise<Prospects | undefined> {
  const found = await readQuickWins(db, programmes, question);
  if (found === undefined) return undefined;
  const ranks = await readRanks(
    db,
    question.partnerId,
    found.wins.map(({ total }) => total),
  );
  return { ...found, wins: found.wins.map((win, index) => ({ ...win, rank: ranks[index] ?? null })) };
}

/** The ranks a partner would have with these totals; none where it is not in the standings. */
async function readRanks(db: Database, partnerId: number, totals: number[]): Promise<number[]> {
  if (totals.length === 0) return [];
  // Where it is now it may be among those ahead of a total it would have later.
  const rows = await db.execute<{ rank: number }>(sql`
    select (1 + ${partnersAhead(sql`wanted.total`)} - (coalesce(s.points, 0) > wanted.total)::int)::int as rank
    from partners p left join scores s on s.partner_id = p.id
    cross join unnest(${sql.param(totals)}::int[]) with ordinality as wanted (total, place)
    where p.id = ${partnerId} and ${isShown} order by wanted.place`);
  return rows.map(({ rank }) => rank);
}

export interface ShownProspects {
  programmeVersion: number;
  wins: {
    achievement: string;
    title: string;
    hint: string;
    points: number;
    total: number;
    rank: number | null;
    effort: number;
    /** null: at once. */
    countsFrom: Date | null;
    evidence: {
      kind: string;
      asks: string;
      pieces: number;
      quantity: number;
      attributes: Record<string, string>;
      /** The attribute that has to be another in every piece than those counted already. */
      anew: string | null;
      /** null: now. */
      notBefore: Date | null;
    }[];
    others: QuickWin["others"];
    first: string[];
  }[];
  obstacles: QuickWins["obstacles"];
}

/** As API and command line show them: without the instant of the question, so that the same answer is the same text. */
export function toShownProspects({ at, versionId, wins, obstacles }: Prospects): ShownProspects {
  const later = (instant: Date) => (instant > at ? instant : null);
  return {
    programmeVersion: versionId,
    wins: wins.map(({ evidence, countsAt, ...win }) => ({
      ...win,
      countsFrom: later(countsAt),
      evidence: evidence.map(({ kind, asks, pieces, quantity, attributes, anew, occurredAt }) => ({
        ...{ kind, asks, pieces, quantity, attributes },
        anew: anew?.attribute ?? null,
        notBefore: later(occurredAt),
      })),
    })),
    obstacles,
  };
}
