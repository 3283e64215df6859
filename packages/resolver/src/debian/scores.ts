import type { DependencyField, PackageRecord } from "./package-record.ts";
import { isNegativeDependency, type Selection } from "./selection.ts";
import { providedNames } from "./universe.ts";

/** What a dependency on a package adds to its score: apt's defaults. */
const DEPENDENCY_WEIGHT = {
  "pre-depends": 1,
  depends: 1,
  recommends: 1,
  suggests: 0,
  conflicts: -1,
  breaks: -1,
} as const satisfies Record<DependencyField, number>;

/** By priority: none, required, important, standard, optional, extra. */
const PRIORITY_WEIGHT = [0, 3, 2, 1, -1, -2];
const ESSENTIAL_WEIGHT = 100;
const REQUESTED_BONUS = 10_000;
const ESSENTIAL_BONUS = 5_000;

/** How much it would hurt to lose each package, by name. A package that is not there counts 0. */
export type Scores = Map<string, number>;

/**
 * Scores the selected packages: by priority, by what depends on them (one level of inheritance), by what they stand in for, and far
 * above all by being requested. apt mends the packages with the highest score first.
 */
export function scorePackages(selection: Selection, requested: ReadonlySet<string>): Scores {
  const own = scoreByDependencies(selection);
  const scores = new Map(own);
  inheritFromDependents(selection, own, scores);
  passToProviders(selection, own, scores);
  for (const name of requested) add(scores, name, REQUESTED_BONUS);
  for (const { name, versions } of selection.states()) {
    if (versions.some(({ essential, important }) => essential || important)) add(scores, name, ESSENTIAL_BONUS);
  }
  return scores;
}

function scoreByDependencies(selection: Selection): Scores {
  const scores: Scores = new Map();
  for (const { name, selected } of selection.selected()) {
    if (selected.essential || selected.important) add(scores, name, ESSENTIAL_WEIGHT);
    add(scores, name, PRIORITY_WEIGHT[selected.priority] ?? 0);
    for (const dependency of selected.dependencies) {
      const weight = DEPENDENCY_WEIGHT[dependency.field];
      if (weight === 0) continue;
      for (const relation of dependency.alternatives) {
        const hits = selection
          .matches(relation, selected, { isNegative: isNegativeDependency(dependency) })
          .filter((record) => selection.state(record.name).selected === record)
          .map((record) => record.name);
        // An unversioned relation counts for its target even where the target is not there.
        if (relation.operator === undefined) hits.push(selection.target(relation));
        for (const hit of new Set(hits)) add(scores, hit, weight);
      }
    }
  }
  return scores;
}

/** Adds the positive scores of the packages that name a package to its own. */
function inheritFromDependents(selection: Selection, own: Scores, scores: Scores): void {
  for (const { selected } of selection.selected()) {
    const inherited = own.get(selected.name) ?? 0;
    if (inherited <= 0) continue;
    for (const { field, alternatives } of selected.dependencies) {
      if (DEPENDENCY_WEIGHT[field] !== 1) continue;
      for (const relation of alternatives) {
        const target = selection.target(relation);
        if (selection.state(target).selected !== undefined) add(scores, target, inherited);
      }
    }
  }
}

function passToProviders(selection: Selection, own: Scores, scores: Scores): void {
  const gains = new Map([...scores].map(([name, score]) => [name, Math.abs(score - (own.get(name) ?? 0))]));
  const providers: PackageRecord[] = selection.selected().map(({ selected }) => selected);
  for (const record of providers) {
    for (const name of new Set(providedNames(record))) add(scores, record.name, gains.get(name) ?? 0);
  }
}

function add(scores: Scores, name: string, points: number): void {
  if (points !== 0) scores.set(name, (scores.get(name) ?? 0) + points);
}
