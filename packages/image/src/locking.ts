import { existsSync, readFileSync } from "node:fs";
import { join, resolve } from "node:path";
import { CvmError } from "@cvm-build/bytes";
import type { Profile } from "@cvm-build/profile";
import { type Lock, parseLock } from "@cvm-build/resolver";
import { type ChangedInput, findChangedInput } from "./local-inputs.ts";
import type { OutputDirectory } from "./output.ts";
import { requestSha256 } from "./request-digest.ts";
import type { Surroundings } from "./surroundings.ts";

/** Name of a lock, in a profile's folder and beside an image. */
export const LOCK_FILE = "cvm.lock";

/** Which lock a build may use. */
export interface LockPolicy {
  /** A lock to use in place of the profile's own. */
  lockFile?: string;
  /** Refuse to resolve: a lock must exist and fit. */
  locked: boolean;
  /** Resolve afresh, whatever locks there are. */
  update: boolean;
}

/** A lock and its bytes. */
export interface ObtainedLock {
  lock: Lock;
  text: string;
  /** Where it came from: a path, or `resolved` when it was made just now. */
  origin: { kind: "file"; path: string } | { kind: "resolved" };
}

/** The folder whose `cvm.lock` belongs to this stack of profiles: the last profile's. */
export function committedLockPath(profile: Profile, directory: string): string {
  const last = profile.names.at(-1);
  return last === undefined ? join(directory, LOCK_FILE) : join(directory, "profiles", last, LOCK_FILE);
}

/** What decides which lock a build has. */
interface LockSearch {
  surroundings: Surroundings;
  output: OutputDirectory;
  policy: LockPolicy;
  /** Files that stand in for artefacts, by name, absolute. */
  supplied: ReadonlyMap<string, string>;
}

/**
 * The lock of a build, where there is one: the one asked for, the profile's own, or the one that the last build of the
 * same request left beside its image. The last is only for as long as the files that it names stay as they were.
 * @throws CvmError `lock-stale`, `lock` for one that cannot be read, `digest-mismatch` for files that are not the locked
 * ones
 */
export function findLock(
  profile: Profile,
  { surroundings, output, policy, supplied }: LockSearch,
): ObtainedLock | undefined {
  if (policy.update) return undefined;
  const { directory } = surroundings;
  const request = requestSha256(profile, directory);
  const committed = committedLockPath(profile, directory);
  const chosen = policy.lockFile ?? (existsSync(committed) ? committed : undefined);
  if (chosen !== undefined) {
    const path = resolve(surroundings.invocationDirectory, chosen);
    const text = readLockText(path);
    const lock = parseLock(text, { file: path });
    if (lock.requestSha256 !== request) throw staleLock(path, profile);
    const changed = findChangedInput(lock, { supplied, directory });
    if (changed) throw unlockedBytes(changed, { path, profile });
    return { lock, text, origin: { kind: "file", path } };
  }
  const left = lockBeside(output);
  if (left?.lock.requestSha256 !== request) return undefined;
  return findChangedInput(left.lock, { supplied, directory }) === undefined ? left : undefined;
}

/** What the last build left. A lock that another version of cvm-build wrote is no lock to this one. */
function lockBeside(output: OutputDirectory): ObtainedLock | undefined {
  const text = output.read(LOCK_FILE);
  const path = join(output.path, LOCK_FILE);
  try {
    return text === undefined
      ? undefined
      : { lock: parseLock(text, { file: path }), text, origin: { kind: "file", path } };
  } catch (error) {
    if (error instanceof CvmError && error.code === "lock") return undefined;
    throw error;
  }
}

function readLockText(path: string): string {
  try {
    return readFileSync(path, "utf8");
  } catch (cause) {
    throw new CvmError("lock-missing", `cannot read lock "${path}": expected a readable file`, { cause });
  }
}

function staleLock(path: string, profile: Profile): CvmError {
  return new CvmError(
    "lock-stale",
    `cannot use lock "${path}": expected one made for these packages and artefacts, got one made for others`,
    { hint: `run: ${lockCommand(profile)}` },
  );
}

function unlockedBytes(
  { what, path, expected, found }: ChangedInput,
  lock: { path: string; profile: Profile },
): CvmError {
  return new CvmError(
    "digest-mismatch",
    `cannot use "${path}" as ${what}: expected SHA-256 ${expected}, got ${found}`,
    {
      hint: `"${lock.path}" says so; to lock what the file is now: ${lockCommand(lock.profile)}`,
      details: { path, expected, found, lock: lock.path },
    },
  );
}

function lockCommand({ names }: Profile): string {
  return `cvm-build lock ${names.map((name) => `--profile ${name}`).join(" ")}`.trimEnd();
}

/** The error of a `--locked` build without a lock. */
export function lockMissing(profile: Profile, { directory }: Surroundings): CvmError {
  const path = committedLockPath(profile, directory);
  return new CvmError("lock-missing", `cannot build --locked: expected a lock at "${path}", got none`, {
    hint: "run cvm-build lock once and keep its cvm.lock, or give one with --lock FILE",
  });
}
