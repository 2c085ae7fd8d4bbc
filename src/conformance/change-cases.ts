// What a connector must make of a system that changes: rows that come, go, tie and are late, also while it looks, and hours that
// come twice.
import assert from "node:assert/strict";
import type { EvidenceFact, Page } from "../connectors/connector.ts";
import { type Case, factsOf, holdsAllOrRefuses, idsOf, missingIn, stored, type Trial } from "./bench.ts";

const HOUR_MS = 3_600_000;
const DAY_MS = 24 * HOUR_MS;

export const changeCases: Case[] = [
  {
    key: "deletion",
    title: "what is deleted at the source is missing from the next complete listing, and nothing else is",
    async run(trial) {
      const before = factsOf(await trial.pull());
      const gone = before.at(-1)?.externalId ?? "";
      await trial.bench.remove(gone);
      assert.deepEqual(
        factsOf(await trial.pull()),
        before.filter(({ externalId }) => externalId !== gone),
      );
    },
  },
  {
    key: "row-removed-while-paging",
    title: "a row that goes while the source is paged takes no other with it",
    async run(trial) {
      await drifts(trial, async (seen) => {
        await trial.bench.remove(seen);
      });
    },
  },
  {
    key: "row-added-while-paging",
    title: "a row that comes while the source is paged hides no other",
    needs: "add",
    async run(trial) {
      await drifts(trial, async () => {
        await trial.bench.add?.(new Date(trial.bench.now.getTime() - HOUR_MS));
      });
    },
  },
  {
    key: "tie-on-the-cursor",
    title: "a row that changed at the very instant where the last pull stopped is seen by the next one",
    needs: "add",
    run: (trial) => seesAdded(trial, 0),
  },
  {
    key: "late-row",
    title:
      "a row that was written late, with an earlier change than the last pull has seen, is seen by the next one",
    needs: "lateMs",
    run: (trial) => seesAdded(trial, trial.bench.lateMs ?? 0),
  },
  {
    key: "back-dated-row",
    title: "a row that is dated back beyond every look-back is in the next complete listing",
    needs: "add",
    async run(trial) {
      const before = factsOf(await trial.pull());
      await trial.bench.add?.(new Date(trial.bench.now.getTime() - 60 * DAY_MS));
      const after = await trial.pull();
      assert.deepEqual(
        missingIn(
          before.map(({ externalId }) => externalId),
          after,
        ),
        [],
      );
      assert(added(before, after).length > 0, "the row is not in it");
    },
  },
  {
    key: "clock-change",
    title:
      "a local time that the clock change skips is an hour later, one it repeats is the first of the two",
    needs: "setLocal",
    async run(trial) {
      // Europe/Amsterdam goes to +2 on 2026-03-29 at 02:00, and back to +1 on 2026-10-25 at 03:00.
      const hours = [
        ["2026-03-29T01:59:59", "2026-03-29T00:59:59.000Z"],
        ["2026-03-29T02:30:00", "2026-03-29T01:30:00.000Z"],
        ["2026-03-29T03:00:00", "2026-03-29T01:00:00.000Z"],
        ["2026-10-25T01:59:59", "2026-10-24T23:59:59.000Z"],
        ["2026-10-25T02:30:00", "2026-10-25T00:30:00.000Z"],
        ["2026-10-25T03:00:00", "2026-10-25T02:00:00.000Z"],
      ] as const;
      const externalId = idsOf(await trial.pull()).at(-1) ?? "";
      for (const [local, instant] of hours) {
        await trial.bench.setLocal?.(externalId, local);
        const fact = factsOf(await trial.pull()).find((one) => one.externalId === externalId);
        assert.equal(fact?.occurredAt.toISOString(), instant, local);
      }
    },
  },
];

/** The facts that were not there before. */
function added(before: EvidenceFact[], pages: Page[]): string[] {
  const known = new Set(before.map(({ externalId }) => externalId));
  return idsOf(pages).filter((id) => !known.has(id));
}

/** What happens to the source between a pull's first page and its second must not cost a row that stays. */
async function drifts(trial: Trial, happen: (seen: string) => Promise<void>): Promise<void> {
  const all = idsOf(await trial.pull());
  let removed = "";
  const { pages, error } = await trial.pullSome({}, async (page) => {
    removed = page.evidence[0]?.externalId ?? "";
    await happen(removed);
  });
  const stay = all.filter((id) => id !== removed);
  holdsAllOrRefuses(stay, { pages, error });
  // As the job does it: another attempt goes on from the last page that was recorded.
  if (error !== undefined) {
    const rest = await trial.pull({ cursor: stored(pages.at(-1)) });
    const begun = rest.some(({ begins }) => begins === true) ? rest : [...pages, ...rest];
    assert.deepEqual(missingIn(stay, begun), [], "the next attempt returned, and these facts were missing");
  }
}

/** A row is the newest that a pull has seen; another one, so much earlier or at the same instant, is written afterwards. */
async function seesAdded(trial: Trial, earlierMs: number): Promise<void> {
  const newest = new Date(trial.bench.now.getTime() - 2 * HOUR_MS);
  await trial.bench.add?.(newest);
  const pages = await trial.pull();
  await trial.bench.add?.(new Date(newest.getTime() - earlierMs));
  const next = await trial.pull({ full: false, cursor: stored(pages.at(-1)) });
  assert(added(factsOf(pages), next).length > 0, "the next pull of changes does not see it");
}
