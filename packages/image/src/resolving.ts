import { readdirSync } from "node:fs";
import { join } from "node:path";
import { EROFS_FORMAT_VERSION, SEGMENT_FORMAT_VERSION } from "@cvm-build/fs-writer";
import { type OutputFormat, type Profile, VERITY_FORMATS } from "@cvm-build/profile";
import {
  encodeLock,
  type Lock,
  type LockedPackage,
  type LockedRepository,
  openPackageIndex,
  PackageUniverse,
  type Resolution,
  resolveAlone,
  resolvePackages,
} from "@cvm-build/resolver";
import type { Store } from "@cvm-build/store";
import { type BasePackage, basePackagesOf, pinBase } from "./base-lock.ts";
import { initrdPackagesOf } from "./initrd-packages.ts";
import { layoutOf } from "./layouts/table.ts";
import { type LocalPackages, openLocalPackages } from "./local-packages.ts";
import type { ObtainedLock } from "./locking.ts";
import { portableArtifact, requestSha256 } from "./request-digest.ts";
import type { Surroundings } from "./surroundings.ts";

/** Debian's name of each architecture. */
export const DEBIAN_ARCHITECTURE = { "x86-64": "amd64", arm64: "arm64" } as const;

/** What resolving needs beside the profile. */
export interface ResolvingContext {
  store: Store;
  surroundings: Surroundings;
  /** Files that stand in for artefacts, by name, absolute. */
  artifacts: ReadonlyMap<string, string>;
}

/** A new lock for a profile, with its text. */
export async function resolveAnew(profile: Profile, context: ResolvingContext): Promise<ObtainedLock> {
  const lock = await resolveProfile(profile, context);
  return { lock, text: encodeLock(lock), origin: { kind: "resolved" } };
}

/** Resolves a profile against its archives as they are now. The only step that asks what is newest. */
export async function resolveProfile(
  profile: Profile,
  { store, surroundings, artifacts: overrides }: ResolvingContext,
): Promise<Lock> {
  const { distribution, content, uki } = profile;
  const architecture = DEBIAN_ARCHITECTURE[distribution.architecture];
  const local = await openLocalPackages(content, surroundings);
  const { repositories, universe } = await openRelease(distribution.release, { profile, store, surroundings, local });
  const base = basePackagesOf(profile, surroundings.directory);
  const resolution = resolvePackages(universe, {
    architecture,
    packages: [...pinBase(base, universe), ...local.packages],
    withEssential: content.withEssential,
    withRecommends: content.withRecommends,
  });
  const hasErofs = (VERITY_FORMATS as readonly OutputFormat[]).includes(profile.output.format);
  const hasStub = layoutOf(profile).stub !== undefined;
  const ofStub =
    !hasStub || uki.stubRelease === undefined || uki.stubRelease === distribution.release
      ? { repositories: [], universe }
      : await openRelease(uki.stubRelease, { profile, store, surroundings });
  const artifacts = await Promise.all(
    profile.artifacts.map((artifact) =>
      store.resolveArtifact(portableArtifact(artifact, surroundings.directory), {
        baseDirectory: surroundings.directory,
        override: overrides.get(artifact.name),
      }),
    ),
  );
  return {
    schema: "cvm-build.lock/1",
    requestSha256: requestSha256(profile, surroundings.directory),
    distribution: { id: distribution.distribution, release: distribution.release, architecture },
    repositories: [...repositories, ...ofStub.repositories],
    packages: [
      ...beyondBase(resolution, base).map((entry): LockedPackage => ({ ...entry, role: "image" })),
      ...resolveInitrd(profile, { universe, resolution, architecture }),
      ...(hasStub
        ? [{ ...resolveAlone(ofStub.universe, uki.stubPackage, { architecture }), role: "stub" as const }]
        : []),
    ],
    artifacts,
    tools: {
      zstd: process.versions.zstd ?? "none",
      segmentFormat: SEGMENT_FORMAT_VERSION,
      ...(hasErofs && { erofsFormat: EROFS_FORMAT_VERSION }),
    },
  };
}

/** What is not in the image that an extension is for. */
function beyondBase({ packages }: Resolution, base: readonly BasePackage[]): Resolution["packages"] {
  const names = new Set(base.map(({ name }) => name));
  return packages.filter(({ name }) => !names.has(name));
}

/** What the initrd has beside the image's packages, which it takes as they are. */
function resolveInitrd(
  profile: Profile,
  { universe, resolution, architecture }: { universe: PackageUniverse; resolution: Resolution; architecture: string },
): LockedPackage[] {
  const asked = initrdPackagesOf(profile);
  if (asked.length === 0) return [];
  const ofImage = new Set(resolution.packages.map(({ name }) => name));
  const both = resolvePackages(universe, {
    architecture,
    packages: [...resolution.packages.map(({ name, version }) => `${name}=${version}`), ...asked],
    withEssential: false,
    withRecommends: profile.content.withRecommends,
  });
  return both.packages
    .filter(({ name }) => !ofImage.has(name))
    .map((entry): LockedPackage => ({ ...entry, role: "initrd" }));
}

/** The packages that a release of the profile's distribution has now. */
export async function openRelease(
  release: string,
  context: { profile: Profile; store: Store; surroundings: Surroundings; local?: LocalPackages },
): Promise<{ repositories: LockedRepository[]; universe: PackageUniverse }> {
  const { profile, store, surroundings, local } = context;
  const {
    distribution,
    repositories: components,
    architecture,
    mirror,
    securityMirror,
    snapshot,
  } = profile.distribution;
  const { repositories, indexes } = await store.refresh({
    distribution,
    release,
    architecture: DEBIAN_ARCHITECTURE[architecture],
    components,
    ...(mirror !== undefined && { mirror }),
    ...(securityMirror !== undefined && { securityMirror }),
    ...(snapshot !== undefined && { snapshot }),
    keyrings: keyringFiles(surroundings),
  });
  const universe = new PackageUniverse([
    ...indexes.map(({ repository, packages }) => openPackageIndex(packages, { repository: repository.suite })),
    ...(local?.indexes ?? []),
  ]);
  return { repositories, universe };
}

function keyringFiles({ configsDirectory }: Surroundings): string[] {
  const directory = join(configsDirectory, "keyrings");
  return readdirSync(directory)
    .filter((name) => /\.(asc|gpg|pgp)$/.test(name))
    .sort()
    .map((name) => join(directory, name));
}
