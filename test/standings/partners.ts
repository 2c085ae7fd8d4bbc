// Partners in a test's database, and the standings as anybody would work them out by hand.
import { sql } from "drizzle-orm";
import { type Database, transaction } from "../../db/client.ts";
import { markStandingsPending } from "../../src/standings/refresh.ts";
import type { Standing } from "../../src/standings/standings.ts";

export interface NewPartner {
  name: string;
  createdAt?: Date;
  status?: "active" | "suspended";
  listed?: boolean;
  score?: { points: number; reachedAt: Date; version?: number } | undefined;
}

/** Slugs are `partner-1`, `partner-2` and so on; nothing is marked pending. Returns the ids in that order. */
export async function addPartners(db: Database, partners: NewPartner[]): Promise<number[]> {
  const column = <T>(read: (partner: NewPartner) => T) => sql.param(partners.map(read));
  const rows = await db.execute<{ id: number }>(sql`
    insert into partners (slug, name, status, listed, created_at)
    select 'partner-' || (select count(*) from partners) + ordinality, name, status, listed, coalesce(created_at, now())
    from unnest(${column(({ name }) => name)}::text[], ${column(({ status }) => status ?? "active")}::text[],
      ${column(({ listed }) => listed ?? true)}::boolean[], ${column(({ createdAt }) => createdAt ?? null)}::timestamptz[])
      with ordinality as given (name, status, listed, created_at, ordinality)
    order by ordinality returning id`);
  const ids = rows.map(({ id }) => id);
  const scored = partners.flatMap(({ score }, at) =>
    score === undefined ? [] : [{ id: ids[at], ...score }],
  );
  await db.execute(sql`insert into scores (partner_id, points, reached_at, version)
    select * from unnest(${sql.param(scored.map(({ id }) => id))}::bigint[],
      ${sql.param(scored.map(({ points }) => points))}::int[],
      ${sql.param(scored.map(({ reachedAt }) => reachedAt))}::timestamptz[],
      ${sql.param(scored.map(({ version }) => version ?? 1))}::bigint[])`);
  return ids;
}

/** As the score job does it: the new total, the next version and the mark, together. */
export async function setPoints(
  db: Database,
  partnerId: number,
  points: number,
  reachedAt: Date,
): Promise<void> {
  await transaction(db, async (tx) => {
    await tx.execute(sql`
      insert into scores (partner_id, points, reached_at, version) values (${partnerId}, ${points}, ${reachedAt}, 1)
      on conflict (partner_id) do update set points = excluded.points, reached_at = excluded.reached_at,
        version = scores.version + 1`);
    await markStandingsPending(tx, [partnerId]);
  });
}

/** Anything of a partner that is not its score. */
export async function changePartner(
  db: Database,
  partnerId: number,
  change: { name?: string; listed?: boolean; status?: "active" | "suspended" },
): Promise<void> {
  await transaction(db, async (tx) => {
    await tx.execute(sql`update partners set name = coalesce(${change.name ?? null}, name),
      listed = coalesce(${change.listed ?? null}::boolean, listed), status = coalesce(${change.status ?? null}, status)
      where id = ${partnerId}`);
    await markStandingsPending(tx, [partnerId]);
  });
}

/** Read row by row, sorted and ranked in the plainest way. */
export async function readNaively(db: Database): Promise<Standing[]> {
  type Row = {
    id: number;
    slug: string;
    name: string;
    lower: string;
    listed: boolean;
    status: string;
    created_at: Date;
  };
  const partners = await db.execute<Row>(sql`select *, lower(name) as lower from partners`);
  type Score = { partner_id: number; points: number; version: number; reached_at: Date };
  const scores = await db.execute<Score>(sql`select * from scores`);
  const rows = partners
    .filter(({ listed, status }) => listed && status === "active")
    .map((partner) => {
      const score = scores.find((one) => one.partner_id === partner.id);
      return {
        partnerId: partner.id,
        slug: partner.slug,
        name: partner.name,
        points: score?.points ?? 0,
        scoreVersion: score?.version ?? 0,
        reachedAt: score?.reached_at ?? partner.created_at,
        lower: Buffer.from(partner.lower),
      };
    });
  rows.sort(
    (a, b) =>
      b.points - a.points ||
      a.reachedAt.getTime() - b.reachedAt.getTime() ||
      Buffer.compare(a.lower, b.lower) ||
      a.partnerId - b.partnerId,
  );
  return rows.map(({ partnerId, slug, name, points, scoreVersion, reachedAt }) => {
    const rank = 1 + rows.filter((other) => other.points > points).length;
    return { partnerId, slug, name, rank, points, scoreVersion, reachedAt };
  });
}
