export { type BarePackage, openBarePackage, openPackageIndex, type PackageIndex } from "./debian/package-index.ts";
export { resolveAlone, resolvePackages } from "./debian/resolve.ts";
export type { PackageRecord } from "./debian/package-record.ts";
export { type Provider, PackageUniverse } from "./debian/universe.ts";
export { compareVersions } from "./debian/version.ts";
export { diffLocks, type LockChange, requestDigest } from "./lock-diff.ts";
export { encodeLock, parseLock } from "./lock-json.ts";
export type { Lock, LockedArtifact, LockedDistribution, LockedPackage, LockedRepository } from "./lock.ts";
export type { Resolution, ResolvedPackage, ResolverErrorCode, ResolveRequest } from "./resolution.ts";
