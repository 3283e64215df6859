import { existsSync, readdirSync, readFileSync } from "node:fs";
import { join } from "node:path";
import { compactCanonicalJson, compareCodeUnits, CvmError, sha256Hex } from "@cvm-build/bytes";
import type { DerivedCache } from "@cvm-build/fs-writer";
import { parsePlatform, type PlatformDeclaration } from "@cvm-build/profile";
import { programFingerprint } from "../program.ts";
import type { Surroundings } from "../surroundings.ts";

/** Beside `profiles/`, and among what cvm-build brings. */
const FOLDER = "platforms";

/** Where platforms are: the project's own come first. */
export interface PlatformPlaces extends Pick<Surroundings, "directory" | "configsDirectory"> {
  /** Keeps what their files say, for callers in a hurry: the libraries that read YAML take longer to load than to run. */
  cache?: DerivedCache;
}

/** Of derived objects. */
const KIND = "platforms";

/**
 * Reads a platform: the project's own, or one that cvm-build brings.
 * @throws CvmError `usage` where there is none of that name; `profile-bad-declaration`
 */
export function findPlatform(name: string, places: PlatformPlaces): PlatformDeclaration {
  const path = platformPath(name, places);
  if (path !== undefined) return readPlatformFile(path, places.cache);
  throw new CvmError(
    "usage",
    `cannot find platform "${name}": expected ${FOLDER}/${name}.yaml, or one of cvm-build's own`,
    {
      hint: `there are ${platformNames(places).join(", ")}`,
    },
  );
}

function readPlatformFile(path: string, cache: DerivedCache | undefined): PlatformDeclaration {
  const text = readFileSync(path, "utf8");
  if (!cache) return parsePlatform(text, path);
  const key = sha256Hex(compactCanonicalJson({ program: programFingerprint(), path, text }));
  const known = cache.lookup(KIND, key);
  if (known) return known.meta as PlatformDeclaration;
  const declaration = parsePlatform(text, path);
  const temporaryPath = cache.reserve();
  cache.commit(KIND, key, { temporaryPath, sizeBytes: 0, sha256: sha256Hex(""), meta: declaration });
  return declaration;
}

/** Where a platform is declared, or undefined where it is not. */
export function platformPath(name: string, places: PlatformPlaces): string | undefined {
  if (!/^[A-Za-z0-9][A-Za-z0-9._-]*$/.test(name)) return undefined;
  return folders(places)
    .map((folder) => join(folder, `${name}.yaml`))
    .find((path) => existsSync(path));
}

/** The files that a platform names. */
export function filesOfPlatform({ firmware, loader, disk, tdx, snp }: PlatformDeclaration): string[] {
  const partitions = disk?.partitions === "none" ? undefined : disk?.partitions;
  return [
    firmware?.file,
    firmware?.variables,
    loader?.file,
    loader?.configuration,
    partitions,
    tdx?.ccel,
    snp?.svsm,
    snp?.igvm,
  ].filter((path) => path !== undefined);
}

/** Names of all platforms that can be named. */
export function platformNames(places: PlatformPlaces): string[] {
  const names = folders(places).flatMap((folder) => (existsSync(folder) ? readdirSync(folder) : []));
  return [
    ...new Set(names.filter((name) => name.endsWith(".yaml")).map((name) => name.slice(0, -".yaml".length))),
  ].sort(compareCodeUnits);
}

function folders({ directory, configsDirectory }: PlatformPlaces): string[] {
  return [join(directory, FOLDER), join(configsDirectory, FOLDER)];
}
