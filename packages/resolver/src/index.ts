export { type BarePackage, openBarePackage, openPackageIndex, type PackageIndex } from "./debian/package-index.ts";
export { resolveAlone, resolvePackages } from "./debian/resolve.ts";
export { PackageUniverse } from "./debian/universe.ts";
export { compareVersions } from "./debian/version.ts";
export {
  type Lock,
  type LockedArtifact,
  type LockedDistribution,
  type LockedPackage,
  type LockedRepository,
} from "./lock.ts";
export { type Resolution, type ResolvedPackage, type ResolverErrorCode, type ResolveRequest } from "./resolution.ts";
