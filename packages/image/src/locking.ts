import { existsSync, readFileSync } from "node:fs";
import { join } from "node:path";
import { CvmError } from "@cvm-build/bytes";
import type { Profile } from "@cvm-build/profile";
import { encodeLock, type Lock, parseLock } from "@cvm-build/resolver";
import type { OutputDirectory } from "./output.ts";
import { requestSha256, resolveProfile, type ResolvingContext } from "./resolving.ts";

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

/**
 * The lock of a build: the one asked for, the profile's own, the one that the last build of the same request left
 * beside its image, or a new one.
 * @throws CvmError `lock-missing`, `lock-stale`
 */
export async function obtainLock(
  profile: Profile,
  context: ResolvingContext & { output: OutputDirectory; policy: LockPolicy },
): Promise<ObtainedLock> {
  const { surroundings, policy } = context;
  const request = requestSha256(profile, surroundings.directory);
  const committed = committedLockPath(profile, surroundings.directory);
  const chosen = policy.lockFile ?? (existsSync(committed) ? committed : undefined);
  if (chosen !== undefined && !policy.update) {
    const text = readLockText(chosen);
    const lock = parseLock(text, { file: chosen });
    if (lock.requestSha256 !== request) throw staleLock(chosen, profile);
    return { lock, text, origin: { kind: "file", path: chosen } };
  }
  const left = policy.update ? undefined : context.output.read(LOCK_FILE);
  if (left !== undefined) {
    const path = join(context.output.path, LOCK_FILE);
    const lock = parseLock(left, { file: path });
    if (lock.requestSha256 === request) return { lock, text: left, origin: { kind: "file", path } };
  }
  if (policy.locked === true) throw lockMissing(committed);
  const lock = await resolveProfile(profile, context);
  return { lock, text: encodeLock(lock), origin: { kind: "resolved" } };
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
    { hint: `run: cvm-build lock ${profile.names.map((name) => `--profile ${name}`).join(" ")}`.trimEnd() },
  );
}

function lockMissing(path: string): CvmError {
  return new CvmError("lock-missing", `cannot build --locked: expected a lock at "${path}", got none`, {
    hint: "run cvm-build lock once and keep its cvm.lock, or give one with --lock FILE",
  });
}
