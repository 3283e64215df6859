import { readdirSync } from "node:fs";
import { join, relative } from "node:path";
import { compareCodeUnits, CvmError, type Sha256Hex } from "@cvm-build/bytes";
import type { ArtifactDeclaration, Profile } from "@cvm-build/profile";
import { requestDigest } from "@cvm-build/resolver";
import { basePackagesOf } from "./base-lock.ts";
import { initrdPackagesOf } from "./initrd-packages.ts";
import { layoutOf } from "./layouts/table.ts";

/**
 * Digest of everything in a profile that decides what a lock holds. Mirrors are not in it: digests make them
 * interchangeable.
 */
export function requestSha256(profile: Profile, directory: string): Sha256Hex {
  const { distribution, content, uki, artifacts } = profile;
  const initrdPackages = initrdPackagesOf(profile);
  const base = basePackagesOf(profile, directory).map(({ name, version }) => `${name}=${version}`);
  return requestDigest({
    distribution: distribution.distribution,
    release: distribution.release,
    architecture: distribution.architecture,
    snapshot: distribution.snapshot,
    components: distribution.repositories,
    packages: content.packages.map((request) => localName(request, directory) ?? request),
    ...(content.packageDirectories.length > 0 && {
      packageFiles: packageFiles(content.packageDirectories).map((path) => relative(directory, path)),
    }),
    ...(initrdPackages.length > 0 && { initrdPackages }),
    ...(base.length > 0 && { base }),
    withEssential: content.withEssential,
    withRecommends: content.withRecommends,
    ...(layoutOf(profile).stub !== undefined && { stub: [uki.stubPackage, uki.stubRelease] }),
    artifacts: artifacts
      .map((artifact) => portableArtifact(artifact, directory))
      .map(({ name, source }) => ({ name, source })),
  });
}

/** How a lock names a package that is given as a file: by its path below the profiles. Undefined for all others. */
export function localName(request: string, directory: string): string | undefined {
  return request.includes("/") ? relative(directory, request) : undefined;
}

/**
 * The packages in directories, in the order of their names.
 * @throws CvmError `setting` for what is no directory that can be read
 */
export function packageFiles(directories: readonly string[]): string[] {
  return directories.flatMap((directory) => {
    const names = namesIn(directory).filter((name) => name.endsWith(".deb"));
    return names.sort(compareCodeUnits).map((name) => join(directory, name));
  });
}

function namesIn(directory: string): string[] {
  try {
    return readdirSync(directory);
  } catch (cause) {
    throw new CvmError("setting", `cannot read PackageDirectories= "${directory}": expected a directory`, { cause });
  }
}

/** An artefact as a lock names it: a file by its path below the profiles, so that the lock fits every checkout. */
export function portableArtifact(artifact: ArtifactDeclaration, directory: string): ArtifactDeclaration {
  const { source } = artifact;
  return source.kind === "path"
    ? { ...artifact, source: { ...source, path: relative(directory, source.path) } }
    : artifact;
}
