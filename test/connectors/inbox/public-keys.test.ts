// Keys in the DNS, where whoever sends a message chooses what is asked for.
import { generateKeyPairSync } from "node:crypto";
import { expect, test } from "vitest";
import { openPublicKeys } from "../../../src/connectors/inbox/public-keys.ts";

const { publicKey } = generateKeyPairSync("rsa", { modulusLength: 1024 });
const record = `v=DKIM1; p=${publicKey.export({ format: "der", type: "spki" }).toString("base64")}`;
const now = new Date("2026-11-25T12:00:00Z");
const later = new Date(now.getTime() + 120_000);
const nothing = () => Promise.reject(Object.assign(new Error("no such name"), { code: "ENOTFOUND" }));

test("a key that is known is not pushed out by names that somebody makes up", async () => {
  const asked: string[] = [];
  const keys = openPublicKeys({
    resolveTxt(name) {
      asked.push(name);
      return name === "genuine" ? Promise.resolve([[record]]) : nothing();
    },
  });
  const find = (name: string) => keys.find(name, { now, renew: false });
  expect(await find("genuine")).toBeDefined();
  for (let n = 0; n < 300; n++) expect(await find(`made-up-${n}`)).toBeUndefined();
  expect(await find("made-up-299")).toBeUndefined();
  expect(await find("genuine")).toBeDefined();
  expect(asked.filter((name) => name === "genuine" || name === "made-up-299")).toEqual([
    "genuine",
    "made-up-299",
  ]);
});

test("so many wait for the DNS at a time, and whoever has a key that is known does not", async () => {
  let answer = () => {};
  const silence = new Promise<void>((resolve) => {
    answer = resolve;
  });
  let asked = 0;
  const keys = openPublicKeys({
    async resolveTxt(name) {
      asked += 1;
      if (name === "genuine" && asked === 1) return [[record]];
      await silence;
      return nothing();
    },
  });
  await keys.find("genuine", { now, renew: false });
  // Somebody says that it does not fit.
  const renewed = keys.find("genuine", { now: later, renew: true });
  const waiting = Array.from({ length: 31 }, (_, n) => keys.find(`n${n}`, { now: later, renew: false }));
  await expect(keys.find("n31", { now: later, renew: false })).rejects.toThrow(
    "32 messages wait for the DNS",
  );
  expect(await keys.find("genuine", { now: later, renew: false })).toBeDefined();
  answer();
  expect(await Promise.all([renewed, ...waiting])).toEqual(Array(32).fill(undefined));
  // The DNS has said that it is gone.
  expect(await keys.find("genuine", { now: later, renew: false })).toBeUndefined();
  expect(asked).toBe(33);
});

test("a key stays known where the DNS falls silent when it is asked for again", async () => {
  let asked = 0;
  const keys = openPublicKeys({
    resolveTxt: () =>
      ++asked === 1 ? Promise.resolve([[record]]) : Promise.reject(new Error("queryTxt ETIMEOUT")),
  });
  await keys.find("genuine", { now, renew: false });
  await expect(keys.find("genuine", { now: later, renew: true })).rejects.toThrow("the DNS does not say");
  expect(await keys.find("genuine", { now: later, renew: false })).toBeDefined();
});
