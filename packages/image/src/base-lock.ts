import { existsSync, readFileSync } from "node:fs";
import { join, relative } from "node:path";
import { CvmError } from "@cvm-build/bytes";
import type { Profile } from "@cvm-build/profile";
import { type Lock, type PackageUniverse, parseLock } from "@cvm-build/resolver";

/** A package of the image that an extension is for. */
export interface BasePackage {
  name: string;
  version: string;
}

/**
 * What the image has that an extension is for: the packages of its lock, by `Base=` of `[Extension]`. Empty where there is no
 * such setting.
 * @throws CvmError `lock-missing` where that profile has no lock, `lock`, `setting` where it is for another system
 */
export function basePackagesOf(profile: Profile, directory: string): BasePackage[] {
  const { base } = profile.extension;
  if (base === undefined) return [];
  const path = join(directory, "profiles", base, "cvm.lock");
  if (!existsSync(path)) {
    const expected = `expected the lock of its base at "${relative(directory, path)}", got none`;
    throw new CvmError("lock-missing", `cannot build extension "${profile.output.imageId}": ${expected}`, {
      hint: `run cvm-build lock --profile ${base}`,
    });
  }
  const lock = parseLock(readFileSync(path, "utf8"), { file: path });
  checkSystem(lock, profile);
  return lock.packages.filter(({ role }) => role === "image").map(({ name, version }) => ({ name, version }));
}

/**
 * The base's packages as requests, so that what an extension adds fits them.
 * @throws CvmError `lock-stale` where the archive no longer has one: what is resolved could need what the base has not
 */
export function pinBase(packages: readonly BasePackage[], universe: PackageUniverse): string[] {
  for (const { name, version } of packages) {
    const known = universe.versionsOf(name).map((each) => each.version);
    if (known.includes(version)) continue;
    const message = `cannot resolve packages on top of the base: expected ${name} ${version}, as its lock has it, got ${known.join(", ") || "none"}`;
    throw new CvmError("lock-stale", message, {
      hint: "lock the base anew, or give both the same Snapshot=",
      details: { package: name, version },
    });
  }
  return packages.map(({ name, version }) => `${name}=${version}`);
}

function checkSystem({ distribution: of }: Lock, { distribution, extension, output }: Profile): void {
  const architecture = { "x86-64": "amd64", arm64: "arm64" }[distribution.architecture];
  if (of.release === distribution.release && of.architecture === architecture) return;
  const expected = `expected a base of ${distribution.release} ${architecture}`;
  throw new CvmError(
    "setting",
    `cannot build extension "${output.imageId}": ${expected}, got ${of.release} ${of.architecture}`,
    { hint: `profile "${extension.base}" and this one must have the same Release= and Architecture=` },
  );
}
