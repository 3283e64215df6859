import { CvmError } from "@cvm-build/bytes";
import type { ResolverErrorCode, ResolveRequest } from "../resolution.ts";
import type { Dependency, PackageRecord } from "./package-record.ts";
import { formatRelation } from "./relation.ts";
import type { RequestedPackage } from "./request.ts";
import { isCritical, isNegativeDependency, Selection } from "./selection.ts";
import type { PackageUniverse } from "./universe.ts";

/** What is known when a request is refused. */
export interface Refusal {
  request: ResolveRequest;
  requested: readonly RequestedPackage[];
  /** Where the attempt ended. */
  selection: Selection;
}

/**
 * Says why a request cannot be had: the first package in a chain of dependencies that nothing satisfies, or two packages that both
 * have to be there and exclude each other.
 */
export function explainRefusal(universe: PackageUniverse, refusal: Refusal): CvmError<ResolverErrorCode> {
  const { request, requested, selection } = refusal;
  const fresh = new Selection(universe, request);
  for (const { record } of requested) fresh.state(record.name).candidate = record;
  const explainer = new Explainer(fresh, requested);
  const found = explainer.findLack() ?? explainer.findConflict() ?? describeAttempt(selection);
  const names = [...new Set(found.chains.map(headOf))].map((name) => `"${name}"`);
  const object = names.length === 1 ? `package ${names[0]}` : `packages ${names.join(", ")}`;
  return new CvmError("unsatisfiable", `cannot resolve ${object}: ${found.problem}`, {
    hint: found.hint,
    details: { packages: request.packages, chains: found.chains },
  });
}

interface Explanation {
  problem: string;
  hint: string;
  /** Each from a requested package to the one at fault. */
  chains: string[][];
}

/** Why a package has to be there: who needs it, and in which words. */
interface Reason {
  owner: PackageRecord;
  dependency: Dependency;
}

/** A dependency that nothing can satisfy, and how its owner comes to be needed. */
interface Lack extends Reason {
  cause: Lack | undefined;
}

class Explainer {
  readonly #selection: Selection;
  readonly #requested: readonly RequestedPackage[];
  /** `undefined` while a package is being looked at and when nothing is wrong with it. */
  readonly #lacks = new Map<PackageRecord, Lack | undefined>();
  /** Packages that have to be there, with who needs them. */
  readonly #forced = new Map<PackageRecord, Reason | undefined>();
  readonly #excluded = new Map<PackageRecord, Reason>();

  constructor(selection: Selection, requested: readonly RequestedPackage[]) {
    this.#selection = selection;
    this.#requested = requested;
  }

  /** A requested package that could not even be installed on its own. */
  findLack(): Explanation | undefined {
    for (const { record } of this.#requested) {
      const lack = this.#lackOf(record);
      if (lack !== undefined) return this.#describeLack(lack);
    }
    return undefined;
  }

  /** Follows what the request forces until two forced packages exclude each other. */
  findConflict(): Explanation | undefined {
    for (const { record } of this.#requested) this.#forced.set(record, undefined);
    let known = -1;
    while (known !== this.#forced.size + this.#excluded.size) {
      known = this.#forced.size + this.#excluded.size;
      for (const owner of this.#forced.keys()) {
        for (const dependency of owner.dependencies.filter(isCritical)) {
          const found = isNegativeDependency(dependency)
            ? this.#exclude({ owner, dependency })
            : this.#force({ owner, dependency });
          if (found !== undefined) return found;
        }
      }
    }
    return undefined;
  }

  #lackOf(record: PackageRecord): Lack | undefined {
    if (this.#lacks.has(record)) return this.#lacks.get(record);
    this.#lacks.set(record, undefined);
    for (const dependency of record.dependencies) {
      if (!isCritical(dependency) || isNegativeDependency(dependency)) continue;
      const lacks = this.#candidates(dependency, record).map((candidate) => this.#lackOf(candidate));
      if (lacks.includes(undefined)) continue;
      const lack = { owner: record, dependency, cause: lacks[0] };
      this.#lacks.set(record, lack);
      return lack;
    }
    return undefined;
  }

  #force(reason: Reason): Explanation | undefined {
    const candidates = this.#candidates(reason.dependency, reason.owner);
    const open = candidates.filter((record) => this.#lackOf(record) === undefined && !this.#exclusionOf(record));
    if (open.length > 1 || open.some((record) => this.#forced.has(record))) return undefined;
    if (open[0] !== undefined) {
      this.#forced.set(open[0], reason);
      return undefined;
    }
    const shut = candidates.find((record) => this.#exclusionOf(record) !== undefined);
    const exclusion = shut && this.#exclusionOf(shut);
    if (shut === undefined || exclusion === undefined) return undefined;
    return this.#describeConflict({ record: shut, reason }, exclusion);
  }

  #exclude({ owner, dependency }: Reason): Explanation | undefined {
    for (const record of this.#candidates(dependency, owner)) {
      if (this.#forced.has(record)) {
        return this.#describeConflict({ record, reason: this.#forced.get(record) }, { owner, dependency });
      }
      if (!this.#excluded.has(record)) this.#excluded.set(record, { owner, dependency });
    }
    return undefined;
  }

  /** What speaks against a package: a forced one that excludes it, or that it excludes. */
  #exclusionOf(record: PackageRecord): Reason | undefined {
    const known = this.#excluded.get(record);
    if (known !== undefined) return known;
    for (const dependency of record.dependencies.filter(isNegativeDependency)) {
      const hit = this.#candidates(dependency, record).find((other) => this.#forced.has(other));
      if (hit !== undefined) return { owner: hit, dependency };
    }
    return undefined;
  }

  #candidates(dependency: Dependency, owner: PackageRecord): PackageRecord[] {
    const isNegative = isNegativeDependency(dependency);
    return dependency.alternatives.flatMap((relation) =>
      this.#selection
        .matches(relation, owner, { isNegative })
        .filter((record) => this.#selection.state(record.name).candidate === record),
    );
  }

  #describeLack(first: Lack): Explanation {
    const chain: string[] = [];
    let last = first;
    for (let lack: Lack | undefined = first; lack !== undefined; lack = lack.cause) {
      chain.push(labelOf(lack.owner));
      last = lack;
    }
    const wanted = formatDependency(last.dependency);
    const names = last.dependency.alternatives.map(({ name }) => name);
    const versions = names.flatMap((name) => this.#selection.state(name).versions.map(labelOf));
    const got = versions.length > 0 ? versions.join(", ") : "no package of that name";
    return {
      problem: `expected ${wanted} for ${chain.join(" → ")}, got ${got}`,
      hint: `add a repository that has ${names.join(" or ")}, or ask for another package than ${headOf(chain)}`,
      chains: [[...chain, wanted]],
    };
  }

  #describeConflict(needed: { record: PackageRecord; reason: Reason | undefined }, exclusion: Reason): Explanation {
    const one = { record: needed.record, chain: this.#chainTo(needed.reason) };
    const other = { record: exclusion.owner, chain: this.#chainTo(this.#forced.get(exclusion.owner)) };
    const isOwn = needed.record.dependencies.includes(exclusion.dependency);
    const [from, to] = isOwn ? [one, other] : [other, one];
    const chains = [from, to].map(({ record, chain }) => [...chain, labelOf(record)]);
    const heads = [...new Set(chains.map(headOf))];
    const verb = exclusion.dependency.field === "breaks" ? "breaks" : "conflicts with";
    return {
      problem:
        `expected packages that can be installed together, got ${chains.map((chain) => chain.join(" → ")).join(" and ")}: ` +
        `${from.record.name} ${verb} ${formatDependency(exclusion.dependency)}, which is ${labelOf(to.record)}`,
      hint: heads.length === 1 ? `ask for another package than ${heads[0]}` : `leave out ${heads.join(" or ")}`,
      chains,
    };
  }

  #chainTo(reason: Reason | undefined): string[] {
    const chain: string[] = [];
    const seen = new Set<PackageRecord>();
    for (let at = reason; at !== undefined && !seen.has(at.owner); at = this.#forced.get(at.owner)) {
      seen.add(at.owner);
      chain.unshift(labelOf(at.owner));
    }
    return chain;
  }
}

/** The last resort: where the attempt ended. */
function describeAttempt(selection: Selection): Explanation {
  const broken = selection.selected().flatMap((state) => {
    const { selected } = state;
    const open = selected.dependencies.find(
      (dependency) => isCritical(dependency) && !selection.isMet(dependency, selected),
    );
    return open === undefined ? [] : [{ selected, open }];
  });
  const list = broken.map(({ selected, open }) => {
    const verb = isNegativeDependency(open) ? (open.field === "breaks" ? "breaks" : "conflicts with") : "needs";
    return `${labelOf(selected)} ${verb} ${formatDependency(open)}`;
  });
  return {
    problem: `expected a set of packages that fit together, got stuck where ${list.join("; ")}`,
    hint: "name the alternative that you want, so that apt's order of preference does not decide",
    chains: list.map((line) => [line]),
  };
}

/** The name of the package that a chain starts from. */
function headOf(chain: readonly string[]): string {
  return chain[0]?.split(" ")[0] ?? "";
}

function labelOf({ name, version }: PackageRecord): string {
  return `${name} ${version}`;
}

function formatDependency({ alternatives }: Dependency): string {
  return alternatives.map(formatRelation).join(" | ");
}
