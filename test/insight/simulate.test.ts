// A simulation is what the publication that follows it does: to every partner, achievement by achievement, and to the
// standings. Over random evidence, scored or not, random programmes, adjustments and partners that are not in the standings.
import { sql } from "drizzle-orm";
import fc from "fast-check";
import { afterAll, beforeAll, describe, expect, test } from "vitest";
import type { Database } from "../../db/client.ts";
import { type Simulation, simulate, simulatedChanges, warningsOf } from "../../src/insight/simulate.ts";
import { UsageError } from "../../src/platform/errors.ts";
import { parseProgramme } from "../../src/programme/document.ts";
import { openProgrammeVersions, type ProgrammeVersions } from "../../src/programme/versions.ts";
import { tick } from "../../src/scoring/clock.ts";
import { postgresStandings } from "../../src/standings/postgres.ts";
import type { Standing } from "../../src/standings/standings.ts";
import { numRuns, timeFor } from "../cases.ts";
import { emptyDatabase, openTestDatabase, type TestDatabase } from "../database.ts";
import { addConnection, addPartners, at } from "../evidence/collecting.ts";
import { replaceEvidence, seedPartners } from "../programme/evidence.ts";
import { histories, programmes as randomProgrammes } from "../programme/histories.ts";
import { local } from "../programme/reference.ts";
import { documentOf } from "../programme/writing.ts";
import { drain, programmeText, publish } from "../scoring/programmes.ts";

let database: TestDatabase;
let db: Database;
let programmes: ProgrammeVersions;
let partners: number[];

beforeAll(async () => {
  database = await openTestDatabase({ max: 2 });
  db = database.db;
});
afterAll(async () => {
  await database.close();
});

/** Three partners with evidence in the histories, and two without. */
async function empty(): Promise<void> {
  await emptyDatabase(db);
  programmes = openProgrammeVersions();
  partners = await seedPartners(db, 5);
}

const MINUTE_MS = 60_000;
const later = (instant: Date, minutes: number) => new Date(instant.getTime() + minutes * MINUTE_MS);
const isValid = (text: string) => {
  try {
    parseProgramme(text, "draft.yaml");
    return true;
  } catch {
    return false;
  }
};

const cases = fc
  .record({
    history: histories,
    draft: randomProgrammes,
    nominees: fc.tuple(fc.integer({ min: 1, max: 4 }), fc.integer({ min: 1, max: 4 })),
    /** So many of the rows are scored under the version before. */
    scoredRows: fc.nat({ max: 40 }),
    /** Minutes from the publication of that version to the draft's. */
    passed: fc.oneof(fc.constant(0), fc.integer({ min: 1, max: 60 * 24 * 60 })),
    /** By how much the clock's last tick is ahead of the process that simulates. */
    ahead: fc.constantFrom(0, 0, 3),
    hidden: fc.constantFrom("nobody", "suspended", "unlisted"),
    adjustments: fc.array(
      fc.record({
        partner: fc.integer({ min: 0, max: 4 }),
        points: fc.constantFrom(-6, 4),
        until: fc.option(fc.integer({ min: 1, max: 600 })),
        isScored: fc.boolean(),
      }),
      { maxLength: 3 },
    ),
  })
  .map(({ history, draft, nominees, ...rest }) => ({
    ...rest,
    history,
    before: documentOf({ ...history.programme, nominees: nominees[0] }),
    draft: { ...draft, nominees: nominees[1] },
  }))
  .filter(({ before, draft }) => isValid(before) && isValid(documentOf(draft)));

type Case = typeof cases extends fc.Arbitrary<infer T> ? T : never;

/** The state before the draft: scores under another version, and some evidence and adjustments not scored yet. */
async function arrange({ history, before, scoredRows, passed, ahead, hidden, adjustments }: Case) {
  await empty();
  const now = history.at;
  const start = later(now, -passed);
  const rows = history.rows.map((row) => ({ ...row, recordedAt: start, supersededAt: null }));
  const adjust = async (isScored: boolean) => {
    for (const one of adjustments.filter((adjustment) => adjustment.isScored === isScored)) {
      const until = one.until === null ? null : later(now, one.until);
      await db.execute(sql`
        insert into adjustments (partner_id, points, reason, author, created_at, until)
        values (${partners[one.partner]}, ${one.points}, 'reason', 'Ada', ${start}, ${until})`);
    }
  };
  if (hidden === "suspended")
    await db.execute(sql`update partners set status = 'suspended' where id = ${partners[0]}`);
  if (hidden === "unlisted")
    await db.execute(sql`update partners set listed = false where id = ${partners[1]}`);
  await replaceEvidence(db, partners, rows.slice(0, scoredRows));
  await adjust(true);
  await publish(db, before, start);
  await tick(db, programmes, start);
  await drain(db, programmes, start);
  await replaceEvidence(db, partners, rows);
  await adjust(false);
  if (ahead > 0) await db.execute(sql`update clock set ticked_at = ${later(now, ahead)}`);
  return { now };
}

interface Change {
  partner_id: number;
  achievement: string;
  change: number;
}

async function readSimulated(text: string, now: Date): Promise<Change[]> {
  const draft = { programme: parseProgramme(text, "draft.yaml"), file: "draft.yaml", now };
  return db.execute<Record<string, unknown> & Change>(sql`
    select partner_id, achievement, after - before as change
    from (${await simulatedChanges(db, programmes, draft)}) as changes order by 1, 2`);
}

const simulateText = (text: string, now: Date) =>
  simulate(db, programmes, { programme: parseProgramme(text, "draft.yaml"), file: "draft.yaml", now });

/** What the ledger says since a line. */
async function readWritten(afterLine: number): Promise<Change[]> {
  return db.execute<Record<string, unknown> & Change>(sql`
    select partner_id, achievement, sum(delta)::int as change from ledger where id > ${afterLine}
    group by 1, 2 having sum(delta) <> 0 order by 1, 2`);
}

async function lastLine(): Promise<number> {
  const [row] = await db.execute<{ id: number }>(sql`select coalesce(max(id), 0) as id from ledger`);
  return row!.id;
}

async function readSum(): Promise<number> {
  const [row] = await db.execute<{ sum: number }>(
    sql`select coalesce(sum(points), 0)::int as sum from scores`,
  );
  return row!.sum;
}

const readStandings = async () => (await postgresStandings(db).page({ offset: 0, limit: 100 })).standings;
const places = (standings: Standing[]) => standings.map(({ slug, points, rank }) => [slug, points, rank]);
/** Who of equals was first there depends on what happens until then. */
const inAnyOrder = (rows: unknown[]) => rows.map((row) => JSON.stringify(row)).sort();
const nominated = (standings: Standing[], nominees: number) =>
  standings.filter(({ rank }) => rank <= nominees).map(({ slug }) => slug);

/** Who reaches each achievement, of those in the standings. */
async function readReached(): Promise<Record<string, number>> {
  const rows = await db.execute<{ achievement: string; partners: number }>(sql`
    select achievement, count(*)::int as partners from achievements_held join partners on partners.id = partner_id
    where points > 0 and status = 'active' and listed and achievement not like 'adjustment:%' group by 1`);
  return Object.fromEntries(rows.map(({ achievement, partners }) => [achievement, partners]));
}

describe("a simulation", () => {
  test(
    "equals the publication that follows it, partner by partner, achievement by achievement and in the standings",
    async () => {
      const property = fc.asyncProperty(cases, async (one) => {
        const text = documentOf(one.draft);
        fc.pre(text !== one.before);
        const { now } = await arrange(one);
        const before = { line: await lastLine(), points: await readSum(), standings: await readStandings() };
        const reachedBefore = await readReached();
        const simulated = await readSimulated(text, now);
        const simulation = await simulateText(text, now);

        await publish(db, text, now);
        await drain(db, programmes, now);
        expect(simulated).toEqual(await readWritten(before.line));

        const after = { points: await readSum(), standings: await readStandings() };
        const { points } = simulation;
        expect(points).toMatchObject({ before: before.points, after: after.points });
        expect(points.before + points.gained - points.lost).toBe(points.after);
        expect(simulation.topBefore.map((row) => [row.slug, row.before, row.rankBefore])).toEqual(
          places(before.standings),
        );
        expect(simulation.topAfter.map((row) => [row.slug, row.after, row.rankAfter])).toEqual(
          places(after.standings),
        );
        expectCounts(simulation, simulated);
        const was = nominated(before.standings, parseProgramme(one.before, "").nominees);
        const is = nominated(after.standings, one.draft.nominees);
        expect(simulation.nominees).toMatchObject({ before: was.length, after: is.length });
        expect(simulation.nominees.entering.map(({ slug }) => slug)).toEqual(
          is.filter((slug) => !was.includes(slug)),
        );
        expect(simulation.nominees.leaving.map(({ slug }) => slug)).toEqual(
          was.filter((slug) => !is.includes(slug)),
        );
        const reachedAfter = await readReached();
        for (const { key, ...achievement } of simulation.achievements) {
          expect([achievement.reachedBefore, achievement.reachedAfter]).toEqual([
            reachedBefore[key] ?? 0,
            reachedAfter[key] ?? 0,
          ]);
        }
        const sums = [...simulation.achievements, simulation.adjustments];
        expect(sums.reduce((sum, achievement) => sum + achievement.after, 0)).toBe(after.points);
      });
      await fc.assert(property, { numRuns });
    },
    timeFor(2000),
  );

  test(
    "of a draft that begins later equals what the draft changes at that instant, and no more",
    async () => {
      const property = fc.asyncProperty(
        cases,
        fc.integer({ min: 4, max: 40 * 24 * 60 }),
        fc.boolean(),
        async (one, wait, isByClock) => {
          const begins = local(later(one.history.at, wait), one.draft.timeZone).slice(0, 19);
          const text = documentOf(one.draft, begins);
          const { effectiveFrom } = parseProgramme(text, "draft.yaml");
          const { now } = await arrange(one);
          const clock = later(now, one.ahead);
          fc.pre(effectiveFrom !== undefined && effectiveFrom > clock);
          const simulated = await readSimulated(text, now);
          const simulation = await simulateText(text, now);
          expect(simulation).toMatchObject({ at: effectiveFrom, atOnce: false });

          if (isByClock) await publish(db, text, now);
          else {
            // What time alone does until then, under the version that is in force: the simulation leaves it out.
            await tick(db, programmes, effectiveFrom);
            await drain(db, programmes, effectiveFrom);
            // Whatever nobody has marked yet, too.
            await db.execute(sql`
              insert into pending_partners (partner_id, since, cause) select id, now(), 'evidence' from partners`);
            await drain(db, programmes, effectiveFrom);
            expect(simulation.points.before).toBe(await readSum());
            expect(
              inAnyOrder(simulation.topBefore.map((row) => [row.slug, row.before, row.rankBefore])),
            ).toEqual(inAnyOrder(places(await readStandings())));
          }
          const line = await lastLine();
          if (isByClock) await tick(db, programmes, effectiveFrom);
          else await publish(db, text, effectiveFrom);
          await drain(db, programmes, effectiveFrom);
          if (!isByClock) expect(simulated).toEqual(await readWritten(line));
          expect(simulation.points.after).toBe(await readSum());
          expect(inAnyOrder(simulation.topAfter.map((row) => [row.slug, row.after, row.rankAfter]))).toEqual(
            inAnyOrder(places(await readStandings())),
          );
        },
      );
      await fc.assert(property, { numRuns });
    },
    timeFor(2000),
  );
});

/** Gains, losses, the histogram and their lists against the single changes. */
function expectCounts(simulation: Simulation, changes: Change[]): void {
  const deltas = new Map<number, number>();
  for (const { partner_id, change } of changes)
    deltas.set(partner_id, (deltas.get(partner_id) ?? 0) + change);
  const all = partners.map((id) => deltas.get(id) ?? 0);
  const [gains, losses] = [all.filter((delta) => delta > 0), all.filter((delta) => delta < 0)];
  expect(simulation).toMatchObject({ gaining: gains.length, losing: losses.length, partners: all.length });
  const listed = (rows: Simulation["gains"]) => rows.map(({ before, after }) => after - before);
  expect(listed(simulation.gains)).toEqual(gains.sort((a, b) => b - a));
  expect(listed(simulation.losses)).toEqual(losses.sort((a, b) => a - b));
  for (const { from, to, partners: counted } of simulation.histogram)
    expect(all.filter((delta) => delta >= from && delta <= to)).toHaveLength(counted);
  expect(simulation.histogram.reduce((sum, bar) => sum + bar.partners, 0)).toBe(all.length);
}

describe("a simulation of a draft", () => {
  const now = at(0);
  const articles = (points: number) =>
    programmeText({
      articles: { evidence: "article", award: { each: points, cap: 3 * points } },
      fairs: { evidence: "fair", award: { points: 4, "at-least": 1 } },
    });

  async function arrangeArticles(count: number): Promise<void> {
    await emptyDatabase(db);
    programmes = openProgrammeVersions();
    partners = await addPartners(db, count);
    const { connectionId } = await addConnection(db);
    await db.execute(sql`
      insert into evidence (source, connection_id, external_id, digest, partner_id, kind, occurred_at, recorded_at)
      select 'crm', ${connectionId}, partner || '/' || n, '', partner, 'article', ${at(-60)}, ${at(-60)}
      from unnest(${sql.param(partners)}::bigint[]) with ordinality as listed (partner, place),
        generate_series(1, least(place, 3)) as n`);
    await publish(db, articles(5), now);
    await drain(db, programmes, now);
  }

  test("writes nothing", async () => {
    await arrangeArticles(3);
    const state = async () => {
      const tables = ["programme_versions", "pending_partners", "scores", "achievements_held", "ledger"];
      const counted = tables.map(
        (name) => sql`(select jsonb_agg(to_jsonb(t)) from ${sql.identifier(name)} t)`,
      );
      return db.execute(sql`select ${sql.join(counted, sql`, `)}`);
    };
    const before = await state();
    const simulation = await simulateText(articles(9), now);
    expect(simulation.points).toEqual({ before: 30, gained: 24, lost: 0, after: 54 });
    expect(await state()).toEqual(before);
  });

  test("shows ten at each end of the changes and of the standings, and a bar for every change", async () => {
    await arrangeArticles(30);
    const simulation = await simulateText(articles(1), now);
    expect(simulation).toMatchObject({ partners: 30, inStandings: 30, gaining: 0, losing: 30, gains: [] });
    expect(simulation.losses).toHaveLength(10);
    expect(simulation.losses[0]).toEqual({
      slug: "partner-10",
      name: "Partner 10",
      before: 15,
      after: 3,
      rankBefore: 1,
      rankAfter: 1,
    });
    expect(simulation.topAfter).toHaveLength(10);
    expect(simulation.histogram).toEqual([
      { from: -12, to: -11, partners: 28 },
      { from: -10, to: -9, partners: 0 },
      { from: -8, to: -7, partners: 1 },
      { from: -6, to: -5, partners: 0 },
      { from: -4, to: -3, partners: 1 },
      { from: -2, to: -1, partners: 0 },
      { from: 0, to: 0, partners: 0 },
    ]);
    // The 28 that share the first rank are nominated all, however few a programme asks for.
    expect(simulation.nominees).toEqual({ before: 28, after: 28, entering: [], leaving: [] });
  });

  test("warns of achievements that nobody or everybody reaches", async () => {
    await arrangeArticles(3);
    expect(warningsOf(await simulateText(articles(9), now))).toEqual([
      "Everybody reaches articles (articles).",
      "No partner reaches fairs (fairs).",
    ]);
    await db.execute(sql`update partners set listed = false where id = ${partners[2]}`);
    const visits = programmeText({
      articles: { evidence: "article", award: { points: 3, "at-least": 3 } },
      others: { evidence: "article", award: { points: 3, "at-least": 2 } },
    });
    const simulation = await simulateText(visits, now);
    expect(warningsOf(simulation)).toEqual(["No partner reaches articles (articles)."]);
    expect(simulation.achievements.map(({ key, change }) => [key, change])).toEqual([
      ["articles", "kept"],
      ["others", "new"],
      ["fairs", "gone"],
    ]);
  });

  test("says what it is before anything is published", async () => {
    await emptyDatabase(db);
    programmes = openProgrammeVersions();
    await addPartners(db, 2);
    expect(await simulateText(articles(1), now)).toMatchObject({
      programmeVersion: null,
      atOnce: true,
      at: now,
      partners: 2,
      points: { before: 0, gained: 0, lost: 0, after: 0 },
      histogram: [{ from: 0, to: 0, partners: 2 }],
    });
  });

  test("is refused where Postgres would refuse to evaluate it", async () => {
    await arrangeArticles(1);
    const text = articles(1).replace('"evidence":"fair",', '"evidence":"fair","where":{"name":"a\\u0000b"},');
    await expect(simulateText(text, now)).rejects.toThrow(UsageError);
    await expect(simulateText(text, now)).rejects.toThrow("draft.yaml: Postgres refuses to evaluate it");
  });
});
