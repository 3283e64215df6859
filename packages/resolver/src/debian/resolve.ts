import { assert, compareCodeUnits } from "@cvm-build/bytes";
import type { Resolution, ResolvedPackage, ResolveRequest } from "../resolution.ts";
import { explainRefusal } from "./explain.ts";
import { Marker } from "./marking.ts";
import type { PackageRecord } from "./package-record.ts";
import { Repairer } from "./repair.ts";
import { expandRequest, type RequestedPackage } from "./request.ts";
import { isNegativeDependency, Selection } from "./selection.ts";
import { findNeeded } from "./sweep.ts";
import type { PackageUniverse } from "./universe.ts";

/**
 * Resolves a request to the packages that apt 2.6 would install for it on an empty system.
 * The order of `request.packages` can decide between alternatives, as it does on apt's command line.
 * @throws CvmError `no-such-package`, `unsatisfiable`
 * @throws FormatError where a stanza that matters cannot be read
 */
export function resolvePackages(universe: PackageUniverse, request: ResolveRequest): Resolution {
  const requested = expandRequest(universe, request);
  const selection = new Selection(universe, request);
  const marker = new Marker(selection);
  for (const { record } of requested) {
    const state = selection.state(record.name);
    state.candidate = record;
    state.isProtected = true;
    marker.mark(state, { followDependencies: false, isRequested: true });
  }
  for (const { record } of requested) {
    marker.mark(selection.state(record.name), { followDependencies: true, isRequested: true });
  }
  const names = new Set(requested.map(({ record }) => record.name));
  new Repairer(selection, { marker, requested: names }).repair();
  if (selection.selected().some((state) => selection.isBroken(state))) {
    throw explainRefusal(universe, { request, requested, selection });
  }
  const packages = findNeeded(selection);
  return { packages: describe(packages, { requested, selection }) };
}

/**
 * The package that a name alone stands for, without what it depends on: for a UKI's stub, which is read and not installed.
 * @throws CvmError `no-such-package`
 */
export function resolveAlone(
  universe: PackageUniverse,
  name: string,
  { architecture }: { architecture: string },
): ResolvedPackage {
  const request = { architecture, packages: [name], withEssential: false, withRecommends: false };
  const [only] = expandRequest(universe, request);
  assert(only !== undefined, "a name resolves to a package or is refused");
  return toResolved(only.record, [only.by]);
}

function describe(
  packages: readonly PackageRecord[],
  { requested, selection }: { requested: readonly RequestedPackage[]; selection: Selection },
): ResolvedPackage[] {
  const reasons = new Map<PackageRecord, Set<string>>(packages.map((record) => [record, new Set()]));
  for (const { record, by } of requested) reasons.get(record)?.add(by);
  for (const owner of packages) {
    for (const dependency of owner.dependencies) {
      if (isNegativeDependency(dependency) || !selection.isImportant(dependency)) continue;
      for (const relation of dependency.alternatives) {
        for (const match of selection.matches(relation, owner, { isNegative: false })) {
          if (match !== owner) reasons.get(match)?.add(owner.name);
        }
      }
    }
  }
  return [...reasons]
    .map(([record, names]) => toResolved(record, [...names].sort(compareCodeUnits)))
    .sort((a, b) => compareCodeUnits(a.name, b.name));
}

function toResolved(record: PackageRecord, requestedBy: string[]): ResolvedPackage {
  const { name, version, architecture, repository, path, sizeBytes, sha256, source } = record;
  return { name, version, architecture, repository, path, sizeBytes, sha256, source, requestedBy };
}
