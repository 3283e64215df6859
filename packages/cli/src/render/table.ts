import { oneLine } from "./terminal-text.ts";

/** One column: its heading, and whether numbers stand to the right. */
export interface Column {
  heading: string;
  align?: "left" | "right";
}

const SPACE_BETWEEN = "  ";
// Colour codes take no room on screen.
// eslint-disable-next-line no-control-regex
const COLOUR_CODES = /\u001b\[[0-9;]*m/g;

/** Rows in columns as wide as their widest cell, each in one line. Without any heading, there is no heading line. */
export function renderTable(columns: readonly Column[], rows: readonly (readonly string[])[]): string {
  const hasHeadings = columns.some(({ heading }) => heading !== "");
  const lines = rows.map((row) => row.map((cell) => oneLine(cell.trimEnd())));
  const all = hasHeadings ? [columns.map(({ heading }) => heading), ...lines] : lines;
  const widths = columns.map((_, index) => Math.max(...all.map((row) => widthOf(row[index] ?? "")), 0));
  return all
    .map((row) =>
      columns
        .map(({ align }, index) => pad(row[index] ?? "", { width: widths[index] ?? 0, align: align ?? "left" }))
        .join(SPACE_BETWEEN)
        .trimEnd(),
    )
    .map((line) => `${line}\n`)
    .join("");
}

function pad(cell: string, { width, align }: { width: number; align: "left" | "right" }): string {
  const padding = " ".repeat(Math.max(0, width - widthOf(cell)));
  return align === "right" ? padding + cell : cell + padding;
}

function widthOf(cell: string): number {
  return cell.replace(COLOUR_CODES, "").length;
}
