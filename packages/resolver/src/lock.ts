import type { Sha256Hex } from "@cvm-build/bytes";

/** Every input of a build, by digest. Written to `cvm.lock` as canonical JSON. */
export interface Lock {
  schema: "cvm-build.lock/1";
  /** Digest of what was asked for (distribution, packages, settings that resolve differently); tells a stale lock. */
  requestSha256: Sha256Hex;
  distribution: LockedDistribution;
  repositories: LockedRepository[];
  /** Sorted by role, then name. */
  packages: LockedPackage[];
  /** Sorted by name. */
  artifacts: LockedArtifact[];
  /** What bears on output bytes beside the inputs. `erofsFormat` only of images with such a file system. */
  tools: { zstd: string; segmentFormat: number; erofsFormat?: number };
}

/** The distribution that a lock's packages come from. */
export interface LockedDistribution {
  id: "debian";
  release: string;
  /** Debian's name: amd64, arm64. */
  architecture: string;
}

/** One suite of an archive at one moment. */
export interface LockedRepository {
  /** Suite as asked for: `trixie`, `trixie-security`, `trixie-updates`. */
  suite: string;
  components: string[];
  /** Which mirror of the distribution serves it: the main archive or the security archive. */
  archive: "main" | "security";
  inReleaseSha256: Sha256Hex;
  /** `Date` of the Release file, ISO 8601 in UTC: where to look in a timestamped archive. */
  date: string;
  /** Fingerprints of the keys whose signatures were good, upper-case hex. */
  signedBy: string[];
}

/** One package, by digest. */
export interface LockedPackage {
  name: string;
  version: string;
  architecture: string;
  /**
   * `image`: unpacked into the root file system. `initrd`: only into an initrd of its own, which has the image's packages,
   * too. `stub`: only read for the UKI's stub.
   */
  role: "image" | "initrd" | "stub";
  /** `suite` of the repository it came from, or the path or address of a bare package. */
  repository: string;
  /** Path below the archive's root: `pool/main/…/x.deb`. */
  path: string;
  sizeBytes: number;
  sha256: Sha256Hex;
  source: { name: string; version: string };
  /** Why it is here: `profile`, `essential`, or the names of the packages that pull it in. */
  requestedBy: string[];
}

/** An input that is not a package of the distribution. */
export interface LockedArtifact {
  name: string;
  /** `deb` is a bare package, by address or path. */
  kind: "path" | "https" | "npm" | "deb";
  /** Where it was found: an address, `name@version`, or a path relative to the profile. */
  from: string;
  sha256: Sha256Hex;
}
