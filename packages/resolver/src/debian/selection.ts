import type { Dependency, PackageRecord } from "./package-record.ts";
import type { Relation } from "./relation.ts";
import { providedNames, type PackageUniverse } from "./universe.ts";
import { satisfiesVersion } from "./version.ts";

/** What has been decided about one package so far. */
export interface PackageState {
  readonly name: string;
  /** Highest first. */
  readonly versions: readonly PackageRecord[];
  /** The version that may be installed; undefined once the package was ruled out. */
  candidate: PackageRecord | undefined;
  /** The version that is to be installed. */
  selected: PackageRecord | undefined;
  mode: "keep" | "install";
  /** Set for what was asked for and what follows from it without a choice: only the request itself may undo it. */
  isProtected: boolean;
  /** Selected because of a dependency, not by name. */
  isAutomatic: boolean;
  /** The candidate before the package was ruled out, and when that was. */
  lost: { record: PackageRecord; at: number } | undefined;
}

/** Where and how the resolver looks. */
export interface SelectionOptions {
  architecture: string;
  withRecommends: boolean;
}

/** The packages chosen so far, and what that means for each dependency. Starts from an empty system. */
export class Selection {
  readonly #universe: PackageUniverse;
  readonly #options: SelectionOptions;
  readonly #states = new Map<string, PackageState>();
  readonly #matches = new Map<Relation, readonly PackageRecord[]>();
  /** When the view of a name was last brought up to date. */
  readonly #touched = new Map<string, number>();
  #clock = 0;

  constructor(universe: PackageUniverse, options: SelectionOptions) {
    this.#universe = universe;
    this.#options = options;
  }

  /** The state of a package, which may not exist (it then has no versions). */
  state(name: string): PackageState {
    const known = this.#states.get(name);
    if (known !== undefined) return known;
    const versions = this.#universe.versionsOf(name).filter((record) => this.#isUsable(record));
    const state: PackageState = {
      name,
      versions,
      candidate: versions[0],
      selected: undefined,
      mode: "keep",
      isProtected: false,
      isAutomatic: false,
      lost: undefined,
    };
    this.#states.set(name, state);
    return state;
  }

  /** Every package that was looked at. */
  states(): PackageState[] {
    return [...this.#states.values()];
  }

  /** Every package that is selected. */
  selected(): (PackageState & { selected: PackageRecord })[] {
    return this.states().filter((state): state is PackageState & { selected: PackageRecord } => {
      return state.selected !== undefined;
    });
  }

  /** Selects the candidate. */
  select(state: PackageState, { isAutomatic }: { isAutomatic: boolean }): void {
    if (state.isProtected && state.selected === state.candidate) return;
    state.mode = "install";
    state.selected = state.candidate;
    state.isAutomatic = isAutomatic;
    this.#touch(state);
  }

  /**
   * Takes the selection of a package back.
   * @returns false where the package is protected
   */
  deselect(state: PackageState): boolean {
    if (state.mode === "keep") return true;
    if (state.isProtected) return false;
    state.mode = "keep";
    state.selected = undefined;
    this.#touch(state);
    return true;
  }

  /**
   * Rules a package out, unless it is selected. What depends on it is not told until something else happens to the names it stands
   * for: apt works so, and which of two alternatives it takes can depend on it.
   */
  ruleOut(state: PackageState): void {
    this.#replaceCandidate(state, state.selected);
  }

  /** Rules a package out that may be selected, because nothing can satisfy its dependencies any more. */
  giveUp(state: PackageState): void {
    this.#replaceCandidate(state, undefined);
    state.mode = "keep";
  }

  /** Every version of every package that the relation speaks of: the named package's versions, then its providers. */
  matches(relation: Relation, owner: PackageRecord, { isNegative }: { isNegative: boolean }): readonly PackageRecord[] {
    const known = this.#matches.get(relation);
    if (known !== undefined) return known;
    const target = this.target(relation);
    // A package never conflicts with itself, not even through what it provides.
    const isOther = (record: PackageRecord): boolean => !isNegative || record.name !== owner.name;
    const named = this.state(target)
      .versions.filter((record) => satisfiesVersion(record.version, relation))
      .filter(isOther);
    const providers = this.#universe
      .providersOf(target)
      .filter(({ version }) => satisfiesVersion(version, relation))
      .map(({ record }) => record)
      .filter((record) => this.#isUsable(record) && isOther(record));
    const records = [...named, ...providers];
    this.#matches.set(relation, records);
    return records;
  }

  /** The name under which a relation's target is looked up. `:native` and the own architecture say nothing more than the name. */
  target({ name, architecture }: Relation): string {
    const isPlain =
      architecture === undefined || architecture === "native" || architecture === this.#options.architecture;
    return isPlain ? name : `${name}:${architecture}`;
  }

  /**
   * The one package that apt takes for a relation without weighing others: that of the name or, where there is none, the first that
   * provides it.
   */
  standIn(relation: Relation, owner: PackageRecord): PackageState {
    const named = this.state(this.target(relation));
    if (named.versions.length > 0) return named;
    const provider = this.#universe.providersOf(named.name).find(({ record }) => record.name !== owner.name);
    return provider === undefined ? named : this.state(provider.record.name);
  }

  /** Whether what is selected satisfies a dependency; for `Conflicts` and `Breaks`, whether nothing selected violates it. */
  isMet(dependency: Dependency, owner: PackageRecord): boolean {
    const isNegative = isNegativeDependency(dependency);
    const isHit = dependency.alternatives.some((relation) =>
      this.matches(relation, owner, { isNegative }).some((record) => this.state(record.name).selected === record),
    );
    return isHit !== isNegative;
  }

  /** Whether candidates could satisfy a positive dependency, as far as word of ruled-out packages has got round. */
  mayBeMet(dependency: Dependency, owner: PackageRecord): boolean {
    return dependency.alternatives.some((relation) => {
      const touchedAt = this.#touched.get(this.target(relation)) ?? 0;
      return this.matches(relation, owner, { isNegative: isNegativeDependency(dependency) }).some((record) => {
        const { candidate, lost } = this.state(record.name);
        return candidate === record || (lost !== undefined && lost.record === record && lost.at > touchedAt);
      });
    });
  }

  /** Whether a selected package lacks something that it cannot do without. */
  isBroken({ selected }: PackageState): boolean {
    return (
      selected?.dependencies.some((dependency) => isCritical(dependency) && !this.isMet(dependency, selected)) ?? false
    );
  }

  /** Whether a selected package lacks something that the request says it should have. */
  isWanting({ selected }: PackageState): boolean {
    return (
      selected?.dependencies.some((dependency) => this.isImportant(dependency) && !this.isMet(dependency, selected)) ??
      false
    );
  }

  /** Whether a dependency is followed when a package is installed. */
  isImportant(dependency: Dependency): boolean {
    return isCritical(dependency) || (dependency.field === "recommends" && this.#options.withRecommends);
  }

  /** Orders versions that could satisfy a relation to `target`, best first. */
  compareProviders(a: PackageRecord, b: PackageRecord, { target }: { target: string }): number {
    const prefer = (rank: (record: PackageRecord) => boolean): number => Number(rank(b)) - Number(rank(a));
    return (
      prefer(({ name }) => this.state(name).isProtected) ||
      prefer(({ name }) => name === target) ||
      prefer(({ name, essential }) => essential || name === "apt") ||
      prefer(({ name, important }) => important || name === "apt") ||
      a.priority - b.priority ||
      this.#universe.compareFirstMention(b.name, a.name)
    );
  }

  #replaceCandidate(state: PackageState, next: PackageRecord | undefined): void {
    if (state.candidate !== undefined && state.candidate !== next) {
      state.lost = { record: state.candidate, at: ++this.#clock };
    }
    state.candidate = next;
  }

  #touch(state: PackageState): void {
    const now = ++this.#clock;
    this.#touched.set(state.name, now);
    if (state.candidate !== undefined) {
      for (const name of providedNames(state.candidate)) this.#touched.set(name, now);
    }
  }

  #isUsable({ architecture }: PackageRecord): boolean {
    return architecture === "all" || architecture === this.#options.architecture;
  }
}

/** Whether a dependency names what must not be there. */
export function isNegativeDependency({ field }: Dependency): boolean {
  return field === "conflicts" || field === "breaks";
}

/** Whether a package cannot be installed unless the dependency is met. */
export function isCritical({ field }: Dependency): boolean {
  return field !== "recommends" && field !== "suggests";
}
