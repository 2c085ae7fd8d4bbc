// What a fact is said to bring is what recording it brings: by the ordinary recording and the ordinary score job.
import { afterEach, beforeEach, describe, expect, test } from "vitest";
import type { EvidenceFact } from "../../src/connectors/connector.ts";
import { readWorths } from "../../src/insight/worth.ts";
import { openProgrammeVersions, type ProgrammeVersions } from "../../src/programme/versions.ts";
import { openTestDatabase, type TestDatabase } from "../database.ts";
import { addConnection, addPartners, at, fact, openLease, record } from "../evidence/collecting.ts";
import { drain, programmeText, publish, readPoints } from "../scoring/programmes.ts";

const PROGRAMME = programmeText({
  articles: { evidence: "article", award: { each: 5, cap: 10 } },
  certified: {
    evidence: "certificate",
    window: "in-force",
    requires: "articles",
    award: { points: 10, "at-least": 1 },
  },
  mailed: { evidence: "mail", measure: "sum", award: { points: 3, "at-least": 100 } },
});

describe("what a fact would bring", () => {
  let database: TestDatabase;
  let programmes: ProgrammeVersions;
  let partner: number;
  let connection: { source: string; connectionId: number };

  beforeEach(async () => {
    database = await openTestDatabase();
    programmes = openProgrammeVersions();
    [partner = 0] = await addPartners(database.db, 1);
    connection = await addConnection(database.db, { partnerId: partner });
    await publish(database.db, PROGRAMME, at(-600));
  });
  afterEach(async () => {
    await database.close();
  });

  async function score(): Promise<number> {
    await drain(database.db, programmes, at(1));
    return (await readPoints(database.db, [partner], "scores"))[0]!;
  }

  async function worthOf(told: EvidenceFact, ownerId: number | null = partner) {
    const question = { facts: [told], source: "crm", ownerId, now: at(1) };
    return (await readWorths(database.db, programmes, question))[0]!;
  }

  const certificate = (externalId: string, more = {}) => fact(externalId, { kind: "certificate", ...more });

  test("is what recording it brings, one after the other: gates, caps, ends and thresholds applied", async () => {
    const lease = await openLease(database.db, connection);
    const told = [
      certificate("c1"),
      fact("a1"),
      fact("a2"),
      fact("a3"),
      certificate("c1", { endedAt: at(-30) }),
      certificate("c2", { endedAt: at(-30) }),
      certificate("c3", { endedAt: at(600) }),
      fact("m1", { kind: "mail", quantity: 60 }),
      fact("m1", { kind: "mail", quantity: 99 }),
      fact("m2", { kind: "mail", quantity: 1 }),
      fact("m1", { kind: "mail", quantity: 98 }),
      fact("x", { kind: "unknown" }),
      fact("future", { occurredAt: at(600) }),
    ];
    const said: number[] = [];
    for (const one of told) {
      const before = await score();
      const { points } = await worthOf(one);
      said.push(points ?? Number.NaN);
      await record(database.db, lease, [one]);
      expect((await score()) - before, one.externalId).toBe(points);
    }
    expect(said).toEqual([0, 15, 5, 0, -10, 0, 10, 0, 0, 3, -3, 0, 0]);
  });

  test("names the achievements, and says what is stored and what nobody asks for", async () => {
    await record(database.db, await openLease(database.db, connection), [certificate("c1")]);
    const { achievements, ...worth } = await worthOf(fact("a1"));
    expect({ ...worth, achievements: achievements.sort((a, b) => a.key.localeCompare(b.key)) }).toEqual({
      partner: { slug: "partner-1", name: "Partner 1" },
      isStored: false,
      isAskedFor: true,
      points: 15,
      achievements: [
        { key: "articles", points: 5 },
        { key: "certified", points: 10 },
      ],
    });
    expect(await worthOf(certificate("c1"))).toMatchObject({ isStored: true, points: 0, achievements: [] });
    expect(await worthOf(fact("x", { kind: "unknown" }))).toMatchObject({ isAskedFor: false, points: 0 });
  });

  test("that nobody has the identity of is what it would bring one that has nothing else", async () => {
    const unknown = fact("a1", { identity: { namespace: "crm", key: "7" } });
    expect(await worthOf(unknown)).toMatchObject({ partner: null, points: 5 });
    expect(await worthOf(fact("a1"), null)).toMatchObject({ partner: null, points: 5 });
  });
});
