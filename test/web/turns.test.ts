import { describe, expect, test } from "vitest";
import { openTurns, TooManyWaiting } from "../../src/web/api/turns.ts";

describe("turns", () => {
  test("are given to a few at a time, in order, and go on after a failure", async () => {
    const inTurn = openTurns({ atOnce: 2, waiting: 2 });
    const begun: number[] = [];
    const ends: (() => void)[] = [];
    const results = [0, 1, 2, 3].map((number) =>
      inTurn(async () => {
        begun.push(number);
        await new Promise<void>((resolve) => ends.push(resolve));
        if (number === 0) throw new Error("It failed.");
        return number;
      }).catch(() => "failed"),
    );
    const settled = () => new Promise((resolve) => setImmediate(resolve));
    await settled();
    expect(begun).toEqual([0, 1]);
    ends[0]!();
    await settled();
    expect(begun).toEqual([0, 1, 2]);
    ends[1]!();
    await settled();
    for (const end of ends) end();
    expect(await Promise.all(results)).toEqual(["failed", 1, 2, 3]);
    expect(await inTurn(() => Promise.resolve("free again"))).toBe("free again");
  });

  test("are refused to whoever finds the queue full, and given again when it is not", async () => {
    const inTurn = openTurns({ atOnce: 1, waiting: 1 });
    let end = () => {};
    const first = inTurn(() => new Promise<void>((resolve) => (end = resolve)));
    const second = inTurn(() => Promise.resolve("second"));
    await expect(inTurn(() => Promise.resolve("third"))).rejects.toThrow(TooManyWaiting);
    end();
    await first;
    expect(await second).toBe("second");
    expect(await inTurn(() => Promise.resolve("later"))).toBe("later");
  });
});
