// The systems that are no table and no API: what the example's academy, organiser and magazine say is the evidence, no more and
// no less, and what the academy takes back is gone.
import { sql } from "drizzle-orm";
import { Temporal } from "temporal-polyfill";
import { afterAll, beforeAll, expect, test } from "vitest";
import { partners } from "../../examples/copernica/partners.ts";
import { pointsAtFirstStart } from "../sandbox/scores.ts";
import { type Deployment, openDeployment, sync } from "./deployment.ts";

const timeZone = "Europe/Amsterdam";

let open: Deployment;
beforeAll(async () => {
  open = await openDeployment("postgres", { sources: ["magazine", "certifications", "fairs"] });
  const { runs } = await sync(open.context);
  expect(runs.map((run) => run.state)).toEqual(["complete", "complete", "complete"]);
});
afterAll(async () => {
  await open.close();
});

interface Fact {
  id: string;
  /** null: nobody's. */
  partner: string | null;
  occurredAt: string;
  endedAt: string | null;
}

const byId = (facts: Fact[]) => facts.sort((a, b) => (a.id < b.id ? -1 : 1));

async function evidenceOf(source: string): Promise<(Fact & { attributes: Record<string, string> | null })[]> {
  const rows = await open.context.db.execute<Record<string, unknown> & Fact>(sql`
    select external_id as id, slug as partner, occurred_at as "occurredAt", ended_at as "endedAt", attributes
    from evidence left join partners on partners.id = partner_id
    where source = ${source} and superseded_at is null`);
  const iso = (at: string) => new Date(at).toISOString();
  return rows.map((row) => ({
    ...row,
    occurredAt: iso(row.occurredAt),
    endedAt: row.endedAt === null ? null : iso(row.endedAt),
    attributes: row["attributes"] as Record<string, string> | null,
  }));
}

const factsOf = async (source: string) =>
  byId((await evidenceOf(source)).map(({ attributes: _, ...fact }) => fact));

/** The start of a local day, or a time of it. */
const at = (day: string, time = "00:00") =>
  new Date(
    Temporal.PlainDateTime.from(`${day}T${time}`).toZonedDateTime(timeZone).epochMilliseconds,
  ).toISOString();

async function pointsOf(achievement: string): Promise<Record<string, number>> {
  const rows = await open.context.db.execute<{ slug: string; points: number }>(sql`
    select slug, coalesce(points, 0) as points from partners
    left join achievements_held on partner_id = partners.id and achievement = ${achievement}`);
  return Object.fromEntries(rows.map(({ slug, points }) => [slug, points]));
}

const expected = (achievement: string) =>
  Object.fromEntries(
    Object.entries(pointsAtFirstStart).map(([slug, points]) => [slug, points[achievement] ?? 0]),
  );

test("every badge that is not revoked is evidence from when it was given until it expires", async () => {
  const { world, url } = open.sandbox;
  const revoked = world.certificates.filter(({ isRevoked }) => isRevoked);
  expect(revoked).toHaveLength(1);
  expect(await factsOf("certifications")).toEqual(
    byId(
      world.certificates
        .filter(({ isRevoked }) => !isRevoked)
        .map(({ id, employer, passedOn, expiresAt }) => ({
          id: `badge/${url}/academy/certificates/${id}`,
          partner: partners.find(({ domain }) => domain === employer)?.slug ?? null,
          occurredAt: at(passedOn),
          endedAt: expiresAt === undefined ? null : new Date(expiresAt).toISOString(),
        })),
    ),
  );
});

test("whose a badge is, is not kept: only that two of them are two people", async () => {
  const { certificates } = open.sandbox.world;
  const attributes = (await evidenceOf("certifications")).map((fact) => fact.attributes ?? {});
  expect(JSON.stringify(attributes)).not.toMatch(/holder-|@/);
  expect(new Set(attributes.map(({ holder }) => holder)).size).toBe(
    new Set(certificates.filter(({ isRevoked }) => !isRevoked).map(({ holder }) => holder)).size,
  );
});

test("the certified people are those whose badges are in force: none by an expired or a revoked one", async () => {
  const now = new Date();
  const ended = (await factsOf("certifications")).filter(
    ({ endedAt }) => endedAt !== null && new Date(endedAt) < now,
  );
  expect(ended.map(({ partner }) => partner)).toEqual(
    expect.arrayContaining(["studio-ooievaar", "sluiswachter-digital", "grachtwerk-digital"]),
  );
  const points = await pointsOf("certified-people");
  expect(points).toEqual(expected("certified-people"));
  expect(points).toMatchObject({ "studio-ooievaar": 0, "marketing-agency-x": 0 });
});

test("every stand is evidence, and each day of the fair on tour on which it was held", async () => {
  const { fairVisits, tour } = open.sandbox.world;
  const slugOf = (code: string) => partners.find(({ exhibitor }) => exhibitor === code)?.slug ?? null;
  const first = Temporal.PlainDate.from(tour.firstOn);
  const days = Array.from({ length: tour.days }, (_, n) => first.add({ months: n }).toString());
  const held = days.filter((day) => day !== tour.calledOff);
  expect(held).toHaveLength(5);
  expect(held).toContain(tour.putOff.from);
  expect(await factsOf("fairs")).toEqual(
    byId([
      ...fairVisits.map(({ id, exhibitor, heldOn }) => ({
        id: `event/${id}/${exhibitor}`,
        partner: slugOf(exhibitor),
        occurredAt: at(heldOn),
        endedAt: null,
      })),
      // What was put off stays the same fact, and happened when it was held.
      ...held.map((day) => ({
        id: `event/${tour.id}/${at(day, tour.opensAt)}/${tour.exhibitor}`,
        partner: slugOf(tour.exhibitor),
        occurredAt: at(day === tour.putOff.from ? tour.putOff.to : day, tour.opensAt),
        endedAt: null,
      })),
    ]),
  );
  expect(await pointsOf("trade-fair")).toEqual(expected("trade-fair"));
});

test("every article in the magazine is its author's, and the editors' own are nobody's evidence", async () => {
  const { world, url } = open.sandbox;
  const features = world.features.flatMap(({ id, partner, publishedAt }) => {
    const { slug, domain } = partners.find((each) => each.slug === partner) ?? {};
    if (slug === undefined || domain === undefined) return [];
    const occurredAt = new Date(publishedAt).toISOString();
    return [
      { id: `entry/${url}/magazine/articles/${id}/${domain}`, partner: slug, occurredAt, endedAt: null },
    ];
  });
  expect(features).toHaveLength(world.features.length - 1);
  expect(await factsOf("magazine")).toEqual(byId(features));
});

test("pulled again, nothing is new and nothing is gone", async () => {
  const { runs } = await sync(open.context);
  expect(runs.map(({ state, added, changed, absent }) => ({ state, added, changed, absent }))).toEqual(
    runs.map(() => ({ state: "complete", added: 0, changed: 0, absent: 0 })),
  );
});

test("half a list of badges and half a calendar take no points: the loss is held", async () => {
  const { context, sandbox } = open;
  sandbox.faults.set("certificates", { mode: "short-page" });
  sandbox.faults.set("fairs", { mode: "short-page" });
  const { runs } = await sync(context, ["certifications", "fairs"]);
  sandbox.faults.set("certificates", { mode: "none" });
  sandbox.faults.set("fairs", { mode: "none" });
  expect(runs.map(({ source, state }) => [source, state])).toEqual([
    ["certifications", "held"],
    ["fairs", "held"],
  ]);
  expect(await pointsOf("certified-people")).toEqual(expected("certified-people"));
  expect(await pointsOf("trade-fair")).toEqual(expected("trade-fair"));
});

test("a badge that is revoked is gone with the next pull, and takes its points", async () => {
  const { context, sandbox } = open;
  const mine = sandbox.world.certificates.find(
    ({ employer, level }) => employer === "wolkenpost.example" && level === "advanced",
  );
  sandbox.world.happen({ type: "certificate-revoked", id: mine?.id ?? "" });
  const { runs } = await sync(context, ["certifications"]);
  expect(runs).toMatchObject([{ state: "complete", absent: 1 }]);
  expect(await pointsOf("certified-people")).toEqual({ ...expected("certified-people"), wolkenpost: 7 });
});

test("an article that appears in the magazine brings its points, beside those of the blog", async () => {
  const { context, sandbox } = open;
  const before = await pointsOf("joint-articles");
  expect(before["inkwell-loop"]).toBe(0);
  sandbox.world.happen({ type: "feature", partner: "inkwell-loop" });
  await sync(context, ["magazine"]);
  expect(await pointsOf("joint-articles")).toEqual({ ...before, "inkwell-loop": 5 });
});
