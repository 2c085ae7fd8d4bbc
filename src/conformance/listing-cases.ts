// What a connector must make of what its system holds and says: all of it, once, and nothing that is not there.
import assert from "node:assert/strict";
import { z } from "zod";
import type { EvidenceFact } from "../connectors/connector.ts";
import { type Case, factsOf, holdsAllOrRefuses, idsOf, isRefused, stored, type Trial } from "./bench.ts";

/** The columns of the evidence table and their limits. */
const factSchema = z.strictObject({
  externalId: z.string().min(1).max(512),
  kind: z.string().min(1).max(64),
  occurredAt: z.date(),
  endedAt: z.date().optional(),
  quantity: z.number().positive().multipleOf(0.0001).optional(),
  attributes: z.record(z.string(), z.string()).optional(),
  title: z.string().min(1).max(600).optional(),
  link: z.url().optional(),
  identity: z.strictObject({ namespace: z.string().min(1), key: z.string().min(1) }).optional(),
});

export const listingCases: Case[] = [
  {
    key: "same-twice",
    title: "two pulls of an unchanged source yield the same well-formed facts, each once",
    async run(trial) {
      const first = await trial.pull();
      const ids = first.flatMap(({ evidence }) => evidence.map(({ externalId }) => externalId));
      assert(ids.length > 0, "the source has no facts to try with");
      assert.equal(new Set(ids).size, ids.length, "two rows are one fact");
      for (const fact of factsOf(first)) factSchema.parse(fact);
      const kinds = trial.connector.kinds(trial.connector.settings.parse(trial.bench.settings));
      for (const { kind } of factsOf(first))
        assert(kinds.includes(kind), `the kind ${kind} was not announced`);
      assert.deepEqual(factsOf(await trial.pull()), factsOf(first));
    },
  },
  ...[
    { key: "resumed-listing", full: true, title: "a complete listing" },
    { key: "resumed-changes", full: false, title: "a pull that is no complete listing" },
  ].map(
    ({ key, full, title }): Case => ({
      key,
      title: `${title} goes on from every page's cursor and misses nothing`,
      async run(trial) {
        const pages = await trial.pull({ full });
        for (const [index, page] of pages.entries()) {
          const rest = await trial.pull({ cursor: stored(page), full });
          assert.deepEqual(factsOf([...pages.slice(0, index + 1), ...rest]), factsOf(pages));
        }
      },
    }),
  ),
  {
    key: "empty-source",
    title: "a source that holds nothing is one empty page, and so is what has not changed in it since",
    async run(trial) {
      const pages = await trial.pull();
      for (const externalId of idsOf(pages)) await trial.bench.remove(externalId);
      for (const changes of [{}, { full: false, cursor: stored(pages.at(-1)) }]) {
        const rest = await trial.pull(changes);
        assert(rest.length > 0, "a pull yields one page at least");
        assert.deepEqual(idsOf(rest), []);
      }
    },
  },
  {
    key: "check",
    title: "the check of a connection tells a person what was reached",
    async run(trial) {
      const report = await trial.connector.check(trial.input());
      assert.match(report, /\w+/);
      for (const secret of trial.bench.secrets) assert(!report.includes(secret), "the check says a secret");
    },
  },
  {
    key: "look",
    title: "a page of each listing can be looked at, and is what a pull would yield",
    async run(trial) {
      const all = factsOf(await trial.pull());
      const whole = { name: "pull", pages: () => trial.pages() };
      const seen: EvidenceFact[] = [];
      for (const listing of trial.connector.listings?.(trial.input()) ?? [whole]) {
        for await (const { evidence } of listing.pages()) {
          seen.push(...evidence);
          break;
        }
      }
      assert(seen.length > 0, "no listing has a fact on its first page");
      for (const fact of seen) {
        const pulled = all.find(({ externalId }) => externalId === fact.externalId);
        assert.deepEqual(fact, pulled);
      }
    },
  },
  {
    key: "duplicate-row",
    title: "a row the source gives twice is one fact, or the listing is refused",
    needs: "repeat",
    async run(trial) {
      const before = factsOf(await trial.pull());
      await trial.bench.repeat?.(before[0]?.externalId ?? "");
      const after = await trial.pullSome();
      if (after.error === undefined) assert.deepEqual(factsOf(after.pages), before);
      holdsAllOrRefuses(
        before.map(({ externalId }) => externalId),
        after,
      );
    },
  },
  {
    key: "page-not-full",
    title: "a page that is not full is no end: all of it comes, or the listing is refused",
    needs: "shorten",
    run: (trial) => holdsAllOrRefusesAfter(trial, () => trial.bench.shorten?.()),
  },
  {
    key: "total-too-large",
    title: "a source that announces more than it gives is not believed",
    needs: "overstate",
    async run(trial) {
      trial.bench.overstate?.();
      const { error } = await trial.pullSome();
      assert(isRefused(error), "fewer rows came than were announced, and the pull returned");
    },
  },
  {
    key: "total-too-small",
    title: "a source that announces less than it has loses nothing, or is refused",
    needs: "understate",
    run: (trial) => holdsAllOrRefusesAfter(trial, () => trial.bench.understate?.()),
  },
  {
    key: "endless",
    title: "a source whose pages never end is left",
    needs: "neverEnd",
    async run(trial) {
      trial.bench.neverEnd?.();
      const { error } = await trial.pullSome();
      assert.equal(error?.class, "data");
      assert.match(error.message, /does not end/);
    },
  },
];

/** After the change the pull yields all the same facts, or refuses the listing. */
async function holdsAllOrRefusesAfter(trial: Trial, change: () => void): Promise<void> {
  const before = idsOf(await trial.pull());
  change();
  holdsAllOrRefuses(before, await trial.pullSome());
}
