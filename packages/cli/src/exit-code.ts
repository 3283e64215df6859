import { CvmError } from "@cvm-build/bytes";
import type { StoreErrorCode } from "@cvm-build/image";

/** What the process tells its caller. */
export const EXIT = {
  done: 0,
  /** A build or a verification failed. */
  failed: 1,
  /** Wrong usage or an invalid profile. */
  usage: 2,
  /** An input could not be had or verified. */
  input: 3,
  /** A prediction and the evidence differ. */
  differs: 4,
  /** A bug of ours. */
  internal: 70,
} as const;

/** Errors of the command line and of settings; those of profile files all begin with `profile-`. */
const USAGE_CODES = ["usage", "glob", "setting", "service", "kernel-modules", "extra-tree"];

/** What the store says: mostly, that an input cannot be had or verified. */
const STORE_CODES: Readonly<Record<string, number>> = {
  offline: EXIT.input,
  unreachable: EXIT.input,
  "not-found": EXIT.input,
  "digest-mismatch": EXIT.input,
  "size-mismatch": EXIT.input,
  signature: EXIT.input,
  keyring: EXIT.input,
  expired: EXIT.input,
  "not-yet-valid": EXIT.input,
  "wrong-repository": EXIT.input,
  malformed: EXIT.input,
  "package-gone": EXIT.input,
  artifact: EXIT.input,
  "disk-full": EXIT.input,
  "store-unusable": EXIT.input,
  damaged: EXIT.input,
  // As an interruption at any other moment.
  aborted: EXIT.failed,
} satisfies Record<StoreErrorCode, number>;

/** The same, said by those that read or resolve inputs. */
const INPUT_CODES = [
  "format",
  "lock",
  "lock-missing",
  "lock-stale",
  "no-evidence",
  "no-file",
  "no-image",
  "no-such-package",
  "package",
  "tool-version",
  "unsatisfiable",
];

/** The exit code of an error that ended a command. */
export function exitCodeOf(error: unknown): number {
  if (!(error instanceof CvmError)) return EXIT.internal;
  if (USAGE_CODES.includes(error.code) || error.code.startsWith("profile-")) return EXIT.usage;
  return STORE_CODES[error.code] ?? (INPUT_CODES.includes(error.code) ? EXIT.input : EXIT.failed);
}
