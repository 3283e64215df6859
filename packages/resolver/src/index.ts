export {
  type Lock,
  type LockedArtifact,
  type LockedDistribution,
  type LockedPackage,
  type LockedRepository,
} from "./lock.ts";
