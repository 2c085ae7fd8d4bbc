// Tables as a terminal shows them.
import { expect, test } from "vitest";
import { formatCount, toTable } from "../../../src/platform/terminal/table.ts";

interface Row {
  name: string;
  points: number;
  bar?: string;
}
const columns = [
  { title: "partner", cell: (row: Row) => row.name },
  { title: "points", align: "right" as const, cell: (row: Row) => row.points },
];

test("columns are as wide as their widest cell, numbers to the right, and no line ends in spaces", () => {
  const rows = [
    { name: "De Verzendfabriek", points: 100 },
    { name: "Zandlooper", points: -5 },
  ];
  expect(toTable(columns, rows).split("\n")).toEqual([
    "partner            points",
    "─────────────────  ──────",
    "De Verzendfabriek     100",
    "Zandlooper             -5",
  ]);
  const withBar = [...columns, { title: "", cell: (row: Row) => row.bar ?? "" }];
  for (const line of toTable(withBar, rows).split("\n")) expect(line).toBe(line.trimEnd());
});

test("a letter and its marks take one place, however they are written", () => {
  const rows = [
    { name: "Café", points: 1 },
    { name: "Cafe\u0301", points: 2 },
    { name: "Cafe", points: 3 },
  ];
  const [, , ...lines] = toTable(columns, rows).split("\n");
  expect(lines.map((line) => line.normalize("NFC").length)).toEqual([15, 15, 15]);
});

test("without rows there is the header", () => {
  expect(toTable(columns, [])).toBe("partner  points\n───────  ──────");
});

test("counts have separators", () => {
  expect([0, 999, 1000, 1_234_567].map(formatCount)).toEqual(["0", "999", "1,000", "1,234,567"]);
});
