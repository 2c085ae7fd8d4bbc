import { sql } from "drizzle-orm";
import { describe, expect, test } from "vitest";
import { clean, readEnd, readInstant, readQuantity, toFact } from "../../src/connectors/facts.ts";
import { openTestDatabase } from "../database.ts";

const AMSTERDAM = "Europe/Amsterdam";
const at = (text: string, zone = AMSTERDAM) => readInstant(text, zone, "x")?.toISOString();
const fact = { externalId: "x1", kind: "k", occurredAt: new Date("2026-01-01T00:00:00Z") };

describe("local dates", () => {
  test.each([
    // The spring change: 02:00 becomes 03:00.
    ["2026-03-29 01:59:59", "2026-03-29T00:59:59.000Z"],
    ["2026-03-29 02:30:00", "2026-03-29T01:30:00.000Z"],
    ["2026-03-29 03:00:00", "2026-03-29T01:00:00.000Z"],
    ["2026-03-29", "2026-03-28T23:00:00.000Z"],
    ["2026-03-30", "2026-03-29T22:00:00.000Z"],
    // The autumn change: 03:00 becomes 02:00, so 02:30 comes twice and is the first.
    ["2026-10-25 01:59:59", "2026-10-24T23:59:59.000Z"],
    ["2026-10-25 02:30:00", "2026-10-25T00:30:00.000Z"],
    ["2026-10-25 03:00:00", "2026-10-25T02:00:00.000Z"],
    ["2026-10-26", "2026-10-25T23:00:00.000Z"],
    // An offset says which of the two is meant.
    ["2026-10-25T02:30:00+01:00", "2026-10-25T01:30:00.000Z"],
    ["2026-10-25T02:30:00.250+0200", "2026-10-25T00:30:00.250Z"],
    ["2026-10-25T02:30Z", "2026-10-25T02:30:00.000Z"],
    ["2026-10-25 02:30:00 Z", "2026-10-25T02:30:00.000Z"],
  ])("%s", (text, instant) => {
    expect(at(text)).toBe(instant);
  });

  test("a day that begins at 01:00, because midnight is skipped, begins there", () => {
    expect(at("2026-04-24", "Africa/Cairo")).toBe("2026-04-23T22:00:00.000Z");
  });

  test("zero dates and empty texts are no date", () => {
    for (const text of ["0000-00-00 00:00:00", "0000-00-00", "0001-01-01T00:00:00", "", "  "])
      expect(at(text)).toBeUndefined();
  });

  test.each([
    "2026-02-30",
    "2026-13-01",
    "01/02/2026",
    "2026-1-1",
    "yesterday",
    "1767225600",
    "2026-01-01 24:00:00",
    "2026-01-01T10",
    "\u0000",
  ])("%j is refused, and named", (text) => {
    expect(() => readInstant(text, AMSTERDAM, "row 7")).toThrow(/^row 7: .* is not a date/);
  });

  test("the last day of something that ends counts whole, also at the clock changes", () => {
    const end = (text: string) => readEnd(text, AMSTERDAM, "x")?.toISOString();
    expect(end("2026-03-29")).toBe("2026-03-29T22:00:00.000Z");
    expect(end("2026-10-25")).toBe("2026-10-25T23:00:00.000Z");
    expect(end("2026-12-31 12:00:00")).toBe("2026-12-31T11:00:00.000Z");
    expect(end("9999-12-31")).toBeUndefined();
    expect(end("0000-00-00")).toBeUndefined();
  });
});

describe("numbers", () => {
  test("come as numbers and as texts", () => {
    expect([25, "25", " 25.50 ", 0, "0"].map((value) => readQuantity(value, "x"))).toEqual([
      25, 25, 25.5, 0, 0,
    ]);
  });

  test.each(["", "-1", -1, "1,234", "1e9", "NaN", Number.NaN, null, "12 pieces", "1234567890123"])(
    "%j is refused",
    (value) => {
      expect(() => readQuantity(value, "row 7")).toThrow(/^row 7: /);
    },
  );
});

describe("facts", () => {
  test("lose what Postgres cannot store and nothing else", () => {
    expect(clean("a\u0000b\ud800c😀")).toBe("ab\ufffdc😀");
    const made = toFact({
      ...fact,
      externalId: "x\u00001",
      title: `${"😀".repeat(299)} \ud83d`,
      attributes: { a: "\u0000b" },
      link: "javascript:alert(1)",
      quantity: 1.00004999,
    });
    expect(made.externalId).toBe("x1");
    expect(Array.from(made.title ?? "")).toHaveLength(300);
    expect(made.attributes).toEqual({ a: "b" });
    expect(made.link).toBeUndefined();
    expect(made.quantity).toBe(1);
  });

  test("keep attributes up to the byte that still fits, counted as Postgres counts", async () => {
    const { db, close } = await openTestDatabase();
    const room = 1024 - 8 - 8 - 8 - "a€b".length - 2;
    const largest = { a: "x".repeat(room - 30), "€b": `\u00e9${"y".repeat(28)}` };
    const made = toFact({ ...fact, attributes: largest });
    const [row] = await db.execute<{ bytes: number }>(
      sql`select pg_column_size(${JSON.stringify(made.attributes)}::jsonb) as bytes`,
    );
    expect(row?.bytes).toBe(1024);
    expect(() => toFact({ ...fact, attributes: { ...largest, a: `${largest.a}x` } })).toThrow(
      /x1: its attributes/,
    );
    await close();
  });

  test.each([
    ["an empty id", { externalId: "\u0000" }],
    ["an id that is too long", { externalId: "x".repeat(513) }],
    ["a garbled id", { externalId: "caf\ufffd" }],
    ["an empty identity", { identity: { namespace: "n", key: " " } }],
    ["the year 9999", { occurredAt: new Date("9999-12-31T00:00:00Z") }],
    ["an invalid date", { occurredAt: new Date(Number.NaN) }],
    ["an end before the beginning", { endedAt: new Date("2025-12-31T23:59:59Z") }],
    ["an invalid end", { endedAt: new Date(Number.NaN) }],
    ["a negative quantity", { quantity: -1 }],
    ["no number", { quantity: Number.NaN }],
    ["a quantity beyond what is exact", { quantity: 1e12 }],
  ])("%s cannot be repaired", (_, change) => {
    expect(() => toFact({ ...fact, ...change })).toThrow(expect.objectContaining({ class: "data" }));
  });
});
