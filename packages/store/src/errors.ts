import { CvmError, type CvmErrorOptions } from "@cvm-build/bytes";

/** What can go wrong with an input, all of it "an input could not be had or verified" (exit code 3). */
export const STORE_ERROR_CODES = [
  /** It is not in the store, and the network may not be used. */
  "offline",
  /** Nobody that may have it answered. */
  "unreachable",
  /** Everybody that was asked answered that it does not exist. */
  "not-found",
  /** Its bytes are not the ones that were asked for. */
  "digest-mismatch",
  /** It is longer or shorter than stated. */
  "size-mismatch",
  /** No trusted key made a good signature. */
  "signature",
  /** A keyring cannot be used. */
  "keyring",
  /** A repository's `Valid-Until` has passed. */
  "expired",
  /** A repository's `Date` is in the future. */
  "not-yet-valid",
  /** A repository is another one than asked for, or lacks a component or architecture. */
  "wrong-repository",
  /** Signed metadata or a registry's answer cannot be read. */
  "malformed",
  /** A locked package is on no mirror and in no timestamped archive any more. */
  "package-gone",
  /** An artefact is declared without what would identify its bytes. */
  "artifact",
  /** The file system of the store is full, or a quota or limit is reached. */
  "disk-full",
  /** The store's folder cannot be written. */
  "store-unusable",
  /** An object of the store is not what its name says. */
  "damaged",
  /** The caller's signal ended the work. */
  "aborted",
] as const;
export type StoreErrorCode = (typeof STORE_ERROR_CODES)[number];

/** An error of the store: an input that could not be had or verified. */
export class StoreError extends CvmError<StoreErrorCode> {
  override readonly name = "StoreError";

  constructor(code: StoreErrorCode, message: string, options: CvmErrorOptions = {}) {
    super(code, message, options);
  }
}

/** The system's code of an error (`ENOSPC`, `ECONNREFUSED`), looked for along the chain of causes. */
export function systemCodeOf(error: unknown): string | undefined {
  for (let at = error, depth = 0; at instanceof Error && depth < 8; at = at.cause, depth += 1) {
    const { code } = at as NodeJS.ErrnoException;
    if (typeof code === "string" && /^[A-Z][A-Z0-9_]+$/.test(code)) return code;
    if (at instanceof AggregateError && at.errors.length > 0) return systemCodeOf(at.errors[0]);
  }
  return undefined;
}

/** Says what happened in a word or two: the system's code where there is one, else the message of the first cause. */
export function reasonOf(error: unknown): string {
  const code = systemCodeOf(error);
  if (code !== undefined) return code;
  let first = error;
  for (let depth = 0; first instanceof Error && first.cause instanceof Error && depth < 8; depth += 1)
    first = first.cause;
  return first instanceof Error ? first.message : String(first);
}

/** Whether a call failed because that path does not exist. */
export function isMissing(error: unknown): boolean {
  const code = systemCodeOf(error);
  return code === "ENOENT" || code === "ENOTDIR";
}

/**
 * What a failed write to the store means for its user.
 * @param path what was being written
 * @returns a `StoreError` for what a user can mend, else the error itself
 */
export function writeFailure(error: unknown, path: string): unknown {
  const code = systemCodeOf(error);
  switch (code) {
    case "ENOSPC":
    case "EDQUOT":
    case "EFBIG":
      return new StoreError("disk-full", `cannot write "${path}": expected room for it, got ${code}`, {
        hint: "free some space, run `cvm-build cache prune`, or put the store elsewhere with --cache-dir",
        cause: error,
        details: { path },
      });
    case "EACCES":
    case "EPERM":
    case "EROFS":
    case "EIO":
    case "ENOTDIR":
    case "EEXIST":
      return new StoreError("store-unusable", `cannot write "${path}": expected a writable store, got ${code}`, {
        hint: "make the folder writable, or put the store elsewhere with --cache-dir",
        cause: error,
        details: { path },
      });
    default:
      return error;
  }
}
