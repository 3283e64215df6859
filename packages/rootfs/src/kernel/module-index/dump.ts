import type { IndexEntry } from "./format.ts";

/** An index as text, one `key = value (priority)` a line. */
export function dumpModuleIndex(entries: readonly IndexEntry[]): string {
  return entries
    .flatMap(({ key, values }) => values.map(({ priority, value }) => `${key} = ${value} (${priority})\n`))
    .join("");
}
