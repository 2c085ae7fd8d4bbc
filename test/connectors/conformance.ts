// The conformance suite as tests: every case there is, for every connector that ships.
import { afterEach, beforeEach, describe, expect, test } from "vitest";
import { type Bench, Trial } from "../../src/conformance/bench.ts";
import { cases } from "../../src/conformance/cases.ts";
import type { Connector } from "../../src/connectors/connector.ts";
import { exceptionsOf } from "./exceptions.ts";

export { type Bench, factsOf, inputOf, limits, pagesOf } from "../../src/conformance/bench.ts";

/** `name`: under which exceptions.ts says which cases can't apply, and why. */
export function conforms(name: string, connector: Connector, openBench: () => Promise<Bench>): void {
  const exceptions = exceptionsOf(name);
  let trial: Trial;

  beforeEach(async () => {
    trial = new Trial(connector, await openBench());
  });
  afterEach(async () => {
    await trial.close();
  });

  describe("conforms to the contract of connectors", () => {
    const left = cases.filter(({ key }) => exceptions[key] === undefined);
    test.each(left.map((one) => [one.title, one] as const))("%s", async (_, tried) => {
      const { needs } = tried;
      if (needs !== undefined) expect(trial.bench, `the bench cannot ${needs}`).toHaveProperty(needs);
      await tried.run(trial);
    });

    test("is excepted only from what cannot be tried with it", () => {
      const able = cases.filter(
        ({ key, needs }) =>
          exceptions[key] !== undefined && needs !== undefined && trial.bench[needs] !== undefined,
      );
      expect(able.map(({ key }) => key)).toEqual([]);
    });
  });
}
