import { CvmError } from "@cvm-build/bytes";
import { STORE_ERROR_CODES } from "@cvm-build/image";

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
const USAGE_CODES = ["usage", "setting", "service", "kernel-modules", "extra-tree"];

/** Inputs that cannot be had, or are not what they should be. */
const INPUT_CODES: readonly string[] = [
  ...STORE_ERROR_CODES,
  "format",
  "lock",
  "lock-missing",
  "lock-stale",
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
  return INPUT_CODES.includes(error.code) ? EXIT.input : EXIT.failed;
}
