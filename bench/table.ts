import type { Figures } from "./timed.ts";

/** A line of the table: something of ours, or a peer, whose name begins with `peer: `. */
export interface Row {
  name: string;
  figures: Figures;
  /** What the row is to reach. */
  reach?: string;
}

/** Wall and CPU time, memory, and how often a peer's wall time holds ours. */
export function printTable(rows: readonly Row[]): void {
  const peers = rows.filter(({ name }) => name.startsWith("peer: "));
  const headings = ["", "wall s", "CPU s", "peak MB", "reach", ...peers.map((_, index) => `peer ${index + 1} / this`)];
  const cells = rows.map(({ name, figures, reach = "" }) => [
    name,
    figures.wallSec.toFixed(2),
    figures.cpuSec.toFixed(2),
    Number.isNaN(figures.peakBytes) ? "-" : String(Math.round(figures.peakBytes / 1e6)),
    reach,
    ...peers.map((peer) => (peer.figures.wallSec / figures.wallSec).toFixed(1)),
  ]);
  printColumns(headings, cells);
}

/** A table: the first column left-aligned, the others right-aligned. */
export function printColumns(headings: readonly string[], cells: readonly (readonly string[])[]): void {
  const widths = headings.map((heading, column) =>
    Math.max(heading.length, ...cells.map((row) => row[column]?.length ?? 0)),
  );
  for (const row of [headings, ...cells]) {
    console.log(
      row
        .map((cell, column) => (column === 0 ? cell.padEnd(widths[0] ?? 0) : cell.padStart(widths[column] ?? 0)))
        .join("  "),
    );
  }
}
