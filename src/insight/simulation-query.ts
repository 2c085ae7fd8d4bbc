// The statement of a simulation: everybody's points before and after become counts, a histogram, the ends of the lists and
// two standings, in the one order of standings.
import { type SQL, sql } from "drizzle-orm";
import { adjustmentPrefix } from "../scoring/evaluation.ts";
import { inOrder, isShown } from "../standings/order.ts";

/** Bars on one side of the histogram, at most. */
const MOST_BARS = 8;
/** A bar is one of these wide: 1, 2, 5, 10, 20, 50, ... points. */
const WIDTHS = Array.from({ length: 12 }, (_, n) => [1, 2, 5].map((digit) => digit * 10 ** n)).flat();
const TOP = 10;
const MOST_NOMINEES = 100;

interface Input {
  at: Date;
  /** A SELECT of (partner_id, achievement, before, after). */
  changes: SQL;
  /** What is before is what is stored, so the scores say it. */
  isStored: boolean;
  nominees: { before: number; after: number };
}

/** A SELECT of one row; its columns are those of SimulationRow in simulate.ts. */
export function simulationOf({ at, changes, isStored, nominees }: Input): SQL {
  const before = isStored ? sql`coalesce(s.points, 0)` : sql`coalesce(sums.before, 0)`;
  return sql`
    with compared as materialized (${changes}),
    sums as materialized (
      select partner_id, sum(before) as before, sum(after) as after, bool_or(before <> after) as written
      from compared group by partner_id),
    totals as (
      select p.id, p.slug, p.name, ${isShown} as shown, ${before} as before,
        ${before} + coalesce(sums.after - sums.before, 0) as after, ${isStored}::boolean and s.points is null and coalesce(sums.written, false) as begins,
        coalesce(s.points, 0) as stored, coalesce(s.reached_at, p.created_at) as reached_at
      from partners p left join scores s on s.partner_id = p.id left join sums on sums.partner_id = p.id),
    -- As the score job does it: another total is reached now, and so is the first one that any line makes, also 0.
    judged as materialized (
      select id, slug, name, shown, before, after, after - before as delta,
        case when before = stored then reached_at else ${at}::timestamptz end as reached_before,
        case when after = stored and not begins then reached_at else ${at}::timestamptz end as reached_after
      from totals),
    ranked_before as materialized (${ranked("before")}),
    ranked_after as materialized (${ranked("after")}),
    nominees as materialized (
      select b.id, b.rank <= ${nominees.before} as was, a.rank <= ${nominees.after} as is
      from ranked_before b join ranked_after a using (id)),
    width as (
      select min(width) as width from unnest(${sql.param(WIDTHS)}::bigint[]) as widths (width)
      where width * ${MOST_BARS} >= (select coalesce(max(abs(delta)), 0) from judged)),
    bars as (
      select (sign(delta) * ceil(abs(delta)::numeric / width))::int as step, count(*)::int as partners
      from judged cross join width group by 1),
    reached as (
      select case when starts_with(achievement, ${adjustmentPrefix}) then ${adjustmentPrefix} else achievement end as achievement,
        sum(compared.before)::bigint as before, sum(compared.after)::bigint as after,
        count(*) filter (where shown and compared.before > 0)::int as "reachedBefore",
        count(*) filter (where shown and compared.after > 0)::int as "reachedAfter"
      from compared join judged on judged.id = compared.partner_id group by 1)
    select count(*)::int as partners, (select count(*)::int from ranked_after) as "inStandings",
      (select count(*)::int from pending_partners) as pending,
      count(*) filter (where delta > 0)::int as gaining, count(*) filter (where delta < 0)::int as losing,
      jsonb_build_object('before', coalesce(sum(before), 0), 'gained', coalesce(sum(delta) filter (where delta > 0), 0),
        'lost', coalesce(-sum(delta) filter (where delta < 0), 0), 'after', coalesce(sum(after), 0)) as points,
      (select width from width) as width,
      ${list(sql`select * from bars`)} as bars,
      ${list(sql`select * from reached`)} as achievements,
      ${scores(sql`where delta > 0 order by delta desc, ${ties} limit ${TOP}`)} as gains,
      ${scores(sql`where delta < 0 order by delta, ${ties} limit ${TOP}`)} as losses,
      ${scores(sql`where b.place <= ${TOP} order by b.place`)} as "topBefore",
      ${scores(sql`where a.place <= ${TOP} order by a.place`)} as "topAfter",
      (select jsonb_build_object('before', count(*) filter (where was), 'after', count(*) filter (where "is"))
        from nominees) as nominated,
      ${scores(sql`join nominees using (id) where "is" and not was order by a.place limit ${MOST_NOMINEES}`)} as entering,
      ${scores(sql`join nominees using (id) where was and not "is" order by b.place limit ${MOST_NOMINEES}`)} as leaving
    from judged`;
}

const ties = sql`lower(name) collate "C", id`;

/** The standings before or after: (id, rank, place). */
function ranked(when: "before" | "after"): SQL {
  return sql`
    select id, (rank() over (order by points desc))::int as rank, row_number() over (order by ${inOrder}) as place
    from (select id, name, ${sql.raw(when)} as points, ${sql.raw(`reached_${when}`)} as reached_at
      from judged where shown) as shown`;
}

/** A list of SimulatedScore, of the partners and in the order that a clause names. */
function scores(clause: SQL): SQL {
  return list(sql`
    select slug, name, before, after, b.rank as "rankBefore", a.rank as "rankAfter"
    from judged left join ranked_before b using (id) left join ranked_after a using (id) ${clause}`);
}

function list(rows: SQL): SQL {
  return sql`coalesce((select jsonb_agg(to_jsonb(listed)) from (${rows}) as listed), '[]')`;
}
