// Plain tables for people: columns as wide as their widest cell, numbers to the right.

export interface Column<Row> {
  title: string;
  align?: "left" | "right";
  cell(row: Row): string | number;
}

/** Lines joined by newlines, without colour; widths count characters as a terminal shows them (marks take no room). */
export function toTable<Row>(columns: Column<Row>[], rows: Row[]): string {
  const cells = [
    columns.map((column) => column.title),
    ...rows.map((row) => columns.map((c) => String(c.cell(row)))),
  ];
  const widths = columns.map((_, index) => Math.max(...cells.map((line) => widthOf(line[index] ?? ""))));
  const lines = cells.map((line) =>
    line
      .map((cell, index) => {
        const padding = " ".repeat((widths[index] ?? 0) - widthOf(cell));
        return columns[index]?.align === "right" ? padding + cell : cell + padding;
      })
      .join("  ")
      .trimEnd(),
  );
  const rule = widths
    .map((width) => "─".repeat(width))
    .join("  ")
    .trimEnd();
  return [lines[0], rule, ...lines.slice(1)].join("\n");
}

/** 1234567 → "1,234,567". */
export function formatCount(count: number): string {
  return count.toLocaleString("en-US");
}

const graphemes = new Intl.Segmenter("en", { granularity: "grapheme" });

function widthOf(text: string): number {
  return [...graphemes.segment(text)].length;
}
