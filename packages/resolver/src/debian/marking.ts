import type { Dependency, PackageRecord } from "./package-record.ts";
import { isCritical, isNegativeDependency, type PackageState, type Selection } from "./selection.ts";

/** Deeper chains of dependencies are given up, as apt does. */
const MAX_DEPTH = 3000;

/** How a package is marked for installation. */
export interface MarkOptions {
  /** Whether its dependencies are marked too. */
  followDependencies: boolean;
  /** Whether the request names it: it is then selected whatever happens to its dependencies. */
  isRequested?: boolean;
  depth?: number;
}

/**
 * Marks packages for installation, dependencies first come first served: the way in which apt's classic resolver goes about it, so
 * that a request resolves to what `apt-get install` would install on an empty system.
 *
 * A dependency that what is selected meets already is left alone. Of several candidates the first that works is taken, in the order
 * of the alternatives and, within one, of `Selection.compareProviders`. A package that conflicts with an automatic choice pushes it
 * out. What has only one way to be satisfied follows the protection of the package that needs it.
 */
export class Marker {
  readonly #selection: Selection;

  constructor(selection: Selection) {
    this.#selection = selection;
  }

  /**
   * Marks one package.
   * @returns whether it, and with `followDependencies` all it needs, could be marked
   */
  mark(state: PackageState, { followDependencies, isRequested = false, depth = 0 }: MarkOptions): boolean {
    if (depth > MAX_DEPTH || state.candidate === undefined) return false;
    if (!isRequested && state.isProtected && state.mode !== "install") return false;
    if (!state.isProtected && state.mode === "install" && !this.#selection.isWanting(state)) return true;
    if (followDependencies && !this.#canBeSatisfied(state)) return false;

    const record = state.candidate;
    const mayFail = state.isProtected || isRequested;
    let isComplete = true;
    if (isRequested) this.#selection.select(state, { isAutomatic: false });
    const { wanted, unwanted } = followDependencies ? this.#openDependencies(state, record) : NOTHING_OPEN;
    if (!this.#pushOut(unwanted, { record, isProtected: state.isProtected, mayFail })) {
      if (!mayFail) return false;
      isComplete = false;
    }
    if (!isRequested) this.#selection.select(state, { isAutomatic: true });
    if (!followDependencies) return isComplete;

    const wasProtected = state.isProtected;
    state.isProtected = true;
    const isSatisfied = this.#markDependencies(wanted, {
      record,
      isProtected: wasProtected,
      mayFail: wasProtected || isRequested,
      depth,
    });
    state.isProtected = wasProtected;
    if (isSatisfied) return isComplete;
    if (!mayFail) {
      this.#selection.deselect(state);
      this.#selection.ruleOut(state);
    }
    return false;
  }

  /**
   * The versions that can satisfy a dependency now, best first. A version that two alternatives name may be there twice.
   */
  solutions(dependency: Dependency, owner: PackageRecord): PackageRecord[] {
    const isNegative = isNegativeDependency(dependency);
    const all = dependency.alternatives.flatMap((relation) => {
      const target = this.#selection.target(relation);
      return this.#selection
        .matches(relation, owner, { isNegative })
        .filter((record) => this.#selection.state(record.name).candidate === record)
        .sort((a, b) => this.#selection.compareProviders(a, b, { target }));
    });
    return all
      .filter((record, at) => record !== all[at - 1])
      .filter((record) => isNegative || !isShutOut(this.#selection.state(record.name)));
  }

  /** Rules a package out at once where a dependency has no candidate at all. */
  #canBeSatisfied(state: PackageState): boolean {
    const record = state.candidate;
    const isHopeless = record?.dependencies.some(
      (dependency) =>
        isCritical(dependency) &&
        !isNegativeDependency(dependency) &&
        !this.#selection.isMet(dependency, record) &&
        !this.#selection.mayBeMet(dependency, record),
    );
    if (!isHopeless) return true;
    if (!state.isProtected) this.#selection.giveUp(state);
    return false;
  }

  /** The dependencies that need doing something about. Those of a protected package all do: its protection may spread. */
  #openDependencies(state: PackageState, record: PackageRecord): { wanted: Dependency[]; unwanted: Dependency[] } {
    const open = record.dependencies.filter(
      (dependency) =>
        this.#selection.isImportant(dependency) && (state.isProtected || !this.#selection.isMet(dependency, record)),
    );
    return {
      wanted: open.filter((dependency) => !isNegativeDependency(dependency)),
      unwanted: open.filter(isNegativeDependency),
    };
  }

  /** Takes back what the package conflicts with; a protected package shuts it out for good. */
  #pushOut(unwanted: readonly Dependency[], { record, isProtected, mayFail }: Context): boolean {
    let isDone = true;
    for (const dependency of unwanted) {
      for (const other of this.solutions(dependency, record)) {
        const state = this.#selection.state(other.name);
        if (state.candidate !== other) continue;
        if (state.mode === "install" && !this.#selection.deselect(state)) {
          isDone = false;
          if (!mayFail) return false;
        } else if (isProtected) {
          this.#selection.ruleOut(state);
          state.isProtected = true;
        }
      }
    }
    return isDone;
  }

  #markDependencies(wanted: readonly Dependency[], context: Context & { depth: number }): boolean {
    let isComplete = true;
    for (const dependency of wanted) {
      const isSatisfied = this.#selection.isMet(dependency, context.record)
        ? !context.isProtected || this.#spreadProtection(dependency, context)
        : this.#markOne(dependency, context) || !isCritical(dependency);
      if (isSatisfied) continue;
      isComplete = false;
      if (!context.mayFail) return false;
    }
    return isComplete;
  }

  /** What a protected package needs and only one candidate gives is protected too. */
  #spreadProtection(dependency: Dependency, { record, depth }: Context & { depth: number }): boolean {
    if (!isCritical(dependency)) return true;
    const [only, ...others] = new Set(this.solutions(dependency, record));
    if (only === undefined || others.length > 0) return true;
    const state = this.#selection.state(only.name);
    if (state.isProtected) return true;
    state.isProtected = true;
    return this.mark(state, { followDependencies: true, depth: depth + 1 });
  }

  #markOne(dependency: Dependency, { record, isProtected, depth }: Context & { depth: number }): boolean {
    const solutions = this.solutions(dependency, record);
    for (const solution of solutions) {
      const state = this.#selection.state(solution.name);
      if (state.candidate !== solution) continue;
      if (isProtected && isCritical(dependency) && solutions.length === 1) {
        if (!this.mark(state, { followDependencies: false, depth: depth + 1 })) continue;
        state.isProtected = true;
      }
      if (this.mark(state, { followDependencies: true, depth: depth + 1 })) return true;
    }
    return false;
  }
}

interface Context {
  record: PackageRecord;
  isProtected: boolean;
  /** Whether a failure leaves the package marked and the rest is tried all the same. */
  mayFail: boolean;
}

const NOTHING_OPEN = { wanted: [], unwanted: [] };

function isShutOut(state: PackageState): boolean {
  return state.isProtected && state.mode === "keep";
}
