import { resolve } from "node:path";
import { CvmError, type Sha256Hex } from "@cvm-build/bytes";
import type { Profile } from "@cvm-build/profile";
import type { Lock } from "@cvm-build/resolver";
import { type FileDigest, fileDigest } from "./output.ts";
import type { Surroundings } from "./surroundings.ts";

/**
 * The files that stand in for artefacts, by absolute path.
 * @param given paths by artefact, relative to where the command was typed
 * @throws CvmError `usage` for an artefact that the profile does not have
 */
export function suppliedArtifacts(
  given: ReadonlyMap<string, string>,
  { profile, surroundings }: { profile: Profile; surroundings: Surroundings },
): ReadonlyMap<string, string> {
  const known = profile.artifacts.map(({ name }) => name);
  const paths = new Map<string, string>();
  for (const [name, path] of given) {
    if (!known.includes(name)) {
      throw new CvmError("usage", `cannot supply artifact "${name}": expected one that the profile declares`, {
        hint: known.length > 0 ? `it declares ${known.join(", ")}` : "it declares none",
      });
    }
    paths.set(name, resolve(surroundings.invocationDirectory, path));
  }
  return paths;
}

/** An input on this machine whose bytes are not the locked ones. */
export interface ChangedInput {
  /** `artifact "reth"`, `package "reth=1.11.2"`. */
  what: string;
  path: string;
  expected: Sha256Hex;
  found: Sha256Hex;
}

/**
 * The first file among those that stand in for artefacts, artefacts that are files, and packages that are files, that is
 * another than the lock says. One that is missing may still be in the store.
 */
export function findChangedInput(
  lock: Lock,
  { supplied, directory }: { supplied: ReadonlyMap<string, string>; directory: string },
): ChangedInput | undefined {
  const suites = lock.repositories.map(({ suite }) => suite);
  const artifacts = lock.artifacts.flatMap(({ name, kind, from, sha256 }) => {
    const path = supplied.get(name) ?? (kind === "path" ? resolve(directory, from) : undefined);
    return path === undefined ? [] : [{ what: `artifact "${name}"`, path, expected: sha256 }];
  });
  const packages = lock.packages
    .filter(({ repository }) => !suites.includes(repository))
    .map(({ name, version, repository, sha256 }) => {
      return { what: `package "${name}=${version}"`, path: resolve(directory, repository), expected: sha256 };
    });
  for (const input of [...artifacts, ...packages]) {
    const found = digestIfReadable(input.path)?.sha256;
    if (found !== undefined && found !== input.expected) return { ...input, found };
  }
  return undefined;
}

function digestIfReadable(path: string): FileDigest | undefined {
  try {
    return fileDigest(path);
  } catch {
    return undefined; // whoever needs its bytes says what is wrong with it
  }
}
