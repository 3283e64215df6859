import type { Marker } from "./marking.ts";
import type { Dependency, PackageRecord } from "./package-record.ts";
import { scorePackages, type Scores } from "./scores.ts";
import { isCritical, isNegativeDependency, type PackageState, type Selection } from "./selection.ts";

/** Rounds over the broken packages after which apt gives up. */
const MAX_ROUNDS = 20;

/**
 * Mends what marking left broken, as apt's problem resolver does on an empty system: packages with high scores first; an automatic
 * package that cannot be mended goes, a requested one gets what it lacks once more.
 */
export class Repairer {
  readonly #selection: Selection;
  readonly #marker: Marker;
  readonly #requested: ReadonlySet<string>;
  readonly #tried = new Set<string>();
  #scores: Scores = new Map();

  constructor(selection: Selection, { marker, requested }: { marker: Marker; requested: ReadonlySet<string> }) {
    this.#selection = selection;
    this.#marker = marker;
    this.#requested = requested;
  }

  /** Changes the selection until nothing is broken or nothing more helps. */
  repair(): void {
    if (this.#broken().length === 0) return;
    this.#scores = scorePackages(this.#selection, this.#requested);
    const ranks = new Map(this.#scores);
    const rank = (state: PackageState): number => ranks.get(state.name) ?? 0;
    for (let round = 0; round < MAX_ROUNDS; round++) {
      let hasChanged = false;
      for (const state of this.#selection.states().sort((a, b) => rank(b) - rank(a))) {
        if (state.selected !== undefined && this.#selection.isBroken(state)) {
          hasChanged = this.#mend(state, round) || hasChanged;
        }
      }
      if (!hasChanged) return;
    }
  }

  /** Treats the broken dependencies of one package; returns whether anything was changed. */
  #mend(state: PackageState, round: number): boolean {
    const record = state.selected;
    if (record === undefined) return false;
    const doomed: PackageState[] = [];
    for (const dependency of record.dependencies) {
      if (!isCritical(dependency) || this.#selection.isMet(dependency, record)) continue;
      if (isNegativeDependency(dependency)) {
        if (this.#mendConflict(dependency, { state, record, doomed })) return true;
      } else if (this.#mendLack(dependency, { state, record })) {
        return true;
      }
    }
    return state.selected !== undefined && this.#remove(doomed, { state, round });
  }

  /** A requested package gets what it lacks; any other is dropped. */
  #mendLack(dependency: Dependency, { state, record }: { state: PackageState; record: PackageRecord }): boolean {
    if (!state.isProtected) return this.#selection.deselect(state);
    for (const relation of dependency.alternatives) {
      if (this.#selection.isMet(dependency, record)) break;
      for (const { name } of this.#selection.matches(relation, record, { isNegative: false })) {
        const other = this.#selection.state(name);
        if (!this.#reinstate(other)) continue;
        this.#scores.set(name, Math.min(this.#score(other), this.#score(state)));
        break;
      }
    }
    return false;
  }

  /** Of two packages in conflict the one with the lower score goes: `state` at once, the others when all was looked at. */
  #mendConflict(
    dependency: Dependency,
    { state, record, doomed }: { state: PackageState; record: PackageRecord; doomed: PackageState[] },
  ): boolean {
    for (const relation of dependency.alternatives) {
      for (const match of this.#selection.matches(relation, record, { isNegative: true })) {
        const other = this.#selection.state(match.name);
        if (other.selected !== match) continue;
        if (this.#score(state) <= this.#score(other)) {
          if (!state.isProtected) return this.#selection.deselect(state);
          if (this.#reinstate(other)) break;
        } else if (!other.isProtected) {
          doomed.push(other);
        }
      }
    }
    return false;
  }

  #remove(doomed: readonly PackageState[], { state, round }: { state: PackageState; round: number }): boolean {
    let hasChanged = false;
    for (const other of doomed) {
      const isRemoved = this.#selection.deselect(other);
      if ((!isRemoved || round > 1) && this.#score(state) > this.#score(other)) {
        this.#scores.set(other.name, this.#score(state));
        hasChanged = true;
      }
      hasChanged ||= isRemoved;
    }
    return hasChanged;
  }

  /** Selects a package again together with what it lacks. Each is tried once. */
  #reinstate(state: PackageState): boolean {
    if (this.#tried.has(state.name) || state.candidate === undefined || this.#requested.has(state.name)) return false;
    this.#tried.add(state.name);
    const wasKept = state.mode === "keep";
    if (!this.#marker.mark(state, { followDependencies: false })) return false;
    const record = state.selected;
    if (record === undefined) return false;
    const isMended = record.dependencies
      .filter(isCritical)
      .every((dependency) => this.#selection.isMet(dependency, record) || this.#reinstateOne(dependency, record));
    if (!isMended && wasKept) this.#selection.deselect(state);
    return isMended;
  }

  #reinstateOne(dependency: Dependency, owner: PackageRecord): boolean {
    // Conflicts are left to the next round.
    if (isNegativeDependency(dependency)) return true;
    return dependency.alternatives.some((relation) => {
      const other = this.#selection.standIn(relation, owner);
      const mayHelp = this.#selection.mayBeMet({ ...dependency, alternatives: [relation] }, owner);
      return mayHelp && !other.isProtected && this.#reinstate(other);
    });
  }

  #broken(): PackageState[] {
    return this.#selection.selected().filter((state) => this.#selection.isBroken(state));
  }

  #score({ name }: PackageState): number {
    return this.#scores.get(name) ?? 0;
  }
}
