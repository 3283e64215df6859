import { assert, type Sha256Hex } from "@cvm-build/bytes";
import type { Profile } from "@cvm-build/profile";
import type { Lock, LockedArtifact, LockedPackage } from "@cvm-build/resolver";
import { type PackageSearch, type Store, StoreError } from "@cvm-build/store";
import { openRelease } from "./resolving.ts";
import type { Surroundings } from "./surroundings.ts";

/** A locked input and where its bytes are on this machine. */
export interface Located<T> {
  locked: T;
  path: string;
}

/** Everything that a build reads beside its profile. */
export interface Inputs {
  /** Packages of the root file system. */
  packages: Located<LockedPackage>[];
  /** What an initrd of its own has beside these. */
  initrdPackages: Located<LockedPackage>[];
  /** The package that holds the EFI stub, of what has one. */
  stub?: Located<LockedPackage>;
  artifacts: Located<LockedArtifact>[];
}

/** The package that holds the EFI stub, where the layout has one: its lock then names it. */
export function stubPackageOf({ stub }: Pick<Inputs, "stub">): Located<LockedPackage> {
  assert(stub, "a lock names the stub's package");
  return stub;
}

/** What is needed to find the inputs of a lock. */
export interface InputRequest {
  profile: Profile;
  lock: Lock;
  store: Store;
  surroundings: Surroundings;
  /** Files that stand in for artefacts, by name. */
  artifacts: ReadonlyMap<string, string>;
}

/**
 * Brings every input of a lock onto this machine, each compared with its locked digest.
 * @throws StoreError for what cannot be had or verified
 */
export async function fetchInputs(request: InputRequest): Promise<Inputs> {
  const { lock, store, surroundings } = request;
  const [packages, artifacts] = await Promise.all([
    fetchPackages(request),
    store.fetchArtifacts(lock.artifacts, { baseDirectory: surroundings.directory, overrides: request.artifacts }),
  ]);
  const located = lock.packages.map((locked) => locate(locked, packages));
  const stub = located.find(({ locked }) => locked.role === "stub");
  return {
    packages: located.filter(({ locked }) => locked.role === "image"),
    initrdPackages: located.filter(({ locked }) => locked.role === "initrd"),
    ...(stub && { stub }),
    artifacts: lock.artifacts.map((locked) => locate(locked, artifacts)),
  };
}

async function fetchPackages(request: InputRequest): Promise<ReadonlyMap<Sha256Hex, string>> {
  const { profile, lock, store, surroundings } = request;
  const { mirror, securityMirror, snapshot } = profile.distribution;
  const search: PackageSearch = {
    baseDirectory: surroundings.directory,
    ...(mirror !== undefined && { mirror }),
    ...(securityMirror !== undefined && { securityMirror }),
    ...(snapshot !== undefined && { snapshot }),
  };
  try {
    return await store.fetchPackages(lock, search);
  } catch (error) {
    if (!(error instanceof StoreError) || error.code !== "package-gone") throw error;
    const replacedBy = await newestVersions(request);
    if (!replacedBy) throw error;
    return store.fetchPackages(lock, { ...search, replacedBy });
  }
}

/** What the archive has now in place of a package; undefined where it cannot be asked. */
async function newestVersions(request: InputRequest): Promise<((name: string) => string | undefined) | undefined> {
  try {
    const { universe } = await openRelease(request.lock.distribution.release, request);
    return (name) => universe.versionsOf(name)[0]?.version;
  } catch {
    return undefined; // the error that says what is gone is the better one
  }
}

function locate<T extends { sha256: Sha256Hex }>(locked: T, paths: ReadonlyMap<Sha256Hex, string>): Located<T> {
  const path = paths.get(locked.sha256);
  assert(path, `the store fetched ${locked.sha256}`);
  return { locked, path };
}
