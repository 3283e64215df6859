import { compareCodeUnits } from "@cvm-build/bytes";
import { MentionOrder } from "./mention-order.ts";
import type { PackageIndex } from "./package-index.ts";
import type { PackageRecord } from "./package-record.ts";
import { compareVersions } from "./version.ts";

/** A version of a package that stands in for a name, and the version that it stands in as. */
export interface Provider {
  record: PackageRecord;
  /** Undefined where the `Provides` names no version. */
  version: string | undefined;
}

/** All packages of several indexes. The order in which the indexes are given does not matter. */
export class PackageUniverse {
  readonly #indexes: readonly PackageIndex[];
  readonly #versions = new Map<string, readonly PackageRecord[]>();
  readonly #providers = new Map<string, readonly Provider[]>();
  readonly #mentions: MentionOrder;

  constructor(indexes: readonly PackageIndex[]) {
    this.#indexes = [...indexes].sort(compareIndexes);
    this.#mentions = new MentionOrder(this.#indexes);
  }

  /** The names of all packages, sorted. */
  names(): string[] {
    const names = new Set(this.#indexes.flatMap((index) => [...index.names()]));
    return [...names].sort(compareCodeUnits);
  }

  /**
   * The versions of a package, highest first. Of equal versions, the one of the suite that sorts first comes first.
   * @throws FormatError
   */
  versionsOf(name: string): readonly PackageRecord[] {
    return memoized(this.#versions, name, () => {
      const records = this.#indexes.flatMap((index) => index.stanzasOf(name).map((stanza) => index.record(stanza)));
      const sorted = records.sort((a, b) => compareVersions(b.version, a.version));
      return sorted.filter((record, at) => !sorted.slice(0, at).some((earlier) => isSamePackage(earlier, record)));
    });
  }

  /**
   * What provides `name` beside a package of that name: by a `Provides` field or, for `name:any`, by being `Multi-Arch: allowed`.
   * Later entries of the indexes come first.
   * @throws FormatError
   */
  providersOf(name: string): readonly Provider[] {
    return memoized(this.#providers, name, () => {
      const named = this.#indexes.flatMap((index) =>
        index.stanzasProviding(name).flatMap((stanza) => providesOf(index.record(stanza), name)),
      );
      const all = name.endsWith(":any") ? [...named, ...this.#providersOfAny(name.slice(0, -":any".length))] : named;
      return all.filter(({ record }) => this.versionsOf(record.name).includes(record)).reverse();
    });
  }

  /** The names of the packages that say `Essential: yes`, sorted. */
  essentialNames(): string[] {
    const names = this.#indexes.flatMap((index) => index.essentialStanzas().map((stanza) => index.record(stanza).name));
    return [...new Set(names)].sort(compareCodeUnits);
  }

  /** Orders two names by where the indexes first name them. */
  compareFirstMention(a: string, b: string): number {
    return this.#mentions.compare(a, b);
  }

  #providersOfAny(name: string): Provider[] {
    const own = this.versionsOf(name).map((record) => ({ record, version: record.version }));
    return [...own, ...this.providersOf(name)].filter(({ record }) => record.multiArch === "allowed");
  }
}

/** The names that a package stands for beside its own. */
export function providedNames({ name, provides, multiArch }: PackageRecord): string[] {
  const names = provides.map((relation) =>
    relation.architecture === undefined ? relation.name : `${relation.name}:${relation.architecture}`,
  );
  return multiArch === "allowed" ? [...names, ...[name, ...names].map((each) => `${each}:any`)] : names;
}

function providesOf(record: PackageRecord, name: string): Provider[] {
  return record.provides
    .filter(
      ({ name: provided, architecture }) =>
        name === (architecture === undefined ? provided : `${provided}:${architecture}`),
    )
    .filter(({ name: provided, version }) => provided !== record.name || (version ?? record.version) !== record.version)
    .map(({ version }) => ({ record, version }));
}

/** Suites by name; of several indexes of one suite, the larger first, so that the order is that of the content alone. */
function compareIndexes(a: PackageIndex, b: PackageIndex): number {
  return (
    compareCodeUnits(a.repository, b.repository) || b.text.length - a.text.length || compareCodeUnits(a.text, b.text)
  );
}

function isSamePackage(a: PackageRecord, b: PackageRecord): boolean {
  return a.version === b.version && a.architecture === b.architecture && a.sha256 === b.sha256;
}

function memoized<Value>(cache: Map<string, Value>, key: string, compute: () => Value): Value {
  const known = cache.get(key);
  if (known !== undefined) return known;
  const value = compute();
  cache.set(key, value);
  return value;
}
