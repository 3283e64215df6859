import { existsSync, readFileSync } from "node:fs";
import { resolve } from "node:path";
import { CvmError } from "@cvm-build/bytes";
import { diffLocks, encodeLock, type Lock, type LockChange, parseLock } from "@cvm-build/resolver";
import { suppliedArtifacts } from "./local-inputs.ts";
import { replaceFile } from "./replace-file.ts";
import { loadSelection } from "./selection.ts";
import { storeOf } from "./store.ts";
import { committedLockPath } from "./locking.ts";
import { resolveProfile } from "./resolving.ts";
import type { ProfileSelection, Surroundings } from "./surroundings.ts";

/** What to lock, and where to write it. */
export interface LockRequest extends ProfileSelection {
  /** Relative to where the command was typed. The profile's own `cvm.lock` unless given. */
  output?: string;
  /** Files that stand in for artefacts, by name, relative to where the command was typed. */
  artifacts: ReadonlyMap<string, string>;
}

/** What locking changed. */
export interface LockReport {
  path: string;
  packages: number;
  artifacts: number;
  /** Undefined where there was no lock before. */
  changes?: LockChange[];
}

/** Resolves a profile afresh, writes the lock, and says what changed. */
export async function lockImage(request: LockRequest, surroundings: Surroundings): Promise<LockReport> {
  const { profile } = loadSelection(request, surroundings);
  const path =
    request.output === undefined
      ? committedLockPath(profile, surroundings.directory)
      : resolve(surroundings.invocationDirectory, request.output);
  const before = lockAt(path);
  const artifacts = suppliedArtifacts(request.artifacts, { profile, surroundings });
  const lock = await resolveProfile(profile, { store: storeOf(surroundings), surroundings, artifacts });
  replaceFile(path, encodeLock(lock));
  return {
    path,
    packages: lock.packages.length,
    artifacts: lock.artifacts.length,
    ...(before && { changes: diffLocks(before, lock) }),
  };
}

/** The lock that was there. One that cannot be read is replaced as if there were none: that is how its user mends it. */
function lockAt(path: string): Lock | undefined {
  if (!existsSync(path)) return undefined;
  try {
    return parseLock(readFileSync(path, "utf8"), { file: path });
  } catch (error) {
    if (error instanceof CvmError && error.code === "lock") return undefined;
    throw error;
  }
}
