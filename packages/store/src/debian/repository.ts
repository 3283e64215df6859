import type { LockedRepository } from "@cvm-build/resolver";
import { StoreError } from "../errors.ts";
import type { ArchiveName, MirrorSettings } from "./mirrors.ts";
import type { ReleaseFile } from "./release-file.ts";

/** Which packages to resolve among. */
export interface RepositoryRequest extends MirrorSettings {
  distribution: "debian";
  /** Code name or suite: `trixie`, `sid`, `stable`. */
  release: string;
  /** Debian's name: amd64, arm64. */
  architecture: string;
  components: string[];
  /** Suites in order; unless given, the release with its `-updates` and `-security`, where it has these. */
  suites?: string[];
  /**
   * Files with the OpenPGP keys to trust, or folders of `debian-archive-*` keyrings. The host's own Debian keyrings are
   * asked as well where none of these signed.
   */
  keyrings: string[];
}

/** What the archive offers at one moment, verified. */
export interface RepositorySnapshot {
  repositories: LockedRepository[];
  /** One per repository and component, in that order. */
  indexes: PackagesIndex[];
}

/** A verified list of packages. */
export interface PackagesIndex {
  repository: LockedRepository;
  component: string;
  /** The text of a `Packages` file. */
  packages: Buffer;
}

/** Releases that are changed in place and have neither updates nor a security archive. */
const ROLLING: ReadonlySet<string> = new Set(["sid", "unstable", "experimental"]);

/** The suites to read, in order. */
export function suitesOf({ release, suites }: RepositoryRequest): string[] {
  if (suites !== undefined) return suites;
  return ROLLING.has(release) ? [release] : [release, `${release}-updates`, `${release}-security`];
}

/** Which archive serves a suite. */
export function archiveOf(suite: string): ArchiveName {
  return suite.endsWith("-security") ? "security" : "main";
}

/** How far a server's clock may be ahead of ours, as apt has it. */
export const CLOCK_SLACK_MS = 10_000;

/**
 * Checks that a release file is the one asked for, and of now.
 *
 * `Valid-Until` is always checked, whatever the host's apt is configured to, except where a timestamped archive was
 * asked for: what it holds is meant to be old, and the stamp in the profile says which age is wanted. `Date` still must
 * not be in the future.
 * @param options.source the address, for messages
 * @throws StoreError `wrong-repository`, `expired`, `not-yet-valid`
 */
export function checkRelease(
  release: ReleaseFile,
  { suite, source, now, snapshot }: { suite: string; source: string; now: Date; snapshot: string | undefined },
): void {
  if (release.codename !== suite && release.suite !== suite) {
    throw new StoreError(
      "wrong-repository",
      `cannot use repository "${source}": expected suite ${suite}, got ${release.codename ?? "none"} (${release.suite ?? "none"})`,
      { hint: "correct Release= or Mirror=" },
    );
  }
  if (release.date.getTime() > now.getTime() + CLOCK_SLACK_MS) {
    throw new StoreError(
      "not-yet-valid",
      `cannot use repository "${source}": expected a date before now (${iso(now)}), got ${iso(release.date)}`,
      { hint: "set this machine's clock" },
    );
  }
  const { validUntil } = release;
  if (snapshot === undefined && validUntil !== undefined && validUntil.getTime() < now.getTime()) {
    throw new StoreError(
      "expired",
      `cannot use repository "${source}": expected one that is valid now (${iso(now)}), got one valid until ${iso(validUntil)}`,
      { hint: "use a mirror that is up to date (Mirror=), or name the moment that is wanted with Snapshot=" },
    );
  }
}

/**
 * Checks that a suite has what is asked of it.
 * @throws StoreError `wrong-repository`
 */
export function checkOffer(
  release: ReleaseFile,
  { suite, components, architecture }: { suite: string; components: readonly string[]; architecture: string },
): void {
  // The security archive writes `updates/main` and means `main`.
  const offered = release.components.map((name) => name.slice(name.lastIndexOf("/") + 1));
  for (const component of components) {
    if (offered.includes(component)) continue;
    throw new StoreError(
      "wrong-repository",
      `cannot use component "${component}" of ${suite}: expected one of ${offered.join(", ")}, got another`,
      { hint: "correct Repositories=" },
    );
  }
  if (release.architectures.includes(architecture)) return;
  throw new StoreError(
    "wrong-repository",
    `cannot use architecture "${architecture}" of ${suite}: expected one of ${release.architectures.join(", ")}, got another`,
    { hint: "correct Architecture=" },
  );
}

/** A moment as the lock writes it: ISO 8601 in UTC, to the second. */
export function iso(date: Date): string {
  return date.toISOString().replace(/\.\d{3}Z$/, "Z");
}
