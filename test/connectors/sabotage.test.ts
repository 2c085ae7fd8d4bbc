// Every case of the conformance suite can fail: for each there is a way to spoil a connector that it finds.
import { describe, expect, test } from "vitest";
import { type Bench, Trial } from "../../src/conformance/bench.ts";
import { cases } from "../../src/conformance/cases.ts";
import type { Connector, Page, PullInput } from "../../src/connectors/connector.ts";
import { SourceError } from "../../src/platform/errors.ts";
import { openReviews, reviews } from "./guide.ts";

type Pull = Connector["pull"];
type Spoil = (pull: Pull) => Pull;

const nothing: Page = { evidence: [], cursor: null };

/** It has nothing to say where it goes on. */
const forgetsWhereItWas: Spoil = (pull) =>
  async function* (input) {
    if (input.cursor === undefined) yield* pull(input);
    else yield nothing;
  };

/** It gives what it saw the first time. */
const remembers: Spoil = (pull) => {
  let kept: Page[] | undefined;
  return async function* (input) {
    const pages = kept ?? [];
    if (kept === undefined) for await (const page of pull(input)) pages.push(page);
    kept = pages;
    yield* pages;
  };
};

/** From the second pull on it takes the first page for everything. */
const tires: Spoil = (pull) => {
  let pulls = 0;
  return async function* (input) {
    pulls += 1;
    for await (const page of pull(input)) {
      yield page;
      if (pulls > 1) return;
    }
  };
};

/** What failed is over. */
const swallows: Spoil = (pull) =>
  async function* (input: PullInput<unknown>) {
    try {
      yield* pull(input);
    } catch {
      yield nothing;
    }
  };

/** It says of every failure that it is of another class. */
const misnames: Spoil = (pull) =>
  async function* (input: PullInput<unknown>) {
    try {
      yield* pull(input);
    } catch (error) {
      if (!(error instanceof SourceError)) throw error;
      throw new SourceError(error.class === "quota" ? "transient" : "quota", "something is wrong");
    }
  };

/** It repeats what it was refused with. */
const tells: Spoil = (pull) =>
  async function* (input: PullInput<unknown>) {
    try {
      yield* pull(input);
    } catch (error) {
      const { secret = "" } = input.connection;
      throw new SourceError((error as SourceError).class, `refused ${secret}`);
    }
  };

const requests = [swallows, misnames, tells];
const spoilers: Record<string, Spoil[]> = {
  "same-twice": [tires],
  "resumed-listing": [forgetsWhereItWas],
  "resumed-changes": [forgetsWhereItWas],
  "empty-source": [remembers],
  "duplicate-row": [tires],
  "page-not-full": [tires],
  "total-too-large": [swallows, misnames, tells],
  "total-too-small": [tires],
  endless: [swallows, misnames],
  deletion: [remembers],
  "row-removed-while-paging": [tires],
  "row-added-while-paging": [tires],
  "tie-on-the-cursor": [forgetsWhereItWas],
  "late-row": [forgetsWhereItWas],
  "back-dated-row": [remembers],
  "clock-change": [remembers],
  "500-then-fine": [forgetsWhereItWas],
  "half-document": [swallows, tells],
  "slow-body": [swallows, misnames],
  interrupted: [swallows],
};

/** Of what is no pull. */
const others: Record<string, Partial<Connector>> = {
  check: { check: () => Promise.resolve("") },
  look: {
    listings: () => [
      {
        name: "reviews",
        async *pages() {
          yield await Promise.resolve(nothing);
        },
      },
    ],
  },
};

async function run(key: string, connector: Connector): Promise<void> {
  // A local time that nothing reads: what was the clock change's is any other time.
  const bench: Bench = { ...(await openReviews()), setLocal: () => undefined };
  const trial = new Trial(connector, bench);
  try {
    await cases.find((one) => one.key === key)?.run(trial);
  } finally {
    await trial.close();
  }
}

describe("a case fails", () => {
  const spoilt = cases.flatMap(({ key, isHttp }) => {
    const found = spoilers[key] ?? (isHttp === true ? requests : []);
    const pulls = found.map(
      (spoil) => [key, spoil.name, { pull: spoil((input) => reviews.pull(input)) }] as const,
    );
    const other = others[key];
    return other === undefined ? pulls : [...pulls, [key, "says nothing", other] as const];
  });

  test("for a connector that is spoilt, each in one way at least", () => {
    expect(new Set(spoilt.map(([key]) => key))).toEqual(new Set(cases.map(({ key }) => key)));
  });

  test.each(spoilt)("%s, for one that %s", async (key, _, changes) => {
    await expect(run(key, { ...reviews, ...changes })).rejects.toThrow();
  });
});
