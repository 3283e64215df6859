import { existsSync, mkdirSync, readFileSync, renameSync, writeFileSync } from "node:fs";
import { dirname, resolve } from "node:path";
import { diffLocks, encodeLock, type LockChange, parseLock } from "@cvm-build/resolver";
import { loadSelection } from "./selection.ts";
import { storeOf } from "./store.ts";
import { committedLockPath } from "./locking.ts";
import { resolveProfile } from "./resolving.ts";
import type { ProfileSelection, Surroundings } from "./surroundings.ts";

/** What to lock, and where to write it. */
export interface LockRequest extends ProfileSelection {
  /** Relative to where the command was typed. The profile's own `cvm.lock` unless given. */
  output?: string;
  /** Files that stand in for artefacts, by name. */
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
  const before = existsSync(path) ? parseLock(readFileSync(path, "utf8"), { file: path }) : undefined;
  const { artifacts } = request;
  const lock = await resolveProfile(profile, { store: storeOf(surroundings), surroundings, artifacts });
  replaceFile(path, encodeLock(lock));
  return {
    path,
    packages: lock.packages.length,
    artifacts: lock.artifacts.length,
    ...(before && { changes: diffLocks(before, lock) }),
  };
}

function replaceFile(path: string, text: string): void {
  mkdirSync(dirname(path), { recursive: true });
  const temporary = `${path}.${process.pid}.tmp`;
  writeFileSync(temporary, text, { flush: true });
  renameSync(temporary, path);
}
