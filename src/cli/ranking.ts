// standings ranking [--top n] [--json]: the standings, as everybody else reads them.
import type { Context } from "../context.ts";
import type { Output } from "../platform/terminal/output.ts";
import { toTable } from "../platform/terminal/table.ts";
import type { Standing } from "../standings/standings.ts";

const PAGE = 200;

export async function printRanking(
  context: Context,
  output: Output,
  options: { top?: number; json: boolean },
): Promise<void> {
  const standings = await readStandings(context, options.top ?? Number.POSITIVE_INFINITY);
  if (options.json) {
    output.print(
      JSON.stringify(
        standings.map(({ partnerId: _, ...standing }) => standing),
        null,
        2,
      ),
    );
    return;
  }
  if (standings.length === 0) {
    output.note("There are no partners yet; import some with: standings partners import partners.csv");
    return;
  }
  output.print(
    toTable(
      [
        { title: "rank", align: "right", cell: (row) => row.rank },
        { title: "partner", cell: (row) => row.name },
        { title: "points", align: "right", cell: (row) => row.points },
        { title: "", cell: (row) => "█".repeat(Math.max(0, Math.round(row.points / 4))) },
      ],
      standings,
    ),
  );
}

/** A partner that moves between two pages is shown once, where it was seen first. */
async function readStandings(context: Context, top: number): Promise<Standing[]> {
  const read = new Map<number, Standing>();
  for (let offset = 0; read.size < top; offset += PAGE) {
    const page = await context.standings.page({ offset, limit: Math.min(PAGE, top - offset) });
    for (const standing of page.standings) {
      if (!read.has(standing.partnerId)) read.set(standing.partnerId, standing);
    }
    if (offset + PAGE >= page.total || page.standings.length === 0) break;
  }
  return [...read.values()];
}
