import type { PackageRecord } from "./package-record.ts";
import { isNegativeDependency, type Selection } from "./selection.ts";

/**
 * The selected packages that something still asks for: what was requested and everything that it names, even as a suggestion. Choices
 * that were given up may have left others behind.
 */
export function findNeeded(selection: Selection): PackageRecord[] {
  const needed = new Set<PackageRecord>();
  const open = selection
    .selected()
    .filter(({ mode }) => mode === "install")
    .filter((state) => !state.isAutomatic || state.isProtected || isAlwaysKept(state.selected))
    .map(({ selected }) => selected);
  for (let record = open.pop(); record !== undefined; record = open.pop()) {
    if (needed.has(record)) continue;
    needed.add(record);
    open.push(...namedBy(record, selection));
  }
  return [...needed];
}

/** The selected packages that match any alternative of any positive dependency. */
function namedBy(record: PackageRecord, selection: Selection): PackageRecord[] {
  return record.dependencies
    .filter((dependency) => !isNegativeDependency(dependency))
    .flatMap(({ alternatives }) => alternatives)
    .flatMap((relation) => selection.matches(relation, record, { isNegative: false }))
    .filter((match) => {
      const { selected, mode } = selection.state(match.name);
      return selected === match && mode === "install";
    });
}

function isAlwaysKept({ name, essential, important }: PackageRecord): boolean {
  return essential || important || name === "apt";
}
